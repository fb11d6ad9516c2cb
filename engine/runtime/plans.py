"""Plans that an engine would otherwise get wrong."""

from __future__ import annotations

from pyspark.sql import DataFrame

from engine.runtime.kinds import is_classic

_ALL = 2**31 - 1


def before_lambda_filter(rows: DataFrame) -> DataFrame:
    """The same rows, of which there are fewer than 2**31, for a filter whose condition has a lambda.

    The embedded engine pushes such a filter into the scan of a Parquet file and then finds none of its columns; no
    filter passes a limit.
    """
    return rows if is_classic(rows.sparkSession) else rows.limit(_ALL)
