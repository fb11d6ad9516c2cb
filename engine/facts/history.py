"""Aggregates over other rows: rows of a feed that share a key with a flagged claim.

Only rows with a key of a flagged claim are shuffled, and they are aggregated first. A window of quarters ends before
the quarter of service, so it never contains the claim itself or anything later.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from engine.runtime.column_names import column_names
from engine.runtime.expressions import all_of, divide

TRAILING_QUARTERS = 4
SERVICE_QUARTER = "service_quarter"  # number of the quarter of service, in every row with a history


def near(
    flagged: DataFrame, events: DataFrame | None, keys: Sequence[str], may_be_null: Sequence[str] = ()
) -> DataFrame | None:
    """The `events` that match one of the flagged claims in all `keys`.

    NULL equals NULL only in keys listed in `may_be_null`. `flagged`: the flagged claims as they were read, before any
    later step, so Spark does not repeat the steps before this one.
    """
    if events is None:
        return None
    wanted = _renamed(flagged.where(_are_known(keys, may_be_null)), keys).distinct()
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
    """Add `into` to `rows`: one struct per combination of `by` among the events with the row's key.

    Each struct contains n, the number of events, and further `sums` over them; the order is undefined. The array is
    empty if there are no events; NULL if a key is not known, if `events` is None, or if there are more than `most`
    combinations. Every row of a key gets the complete array, so the total size would grow with the square of the key's
    rows; `most` is required unless `by` has few values, as quarters do.
    """
    wanted = {"n": F.count(F.lit(1)), **(sums or {})}
    if events is None:
        return rows.withColumn(into, F.lit(None).cast("array<struct<n:bigint>>"))
    added_up = events.groupBy(*keys, *(column.alias(name) for name, column in by.items())).agg(
        *(column.alias(name) for name, column in wanted.items())
    )
    entry = F.struct(*by, *wanted)
    by_key = _renamed(added_up, keys, entry.alias(into)).groupBy(*(f"key_{key}" for key in keys))
    entries = F.collect_list(into)
    if most is not None:
        entries = F.when(F.count(F.lit(1)) <= most, entries)
    collected = by_key.agg(entries.alias(into), F.lit(True).alias("has_entries"))
    joined = rows.join(collected, on=_same(keys, may_be_null), how="left")  # one row per key
    present = F.when(F.col("has_entries"), F.col(into)).otherwise(F.array())
    return joined.select(*column_names(rows), F.when(_are_known(keys, may_be_null), present).alias(into))


def before(history: str) -> Column:
    """The entries (with `quarter`) of the quarters before the quarter of service."""
    return F.filter(history, lambda entry: (F.col(SERVICE_QUARTER) - entry["quarter"]).between(1, TRAILING_QUARTERS))


def added_up(entries: Column, name: str, kind: str = "bigint") -> Column:
    """Sum over an array; NULL if one value is not known. Never in floating point, so row order does not matter."""
    return F.aggregate(entries, F.lit(0).cast(kind), lambda total, entry: (total + entry[name]).cast(kind))


def share(entries: Column, part: str, total: str = "n") -> Column:
    """The share of `part` in `total`, each summed over an array; NULL if the denominator is zero."""
    return divide(added_up(entries, part).cast("double"), added_up(entries, total).cast("double"))


def with_is_linked(claims: DataFrame | None, links_340b: DataFrame | None) -> DataFrame | None:
    """Add is_linked to `claims`: whether the row was linked to a 340B claim."""
    if claims is None or links_340b is None:
        return None
    linked = links_340b.select(F.col("source_row_id").alias("linked_row_id"))
    joined = claims.join(linked, on=F.col("source_row_id") == F.col("linked_row_id"), how="left")  # one link per row
    return joined.withColumn("is_linked", F.col("linked_row_id").isNotNull())


def _renamed(rows: DataFrame, keys: Sequence[str], *more: Column) -> DataFrame:
    return rows.select(*(F.col(key).alias(f"key_{key}") for key in keys), *more)


def _same(keys: Sequence[str], may_be_null: Sequence[str]) -> list[Column]:
    return [
        F.col(key).eqNullSafe(F.col(f"key_{key}")) if key in may_be_null else F.col(key) == F.col(f"key_{key}")
        for key in keys
    ]


def _are_known(keys: Sequence[str], may_be_null: Sequence[str]) -> Column:
    return all_of(F.col(key).isNotNull() for key in keys if key not in may_be_null)
