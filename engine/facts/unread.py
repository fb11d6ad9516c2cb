"""Quarantined rebate claims that may belong to a row: they could not be read, so they are not missing."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from engine.runtime.column_names import column_names

_SUM = "decimal(38,3)"


def with_unread_rows(
    rows: DataFrame, unread: DataFrame | None, scope: tuple[str, ...], since: Column | None = None
) -> DataFrame:
    """Add unread_rows and unread_units (NDC units that are readable) to `rows`; zero if there are none.

    `rows`: one per source_row_id. `unread`: the result of `prepare.unread_claims`; None: nothing is quarantined. A
    quarantined row may belong to every row with the same values in the columns of `scope`, as far as they can be read.
    `since`: only rows of this period and later, or of a period that cannot be read.
    """
    if unread is None:
        return rows.withColumns({"unread_rows": F.lit(0).cast("long"), "unread_units": F.lit(0).cast(_SUM)})
    keys = [*scope, *(["period"] if since is not None and "period" not in scope else [])]
    summed = unread.groupBy(*(F.col(name).alias(f"unread_{name}") for name in keys)).agg(
        F.count(F.lit(1)).alias("found_rows"), F.coalesce(F.sum("units"), F.lit(0)).cast(_SUM).alias("found_units")
    )
    # A row is joined to unread rows that have all of its own values, and to those that lack any of them: null-safe
    # equality on each combination.
    combinations = [
        F.struct(
            *(F.when(F.lit(bool(known >> place & 1)), F.col(name)).alias(name) for place, name in enumerate(scope))
        )
        for known in range(2 ** len(scope))
    ]
    looking = rows.select(
        F.col("source_row_id").alias("looking_row_id"),
        (F.lit(None).cast("string") if since is None else since).alias("since"),
        F.explode(F.array_distinct(F.array(*combinations))).alias("scope"),
    )
    same = [F.col(f"scope.{name}").eqNullSafe(F.col(f"unread_{name}")) for name in scope]
    if since is not None:
        same.append(F.coalesce(F.col("unread_period") >= F.col("since"), F.lit(True)))
    counts = (
        looking.join(summed, on=same, how="inner")
        .groupBy("looking_row_id")
        .agg(F.sum("found_rows").alias("found_rows"), F.sum("found_units").alias("found_units"))
    )
    joined = rows.join(counts, on=F.col("source_row_id") == F.col("looking_row_id"), how="left")  # one row per row
    return joined.select(
        *column_names(rows),
        F.coalesce("found_rows", F.lit(0)).cast("long").alias("unread_rows"),
        F.coalesce("found_units", F.lit(0)).cast(_SUM).alias("unread_units"),
    )
