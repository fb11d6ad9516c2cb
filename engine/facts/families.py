"""Facts travel as one struct per family (product, contract, link...): rows pass through a score of joins on their way,
and a join copies and compiles each column by itself, a struct at once. `flattened` takes them apart at the end.
"""

from __future__ import annotations

from collections.abc import Iterable

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.runtime.column_names import column_names


def absent(fields: Iterable[T.StructField]) -> Column:
    """A family of which nothing is known, because its table is missing: a struct of NULLs."""
    return F.struct(*(F.lit(None).cast(field.dataType).alias(field.name) for field in fields))


def flattened(rows: DataFrame, families: Iterable[str]) -> DataFrame:
    """`rows` with the fields of its families in their place."""
    names = list(families)
    return rows.select(*(name for name in column_names(rows) if name not in names), *(f"{name}.*" for name in names))
