"""Intermediate results that a step writes, so that the engine plans what follows without them."""

from __future__ import annotations

from collections.abc import Callable

from pyspark.sql import DataFrame

# Writes an intermediate result under a name and returns it as read back.
Keep = Callable[[str, DataFrame], DataFrame]


def kept_in_place(_: str, rows: DataFrame) -> DataFrame:
    """Keep a result in the session; for tests and samples."""
    return rows.localCheckpoint()
