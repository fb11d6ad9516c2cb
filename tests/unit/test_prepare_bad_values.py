"""What is reported of values that cannot be read: forms, never values; and the settings that would read them."""

from __future__ import annotations

import pytest
import yaml
from pyspark.sql import SparkSession

from engine.contracts.columns import Column, Kind
from engine.contracts.formats import DeclaredFormats
from engine.contracts.tables import TABLES
from engine.prepare import coerced_notes, in_one_line, null_word_notes, quarantine_problem, tally, value_report
from engine.prepare.bad_values import ValueReport, fitting_formats, masked, setting_lines
from engine.prepare.dropped_rows import Tally
from tests.unit.prepare_rows import conformed, row

FITS = [
    # kind, values, settings that fit
    (Kind.DATE, ["03/31/2025", "12/01/2025"], [{"dates": "MM/dd/yyyy"}]),
    (Kind.DATE, ["31/03/2025", "12/01/2025"], [{"dates": "dd/MM/yyyy"}]),
    (Kind.DATE, ["03/04/2025", "12/01/2025"], [{"dates": "MM/dd/yyyy"}, {"dates": "dd/MM/yyyy"}]),
    (Kind.DATE, ["03/03/2025"], [{"dates": "MM/dd/yyyy"}]),  # either way the same day
    (Kind.DATE, ["20250331", "99991231"], [{"dates": "yyyyMMdd"}]),
    (Kind.DATE, ["31MAR2025"], [{"dates": "ddMMMyyyy"}]),
    (Kind.TIMESTAMP, ["3/31/2025 2:05 PM"], [{"dates": "MM/dd/yyyy"}]),
    (Kind.DATE, ["45870", "soon"], []),
    (Kind.QUARTER, ["2Q26", "1Q25"], [{"periods": "q'Q'yy"}]),
    (Kind.QUARTER, ["20253"], [{"periods": "yyyyq"}]),
    (Kind.QUARTER, ["32025"], [{"periods": "qyyyy"}]),
    (Kind.MONEY, ["$5.10", "$1.00"], [{"currency": "$"}]),
    (Kind.MONEY, ["$7,242.59", "$12.00"], [{"thousands": ",", "currency": "$"}]),
    (Kind.MONEY, ["7,5", "12,75"], [{"decimal": ","}]),
    (Kind.MONEY, ["7.242,59"], [{"decimal": ",", "thousands": "."}]),
    (Kind.MONEY, ["1,234"], [{"thousands": ","}, {"decimal": ","}]),
    (Kind.MONEY, ["unknown"], []),
    (Kind.CODE, ["Kentucky"], []),
]


@pytest.mark.parametrize(("kind", "values", "fits"), FITS)
def test_formats_that_fit(kind: Kind, values: list[str], fits: list[dict[str, str]]) -> None:
    assert fitting_formats(Column("x", kind, "", ""), dict.fromkeys(values, 1)) == fits


def test_few_values_that_no_format_reads_do_not_hide_the_format() -> None:
    values = {"03/31/2025": 60, "04/30/2025": 38, "none": 2}
    assert fitting_formats(Column("x", Kind.DATE, "", ""), values) == [{"dates": "MM/dd/yyyy"}]


@pytest.mark.parametrize(
    ("value", "form"),
    [
        ("$7,242.59", "$9,999.99"),
        ("03/31/2025", "99/99/9999"),
        ("Jos\u00e9 O'Neil", "AAAA A'AAAA"),
        ("\u0663\u00bd x", "99 A"),
        ("a\x00b", "A?A"),
        ("x" * 50, "A" * 40 + "..."),
    ],
)
def test_an_example_shows_the_form_and_not_the_value(value: str, form: str) -> None:
    assert masked(value) == form


@pytest.fixture(scope="module")
def report(spark: SparkSession) -> tuple[Tally, ValueReport]:
    rows = [
        row(
            "rebate_claims",
            f"R{day}",
            date_of_service=f"03/{day}/2025",
            paid_date=f"{day}-Apr-25",
            received_at="4/5/2025 2:05 PM",
            rebate_amount=f"${day}7,242.59",
            plan_id="NULL",
            prescriber_npi="1.23457E+9" if day == 13 else None,
            state="Kentucky" if day % 2 else "KY",
        )
        for day in range(13, 23)
    ]
    found = conformed(spark, "rebate_claims", rows)
    return tally(found, "rebate_claims"), value_report(found, TABLES["rebate_claims"])


def test_bad_values_are_counted_by_column(report: tuple[Tally, ValueReport]) -> None:
    counts, values = report
    assert counts.dropped == {"DATE_OF_SERVICE_INVALID": 10}
    assert counts.counted["COERCED_NULL"] == 36
    assert values.counted == {
        "PAID_DATE_INVALID": 10,
        "RECEIVED_AT_INVALID": 10,
        "REBATE_AMOUNT_INVALID": 10,
        "STATE_INVALID": 5,
        "PRESCRIBER_NPI_DAMAGED": 1,
    }
    assert {one.column: one.example for one in values.bad} == {
        "date_of_service": "99/99/9999",
        "paid_date": "99-AAA-99",
        "received_at": "9/9/9999 9:99 AA",
        "rebate_amount": "$999,999.99",
        "state": "AAAAAAAA",
        "prescriber_npi": "9.99999A+9",
    }
    assert [(word.column, word.word, word.rows) for word in values.null_words] == [("plan_id", "NULL", 10)]


def test_suggested_lines_are_settings_that_read_the_values(report: tuple[Tally, ValueReport]) -> None:
    _, values = report
    lines = setting_lines(values)
    # received_at would fit day first as well: date_of_service decides
    dates = "{date_of_service: MM/dd/yyyy, paid_date: dd-MMM-yy, received_at: MM/dd/yyyy}"
    assert lines == [
        f"input.tables.rebate_claims.dates: {dates}",
        "input.tables.rebate_claims.thousands: ','",
        "input.tables.rebate_claims.currency: $",
    ]
    assert yaml.safe_load(lines[1].partition(": ")[2]) == ","


def test_one_format_of_all_columns_is_suggested_for_the_table(spark: SparkSession) -> None:
    rows = [row("entity_claims", f"E{day}", date_of_service=f"{day}.03.2025") for day in range(13, 16)]
    values = value_report(conformed(spark, "entity_claims", rows), TABLES["entity_claims"])
    assert setting_lines(values) == ["input.tables.entity_claims.dates: dd.MM.yyyy"]
    declared = DeclaredFormats({"dates": {"default": "MM/dd/yyyy"}})
    values = value_report(conformed(spark, "entity_claims", rows, formats=declared), TABLES["entity_claims"], declared)
    assert setting_lines(values) == [
        "input.tables.entity_claims.dates: {default: MM/dd/yyyy, date_of_service: dd.MM.yyyy}"
    ]
    assert values.bad[0].expected == "a date such as 02/01/2025 or 2025-02-01"


def test_the_message_of_a_mostly_quarantined_table(report: tuple[Tally, ValueReport]) -> None:
    counts, values = report
    problem = quarantine_problem("rebate_claims", "in/rebate_claims.csv", 10, counts.dropped, values, 2 / 3)
    assert problem.what == (
        "rebate_claims: 10 of 10 rows are quarantined (100%), more than input.most_quarantined allows (67%)"
    )
    assert problem.found == "DATE_OF_SERVICE_INVALID in 10 rows, column date_of_service, such as 99/99/9999"
    assert problem.expected == "date_of_service: a date such as 2025-02-01"
    assert problem.to_do.startswith("set input.tables.rebate_claims.dates: {date_of_service: MM/dd/yyyy")
    note = in_one_line(problem)
    assert "99/99/9999" in note
    assert "\n" not in note


def test_notes_name_column_count_form_and_setting(report: tuple[Tally, ValueReport]) -> None:
    _, values = report
    notes = {note.partition(":")[0]: note for note in coerced_notes(values)}
    amount = notes["rebate_claims.rebate_amount"]
    assert "10 values could not be read and count as unknown, such as $999,999.99" in amount
    assert "input.tables.rebate_claims.currency: $" in amount
    assert "input.tables.rebate_claims.dates" not in amount
    (words,) = null_word_notes(values)
    assert "column plan_id contains the word NULL in 10 rows: set input.tables.rebate_claims.nulls" in words
    said = " ".join((*notes.values(), words))
    assert not [value for value in ("242.59", "Kentucky", "1.23457E+9", "Apr-25") if value in said]


def test_identifiers_that_became_null_are_invalid_or_damaged(spark: SparkSession) -> None:
    rows = [
        {"source_row_id": f"B{n}", "provider_npi": "1234567893", "date_of_service": "2025-08-01", "hcpcs_code": "J1",
         "ndc": ndc}
        for n, ndc in enumerate(["2.7597E+6", "12", "13", None])
    ]  # fmt: skip
    values = value_report(conformed(spark, "part_b_lines", rows), TABLES["part_b_lines"])
    assert values.counted == {"NDC_INVALID": 2, "NDC_DAMAGED": 1}
