"""The first rows of every file, read without reading the rest."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession

_OPEN_COST = "spark.sql.files.openCostInBytes"
_SPLIT_SIZE = "spark.sql.files.maxPartitionBytes"


def first_rows(rows: DataFrame, per_file: int) -> DataFrame:
    """At most `per_file` rows of every part in which the rows are read, in the order of the part.

    Within `one_file_per_part` a part is a file, or a stretch of a large one.
    """

    def taken(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        left = per_file
        for batch in batches:
            yield batch.slice(0, left)
            left -= batch.num_rows
            if left <= 0:
                return

    return rows.mapInArrow(taken, rows.schema)


@contextmanager
def one_file_per_part(spark: SparkSession) -> Iterator[None]:
    """Small files are read in parts of their own, which otherwise share one. Holds for what runs in the block."""
    before = spark.conf.get(_OPEN_COST)
    spark.conf.set(_OPEN_COST, str(spark.conf.get(_SPLIT_SIZE)))
    try:
        yield
    finally:
        spark.conf.set(_OPEN_COST, str(before))
