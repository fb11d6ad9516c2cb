"""The last decision counts, up to the day of the run, under any order of rows."""

from __future__ import annotations

from datetime import date, datetime

from engine.findings import judged_findings

DECISIONS = [
    ("f1", datetime(2026, 9, 1, 8), "DISMISS", "RANDOM"),
    ("f1", datetime(2026, 9, 2, 8), "DISPUTE", "QUEUE"),
    ("f1", datetime(2026, 10, 1, 8), "PAY", "QUEUE"),  # after the day of the run
    ("f2", datetime(2026, 9, 3, 8), "DISMISS", "RANDOM"),
    ("f3", datetime(2026, 9, 29, 8), "DISPUTE", "QUEUE"),
    ("f3", datetime(2026, 9, 30, 23, 59), "WATCH", None),  # says neither that it was right nor that it was not
    ("f4", datetime(2026, 9, 1, 8), "DISPUTE", None),
]


def test_the_last_decision_up_to_the_day_of_the_run_counts(spark):
    schema = "finding_id string, decided_at timestamp, decision string, selection string"
    for decisions in (DECISIONS, DECISIONS[::-1]):
        given = spark.createDataFrame(decisions, schema).repartition(3)
        found = judged_findings(given, date(2026, 9, 30))
        assert sorted(map(tuple, found.collect())) == [
            ("f1", True, False),
            ("f2", False, True),
            ("f4", True, False),
        ]
