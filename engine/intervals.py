"""Reference facts as of a date: half-open intervals `[start, end)`, open if the end is NULL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from engine.runtime.column_names import column_names

# Replace the NULL start and end of intervals in comparisons; an end of _OPEN covers that day too.
BEGINNING, _OPEN = "0001-01-01", "9999-12-31"


def start_of_quarter(quarter: Column) -> Column:
    """First day of a `YYYYQn` quarter; NULL for anything else."""
    number = F.substring(quarter, 6, 1)
    first = (
        F.when(number == "1", F.lit("-01-01"))
        .when(number == "2", F.lit("-04-01"))
        .when(number == "3", F.lit("-07-01"))
        .when(number == "4", F.lit("-10-01"))
    )
    year = F.nullif(F.substring(quarter, 1, 4), F.lit("0000"))
    return F.concat(year, first).try_cast("date")


def quarter_of(day: Column) -> Column:
    """The quarter of a day as `YYYYQn`; placeholder dates have one like any other day."""
    return F.concat(F.lpad(F.year(day).cast("string"), 4, "0"), F.lit("Q"), F.quarter(day).cast("string"))


def quarter_index(day: Column) -> Column:
    """The quarter of a day as a running number, so quarters can be subtracted."""
    return F.year(day) * 4 + F.quarter(day)


def quarter_index_of(quarter: Column) -> Column:
    """The running number of a `YYYYQn` quarter, as `quarter_index`."""
    return F.substring(quarter, 1, 4).cast("int") * 4 + F.substring(quarter, 6, 1).cast("int")


def covers(day: Column, start: Column, end: Column) -> Column:
    """Whether `day` is in `[start, end)`; never NULL for a known day."""
    return F.coalesce(start <= day, F.lit(True)) & F.coalesce(day < end, F.lit(True))


def join_own_and_general(
    rows: DataFrame,
    policies: DataFrame,
    *,
    own: str,
    own_key: Mapping[str, Column],
    general_key: Mapping[str, Column],
    values: Mapping[str, Column],
) -> DataFrame:
    """`rows` with own_policy and general_policy, structs of `values` of the policy at the date of service (see
    `join_as_of`): own if the policy's column `own` names whom it is for, general if that is NULL, for all.
    """
    for into, which, key in (
        ("own_policy", F.col(own).isNotNull(), own_key),
        ("general_policy", F.col(own).isNull(), general_key),
    ):
        rows = join_as_of(
            rows,
            policies.where(which),
            key=key,
            day=F.col("date_of_service"),
            start=F.col("begin_date"),
            end=F.col("end_date"),
            values=values,
            into=into,
        )
    return rows


def join_as_of(
    rows: DataFrame,
    reference: DataFrame,
    *,
    key: Mapping[str, Column],
    day: Column,
    start: Column,
    end: Column,
    values: Mapping[str, Column],
    into: str,
    tie_break: Sequence[Column] = (),
) -> DataFrame:
    """`rows` with `into`, a struct of `values` of the reference row whose interval covers `day`, NULL if none does.

    `key`: reference column and the row's own value for it; NULL matches nothing. Of several rows that cover the day the
    one that starts last is taken, then by `tie_break` and by value, so that nothing fans out and no order matters.
    The reference is broadcast as intervals that do not overlap: a row matches one of them at most.
    """
    keys = {name: f"reference_{name}" for name in key}
    intervals = reference.select(
        *(F.col(name).alias(alias) for name, alias in keys.items()),
        F.coalesce(start, F.lit(BEGINNING).cast("date")).alias("reference_from"),
        F.coalesce(end, F.lit(_OPEN).cast("date")).alias("reference_to"),
        F.struct(*tie_break, F.struct(*(column.alias(name) for name, column in values.items())).alias(into)).alias(
            "reference_ranked"
        ),
    ).where(" and ".join(f"{alias} is not null" for alias in keys.values()))
    disjoint = _without_overlaps(intervals, [*keys.values()]).select(
        *keys.values(), "reference_from", "reference_to", f"reference_ranked.{into}"
    )
    is_before_end = (day < F.col("reference_to")) | (F.col("reference_to") == F.lit(_OPEN).cast("date"))
    covers_day = (F.col("reference_from") <= day) & is_before_end
    equal = [value == F.col(keys[name]) for name, value in key.items()]
    joined = rows.join(F.broadcast(disjoint), on=[*equal, covers_day], how="left")
    return joined.select(*column_names(rows), into)


def join_product(
    rows: DataFrame, products: DataFrame, *, ndc11: Column, day: Column, values: Mapping[str, Column], into: str
) -> DataFrame:
    """`join_as_of` for conformed `products`: the record of the NDC-11 in force on `day`, the latest snapshot first."""
    return join_as_of(
        rows,
        products,
        key={"ndc11": ndc11},
        day=day,
        start=F.col("valid_from"),
        end=F.col("valid_to"),
        values=values,
        into=into,
        tie_break=[F.col("snapshot_date")],
    )


def _without_overlaps(intervals: DataFrame, keys: list[str]) -> DataFrame:
    """The same answer for every day in intervals that do not overlap: where several cover a day, the one that wins.

    An interval ends where the next of its key begins. That is all there is to it, unless an earlier one outlasts a
    later one and so comes back after it: such keys, which are rare, are cut at every start and end.
    """
    in_order = Window.partitionBy(*keys).orderBy("reference_from", "reference_ranked", "reference_to")
    earlier = in_order.rowsBetween(Window.unboundedPreceding, -1)
    seen = intervals.withColumns(
        {
            "next_from": F.lead("reference_from").over(in_order),
            "is_outlasted": F.max("reference_to").over(earlier) > F.col("reference_to"),
        }
    ).withColumn("comes_back", F.coalesce(F.bool_or("is_outlasted").over(Window.partitionBy(*keys)), F.lit(False)))
    until_next = F.least("reference_to", "next_from")
    cut = seen.where(~F.col("comes_back")).withColumn("reference_to", until_next)
    return (
        cut.select(column_names(intervals))
        .unionByName(_cut_everywhere(seen.where("comes_back").select(column_names(intervals)), keys))
        .where(F.col("reference_from") < F.col("reference_to"))
    )


def _cut_everywhere(intervals: DataFrame, keys: list[str]) -> DataFrame:
    """One row for each stretch between two neighboring starts or ends of a key, holding the interval that wins."""
    interval = F.struct("reference_from", "reference_ranked", "reference_to")
    by_key = intervals.groupBy(*keys).agg(F.sort_array(F.collect_list(interval), asc=False).alias("latest_first"))
    ends = F.concat("latest_first.reference_from", "latest_first.reference_to")
    by_end = by_key.withColumn("ends", F.array_sort(F.array_distinct(ends))).select(
        *keys, "latest_first", "ends", F.posexplode("ends").alias("place", "stretch_from")
    )
    winner = F.filter(
        "latest_first",
        lambda each: (each["reference_from"] <= F.col("stretch_from")) & (F.col("stretch_from") < each["reference_to"]),
    )
    return by_end.withColumn("winner", F.get(winner, F.lit(0))).select(
        *keys,
        F.col("stretch_from").alias("reference_from"),
        F.when(F.col("winner").isNotNull(), F.get("ends", F.col("place") + 1)).alias("reference_to"),
        F.col("winner.reference_ranked").alias("reference_ranked"),
    )
