"""What a workbook says of one finding: both claims, names, passed deadlines, texts that are not cut."""

from __future__ import annotations

import csv
import re
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pytest
from openpyxl.utils import column_index_from_string
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import StructType

from engine.contracts.prepared import PREPARED_ENTITY_CLAIMS, PREPARED_REBATE_CLAIMS
from engine.exports import add_up, finding_details, redacted_findings, write_workbooks
from engine.exports.csv_files import identifier, identifiers
from engine.exports.side_by_side import FIELDS
from engine.runtime.storage import storage_of
from engine.settings import ReviewSettings
from tests.unit.exports_rows import FACTS, finding, frame_of, lines_of

CLAIM = {
    "source_row_id": "R1",
    "program": "MDRP_MCO",
    "payer_id": "KY",
    "plan_id": "P-9",
    "claim_id": "0012",
    "claim_line": 1,
    "pharmacy_npi": "1003000126",
    "pharmacy_key": "1003000126",
    "rx_number_raw": "0001234567",
    "rx_key": "1234567",
    "date_of_service": date(2026, 2, 10),
    "paid_date": date(2026, 2, 20),
    "ndc11": "00002759701",
    "units": Decimal("30.000"),
    "ndc_units": Decimal("30.000"),
    "days_supply": 30,
    "amount_paid": Decimal("120.50"),
    "hcpcs_code": "J1234",
    "hcpcs_units": Decimal("3.000"),
    "modifiers": "JZ|TB",
}
EARLIER = {**CLAIM, "source_row_id": "R0", "claim_id": "0011", "paid_date": date(2026, 2, 11)}
CLAIM_340B = {
    "source_row_id": "E1",
    "entity_id": "DSH1",
    "pharmacy_npi": "1003000126",
    "pharmacy_key": "1003000126",
    "rx_number_raw": "1234567",
    "rx_key": "1234567",
    "date_of_service": date(2026, 2, 11),
    "ndc11": "00002759701",
    "quantity": Decimal("30.000"),
    "submitted_at": datetime(2026, 3, 1, 8),
}
LONG = "A text that wraps, with its words and figures. " * 14


def hit(rule: str, *related: str) -> dict[str, Any]:
    one = dict(finding(1)["rules"][0])
    return {**one, "rule_id": rule, "message": f"Message of {rule}.", "related_source_row_ids": list(related)}


def found(finding_id: str, row: str, subject: str, *rules: dict[str, Any], **changed: Any) -> dict[str, Any]:
    own = {"finding_id": finding_id, "source_row_id": row, "subject": subject, "rules": list(rules)}
    return {**finding(1), "program": "MDRP_MCO", "entity_id": "DSH1", "pharmacy_npi": "1003000126", **own, **changed}


LINKED = found(
    "linked",
    "R1",
    "REBATE_CLAIM",
    hit("R005", "E1"),
    priority=900.0,
    narrative=LONG,
    deadline_date=date(2026, 2, 28),
    deadline_kind="NO_INTEREST",
    dispute_code="X",
)
TWICE = found("twice", "R1", "REBATE_CLAIM", hit("R016", "R0"), priority=800.0, deadline_date=date(2026, 3, 1))
OF_ENTITY = found("entity", "E1", "ENTITY_CLAIM", hit("R043"), priority=700.0, program=None)
INVOICE = found("invoice", "KY/1", "INVOICE", hit("R038"), priority=600.0, pharmacy_npi=None, entity_id=None)
ROWS = [LINKED, TWICE, OF_ENTITY, INVOICE]


def frame(spark: SparkSession, schema: StructType, *rows: dict[str, Any]) -> DataFrame:
    return spark.createDataFrame([tuple(row.get(name) for name in schema.names) for row in rows], schema)


@pytest.fixture(scope="module")
def details(spark: SparkSession) -> DataFrame:
    claims = frame(spark, PREPARED_REBATE_CLAIMS, CLAIM, EARLIER)
    names = {
        "covered_entities": spark.createDataFrame([("DSH1", "General Hospital")], "entity_id string, name string"),
        "pharmacies": spark.createDataFrame([("1003000126", "Corner Pharmacy")], "npi string, name string"),
    }
    return finding_details(
        frame_of(spark, ROWS),
        lambda ids: claims.join(ids, on="source_row_id", how="left_semi"),
        frame(spark, PREPARED_ENTITY_CLAIMS, CLAIM_340B),
        names,
    )


@pytest.fixture(scope="module")
def of_finding(details: DataFrame) -> dict[str, dict[str, Any]]:
    return {row["finding_id"]: row.asDict() for row in details.collect()}


def test_the_other_claim_is_the_340b_claim_or_the_earlier_one_and_what_differs_is_named(
    of_finding: dict[str, dict[str, str | None]],
) -> None:
    linked, twice = of_finding["linked"], of_finding["twice"]
    assert (linked["own_source_row_id"], linked["other_source_row_id"], linked["other_kind"]) == (
        "R1",
        "E1",
        "340B claim",
    )
    assert (linked["own_date_of_service"], linked["other_date_of_service"]) == ("2026-02-10", "2026-02-11")
    assert linked["differs"] == "Date of service"
    assert (twice["other_source_row_id"], twice["other_kind"]) == ("R0", "rebate claim")
    assert (twice["own_claim_id"], twice["other_claim_id"], twice["differs"]) == ("0012", "0011", "Claim number")


def test_a_340b_claim_stands_for_itself_and_an_invoice_line_has_no_claim(
    of_finding: dict[str, dict[str, str | None]],
) -> None:
    assert (of_finding["entity"]["own_kind"], of_finding["entity"]["own_units"]) == ("340B claim", "30")
    assert of_finding["entity"]["own_paid_date"] == "2026-03-01"  # when it was submitted
    assert (of_finding["entity"]["other_kind"], of_finding["entity"]["record_id"]) == (None, None)
    assert (of_finding["invoice"]["own_kind"], of_finding["invoice"]["entity_name"]) == (None, None)
    assert len(of_finding) == len(ROWS)


@pytest.fixture(scope="module")
def books(
    spark: SparkSession, tmp_path_factory: pytest.TempPathFactory, details: DataFrame
) -> dict[bool, tuple[Path, Any]]:
    found_rows, made = frame_of(spark, ROWS), {}
    for redacted in (False, True):
        folder = tmp_path_factory.mktemp("book")
        shown = redacted_findings(found_rows) if redacted else found_rows
        facts = FACTS.__class__(**{**FACTS.__dict__, "code_texts": {"X": "PHS entity"}})
        nothing = lines_of(spark, [])
        totals = add_up(shown)
        write_workbooks(
            shown,
            nothing,
            totals,
            facts,
            storage_of(spark),
            folder.as_uri(),
            ReviewSettings(),
            redacted=redacted,
            details=details,
        )
        made[redacted] = (folder, openpyxl.load_workbook(folder / "findings.xlsx"))
    return made


def rows_of(sheet: Any) -> list[dict[str, Any]]:
    rows = list(sheet.iter_rows(values_only=True))
    return [dict(zip(rows[0], row, strict=True)) for row in rows[1:]]


def test_findings_have_what_analysts_look_up_elsewhere(books: dict[bool, tuple[Path, Any]]) -> None:
    first = rows_of(books[False][1]["Findings"])[0]
    assert {
        "340B entity name": "General Hospital",
        "Pharmacy name": "Corner Pharmacy",
        "Program in words": "Medicaid MCO",
        "Subject in words": "Claim",
        "Record id": "MCOU",
        "Plan": "P-9",
        "Paid on": datetime(2026, 2, 20),
        "Amount paid ($)": 120.5,
        "Days supply": 30,
        "HCPCS code": "J1234",
        "HCPCS units": 3,
        "Modifiers": "JZ|TB",
        "Other claim": "E1",
        "They differ in": "Date of service",
        "Code means": "PHS entity",
    }.items() <= first.items()


def test_when_a_340b_claim_was_submitted_is_not_when_it_was_paid(books: dict[bool, tuple[Path, Any]]) -> None:
    of_entity = next(row for row in rows_of(books[False][1]["Findings"]) if row["Finding id"] == "entity")
    assert (of_entity["Paid on"], of_entity["Amount paid ($)"], of_entity["Pharmacy name"]) == (
        None,
        None,
        "Corner Pharmacy",
    )


def test_a_deadline_before_the_runs_day_is_marked_in_words(books: dict[bool, tuple[Path, Any]]) -> None:
    linked, twice = rows_of(books[False][1]["Findings"])[:2]
    assert FACTS.as_of == date(2026, 3, 1)
    assert linked["Deadline is"].startswith("PASSED: last day to pay")
    assert not (twice["Deadline is"] or "").startswith("PASSED")  # today is not too late


def test_rows_are_as_high_as_their_text(books: dict[bool, tuple[Path, Any]]) -> None:
    sheet = books[False][1]["Findings"]
    width = sheet.column_dimensions["E"].width
    needed = len(LONG) / width
    assert sheet.row_dimensions[2].height >= 12.75 * needed  # a line of Calibri 10
    assert sheet.row_dimensions[3].height < sheet.row_dimensions[2].height


def test_one_finding_looks_up_each_value_under_its_own_heading(books: dict[bool, tuple[Path, Any]]) -> None:
    _, book = books[False]
    sheet, looked_up = book["One finding"], 0
    label = {**{f.label: f.label for f in FIELDS}, "What it is": "Own row is"}
    for row in sheet.iter_rows(min_row=5):
        for cell in row[1:3]:
            if not isinstance(cell.value, str) or not cell.value.startswith("=IFERROR"):
                continue
            name, letter = re.search(r"INDEX\('([^']+)'!\$([A-Z]+)\$2", cell.value).groups()
            heading = book[name].cell(1, column_index_from_string(letter)).value
            side = " (own)" if cell.column == 2 else " (other)"
            wanted = row[0].value
            if name == "Both claims" and wanted in label and wanted != "What it is":
                wanted = f"{label[wanted]}{side}"
            elif wanted == "What it is":
                wanted = "Own row is" if cell.column == 2 else "Other claim is"
            assert heading == wanted
            looked_up += 1
    assert looked_up > 2 * len(FIELDS)


def test_one_finding_shows_the_first_at_once_and_only_its_id_can_be_changed(
    books: dict[bool, tuple[Path, Any]],
) -> None:
    folder, book = books[False]
    shown = openpyxl.load_workbook(folder / "findings.xlsx", data_only=True)["One finding"]
    lines = {row[0]: row[1:] for row in shown.iter_rows(values_only=True) if row[0]}
    assert lines["Finding id"][0] == "linked"
    assert lines["Date of service"] == ("2026-02-10", "2026-02-11", "≠ differs")
    assert lines["NDC-11"] == ("00002759701", "00002759701", None)
    assert lines["Rules in full"][0] == "R005: Message of R005."
    assert lines["What is suspected"][0] == LONG
    sheet = book["One finding"]
    assert sheet.protection.sheet is True
    assert [c.coordinate for row in sheet.iter_rows() for c in row if not c.protection.locked] == ["B3"]


def test_claims_of_the_first_findings_alone_are_shown_where_the_settings_say_so(
    spark: SparkSession, tmp_path: Path, details: DataFrame
) -> None:
    shown = frame_of(spark, ROWS)
    few = ReviewSettings(findings_with_claims=2)
    nothing, storage = lines_of(spark, []), storage_of(spark)
    write_workbooks(shown, nothing, add_up(shown), FACTS, storage, tmp_path.as_uri(), few, details=details)
    book = openpyxl.load_workbook(tmp_path / "findings.xlsx")
    assert [row["Finding id"] for row in rows_of(book["Both claims"])] == ["linked", "twice"]
    assert len(rows_of(book["Findings"])) == len(ROWS)
    assert "the first 2 findings" in book["One finding"]["A2"].value


def test_redaction_reaches_the_claims_side_by_side(books: dict[bool, tuple[Path, Any]]) -> None:
    _, book = books[True]
    texts = [str(cell) for sheet in book for row in sheet.iter_rows(values_only=True) for cell in row if cell]
    assert not [text for text in texts if "120.5" in text or "1234567" in text.replace("NDC", "")]
    assert "******4567" in texts


def test_the_csv_keeps_leading_zeros_in_a_spreadsheet_and_is_the_same_without_the_tab(
    books: dict[bool, tuple[Path, Any]],
) -> None:
    folder, book = books[False]
    with (folder / "findings.csv").open(encoding="utf-8-sig", newline="") as file:
        line = next(csv.DictReader(file))
    assert line["Rx as received"].startswith("\t000")
    in_sheet = rows_of(book["Findings"])[0]
    assert line["Rx as received"].strip() == in_sheet["Rx as received"]


@pytest.mark.parametrize(
    ("text", "is_marked"),
    [
        ("00002759701", True),
        ("0", True),
        ("1234567890", True),
        ("123456789012", True),
        ("12E45", True),
        ("12.50", True),
        ("3-14", True),
        ("1433-80", True),
        ("2025-07-01", True),
        ("MAR12", True),
        ("1-Sept", True),
        ("12 PM", True),
        ("true", True),
        ("2025Q3", False),
        ("MARYLAND", False),
        ("DSH010023", False),
        ("😀12", False),
        ("", False),
    ],
)
def test_only_what_a_spreadsheet_would_change_gets_a_tab(text: str, is_marked: bool) -> None:
    shown = f"\t{text}" if is_marked else text
    assert identifiers(pa.array([text, None])).to_pylist() == [shown, None]
    assert identifier(text) == shown


def test_an_identifier_that_is_a_formula_gets_an_apostrophe_and_no_tab() -> None:
    assert [identifier(text) for text in ("=1", "-2", "\t=1", "\t12", None)] == ["'=1", "'-2", "'\t'=1", "'\t12", None]
