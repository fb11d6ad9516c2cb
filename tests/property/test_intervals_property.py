"""Joining as of a day, beside the obvious way: look at every reference row."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from hypothesis import strategies as st
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from engine.intervals import join_as_of
from tests.property.worlds import worlds

FIRST = date(2025, 1, 1)
DAYS = 12
WORLDS = 60
REFERENCE = "key string, start date, end date, rank int, value string"

day = st.integers(0, DAYS).map(lambda n: FIRST + timedelta(days=n))
reference_row = st.tuples(
    st.sampled_from(["a", "b", None]), st.none() | day, st.none() | day, st.integers(1, 2), st.sampled_from("xyz")
)


def value_on(when: date | None, key: str | None, reference: list[tuple[Any, ...]]) -> str | None:
    """Of the rows that cover the day: the latest start, then the highest rank, then the greatest value."""
    covering = [
        (start or date.min, rank, value)
        for of_key, start, end, rank, value in reference
        if None not in (key, when)
        and of_key == key
        and (start is None or start <= when)
        and (end is None or when < end)
    ]
    return max(covering)[2] if covering else None


def values_found(
    spark: SparkSession, rows: list[tuple[Any, ...]], reference: list[tuple[Any, ...]]
) -> list[tuple[Any, ...]]:
    """(key, day, value) of each row, as `join_as_of` finds it."""
    joined = join_as_of(
        spark.createDataFrame(rows, "of string, day date"),
        spark.createDataFrame(reference, REFERENCE),
        key={"key": F.col("of")},
        day=F.col("day"),
        start=F.col("start"),
        end=F.col("end"),
        values={"value": F.col("value")},
        into="found",
        tie_break=[F.col("rank")],
    )
    return [(row["of"], row["day"], row["found"] and row["found"]["value"]) for row in joined.collect()]


def test_every_day_meets_the_interval_that_starts_last(spark: SparkSession, seed: int) -> None:
    days = [None, *(FIRST + timedelta(days=n) for n in range(-1, DAYS + 2))]
    rows, reference, expected = [], [], []
    for number, world in enumerate(worlds(st.lists(reference_row, max_size=12), WORLDS, seed)):
        own = [(key and f"{key}{number}", *rest) for key, *rest in world]
        asked = [(key and f"{key}{number}", when) for key in ("a", "b", "c", None) for when in days]
        expected += [(key, when, value_on(when, key, own)) for key, when in asked]
        rows += asked
        reference += own
    assert sorted(values_found(spark, rows, reference), key=repr) == sorted(expected, key=repr)


def test_a_long_interval_comes_back_after_a_short_one_that_began_later(spark: SparkSession) -> None:
    reference = [
        ("a", date(2025, 1, 1), None, 1, "always"),
        ("a", date(2025, 1, 3), date(2025, 1, 5), 1, "for a while"),
    ]
    days = [date(2025, 1, n) for n in (2, 3, 4, 5)]
    found = {when: value for _, when, value in values_found(spark, [("a", when) for when in days], reference)}
    assert [found[when] for when in days] == ["always", "for a while", "for a while", "always"]
