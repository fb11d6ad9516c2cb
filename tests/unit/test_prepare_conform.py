"""Conforming rows: types as they arrive, what is bad, what is kept (contract parts 1 to 3)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal as D
from typing import Any

import pytest
from pyspark.sql import Row, SparkSession

from engine.contracts.columns import Table
from engine.contracts.formats import DeclaredFormats
from engine.contracts.tables import ENTITY_CLAIMS, REBATE_CLAIMS, TABLES
from engine.entity_families import entity_families
from engine.prepare import conform, good_rows, with_parents
from engine.prepare.conform import conformed_schema
from tests.unit.prepare_rows import by_id, conformed, received, row, settled, typed

AS_OF = date(2026, 3, 31)


def conform_typed(
    spark: SparkSession, table: Table, columns: dict[str, tuple[str, list[Any]]], **options: Any
) -> dict[str, dict[str, Any]]:
    return by_id(conform(typed(spark, table, columns), table, as_of=AS_OF, **options))


@pytest.fixture(scope="module")
def of_text(spark: SparkSession) -> dict[str, Row]:
    """Rebate rows of text, each with one thing to look at."""
    rows = [
        row("rebate_claims", "good"),
        row(
            "rebate_claims",
            "spaces",
            program=" mdrp_ffs ",
            state="ky",
            claim_id=" C 1 ",
            claim_line="",
            units=" 30.0005 ",
        ),
        row("rebate_claims", "blank", payer_id="   ", units="\t", plan_id="\0\0"),
        row("rebate_claims", "many", program="NOPE", ndc="12", units="x", period="20253", date_of_service="2025-02-30"),
        row("rebate_claims", "late", units="x", fill_number="x", received_at="2026-04-01T00:00:00Z"),
        row("rebate_claims", "in time", received_at="2026-04-01T00:59:59.999999999+01:00"),
        row("rebate_claims", "no time", received_at="yesterday"),
        row(
            "rebate_claims",
            "coerced",
            state="Kentucky",
            fill_number="1.5",
            paid_date="2025",
            dispensing_status="A",
            period="2025-q3",
        ),
        row("rebate_claims", "codes", submission_clarification_codes="8| 20 |1", basis_of_cost="8", modifiers="ud| u8"),
        row("rebate_claims", "line", claim_line="2", rx_number="0001234567-03", fill_number=None),
        row("rebate_claims", "told fill", rx_number="1234567-03", fill_number="1"),
        row("rebate_claims", "short rx", rx_number="123"),
        row("rebate_claims", "no rx", rx_number=" "),
        row("rebate_claims", "hash", rx_number=None, rx_number_hash="aBc=", hash_scheme="S1"),
        row("rebate_claims", "hash alone", rx_number=None, rx_number_hash="abc="),
        row("rebate_claims", "medical", claim_type="medical", rx_number=None, claim_id="ICN7"),
        row("rebate_claims", "ncpdp", pharmacy_npi=None, pharmacy_ncpdp_id="0512345"),
        row("rebate_claims", "nobody", pharmacy_npi=None),
        row("rebate_claims", "newline", ndc="00002759701\n"),
        row("rebate_claims", "ten", ndc="0002759701"),
        row("rebate_claims", "date and time", date_of_service="2025-08-01T23:30:00.1234567-05:00"),
        row("rebate_claims", None, source_file="a.csv", source_row_no="12"),
        row("rebate_claims", None, source_file="a.csv", claim_id="nameless"),
    ]
    found = settled(conform(received(spark, rows), REBATE_CLAIMS, as_of=AS_OF)).collect()
    return {one.source_row_id or one.claim_id: one for one in found}


def test_a_good_row_has_nothing_to_say(of_text: dict[str, Row]) -> None:
    good = of_text["good"]
    assert (good.problems, good.left_as, good.raw, good.coerced) == (None, None, None, None)
    assert (good.units, good.date_of_service, good.claim_line, good.units_basis) == (
        D("30"),
        date(2025, 8, 1),
        1,
        "NDC",
    )
    assert (good.ndc_raw, good.ndc11, good.rx_number_raw, good.rx_number, good.rx_key) == (
        *("00002759701", "00002759701"),
        *("1234567", "1234567", "1234567"),
    )


def test_text_is_trimmed_codes_are_upper_case_numbers_are_rounded_half_up(of_text: dict[str, Row]) -> None:
    spaces = of_text["spaces"]
    assert (spaces.problems, spaces.coerced) == (None, None)
    assert (spaces.program, spaces.state, spaces.claim_id, spaces.claim_line) == ("MDRP_FFS", "KY", "C 1", 1)
    assert spaces.units == D("30.001")


def test_blank_is_missing(of_text: dict[str, Row]) -> None:
    assert of_text["blank"].problems == ["PAYER_ID_MISSING", "UNITS_MISSING"]
    assert (of_text["blank"].plan_id, of_text["blank"].coerced) == (None, None)


def test_all_reasons_are_given_in_the_order_of_the_contract_with_the_row_as_received(of_text: dict[str, Row]) -> None:
    many = of_text["many"]
    assert many.problems == [
        "PROGRAM_INVALID",
        "DATE_OF_SERVICE_INVALID",
        "NDC_INVALID",
        "UNITS_INVALID",
        "PERIOD_INVALID",
    ]
    raw = json.loads(many.raw)
    assert (raw["program"], raw["ndc"], raw["units"], raw["plan_id"]) == ("NOPE", "12", "x", None)


def test_rows_received_after_the_day_leave_and_are_not_quarantined(of_text: dict[str, Row]) -> None:
    late = of_text["late"]
    assert (late.left_as, late.problems, late.raw, late.coerced) == ("AFTER_AS_OF", None, None, None)
    assert of_text["in time"].left_as is None
    assert of_text["in time"].received_at == datetime(2026, 3, 31, 23, 59, 59, 999999)
    assert (of_text["no time"].left_as, of_text["no time"].coerced) == (None, ["received_at"])


def test_a_bad_value_that_is_not_required_becomes_null_and_is_named(of_text: dict[str, Row]) -> None:
    coerced = of_text["coerced"]
    assert coerced.problems is None
    assert coerced.coerced == ["state", "fill_number", "paid_date", "dispensing_status"]
    assert coerced.coerced_values == ["Kentucky", "1.5", "2025", "A"]
    assert (coerced.state, coerced.fill_number, coerced.paid_date, coerced.dispensing_status) == (None,) * 4
    assert coerced.period == "2025Q3"


def test_repeating_codes(of_text: dict[str, Row]) -> None:
    codes = of_text["codes"]
    assert codes.submission_clarification_codes == "08|20|01"
    assert (codes.basis_of_cost, codes.modifiers) == ("08", "UD|U8")


def test_prescription_numbers(of_text: dict[str, Row]) -> None:
    line, told = of_text["line"], of_text["told fill"]
    assert (line.rx_number, line.rx_key, line.fill_number, line.rx_number_raw) == (
        "1234567",
        "1234567",
        3,
        "0001234567-03",
    )
    assert (told.rx_number, told.fill_number) == ("1234567", 1)
    short = of_text["short rx"]
    assert (short.problems, short.rx_number, short.rx_key) == (None, "123", None)
    assert of_text["no rx"].problems == ["RX_NUMBER_MISSING"]
    assert (of_text["hash"].problems, of_text["hash"].rx_key) == (None, "S1:aBc=")
    assert of_text["hash alone"].problems == ["RX_NUMBER_MISSING"]
    assert of_text["medical"].problems is None


def test_pharmacies(of_text: dict[str, Row]) -> None:
    assert (of_text["ncpdp"].problems, of_text["ncpdp"].pharmacy_key) == (None, "NCPDP:0512345")
    assert of_text["nobody"].problems == ["PHARMACY_NPI_MISSING"]


def test_product_codes_are_never_guessed(of_text: dict[str, Row]) -> None:
    assert (of_text["newline"].problems, of_text["newline"].ndc11) == (None, "00002759701")
    assert of_text["ten"].problems == ["NDC_AMBIGUOUS"]
    assert (of_text["ten"].ndc_raw, of_text["ten"].ndc11) == ("0002759701", None)


def test_a_date_is_the_day_that_was_written(of_text: dict[str, Row]) -> None:
    assert of_text["date and time"].date_of_service == date(2025, 8, 1)


def test_a_row_id_is_made_of_file_and_number(of_text: dict[str, Row]) -> None:
    assert of_text["a.csv#12"].problems is None
    assert of_text["nameless"].problems == ["SOURCE_ROW_ID_MISSING"]


def test_numbers_of_any_type(spark: SparkSession) -> None:
    nan = float("nan")
    found = conform_typed(
        spark,
        REBATE_CLAIMS,
        {
            "units": ("double", [1.0005, 0.1 + 0.2, nan, 1e13, -2.5]),
            "unit_rebate_amount": ("float", [0.1000005, 1.1234565, nan, 1e13, 3.0]),
            "amount_paid": ("decimal(20,5)", [D("1.00500"), D("-1.00500"), None, D("999999999999999.99"), D("0")]),
            "rebate_amount": ("double", [1.005, 2.675, None, 1e20, 0.285]),
            "days_supply": ("double", [30.0, 30.5, nan, 1e30, 0.0]),
            "fill_number": ("decimal(5,1)", [D("1.0"), D("1.5"), None, D("0"), D("2")]),
            "claim_line": ("int", [3, None, 1, 2, 5]),
            "source_row_no": ("smallint", [1, 2, 3, 4, None]),
        },
    )
    assert [found[f"R{n}"]["units"] for n in range(5)] == [D("1.001"), D("0.300"), None, None, D("-2.500")]
    assert (found["R2"]["problems"], found["R3"]["problems"]) == (["UNITS_MISSING"], ["UNITS_INVALID"])
    assert found["R1"]["unit_rebate_amount"] == D("1.123457")
    assert [found[f"R{n}"]["amount_paid"] for n in range(2)] == [D("1.01"), D("-1.01")]
    assert [found[f"R{n}"]["rebate_amount"] for n in (0, 1, 4)] == [D("1.01"), D("2.68"), D("0.29")]
    assert [found[f"R{n}"]["days_supply"] for n in range(5)] == [30, None, None, None, 0]
    assert [found[f"R{n}"]["fill_number"] for n in range(5)] == [1, None, None, 0, 2]
    assert [found[f"R{n}"]["claim_line"] for n in range(5)] == [3, 1, 1, 2, 5]
    assert found["R1"]["coerced"] == ["fill_number", "days_supply"]
    assert found["R3"]["coerced"] == ["days_supply", "unit_rebate_amount", "rebate_amount"]
    assert found["R2"]["coerced"] is None


def test_times_booleans_and_codes_of_any_type(spark: SparkSession) -> None:
    found = conform_typed(
        spark,
        ENTITY_CLAIMS,
        {
            "date_of_service": ("timestamp_ntz", [datetime(2025, 8, 1, 23, 59), datetime(2025, 8, 2)] * 2),
            "date_prescribed": ("int", [None] * 4),
            "submitted_at": ("date", [date(2025, 8, 2), None, date(2026, 3, 31), date(2026, 4, 1)]),
            "is_340b": ("double", [1.0, 0.0, None, 1.0]),
            "modifiers": ("array<string>", [["UD"], None, None, None]),
        },
    )
    assert found["R0"]["date_of_service"] == date(2025, 8, 1)
    assert found["R0"]["submitted_at"] == datetime(2025, 8, 2)
    assert [found[f"R{n}"]["left_as"] for n in range(4)] == [None, "NOT_340B", None, "AFTER_AS_OF"]
    assert [found[f"R{n}"]["is_340b"] for n in range(3)] == [True, False, None]
    assert [found[f"R{n}"]["is_340b_assumed"] for n in range(3)] == [False, False, True]
    assert found["R0"]["coerced"] == ["modifiers"]
    texts = ["true", "FALSE", "1", "0", "y", "N", "Yes", "NO", "t", "F", "", "maybe", "10"]
    rows = [row("entity_claims", text or "blank", is_340b=text) for text in texts]
    by_text = by_id(conformed(spark, "entity_claims", rows))
    answers = [by_text[text or "blank"]["is_340b"] for text in texts]
    assert answers == [True, False, True, False, True, False, True, False, True, False, None, None, None]
    assert [by_text[text or "blank"]["problems"] for text in texts] == [None] * 11 + [["IS_340B_INVALID"]] * 2
    assert by_text["blank"]["coerced"] is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2025-07-01", datetime(2025, 7, 1)),
        ("2025-07-01T10:00", datetime(2025, 7, 1, 10)),
        ("2025-07-01T10:00Z", datetime(2025, 7, 1, 10)),
        ("2025-07-01 10:11:12.123456789", datetime(2025, 7, 1, 10, 11, 12, 123456)),
        ("2025-07-01 10:11:12.1234567 +02:00", datetime(2025, 7, 1, 8, 11, 12, 123456)),
        ("2025-07-01T00:30:00+0130", datetime(2025, 6, 30, 23)),
        ("2025-07-01T24:30:00", None),
        ("2025-02-29", None),
        ("2025", None),
        ("2025-7-1", None),
        ("2025-07-01 noon", None),
        ("20250701", None),
        ("2025-07-01T10:00:00.1234567890", None),
        ("2025-07-01T10:00:00Z x", None),
    ],
)
def test_iso_times(iso_times: dict[str, datetime | None], text: str, expected: datetime | None) -> None:
    assert iso_times[text] == expected


@pytest.fixture(scope="module")
def iso_times(spark: SparkSession) -> dict[str, datetime | None]:
    test: Any = test_iso_times
    marks = test.pytestmark[0]
    texts = [text for text, _ in marks.args[1]]
    rows = [row("rebate_claims", text, received_at=text) for text in texts]
    return {name: one["received_at"] for name, one in by_id(conformed(spark, "rebate_claims", rows)).items()}


def test_ten_digits_are_settled_by_products_that_fit_alone(spark: SparkSession) -> None:
    products = conformed(
        spark,
        "products",
        [
            {"ndc": "00002759701", "valid_from": "2020-01-01"},
            {"ndc": "0002-7597-01", "valid_from": "2021-01-01"},  # the same product again: still one candidate
            {"ndc": "05024204062"},
            {"ndc": "50242004062"},  # 5024204062 may be either
            {"ndc": "0002759701"},  # settled by the table's own other rows
            {"ndc": "9999999999"},
        ],
    )
    by_ndc = {one.ndc_raw: one for one in products.collect()}
    assert by_ndc["0002759701"].ndc11 == "00002759701"
    assert by_ndc["9999999999"].problems == ["NDC_AMBIGUOUS"]
    ndcs = ["0002759701", "5024204062", "1111111111", "00002759701"]
    rows = [row("entity_claims", ndc, ndc=ndc) for ndc in ndcs]
    found = by_id(conformed(spark, "entity_claims", rows, products=good_rows(products)))
    assert [found[ndc]["ndc11"] for ndc in ndcs] == ["00002759701", None, None, "00002759701"]
    assert [found[ndc]["problems"] for ndc in ndcs] == [None, ["NDC_AMBIGUOUS"], ["NDC_AMBIGUOUS"], None]


def test_ncpdp_ids_are_settled_where_they_have_one_npi(spark: SparkSession) -> None:
    pharmacies = conformed(
        spark,
        "pharmacies",
        [
            {"npi": "1234567893", "ncpdp_id": "0500001", "valid_to": "2020-01-01"},
            {"npi": "1234567893", "ncpdp_id": "0500001"},
            {"npi": "1234567893", "ncpdp_id": "0500002"},
            {"npi": "1215284153", "ncpdp_id": "0500002"},
            {"npi": "1215284153", "ncpdp_id": None},
        ],
    )
    rows = [row("rebate_claims", f"R{n}", pharmacy_npi=None, pharmacy_ncpdp_id=f"050000{n}") for n in range(1, 4)]
    rows.append(row("rebate_claims", "both", pharmacy_npi="1740252501", pharmacy_ncpdp_id="0500001"))
    found = by_id(conformed(spark, "rebate_claims", rows, pharmacies=pharmacies))
    keys = {name: one["pharmacy_key"] for name, one in found.items()}
    assert keys == {"R1": "1234567893", "R2": "NCPDP:0500002", "R3": "NCPDP:0500003", "both": "1740252501"}


def test_parent_entities_are_those_of_the_date_of_service(spark: SparkSession) -> None:
    entities = conformed(
        spark,
        "covered_entities",
        [
            {"entity_id": "dsh 1a", "parent_entity_id": "DSH1"},
            {"entity_id": "DSH2A", "parent_entity_id": "DSH2", "valid_to": "2025-01-01"},
            {"entity_id": "DSH2A", "parent_entity_id": "DSH3", "valid_from": "2025-01-01"},
            {"entity_id": "DSH4A", "parent_entity_id": "DSH4", "snapshot_date": "2025-01-01"},
            {"entity_id": "DSH4A", "parent_entity_id": "DSH5", "snapshot_date": "2025-06-01"},
            {"entity_id": "CH6A", "parent_entity_id": "DSH6"},
            {"entity_id": "CH6A", "parent_entity_id": "DSH7"},
            {"entity_id": "DSH8"},
        ],
    )
    cases = {
        "lower case": ("DSH1A", "2025-08-01", "DSH1"),
        "before": ("DSH2A", "2024-12-31", "DSH2"),
        "from that day": ("DSH2A", "2025-01-01", "DSH3"),
        "latest snapshot": ("dsh4a", "2025-03-01", "DSH5"),
        "undecided": ("CH6A", "2025-08-01", "CH6A"),
        "none": ("DSH8", "2025-08-01", "DSH8"),
        "unknown": ("DSH9", "2025-08-01", "DSH9"),
        "of no register": ("DSH10B", "2025-08-01", "DSH10"),
        "its other site": ("DSH10A", "2025-08-01", "DSH10"),
    }
    rows = [row("entity_claims", name, entity_id=one, date_of_service=day) for name, (one, day, _) in cases.items()]
    claims = conformed(spark, "entity_claims", rows)
    families = entity_families(good_rows(entities), [claims])
    found = by_id(with_parents(claims, families))
    assert {name: one["parent_entity_id"] for name, one in found.items()} == {n: p for n, (_, _, p) in cases.items()}


@pytest.mark.parametrize("name", sorted(TABLES))
def test_the_schema_is_the_one_declared_whatever_columns_are_there(spark: SparkSession, name: str) -> None:
    table = TABLES[name]
    expected = [(field.name, field.dataType.simpleString()) for field in conformed_schema(table).fields]
    every = {column.name: None for column in table.columns}
    for rows in ([every], [{table.column_names[0]: None}]):
        found = conform(received(spark, rows), table, as_of=AS_OF)
        assert [(field.name, field.dataType.simpleString()) for field in found.schema.fields] == expected


def test_pharmacy_rows_are_late_by_receipt_else_by_transaction(spark: SparkSession) -> None:
    rows = [
        row("pharmacy_claims", "received", received_at="2026-03-31", transaction_at="2026-04-02"),
        row("pharmacy_claims", "transacted", transaction_at="2026-04-01"),
        row("pharmacy_claims", "neither"),
    ]
    found = by_id(conformed(spark, "pharmacy_claims", rows))
    assert {name: one["left_as"] for name, one in found.items()} == {
        "received": None,
        "transacted": "AFTER_AS_OF",
        "neither": None,
    }
    assert found["neither"]["received_at"] is None


# What a table holds, and what becomes of it: as an analyst would list it. Contract, general rules.
BAD_VALUES = """
case                      | column        | received      || becomes | problem             | coerced
a status that is none     | status        | REVERSE       || -       | STATUS_INVALID      |
no status                 | status        | -             || SUBMITTED |                   |
blank status              | status        | <tab>         || SUBMITTED |                   |
a claim type that is none | claim_type    | PHARMACY      || -       |                     | claim_type
no claim type             | claim_type    | -             || RX      |                     |
340B unreadable           | is_340b       | perhaps       || -       | IS_340B_INVALID     |
a fill of words           | fill_number   | two           || -       |                     | fill_number
a damaged NPI             | prescriber_npi | 1.23457E+9   || -       |                     | prescriber_npi
a damaged billing NPI     | pharmacy_npi  | 1.23457e+09   || -       | PHARMACY_NPI_DAMAGED |
a damaged Rx number       | rx_number     | 1.23E+11      || -       | RX_NUMBER_DAMAGED   |
a damaged NDC             | ndc           | 2.7597E+6     || 2.7597E+6 | NDC_DAMAGED       |
a decimal comma           | bin           | 6,1E+5        || -       |                     | bin
not quite scientific      | bin           | 610E+5        || 610E+5  |                     |
no-break space and NUL    | pcn           | <nbsp>ADV<nul> || ADV    |                     |
an invisible mark         | pcn           | <bom>ADV      || ADV     |                     |
a space inside            | pcn           | AD V          || AD V    |                     |
"""
SHOWN = {"<tab>": "\t", "<nbsp>": "\u00a0", "<nul>": "\0", "<bom>": "\ufeff"}


def listed(text: str) -> Iterator[dict[str, str]]:
    header, *lines = [line for line in text.strip().splitlines() if line.strip()]
    names = [name.strip() for name in header.replace("||", "|").split("|")]
    for line in lines:
        yield dict(zip(names, (cell.strip() for cell in line.replace("||", "|").split("|")), strict=True))


@pytest.fixture(scope="module")
def of_bad_values(spark: SparkSession) -> dict[str, dict[str, Any]]:
    rows = []
    for case in listed(BAD_VALUES):
        value = None if case["received"] == "-" else case["received"]
        for shown, character in SHOWN.items():
            value = value and value.replace(shown, character)
        rows.append(row("entity_claims", case["case"], **{case["column"]: value}))
    return by_id(conformed(spark, "entity_claims", rows))


@pytest.mark.parametrize("case", list(listed(BAD_VALUES)), ids=lambda case: case["case"])
def test_bad_values_and_defaults(of_bad_values: dict[str, dict[str, Any]], case: dict[str, str]) -> None:
    found = of_bad_values[case["case"]]
    column = "ndc_raw" if case["column"] == "ndc" else case["column"]
    value = found[column]
    assert ("-" if value is None else str(value)) == case["becomes"]
    assert found["problems"] == ([case["problem"]] if case["problem"] else None)
    assert found["coerced"] == ([case["coerced"]] if case["coerced"] else None)


def test_damaged_identifiers_of_rebate_claims(spark: SparkSession) -> None:
    damaged = "2.02519E+13"
    rows = [
        row("rebate_claims", "claim", claim_id=damaged),
        row("rebate_claims", "plan", plan_id=damaged),  # part of the claim key
        row("rebate_claims", "prior", prior_claim_id=damaged),
        row("rebate_claims", "hashed", rx_number=damaged, rx_number_hash="aBc=", hash_scheme="S1"),
        row("rebate_claims", "ncpdp", pharmacy_npi=damaged, pharmacy_ncpdp_id="0512345"),
        row("rebate_claims", damaged, patient_key="row id"),
        row("rebate_claims", damaged, source_file="a.csv", source_row_no="7"),
        row("rebate_claims", "line", claim_line="L2"),
        row("rebate_claims", "basis", units_basis="HCPCS UNITS"),
        row("rebate_claims", "type", rebate_type="BASIC"),
    ]
    found = {
        one["source_row_id"] or one["patient_key"]: one for one in conformed(spark, "rebate_claims", rows).collect()
    }
    assert {name: one["problems"] for name, one in found.items()} == {
        "claim": ["CLAIM_ID_DAMAGED"],
        "plan": ["PLAN_ID_DAMAGED"],
        "prior": None,
        "hashed": None,
        "ncpdp": None,
        "row id": ["SOURCE_ROW_ID_DAMAGED"],
        "a.csv#7": None,
        "line": ["CLAIM_LINE_INVALID"],
        "basis": ["UNITS_BASIS_INVALID"],
        "type": ["REBATE_TYPE_INVALID"],
    }
    assert {name: one["coerced"] for name, one in found.items() if one["coerced"]} == {
        "prior": ["prior_claim_id"],
        "hashed": ["rx_number"],
        "ncpdp": ["pharmacy_npi"],
        "a.csv#7": ["source_row_id"],
    }
    assert (found["hashed"]["rx_key"], found["ncpdp"]["pharmacy_key"]) == ("S1:aBc=", "NCPDP:0512345")
    assert (found["line"]["claim_line"], found["basis"]["units_basis"]) == (None, None)


# table, column, what is received -> what becomes of it, the row's problem, what is counted. A default stands in for an
# absent value only; a value that cannot be read in a column that decides what the row is quarantines the row.
UNREADABLE = """
table              | column          | received     || becomes   | problem             | coerced
rebate_claims      | sub_program     | TITLE 19     || -         | SUB_PROGRAM_INVALID |
rebate_claims      | sub_program     | -            || -         |                     |
rebate_claims      | transaction     | REPLACE      || -         | TRANSACTION_INVALID |
rebate_claims      | dispensing_status | X          || -         |                     | dispensing_status
invoices           | sub_program     | TITLE 19     || -         | SUB_PROGRAM_INVALID |
invoices           | rebate_type     | BASIC        || -         | REBATE_TYPE_INVALID |
invoices           | line_kind       | PRIOR        || -         | LINE_KIND_INVALID   |
invoices           | line_kind       | -            || CURRENT   |                     |
invoices           | source_kind     | PUBLIC       || -         |                     | source_kind
invoices           | source_kind     | -            || INVOICE   |                     |
settlements        | sub_program     | TITLE 19     || -         | SUB_PROGRAM_INVALID |
settlements        | claim_line      | first        || -         | CLAIM_LINE_INVALID  |
rebate_contracts   | rebate_type     | BASIC        || -         | REBATE_TYPE_INVALID |
rebate_contracts   | exclusion_scope | EVERYTHING   || -         |                     | exclusion_scope
rebate_contracts   | exclusion_scope | -            || ALL       |                     |
identifiers_340b   | confidence      | fair         || -         |                     | confidence
identifiers_340b   | confidence      | -            || HIGH      |                     |
state_340b_policies | confidence     | fair         || -         |                     | confidence
"""


REQUIRED = {
    "invoices": row("invoices"),
    "rebate_claims": row("rebate_claims", "r"),
    "settlements": {
        "program": "MDRP_FFS",
        "ndc": "00002759701",
        "period": "2025Q3",
        "settled_on": "2025-12-01",
        "kind": "PAID",
        "units": "30",
    },
    "rebate_contracts": {"payer_id": "PBM-A", "excludes_340b": "true"},
    "identifiers_340b": {"field": "SCC", "value": "20"},
    "state_340b_policies": {"state": "KY"},
}


@pytest.mark.parametrize("case", list(listed(UNREADABLE)), ids=lambda case: " ".join(list(case.values())[:3]))
def test_a_value_that_cannot_be_read_never_becomes_the_default(spark: SparkSession, case: dict[str, str]) -> None:
    value = None if case["received"] == "-" else case["received"]
    (found,) = conformed(spark, case["table"], [REQUIRED[case["table"]] | {case["column"]: value}]).collect()
    became = found[case["column"]]
    assert ("-" if became is None else became) == case["becomes"]
    assert found["problems"] == ([case["problem"]] if case["problem"] else None)
    assert found["coerced"] == ([case["coerced"]] if case["coerced"] else None)


def test_every_default_is_tested_with_a_value_that_cannot_be_read() -> None:
    """`status`, `claim_type`, `claim_line` and `units_basis` above."""
    tested = {(case["table"], case["column"]) for case in listed(UNREADABLE) if case["becomes"] == "-"}
    tested |= {("entity_claims", "status"), ("entity_claims", "claim_type")}
    tested |= {("rebate_claims", "claim_line"), ("rebate_claims", "units_basis")}
    with_default = {
        (table.name, one.name) for table in TABLES.values() for one in table.columns if one.default is not None
    }
    assert with_default <= tested


def test_invoices_are_late_by_receipt_else_by_postmark(spark: SparkSession) -> None:
    days = {
        "received": ("2026-03-31", "2026-04-02", None),
        "received later": ("2026-04-01", "2026-03-01", "AFTER_AS_OF"),
        "postmarked later": (None, "2026-04-01", "AFTER_AS_OF"),
        "no day": (None, None, None),
        "placeholder": (None, "9999-12-31", None),
        "placeholder and postmark": ("9999-12-31", "2026-04-01", "AFTER_AS_OF"),
    }
    rows = [
        row("invoices", invoice_number=name, received_date=received_on, postmark_date=postmark)
        for name, (received_on, postmark, _) in days.items()
    ]
    found = by_id(conformed(spark, "invoices", rows), "invoice_number")
    assert {name: one["left_as"] for name, one in found.items()} == {name: told for name, (*_, told) in days.items()}
    assert found["placeholder"]["postmark_date"] == date(9999, 12, 31)


# Columns with days around that of the run, 2026-03-31, and whether the row was known then (contract parts 2 and 7.16).
KNOWN = {
    "prices": ({"ndc": "00002759701", "period": "2025Q3"}, ["snapshot_date"]),
    "chargebacks": (
        {"chargeback_id": "1", "entity_id": "DSH1", "ndc": "00002759701", "packages": "1", "contract_type": "340B"},
        ["snapshot_date", "invoice_date"],
    ),
    "settlements": (
        {"program": "MDRP_FFS", "ndc": "00002759701", "period": "2025Q3", "kind": "PAID", "units": "1"},
        ["snapshot_date", "settled_on"],
    ),
    "decisions": (
        {"finding_id": "f", "decided_by": "A", "decision": "PAY"},
        ["snapshot_date", "decided_at"],
    ),
    "outcomes": ({"finding_id": "f", "answer": "ACCEPTED"}, ["snapshot_date", "answered_on"]),
}


@pytest.mark.parametrize("name", KNOWN)
def test_reference_rows_of_a_later_day_are_not_known_yet(spark: SparkSession, name: str) -> None:
    good, days = KNOWN[name]
    event = days[-1]
    rows = [good | dict.fromkeys(days) | {event: day, "comment": day} for day in ("2026-03-31", "2026-04-01")]
    rows.append(good | {event: "2026-01-01", "snapshot_date": "2026-04-01"})
    rows.append(good | {event: "2026-01-01", "snapshot_date": "9999-12-31"})
    found = conformed(spark, name, rows).collect()
    known = {(str(one[event])[:10], str(one.snapshot_date)[:10]): one.left_as for one in found}
    late = {key for key, left_as in known.items() if left_as == "AFTER_AS_OF"}
    assert late == {key for key in known if "2026-04-01" in key}
    assert len(late) in (1, 2)


def test_words_for_null(spark: SparkSession) -> None:
    rows = [
        row("rebate_claims", "words", plan_id="NULL", group_id="\\N", units="NULL"),
        row("rebate_claims", "none", plan_id="NULLA", group_id="n/a"),
    ]
    noted = by_id(conformed(spark, "rebate_claims", rows))
    assert noted["words"]["problems"] == ["UNITS_INVALID"]
    assert noted["words"]["plan_id"] == "NULL"
    assert sorted(noted["words"]["null_words"]) == ["group_id=\\N", "plan_id=NULL", "units=NULL"]
    assert noted["none"]["null_words"] is None
    declared = by_id(conformed(spark, "rebate_claims", rows, formats=DeclaredFormats(nulls=("NULL", "\\N", "n/a"))))
    assert (declared["words"]["plan_id"], declared["words"]["group_id"]) == (None, None)
    assert declared["words"]["problems"] == ["UNITS_MISSING"]
    assert json.loads(declared["words"]["raw"])["plan_id"] == "NULL"
    assert (declared["none"]["plan_id"], declared["none"]["group_id"]) == ("NULLA", None)
    assert [one["null_words"] for one in declared.values()] == [None, None]


def test_npis_that_arrived_as_numbers_are_their_ten_digits(spark: SparkSession) -> None:
    """Also as the text of a float, which JSON and CSV files have."""
    numbers = {
        "pharmacy_npi": ("bigint", [1234567893, None]),
        "service_npi": ("double", [1234567893.0, float("nan")]),
        "prescriber_npi": ("string", ["1234567893.0", "12345.0"]),
        "bin": ("string", ["610014.0", "000012"]),
    }
    rows = conform_typed(spark, REBATE_CLAIMS, numbers)
    assert [[rows[name][column] for column in numbers] for name in ("R0", "R1")] == [
        ["1234567893", "1234567893", "1234567893", "610014.0"],
        [None, None, "12345.0", "000012"],
    ]


def test_an_invoice_line_is_named_by_all_that_is_given_of_its_key(spark: SparkSession) -> None:
    lines = {
        "MDRP_FFS/KY/00002759701/2025Q3": {},
        "MDRP_FFS/KY/00002759701/2025Q3/I1/CURRENT": {"invoice_number": "I1"},
        "MDRP_FFS/KY/00002759701/2025Q3//PRIOR_DELTA": {"line_kind": "PRIOR_DELTA"},
        "MDRP_FFS/KY/00002759701/2025Q3/XIX": {"sub_program": "XIX"},
        "MDRP_FFS/KY/00002759701/2025Q3/FEDERAL": {"rebate_type": "FEDERAL"},
        "MDRP_FFS/KY/00002759701/2025Q3/I1/CURRENT/XIX/FEDERAL": {
            "invoice_number": "I1",
            "sub_program": "XIX",
            "rebate_type": "FEDERAL",
        },
    }
    rows = [row("invoices", **fields, product_name=name) for name, fields in lines.items()]
    found = conformed(spark, "invoices", rows).collect()
    assert {one.product_name: one.source_row_id for one in found} == {name: name for name in lines}
