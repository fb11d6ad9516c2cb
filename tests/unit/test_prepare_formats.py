"""Declared formats: what a text of a table becomes, read by Spark and by the plain-Python readers of suggestions."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.contracts.columns import Column, Kind
from engine.contracts.formats import DatePattern, DeclaredFormats, FormatError, NumberFormat, PeriodPattern
from engine.prepare.conversions import conversion

BAD = None

DATES = [
    # pattern, text, expected
    ("MM/dd/yyyy", "03/31/2025", "2025-03-31"),
    ("MM/dd/yyyy", "3/1/2025", "2025-03-01"),
    ("MM/dd/yyyy", "31/03/2025", BAD),
    ("MM/dd/yyyy", "02/29/2025", BAD),
    ("MM/dd/yyyy", "02/29/2024", "2024-02-29"),
    ("MM/dd/yyyy", "03/31/25", BAD),
    ("MM/dd/yyyy", "03-31-2025", BAD),
    ("MM/dd/yyyy", "2025-03-31", "2025-03-31"),  # ISO is read as well
    ("MM/dd/yyyy", "2025-03-31T10:00:00Z", "2025-03-31"),
    ("MM/dd/yyyy", "03/31/2025 00:00:00", "2025-03-31"),
    ("MM/dd/yyyy", "3/31/2025 2:15 PM", "2025-03-31"),
    ("MM/dd/yyyy", "03/31/2025 25:00", BAD),
    ("MM/dd/yyyy", "03/31/2025 soon", BAD),
    ("MM/dd/yyyy", "12/31/9999", "9999-12-31"),
    ("MM/dd/yyyy", "01/01/0001", "0001-01-01"),
    ("MM/dd/yyyy", "01/01/1900", "1900-01-01"),
    ("dd/MM/yyyy", "31/03/2025", "2025-03-31"),
    ("dd/MM/yyyy", "04/03/2025", "2025-03-04"),
    ("dd.MM.yyyy", "31.03.2025", "2025-03-31"),
    ("dd.MM.yyyy", "31x03x2025", BAD),
    ("yyyyMMdd", "20250331", "2025-03-31"),
    ("yyyyMMdd", "2025331", BAD),
    ("yyyyMMdd", "20251331", BAD),
    ("MM/dd/yy", "03/31/25", "2025-03-31"),
    ("dd-MMM-yyyy", "31-MAR-2025", "2025-03-31"),
    ("dd-MMM-yy", "1-sep-25", "2025-09-01"),
    ("ddMMMyyyy", "01Feb2025", "2025-02-01"),
    ("dd-MMM-yyyy", "31-MRZ-2025", BAD),
    ("MMMM d, yyyy", "September 5, 2025", "2025-09-05"),
    ("yyyy-dd-MM", "2025-04-03", "2025-03-04"),  # what has the declared form is not read as ISO
    ("yyyy-dd-MM", "2025-03-31", BAD),
    ("dd.MM.yyyy HH:mm", "31.03.2025 23:59", "2025-03-31"),
    ("yyyyMMddHHmmss", "20250331235959", "2025-03-31"),
]
TIMES = [
    ("MM/dd/yyyy", "03/31/2025", "2025-03-31T00:00:00"),
    ("MM/dd/yyyy", "3/31/2025 2:05 PM", "2025-03-31T14:05:00"),
    ("MM/dd/yyyy", "3/31/2025 12:05 a.m.", "2025-03-31T00:05:00"),
    ("MM/dd/yyyy", "3/31/2025 14:05 PM", BAD),
    ("MM/dd/yyyy", "03/31/2025 10:00:00.25 +02:00", "2025-03-31T08:00:00.250000"),
    ("dd.MM.yyyy HH:mm:ss", "31.03.2025 07:08:09", "2025-03-31T07:08:09"),
    ("dd.MM.yyyy hh:mm a", "31.03.2025 12:30 PM", "2025-03-31T12:30:00"),
    ("yyyyMMddHHmmssSSS", "20250331235959123", "2025-03-31T23:59:59.123000"),
    ("MM/dd/yyyy", "2025-03-31T10:00:00-05:00", "2025-03-31T15:00:00"),
]
PERIODS = [
    ("q'Q'yy", "2Q26", "2026Q2"),
    ("q'Q'yy", "2q26", "2026Q2"),
    ("q'Q'yy", "5Q26", BAD),
    ("q'Q'yy", "2Q2026", BAD),
    ("q'Q'yy", "2026Q2", "2026Q2"),
    ("q'Q'yy", "2026-Q2", "2026Q2"),
    ("yyyyq", "20253", "2025Q3"),
    ("yyyyq", "20255", BAD),
    ("qyyyy", "32025", "2025Q3"),
    ("'Q'q yyyy", "Q3 2025", "2025Q3"),
    ("yyyy'0'q", "202503", "2025Q3"),
]
NUMBERS = [
    # decimal, thousands, currency, text, expected
    (".", None, None, "1234.5", "1234.50"),
    (".", None, None, "(5.005)", "-5.01"),
    (".", None, None, "( 5 )", "-5.00"),
    (".", None, None, "(-5)", BAD),
    (".", None, None, "(5", BAD),
    (".", None, None, "5)", BAD),
    (".", None, None, "()", BAD),
    (".", None, None, "5-", BAD),
    (".", None, None, "1,234", BAD),
    (".", None, None, "$5", BAD),
    (".", None, None, "1E3", "1000.00"),
    (".", None, None, "-0.005", "-0.01"),
    (".", ",", None, "1,234,567.885", "1234567.89"),
    (".", ",", None, "1234567", "1234567.00"),
    (".", ",", None, "1,23", BAD),
    (".", ",", None, "1234,567", BAD),
    (".", ",", None, ",234", BAD),
    (".", ",", None, "1,234.5,6", BAD),
    (",", None, None, "1234,5", "1234.50"),
    (",", None, None, "1234.5", BAD),
    (",", ".", None, "1.234,56", "1234.56"),
    (",", ".", None, "1.234", "1234.00"),
    (",", ".", None, "1.23", BAD),
    (",", " ", None, "1 234,5", "1234.50"),
    (",", " ", None, "1\u00a0234,5", "1234.50"),
    (",", "\u00a0", None, "1\u202f234,5", "1234.50"),
    (".", "'", None, "1'234.50", "1234.50"),
    (".", "'", None, "1\u2019234.50", "1234.50"),
    (".", ",", "$", "$1,234.50", "1234.50"),
    (".", ",", "$", "-$1,234.50", "-1234.50"),
    (".", ",", "$", "($1,234.50)", "-1234.50"),
    (".", ",", "$", "$(5)", "-5.00"),
    (".", ",", "$", "$ 5", "5.00"),
    (".", ",", "$", "5", "5.00"),
    (".", ",", "$", "$5$", BAD),
    (".", ",", "$", "$", BAD),
    (".", ",", "$", "1$2", BAD),
    (".", ",", "$", "\u20ac5", BAD),
    (",", ".", "EUR", "1.234,50 EUR", "1234.50"),
    (",", ".", "EUR", "eur 5", "5.00"),
]


def cases() -> Iterator[Any]:
    """(name, column, declared formats, text, expected) of every line above."""
    for kind, lines in ((Kind.DATE, DATES), (Kind.TIMESTAMP, TIMES), (Kind.QUARTER, PERIODS)):
        setting = "periods" if kind is Kind.QUARTER else "dates"
        for pattern, text, expected in lines:
            declared = DeclaredFormats({setting: {"default": pattern}})
            yield f"{kind.value} {pattern} {text}", Column("x", kind, "", ""), declared, text, expected
    for decimal, thousands, currency, text, expected in NUMBERS:
        signs = {"decimal": decimal, "thousands": thousands, "currency": currency}
        by_setting = {
            name: {"default": sign}
            for name, sign in signs.items()
            if sign is not None and (name, sign) != ("decimal", ".")
        }
        name = f"number {decimal} {thousands} {currency} {text}"
        yield name, Column("x", Kind.MONEY, "", ""), DeclaredFormats(by_setting), text, expected


CASES = list(cases())


@pytest.fixture(scope="module")
def converted(spark: SparkSession) -> list[str | None]:
    """What each case becomes, as text, from one job over one row of texts."""
    texts = spark.createDataFrame(
        [tuple(text for *_, text, _ in CASES)], ", ".join(f"c{place} string" for place in range(len(CASES)))
    )
    values = [
        conversion(column, F.col(f"c{place}"), T.StringType(), declared).value.cast("string")
        for place, (_, column, declared, _, _) in enumerate(CASES)
    ]
    return list(texts.select(*values).first())


@pytest.mark.parametrize(
    ("place", "expected"), list(enumerate(case[-1] for case in CASES)), ids=[case[0] for case in CASES]
)
def test_declared_formats(converted: list[str | None], place: int, expected: str | None) -> None:
    found = converted[place]
    if found is not None and CASES[place][1].kind is Kind.TIMESTAMP:
        found = datetime.fromisoformat(found).isoformat()
    assert found == expected


@pytest.mark.parametrize(
    ("pattern", "text", "expected"), [line for line in DATES if "-" not in line[1] and ":" not in line[1]]
)
def test_suggestions_read_dates_as_the_engine_does(pattern: str, text: str, expected: str | None) -> None:
    found = DatePattern.parse(pattern).read(text)
    assert found == (None if expected is None else date.fromisoformat(expected))


@pytest.mark.parametrize(("decimal", "thousands", "currency", "text", "expected"), NUMBERS)
def test_suggestions_read_numbers_as_the_engine_does(
    decimal: str, thousands: str | None, currency: str | None, text: str, expected: str | None
) -> None:
    found = NumberFormat(decimal, thousands, currency).read(text)
    assert (found is None) == (expected is None)
    if found is not None:
        assert abs(found - Decimal(expected)) < Decimal("0.01")


@pytest.mark.parametrize(
    ("pattern", "says"),
    [
        ("mm/dd/yyyy", "did you mean MM/dd/yyyy?"),
        ("MM/DD/YYYY", "did you mean MM/dd/yyyy?"),
        ("%m/%d/%Y", "did you mean MM/dd/yyyy?"),
        ("%d.%m.%y", "did you mean dd.MM.yy?"),
        ("dd.mm.yyyy HH:mm", "did you mean dd.MM.yyyy HH:mm?"),
        ("MM/yyyy", "no day"),
        ("MM/dd/yyyy MM", "the month occurs twice"),
        ("Mdyyyy", "needs two digits"),
        ("European", "unknown letters"),
        ("", "no year"),
    ],
)
def test_patterns_that_cannot_be_read_are_refused(pattern: str, says: str) -> None:
    with pytest.raises(FormatError) as told:
        DatePattern.parse(pattern)
    assert says in str(told.value)


@pytest.mark.parametrize("pattern", ["QqYY", "yyyy", "q", "q'Q'y", "qQyy"])
def test_patterns_of_periods_that_cannot_be_read_are_refused(pattern: str) -> None:
    with pytest.raises(FormatError, match="q'Q'yy"):
        PeriodPattern.parse(pattern)


@pytest.mark.parametrize(
    "signs", [(";", None, None), (",", ",", None), (".", "_", None), (".", None, "1"), (".", None, "dollars")]
)
def test_signs_that_contradict_each_other_are_refused(signs: tuple[str, str | None, str | None]) -> None:
    with pytest.raises(FormatError):
        NumberFormat(*signs)


def test_dates_that_arrive_as_dates_are_what_they_are(spark: SparkSession) -> None:
    declared = DeclaredFormats({"dates": {"default": "MM/dd/yyyy"}, "decimal": {"default": ","}})
    rows = spark.createDataFrame(
        [(date(2025, 3, 31), datetime(2025, 3, 31, 5, tzinfo=UTC), 20250331, 1234.5)],
        "day date, time timestamp, number bigint, amount double",
    )
    compact = DeclaredFormats({"dates": {"default": "yyyyMMdd"}})
    found = rows.select(
        conversion(Column("x", Kind.DATE, "", ""), F.col("day"), T.DateType(), declared).value.alias("day"),
        conversion(Column("x", Kind.DATE, "", ""), F.col("time"), T.TimestampType(), declared).value.alias("time"),
        conversion(Column("x", Kind.DATE, "", ""), F.col("number"), T.LongType(), compact).value.alias("number"),
        conversion(Column("x", Kind.MONEY, "", ""), F.col("amount"), T.DoubleType(), declared).value.alias("amount"),
    ).first()
    assert tuple(found) == (*[date(2025, 3, 31)] * 3, Decimal("1234.50"))
