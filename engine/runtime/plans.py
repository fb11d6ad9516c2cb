"""Workarounds for plans that an engine executes wrongly."""

from __future__ import annotations

from pyspark.sql import DataFrame

from engine.runtime.kinds import is_classic

_ALL = 2**31 - 1


def before_lambda_filter(rows: DataFrame) -> DataFrame:
    """The same rows (fewer than 2**31), ready for a filter with a lambda in its condition.

    The embedded engine pushes such a filter into the scan of a Parquet file and then resolves none of its columns; a
    limit prevents that.
    """
    return rows if is_classic(rows.sparkSession) else rows.limit(_ALL)
