"""What other rows say of flagged claims: rows of a feed that share a key with one, added up.

Only rows of keys that flagged claims hold are exchanged, and they are added up before. A window of quarters ends before
the quarter of service, so that it never holds the claim itself nor anything that came later.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from engine.runtime.column_names import column_names
from engine.runtime.expressions import all_of, divide

TRAILING_QUARTERS = 4
SERVICE_QUARTER = "service_quarter"  # of every row with a history: the number of its quarter of service


def near(
    asked: DataFrame, events: DataFrame | None, keys: Sequence[str], may_be_null: Sequence[str] = ()
) -> DataFrame | None:
    """The `events` that agree with one of the flagged claims in all `keys`; NULL equals NULL in keys that `may_be_null`
    alone.

    `asked`: the flagged claims as they were read, not as they have become, so that no step repeats those before it.
    """
    if events is None:
        return None
    wanted = _renamed(asked.where(_are_known(keys, may_be_null)), keys).distinct()
    return events.join(F.broadcast(wanted), on=_same(keys, may_be_null), how="left_semi")


def with_history(
    rows: DataFrame,
    events: DataFrame | None,
    keys: Sequence[str],
    by: Mapping[str, Column],
    into: str,
    sums: Mapping[str, Column] | None = None,
    may_be_null: Sequence[str] = (),
    most: int | None = None,
) -> DataFrame:
    """`rows` with `into`: one struct per combination of `by` among the events `near` a row, with n, their number, and
    further `sums` over them; in no order.

    An empty array where there are none; NULL where a key is not known or `events` is None, and where there are more
    than `most`: every row of the key gets the whole array, so their number would grow with the square of the key's.
    `most` is needed where `by` is not bounded by itself, as quarters are.
    """
    wanted = {"n": F.count(F.lit(1)), **(sums or {})}
    if events is None:
        return rows.withColumn(into, F.lit(None).cast("array<struct<n:bigint>>"))
    added_up = events.groupBy(*keys, *(column.alias(name) for name, column in by.items())).agg(
        *(column.alias(name) for name, column in wanted.items())
    )
    entry = F.struct(*by, *wanted)
    by_key = _renamed(added_up, keys, entry.alias(into)).groupBy(*(f"asked_{key}" for key in keys))
    entries = F.collect_list(into)
    if most is not None:
        entries = F.when(F.count(F.lit(1)) <= most, entries)
    collected = by_key.agg(entries.alias(into), F.lit(True).alias("has_entries"))
    joined = rows.join(collected, on=_same(keys, may_be_null), how="left")  # one row per key
    found = F.when(F.col("has_entries"), F.col(into)).otherwise(F.array())
    return joined.select(*column_names(rows), F.when(_are_known(keys, may_be_null), found).alias(into))


def before(history: str) -> Column:
    """Entries (with `quarter`) of the quarters before that of service."""
    return F.filter(history, lambda entry: (F.col(SERVICE_QUARTER) - entry["quarter"]).between(1, TRAILING_QUARTERS))


def added_up(entries: Column, name: str, kind: str = "bigint") -> Column:
    """Sum over an array; NULL where one is not known. Never in floating point, so that no order of rows changes it."""
    return F.aggregate(entries, F.lit(0).cast(kind), lambda total, entry: (total + entry[name]).cast(kind))


def share(entries: Column, part: str, whole: str = "n") -> Column:
    """Of the whole in an array the part; NULL where the whole is nothing."""
    return divide(added_up(entries, part).cast("double"), added_up(entries, whole).cast("double"))


def with_is_linked(claims: DataFrame | None, links_340b: DataFrame | None) -> DataFrame | None:
    """`claims` with is_linked: whether a 340B claim was found for the row."""
    if claims is None or links_340b is None:
        return None
    linked = links_340b.select(F.col("source_row_id").alias("linked_row_id"))
    joined = claims.join(linked, on=F.col("source_row_id") == F.col("linked_row_id"), how="left")  # one link per row
    return joined.withColumn("is_linked", F.col("linked_row_id").isNotNull())


def _renamed(rows: DataFrame, keys: Sequence[str], *more: Column) -> DataFrame:
    return rows.select(*(F.col(key).alias(f"asked_{key}") for key in keys), *more)


def _same(keys: Sequence[str], may_be_null: Sequence[str]) -> list[Column]:
    return [
        F.col(key).eqNullSafe(F.col(f"asked_{key}")) if key in may_be_null else F.col(key) == F.col(f"asked_{key}")
        for key in keys
    ]


def _are_known(keys: Sequence[str], may_be_null: Sequence[str]) -> Column:
    return all_of(F.col(key).isNotNull() for key in keys if key not in may_be_null)
