"""Rows in order, all at once and in ranges of values."""

from __future__ import annotations

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from engine.runtime.fetching import batches_in_order, falling_ranges

VALUES = {
    "ties and nulls": [3.5, None, 1.0, 3.5, 3.5, -2.0, 0.0, None, 7.25, 1.0],
    "one value": [1.0] * 9,
    "nulls alone": [None] * 5,
    "none": [],
    "rising": [float(number) for number in range(23)],
}


@pytest.mark.parametrize("case", VALUES)
@pytest.mark.parametrize("partitions", [1, 2, 3, 7])
def test_ranges_together_are_all_rows_in_order(spark: SparkSession, case: str, partitions: int) -> None:
    rows = [(value, f"{number:02d}") for number, value in enumerate(VALUES[case])]
    frame = spark.createDataFrame(rows, "value double, id string").repartition(3)
    order = [F.col("value").desc(), F.col("id").asc()]
    read = [
        (row["value"], row["id"])
        for part in falling_ranges(frame, "value", partitions)
        for batch in batches_in_order(part, order, partitions)
        for row in batch.to_pylist()
    ]
    assert read == sorted(rows, key=lambda row: (row[0] is None, -(row[0] or 0.0), row[1]))
