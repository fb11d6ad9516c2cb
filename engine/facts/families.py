"""Facts are passed on as one struct per family (product, contract, link and so on).

Rows pass through about twenty joins, and a join copies and compiles each column separately, but a struct at once.
`flattened` unpacks the structs at the end.
"""

from __future__ import annotations

from collections.abc import Iterable

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.runtime.column_names import column_names


def absent(fields: Iterable[T.StructField]) -> Column:
    """A family whose table is missing: a struct of NULLs."""
    return F.struct(*(F.lit(None).cast(field.dataType).alias(field.name) for field in fields))


def flattened(rows: DataFrame, families: Iterable[str]) -> DataFrame:
    """`rows` with the fields of `families` in place of the structs."""
    names = list(families)
    return rows.select(*(name for name in column_names(rows) if name not in names), *(f"{name}.*" for name in names))
