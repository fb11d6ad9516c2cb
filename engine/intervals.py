"""Reference facts as of a date: half-open intervals `[start, end)`, an open end where it is NULL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F


def start_of_quarter(quarter: Column) -> Column:
    """First day of a `YYYYQn` quarter."""
    month = (F.substring(quarter, 6, 1).cast("int") - 1) * 3 + 1
    return F.make_date(F.substring(quarter, 1, 4).cast("int"), month, F.lit(1))


def quarter_of(day: Column) -> Column:
    return F.concat(F.year(day).cast("string"), F.lit("Q"), F.quarter(day).cast("string"))


def covers(day: Column, start: Column, end: Column) -> Column:
    """Whether `day` lies in `[start, end)`; never NULL for a known day."""
    return F.coalesce(start <= day, F.lit(True)) & F.coalesce(day < end, F.lit(True))


def join_as_of(
    rows: DataFrame,
    reference: DataFrame,
    *,
    key: Mapping[str, Column],
    day: Column,
    start: Column,
    end: Column,
    values: Mapping[str, Column],
    tie_break: Sequence[Column] = (),
) -> DataFrame:
    """`rows` with `values` of the reference row whose interval covers `day`; NULL where there is none.

    `key`: reference column and the row's own value for it; NULL meets nothing. Of several rows that cover the day the
    one that starts last is taken, then by `tie_break` and by value, so that nothing fans out and no order matters.
    The reference is broadcast: one row per key with its intervals.
    """
    interval = F.struct(
        F.coalesce(start, F.lit("0001-01-01").cast("date")).alias("from"),
        *(column.alias(f"order_{number}") for number, column in enumerate(tie_break)),
        end.alias("to"),
        *(column.alias(name) for name, column in values.items()),
    )
    names = {name: f"reference_{name}" for name in key}
    by_key = (
        reference.select(*(F.col(name).alias(alias) for name, alias in names.items()), interval.alias("interval"))
        .where(" and ".join(f"{alias} is not null" for alias in names.values()))
        .groupBy(*names.values())
        .agg(F.sort_array(F.collect_set("interval"), asc=False).alias("intervals"))
    )
    equal = [value == F.col(names[name]) for name, value in key.items()]
    joined = rows.join(F.broadcast(by_key), on=equal, how="left")  # one row per key: no fan-out
    covering = F.filter("intervals", lambda interval: covers(day, interval["from"], interval["to"]))
    first = F.get(covering, F.lit(0))
    return joined.select(*rows.columns, *(first[name].alias(name) for name in values))
