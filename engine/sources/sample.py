"""The first rows of every file, read without reading the rest."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession

_SPLIT_SIZE = "spark.sql.files.maxPartitionBytes"
_SHUFFLE_PARTITIONS = "4"


def first_rows(rows: DataFrame, per_file: int) -> DataFrame:
    """At most `per_file` rows of every partition of the input, in its order.

    Within `sampling` a partition is a file, or a section of a large one.
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
def sampling(spark: SparkSession) -> Iterator[None]:
    """Give every small file its own partition (otherwise several share one) and set shuffles up for few rows.

    Applies to queries that run in the block.
    """
    wanted = {
        "spark.sql.files.openCostInBytes": str(spark.conf.get(_SPLIT_SIZE)),
        "spark.sql.shuffle.partitions": _SHUFFLE_PARTITIONS,
    }
    before = {name: str(spark.conf.get(name)) for name in wanted}
    try:
        for name, value in wanted.items():
            spark.conf.set(name, value)
        yield
    finally:
        for name, value in before.items():
            spark.conf.set(name, value)
