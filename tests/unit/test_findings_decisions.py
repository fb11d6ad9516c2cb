"""The last decision counts, up to the day of the run, under any order of rows; answers go before it."""

from __future__ import annotations

from datetime import date, datetime

from engine.findings import as_reviewed, judged_findings, reviewed_findings

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


ANSWERED, LATER = date(2026, 9, 20), date(2026, 9, 25)
OUTCOMES = [
    ("f4", None, ANSWERED, "REJECTED", None),  # disputed, and wrongly
    ("f2", None, ANSWERED, "ACCEPTED", None),  # dismissed, and wrongly
    ("f3", None, ANSWERED, "PARTIAL", None),  # on WATCH: no decision that counts
    ("f5", None, ANSWERED, "ACCEPTED", None),  # never decided here
    ("f5", None, LATER, "PARTIAL", 0.0),  # the last one counts, and credits nothing
    ("f5", None, date(2026, 10, 1), "ACCEPTED", None),  # after the day of the run
    ("f1", None, LATER, "NO_ANSWER", None),
    (None, "case 1", LATER, "ACCEPTED", None),
]


def test_findings_are_reviewed_by_answers_then_decisions_and_stand_as_they_stood_then(spark):
    decisions = spark.createDataFrame(
        DECISIONS, "finding_id string, decided_at timestamp, decision string, selection string"
    )
    outcomes = spark.createDataFrame(
        OUTCOMES, "finding_id string, case_id string, answered_on date, answer string, units_credited double"
    )
    reviewed = reviewed_findings(decisions, outcomes, date(2026, 9, 30))
    found = spark.createDataFrame(
        [
            *[(finding, run) for finding in ("f1", "f2", "f4", "f9") for run in ("a", "b", "c")],
            ("f3", "c"),
            ("f5", "a"),
            ("f5", "b"),
        ],
        "finding_id string, run_id string",
    )
    days = {"a": date(2026, 9, 1), "b": date(2026, 9, 2), "c": date(2026, 9, 30)}
    runs = spark.createDataFrame(
        [(name, number, day) for number, (name, day) in enumerate(days.items(), start=1)],
        "run_id string, run_number bigint, run_day date",
    )
    assert [row["finding_id"] for row in reviewed_findings(decisions, None, date(2026, 9, 30)).collect()] == ["f2"]
    stood = as_reviewed(found.repartition(3), reviewed, runs).select("finding_id", "is_valid", "is_random", "run_id")
    assert sorted(map(tuple, stood.collect())) == [
        ("f2", True, True, "b"),  # f1 was decided in the queue, and not answered
        ("f3", True, False, "c"),
        ("f4", False, False, "a"),
        ("f5", False, False, "a"),  # no decision: the first run
    ]
