"""Placeholder dates: unchanged, no bound, nothing computed from them; no date leaves the years 1 to 9999."""

from __future__ import annotations

from datetime import date

import pytest
from pyspark.sql import Row, SparkSession
from pyspark.sql import functions as F

from engine.contracts.columns import PLACEHOLDER_DATES, Kind, Table
from engine.contracts.tables import TABLES
from engine.dates import add_days, add_months, days_between, known_day
from engine.intervals import join_as_of, quarter_of, start_of_quarter
from engine.prepare import conform
from tests.unit.prepare_rows import AS_OF, received

ISO = ("0001-01-01", "1753-01-01", "1900-01-01", "9999-12-31")
DAY = date(2025, 8, 14)
WITH_DATES = [table for table in TABLES.values() if any(c.kind is Kind.DATE for c in table.columns)]


def test_the_placeholders_are_those_of_the_contract() -> None:
    assert tuple(day.isoformat() for day in PLACEHOLDER_DATES) == ISO


@pytest.fixture(scope="module")
def computed(spark: SparkSession) -> dict[str | None, Row]:
    days = [*ISO, "2025-08-14", "2024-02-29", "9999-12-30", "0001-01-02", None]
    rows = spark.createDataFrame([(day,) for day in days], "text string").withColumn("day", F.col("text").cast("date"))
    other = F.lit(DAY)
    return {
        row["text"]: row
        for row in rows.select(
            "text",
            known_day(F.col("day")).alias("known"),
            add_days(F.col("day"), 37).alias("later"),
            add_days(F.col("day"), -2).alias("before"),
            add_months(F.col("day"), 12).alias("next_year"),
            days_between(F.col("day"), other).alias("since"),
            days_between(other, F.col("day")).alias("until"),
            quarter_of(F.col("day")).alias("quarter"),
        ).collect()
    }


@pytest.mark.parametrize("day", ISO)
def test_nothing_is_computed_from_a_placeholder(computed: dict[str | None, Row], day: str) -> None:
    row = computed[day]
    assert [row[name] for name in ("known", "later", "before", "next_year", "since", "until")] == [None] * 6


def test_other_days_are_counted_as_the_calendar_does(computed: dict[str | None, Row]) -> None:
    row = computed["2025-08-14"]
    assert (row["later"], row["before"], row["next_year"]) == (date(2025, 9, 20), date(2025, 8, 12), date(2026, 8, 14))
    assert (row["since"], row["until"], row["known"]) == (0, 0, DAY)
    leap = computed["2024-02-29"]
    assert (leap["next_year"], leap["since"], leap["until"]) == (date(2025, 2, 28), -532, 532)


def test_no_result_leaves_the_calendar(computed: dict[str | None, Row]) -> None:
    last, first = computed["9999-12-30"], computed["0001-01-02"]
    assert (last["later"], last["next_year"], last["before"]) == (None, None, date(9999, 12, 28))
    assert (first["before"], first["later"]) == (None, date(1, 2, 8))


def test_null_stays_null(computed: dict[str | None, Row]) -> None:
    assert set(computed[None]) == {None}


def test_a_quarter_has_four_digits_of_its_year(computed: dict[str | None, Row]) -> None:
    assert [computed[day]["quarter"] for day in ISO] == ["0001Q1", "1753Q1", "1900Q1", "9999Q4"]


def test_start_of_a_quarter(spark: SparkSession) -> None:
    quarters = ["2025Q3", "9999Q4", "0001Q1", "0000Q1", "2025Q5", "x", None]
    rows = spark.createDataFrame([(quarter,) for quarter in quarters], "quarter string")
    starts = [row[0] for row in rows.select(start_of_quarter(F.col("quarter"))).collect()]
    assert starts == [date(2025, 7, 1), date(9999, 10, 1), date(1, 1, 1), None, None, None, None]


@pytest.mark.slow
@pytest.mark.parametrize("table", WITH_DATES, ids=lambda table: table.name)
def test_a_placeholder_is_kept_or_means_no_bound_in_every_date_column(spark: SparkSession, table: Table) -> None:
    """One row per date column and placeholder, each of an otherwise good row."""
    columns = [column for column in table.columns if column.kind is Kind.DATE]
    cases = [(column, day) for column in columns for day in ISO]
    rows = [{**table.example_row, column.name: day, "marker": None} for column, day in cases]
    found = conform(received(spark, rows).coalesce(1), table, as_of=AS_OF).orderBy("row_id").collect()
    for (column, day), row in zip(cases, found, strict=True):
        expected = None if column.is_bound else date.fromisoformat(day)
        assert (row[column.name], row["problems"], row["coerced"]) == (expected, None, None), (column.name, day)


@pytest.mark.parametrize("kind", ["date", "timestamp", "timestamp_ntz"])
@pytest.mark.parametrize("day", ISO)
def test_typed_placeholders_are_read_like_text(spark: SparkSession, kind: str, day: str) -> None:
    rows = received(spark, [{**TABLES["market_prices"].example_row}]).withColumns(
        {"effective_date": F.lit(day).cast(kind), "snapshot_date": F.lit(day).cast(kind)}
    )
    row = conform(rows, TABLES["market_prices"], as_of=AS_OF).first()
    assert (row["effective_date"], row["snapshot_date"]) == (None, date.fromisoformat(day))
    assert (row["problems"], row["coerced"]) == (None, None)


def test_a_required_bound_that_is_missing_or_bad_still_goes_to_quarantine(spark: SparkSession) -> None:
    example = TABLES["market_prices"].example_row
    rows = [{**example, "effective_date": value} for value in (None, "soon", "1900-01-01")]
    found = conform(received(spark, rows), TABLES["market_prices"], as_of=AS_OF).orderBy("row_id").collect()
    assert [row["problems"] for row in found] == [["EFFECTIVE_DATE_MISSING"], ["EFFECTIVE_DATE_INVALID"], None]


@pytest.mark.parametrize("kind", ["date", "timestamp"])
@pytest.mark.parametrize("years", [8000, -2100])
def test_dates_that_only_spark_can_hold_are_bad_values(spark: SparkSession, kind: str, years: int) -> None:
    """10025 and 75 BC: in a required column the row is quarantined with what was received, elsewhere it is NULL."""
    far = F.add_months(F.lit("2025-08-14").cast("date"), years * 12).cast(kind)
    example = TABLES["entity_claims"].example_row
    rows = received(spark, [example, {**example, "source_row_id": "other"}])
    is_other = F.col("source_row_id") == "other"
    day = F.lit("2025-08-14").cast(kind)
    rows = rows.withColumns(
        {
            "date_of_service": F.when(is_other, day).otherwise(far),
            "date_prescribed": far,
            "submitted_at": far.cast("timestamp") if years < 0 else F.lit(None).cast("timestamp"),
        }
    )
    bad, good = conform(rows, TABLES["entity_claims"], as_of=AS_OF).orderBy("row_id").collect()
    assert (bad["problems"], bad["date_of_service"]) == (["DATE_OF_SERVICE_INVALID"], None)
    assert bad["raw"]
    assert (good["problems"], good["date_prescribed"], good["date_of_service"]) == (None, None, DAY)
    assert set(good["coerced"]) == {"date_prescribed", *(["submitted_at"] if years < 0 else [])}


@pytest.mark.parametrize("day", [*ISO, "2025-08-14"])
def test_an_open_interval_covers_every_day(spark: SparkSession, day: str) -> None:
    reference = spark.createDataFrame([("a", None, None, 1)], "id string, begin date, end date, value int")
    rows = spark.createDataFrame([("a", date.fromisoformat(day))], "key string, day date")
    joined = join_as_of(
        rows,
        reference,
        key={"id": F.col("key")},
        day=F.col("day"),
        start=F.col("begin"),
        end=F.col("end"),
        values={"value": F.col("value")},
        into="fact",
    )
    assert joined.first()["fact"]["value"] == 1
