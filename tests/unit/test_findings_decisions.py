"""The last decision counts, up to the day of the run, under any order of rows."""

from __future__ import annotations

from datetime import date, datetime

from pyspark.sql import functions as F

from engine.findings import decided_rows

DECISIONS = [
    ("f1", datetime(2026, 9, 1, 8), "DISMISS", "RANDOM"),
    ("f1", datetime(2026, 9, 2, 8), "DISPUTE", "QUEUE"),
    ("f1", datetime(2026, 10, 1, 8), "PAY", "QUEUE"),  # after the day of the run
    ("f2", datetime(2026, 9, 3, 8), "DISPUTE", "QUEUE"),
    ("f2", datetime(2026, 9, 3, 8), "DISMISS", "QUEUE"),  # at one moment: the first in the order of words
    ("f3", datetime(2026, 9, 30, 23, 59), "WATCH", None),
    ("f4", datetime(2026, 9, 1, 8), "DISPUTE", "QUEUE"),  # on no row of this input
]


def test_decisions_are_told_of_the_rows_they_are_about(spark):
    rows = spark.createDataFrame(
        [("r1", "f1"), ("r2", "f2"), ("r3", "f3"), ("r5", "f5")], "source_row_id string, id string"
    )
    schema = "finding_id string, decided_at timestamp, decision string, selection string"
    for decisions in (DECISIONS, DECISIONS[::-1]):
        given = spark.createDataFrame(decisions, schema).repartition(3)
        found = decided_rows(rows, F.col("id"), given, date(2026, 9, 30))
        assert sorted(map(tuple, found.collect())) == [
            ("r1", "DISPUTE", "QUEUE"),
            ("r2", "DISMISS", "QUEUE"),
            ("r3", "WATCH", None),
        ]
