"""The analysts' workbook, opened again as a spreadsheet program would."""

from __future__ import annotations

import csv
import re
import zipfile
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import xlsxwriter
from pyspark.sql import SparkSession

from engine.contracts.cases import CASES, QUEUE
from engine.contracts.tie_out import TIE_OUT
from engine.exports import ReviewTables, add_up, batches, write_workbooks
from engine.exports.formats import Formats
from engine.exports.quality_sheet import add_quality_sheet
from engine.exports.sheet_columns import FINDINGS_COLUMNS
from engine.feedback.sheets import entries_of
from engine.runtime.storage import storage_of
from engine.settings import ReviewSettings
from tests.unit.exports_rows import FACTS, finding, frame_of, line, lines_of

COUNT = 45
HOSTILE = {
    7: {
        "narrative": '=HYPERLINK("http://example.com","x")',
        "claim_id": "=1+1",
        "product_name": "+A1",
        "priority": 1e6,
    },
    8: {"narrative": "@SUM(A1)", "claim_id": "-2", "invoice_number": "\tx", "rx_number_raw": "\r=1", "priority": 9e5},
    9: {"narrative": "x" * 40_000, "product_name": "naïve <b> & \x07 日本", "claim_id": "＝1", "priority": 8e5},
    10: {"priority": 7e5, "amount_at_issue": None, "units_at_issue": None, "date_of_service": None, "rx_number": "123"},
}
SETTINGS = ReviewSettings(rows_per_sheet=7, findings_per_workbook=20)


def _rows() -> list[dict[str, Any]]:
    return [finding(number) | HOSTILE.get(number, {}) for number in range(COUNT)]


def _cells(sheet: Any) -> list[dict[str, Any]]:
    rows = list(sheet.iter_rows())
    headings = [cell.value for cell in rows[0]]
    return [dict(zip(headings, row, strict=True)) for row in rows[1:]]


@pytest.fixture(scope="module")
def review(
    spark: SparkSession, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[str], dict[str, Any], list[dict[str, Any]]]:
    folder = tmp_path_factory.mktemp("review")
    rows = _rows()
    findings = frame_of(spark, rows).repartition(3).cache()
    drafted = [line(row) for row in rows if row["evidence"] == "STRONG"]
    lines = lines_of(spark, drafted)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batches, "ROWS_PER_PARTITION", 10)
        patch.setattr(batches, "ROWS_PER_RANGE", 10)
        patch.setattr(batches, "ROWS_PER_BATCH", 4)
        names = write_workbooks(findings, lines, add_up(findings), FACTS, storage_of(spark), folder.as_uri(), SETTINGS)
    findings.unpersist()
    books = {name: openpyxl.load_workbook(folder / name) for name in names if name.endswith(".xlsx")}
    return folder, names, books, drafted


def _finding_sheets(books: dict[str, Any]) -> list[Any]:
    return [book[name] for book in books.values() for name in book.sheetnames if name.startswith("Findings")]


def test_workbooks_and_sheets_are_split_before_their_limits(
    review: tuple[Path, list[str], dict[str, Any], list[dict[str, Any]]],
) -> None:
    folder, names, books, drafted = review
    assert names == ["findings-1-of-3.xlsx", "findings-2-of-3.xlsx", "findings-3-of-3.xlsx", "findings.csv"]
    assert sorted(path.name for path in folder.iterdir()) == sorted(names)
    line_sheets = ["Dispute lines", *(f"Dispute lines {n + 2}" for n in range((len(drafted) - 1) // 7))]
    findings, one = ["Findings", "Findings 2", "Findings 3"], ["One finding", "Both claims"]
    assert [book.sheetnames for book in books.values()] == [
        ["Summary", "How to read", "Index", *findings, *one, *line_sheets, "Data quality"],
        ["How to read", *findings, *one],
        ["How to read", "Findings", *one],
    ]
    assert [sheet.max_row - 1 for sheet in _finding_sheets(books)] == [7, 7, 6, 7, 7, 6, 5]


def test_every_finding_is_there_once_in_the_order_of_priority(
    review: tuple[Path, list[str], dict[str, Any], list[dict[str, Any]]],
) -> None:
    _, _, books, _ = review
    expected = [row["finding_id"] for row in sorted(_rows(), key=lambda row: (-row["priority"], row["finding_id"]))]
    found = [cells["Finding id"].value for sheet in _finding_sheets(books) for cells in _cells(sheet)]
    assert found == expected


def test_identifiers_are_text_and_numbers_are_numbers(
    review: tuple[Path, list[str], dict[str, Any], list[dict[str, Any]]],
) -> None:
    _, _, books, _ = review
    rows = {row["finding_id"]: row for row in _rows()}
    for sheet in _finding_sheets(books):
        for cells in _cells(sheet):
            row = rows[cells["Finding id"].value]
            for heading, name in (("NDC-11", "ndc11"), ("Labeler", "labeler_code"), ("Pharmacy NPI", "pharmacy_npi")):
                assert (cells[heading].value, cells[heading].data_type) == (row[name], "s")
            assert cells["Amount at issue ($)"].value == (
                None if row["amount_at_issue"] is None else float(row["amount_at_issue"])
            )
            assert cells["Units claimed"].value == float(row["units_claimed"])
            assert cells["Line"].value == 1
            served = row["date_of_service"]
            assert cells["Date of service"].value == (served and datetime(served.year, served.month, served.day))
    first = next(cells for cells in _cells(_finding_sheets(books)[0]) if cells["Amount at issue ($)"].value)
    assert first["Units claimed"].number_format == "#,##0.000"
    assert first["Amount at issue ($)"].number_format == "$#,##0.00;-$#,##0.00"
    assert first["Date of service"].number_format == "yyyy-mm-dd"
    assert first["NDC-11"].number_format == "@"
    assert first["What is suspected"].alignment.wrap_text


def test_no_cell_of_the_data_is_a_formula(review: tuple[Path, list[str], dict[str, Any], list[dict[str, Any]]]) -> None:
    _, _, books, _ = review
    cells = {cell["Finding id"].value: cell for sheet in _finding_sheets(books) for cell in _cells(sheet)}
    rows = _rows()
    for number in (7, 8):
        for heading, name in (("What is suspected", "narrative"), ("Claim number", "claim_id")):
            cell = cells[rows[number]["finding_id"]][heading]
            assert cell.value == rows[number][name]
    for book in books.values():
        for sheet in book:
            formulas = [c.value for line in sheet.iter_rows() for c in line if c.data_type == "f"]
            # the lookups of one sheet, none of which holds a value of the data
            assert bool(formulas) == (sheet.title == "One finding"), sheet.title
            lookup = r"""IFERROR\(IF\(INDEX\([A-Za-z0-9'!$:,() ="]+\)"""
            label = "; [A-Za-z0-9 ,()$-]+; "
            marked = rf"""IF\(ISNUMBER\(FIND\("{label}","; "&{lookup}&"; "\)\),"≠ differs",""\)"""
            assert [f for f in formulas if not re.fullmatch(f"=({lookup}|{marked})", f)] == []


def test_text_that_excel_cannot_hold_is_cut_visibly(
    review: tuple[Path, list[str], dict[str, Any], list[dict[str, Any]]],
) -> None:
    _, _, books, _ = review
    cells = _cells(_finding_sheets(books)[0])
    long = next(cell for cell in cells if cell["Finding id"].value == _rows()[9]["finding_id"])
    assert len(long["What is suspected"].value) == 32_767
    assert long["What is suspected"].value.endswith("x…")


def test_the_sheet_is_ready_to_work_in(review: tuple[Path, list[str], dict[str, Any], list[dict[str, Any]]]) -> None:
    folder, names, books, _ = review
    for sheet in _finding_sheets(books):
        assert sheet.freeze_panes == "D2"
        assert sheet.auto_filter.ref == f"A1:{openpyxl.utils.get_column_letter(len(FINDINGS_COLUMNS))}{sheet.max_row}"
        headings = [cell.value for cell in sheet[1]]
        assert headings[:4] == ["Priority ($)", "Evidence", "Amount at issue ($)", "Units at issue"]
        lists = {}
        for validation in sheet.data_validations.dataValidation:
            column = headings[openpyxl.utils.cell.range_boundaries(str(validation.sqref))[0] - 1]
            assert str(validation.sqref).endswith(str(sheet.max_row))
            lists[column] = validation.formula1
        assert lists["Decision"] == '"DISPUTE,DISMISS,WATCH,PAY"'
        assert lists["Reason"].startswith('"carve_out_confirmed,not_340b_confirmed_by_CE,')
        assert {"Units decided", "Decided on"} < set(lists)
        assert headings.index("Decision") == headings.index("Evidence checked") + 1
        assert {"Reason", "Comment", "Decided by", "Dispute code", "Rules"} < set(headings)
    with zipfile.ZipFile(folder / names[0]) as archive:
        sheet_xml = archive.read("xl/worksheets/sheet4.xml").decode()
    assert re.search(r'<ignoredError sqref="A1:[A-Z]+8" numberStoredAsText="1"/>', sheet_xml)


def test_the_analysts_see_whole_rx_numbers(
    review: tuple[Path, list[str], dict[str, Any], list[dict[str, Any]]],
) -> None:
    _, _, books, _ = review
    rows = {row["finding_id"]: row for row in _rows()}
    for sheet in _finding_sheets(books):
        for cells in _cells(sheet):
            rx = rows[cells["Finding id"].value]["rx_number"]
            assert cells["Rx number"].value == rx


def test_the_csv_has_the_same_lines_and_nothing_to_run(
    review: tuple[Path, list[str], dict[str, Any], list[dict[str, Any]]],
) -> None:
    folder, _, books, _ = review
    with (folder / "findings.csv").open(encoding="utf-8-sig", newline="") as file:
        lines = list(csv.DictReader(file))
    in_sheets = [cells for sheet in _finding_sheets(books) for cells in _cells(sheet)]
    assert [row["Finding id"] for row in lines] == [cells["Finding id"].value for cells in in_sheets]
    assert list(lines[0]) == list(in_sheets[0])
    by_id = {row["Finding id"]: row for row in lines}
    rows = _rows()
    assert by_id[rows[7]["finding_id"]]["What is suspected"] == "'" + rows[7]["narrative"]
    assert by_id[rows[7]["finding_id"]]["Product"] == "'+A1"
    assert by_id[rows[8]["finding_id"]]["Claim number"] == "'-2"
    assert by_id[rows[8]["finding_id"]]["Invoice number"] == "'\tx"
    assert by_id[rows[9]["finding_id"]]["Claim number"] == "'＝1"
    numbers = {"Priority ($)"}
    for row in lines:
        # a tab alone precedes digits, which a spreadsheet then takes for text
        plain_row = {k: re.sub(r"^\t(?=[0-9])", "", v) for k, v in row.items()}
        assert [k for k, v in plain_row.items() if v and v[0] in "=+-@\t\r\n" and k not in numbers] == []
    plain = by_id[rows[0]["finding_id"]]
    assert plain["NDC-11"].strip() == rows[0]["ndc11"]
    assert Decimal(plain["Units claimed"]) == rows[0]["units_claimed"]
    assert plain["Date of service"] == rows[0]["date_of_service"].isoformat()


def test_the_words_of_a_finding(review: tuple[Path, list[str], dict[str, Any], list[dict[str, Any]]]) -> None:
    _, _, books, _ = review
    rows = {row["finding_id"]: row for row in _rows()}
    cells = [cell for sheet in _finding_sheets(books) for cell in _cells(sheet)]
    matched = next(cell for cell in cells if rows[cell["Finding id"].value]["match_tier"])
    checked = matched["Evidence checked"].value
    assert re.search(r"R003 MEDIUM, X, [0-9.]+ units(, \$[0-9,.]+)? \[no 340b purchase: ruled out; state", checked)
    assert matched["Match is a tie"].value == "No"
    unusual = next(cell for cell in cells if rows[cell["Finding id"].value]["reasons"])
    assert unusual["Unusual (model)"].value == "units per prescription 900 (usually 28 to 90.5 among 3,210 peers)"
    dated = next(cell for cell in cells if rows[cell["Finding id"].value]["reference_rows"])
    ndc = dated["NDC-11"].value
    assert dated["Reference facts"].value == f"products {ndc}, 2015-01-01 to 2023-12-31, as of 2025-10-01"
    duplicate = next(cell for cell in cells if "R016" in cell["Rules"].value)
    assert duplicate["Related rows"].value == "2025-q3-0007 and 1,000 more"


def test_dispute_lines_hold_no_price_and_no_score(
    review: tuple[Path, list[str], dict[str, Any], list[dict[str, Any]]],
) -> None:
    _, _, books, drafted = review
    book = next(iter(books.values()))
    sheets = [book[name] for name in book.sheetnames if name.startswith("Dispute lines")]
    found = [cells["Finding id"].value for sheet in sheets for cells in _cells(sheet)]
    assert sorted(found) == sorted(row["finding_id"] for row in drafted)
    headings = " ".join(cell.value for cell in sheets[0][1]).lower()
    assert not re.search(r"score|p-value|price|amount|\$|priority", headings)
    assert sheets[0].freeze_panes == "D2"


def test_summary_and_data_quality(review: tuple[Path, list[str], dict[str, Any], list[dict[str, Any]]]) -> None:
    folder, names, books, _ = review
    book = next(iter(books.values()))
    summary = [[cell.value for cell in row] for row in book["Summary"].iter_rows()]
    rows = _rows()
    for evidence in ("STRONG", "MEDIUM", "WEAK"):
        of_class = [row for row in rows if row["evidence"] == evidence]
        line = next(row for row in summary if row[0] == evidence)
        assert all(row["subject"] == "REBATE_CLAIM" for row in of_class)
        assert line[2] == len(of_class)
        assert line[4] == pytest.approx(float(sum(row["amount_at_issue"] or 0 for row in of_class)))
    assert ["Findings", str(COUNT)] in [row[:2] for row in summary]
    at_issue = {row[0]: row[2:5] for row in summary if row[0] in ("Claims", "Invoice lines", "340B claims")}
    assert list(at_issue) == ["Claims", "Invoice lines", "340B claims"]
    assert at_issue["Claims"][0] == COUNT
    assert at_issue["Claims"][2] == pytest.approx(float(sum(row["amount_at_issue"] or 0 for row in rows)))
    assert at_issue["Invoice lines"][0] == at_issue["340B claims"][0] == 0
    fired = sum(any(hit["rule_id"] == "R016" for hit in row["rules"]) for row in rows)
    assert next(row for row in summary if row[0] == "R016")[1:3] == [FACTS.rule_titles["R016"], fired]
    assert ["Model for claims", "claim-anomalies, version 3"] in [row[:2] for row in summary]
    with zipfile.ZipFile(folder / names[0]) as archive:
        assert sum(name.startswith("xl/charts/chart") for name in archive.namelist()) == 3
    quality = [[cell.value for cell in row] for row in book["Data quality"].iter_rows()]
    assert ["rebate_claims", "prepare", 104_812, 100_203, "VOIDED", 2_200, None, "canceled by a void"] in quality
    assert ["rebate_claims", "prepare", 104_812, 100_203, "PRIOR_NOT_FOUND", None, 7] in [row[:7] for row in quality]
    assert ["R011", "rule", "column prices.mfp_unit is missing"] in [row[:3] for row in quality]


def test_a_note_wider_than_the_page_wraps_across_it(tmp_path: Path) -> None:
    wide = "half of the pharmacies are not in the table. " * 9
    with xlsxwriter.Workbook(tmp_path / "notes.xlsx") as book:
        add_quality_sheet(book, Formats(book), replace(FACTS, notes=["narrow", wide]))
    sheet = openpyxl.load_workbook(tmp_path / "notes.xlsx")["Data quality"]
    places = {cell.value: cell for (cell,) in sheet.iter_rows(max_col=1) if cell.value in ("narrow", wide)}
    across = {str(merged) for merged in sheet.merged_cells.ranges}
    assert f"A{places[wide].row}:H{places[wide].row}" in across
    assert f"A{places['narrow'].row}:H{places['narrow'].row}" not in across
    assert places[wide].alignment.wrap_text
    assert sheet.row_dimensions[places[wide].row].height == 42  # three lines


def test_decisions_can_be_written_and_read_back(
    review: tuple[Path, list[str], dict[str, Any], list[dict[str, Any]]], tmp_path: Path
) -> None:
    folder, names, _, _ = review
    book = openpyxl.load_workbook(folder / names[0])
    row = {cell.value: cell.column for cell in book["Findings"][1]}
    book["Findings"].cell(2, row["Decision"]).value = "DISMISS"
    book["Findings"].cell(2, row["Reason"]).value = "unit_ok"
    book["Findings"].cell(2, row["Decided on"]).value = date(2026, 3, 2)
    book.save(tmp_path / "decided.xlsx")
    again = _cells(openpyxl.load_workbook(tmp_path / "decided.xlsx")["Findings"])
    assert [(c["Finding id"].value, c["Reason"].value) for c in again if c["Decision"].value] == [
        (max(_rows(), key=lambda row: row["priority"])["finding_id"], "unit_ok")
    ]


def test_a_run_without_findings_has_a_workbook_all_the_same(spark: SparkSession, tmp_path: Path) -> None:
    findings, lines = frame_of(spark, []), lines_of(spark, [])
    names = write_workbooks(
        findings, lines, add_up(findings), FACTS, storage_of(spark), tmp_path.as_uri(), ReviewSettings()
    )
    assert names == ["findings.xlsx", "findings.csv"]
    book = openpyxl.load_workbook(tmp_path / "findings.xlsx")
    sheets = ["Summary", "How to read", "Findings", "One finding", "Both claims", "Dispute lines", "Data quality"]
    assert book.sheetnames == sheets
    assert book["Findings"].max_row == 1
    assert (tmp_path / "findings.csv").read_text(encoding="utf-8").count("\n") == 1


def test_the_same_findings_make_the_same_file(spark: SparkSession, tmp_path: Path) -> None:
    rows = [finding(number) for number in range(12)]
    for name, order, partitions in (("a", rows, 1), ("b", rows[::-1], 5)):
        findings = frame_of(spark, order).repartition(partitions)
        write_workbooks(
            findings, lines_of(spark, []), add_up(findings), FACTS, storage_of(spark), (tmp_path / name).as_uri(),
            ReviewSettings(),
        )  # fmt: skip
    for file in ("findings.xlsx", "findings.csv"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_dismissed_findings_are_not_listed_and_are_counted(spark: SparkSession, tmp_path: Path) -> None:
    rows = [finding(number) | {"is_dismissed": number == 2 or None} for number in range(4)]
    rows[3] |= {"decision": "DISMISS", "decided_on": date(2026, 6, 1), "changed_since_decision": ["rules", "guards"]}
    found = frame_of(spark, rows)
    write_workbooks(
        found, lines_of(spark, []), add_up(found), FACTS, storage_of(spark), tmp_path.as_uri(), ReviewSettings()
    )
    book = openpyxl.load_workbook(tmp_path / "findings.xlsx")
    cells = {cell["Finding id"].value: cell for cell in _cells(book["Findings"])}
    assert cells.keys() == {row["finding_id"] for row in rows} - {rows[2]["finding_id"]}
    returned = cells[rows[3]["finding_id"]]
    assert returned["Last decision"].value == "DISMISS"
    assert returned["Changed since decision"].value == "rules, guards"
    summary = [cell.value for row in book["Summary"].iter_rows() for cell in row if cell.value]
    assert "1 finding that did not change since: not listed" in summary
    with (tmp_path / "findings.csv").open(encoding="utf-8-sig", newline="") as file:
        assert len(list(csv.DictReader(file))) == 3


def test_the_tie_out_is_the_first_page_with_the_worst_lines_on_top(spark: SparkSession, tmp_path: Path) -> None:
    """Words next to colors, a frozen header that is repeated on paper, and what is held back in the summary."""
    lines = [("GREEN", 0), ("RED", -20), ("NONE", None), ("RED", 90), ("YELLOW", 3)]
    rows = [
        {
            "state": "GA",
            "program": "MDRP_MCO",
            "rebate_type": "FEDERAL",
            "ndc11": f"0000200010{number}",
            "period": "2025Q1",
            "color": color,
            "gap_units": None if gap is None else Decimal(gap),
            "reason": None if color == "GREEN" else "=detail is short",
            "days_until_interest": -3 if number else 4,
            "dispute_lines_held": 2 if color == "RED" else 0,
        }
        for number, (color, gap) in enumerate(lines)
    ]
    tie_out = spark.createDataFrame([tuple(row.get(name) for name in TIE_OUT.names) for row in rows], TIE_OUT)
    found = frame_of(spark, [finding(1)])
    tables = ReviewTables(tie_out=tie_out, lines_held=4)
    write_workbooks(
        found, lines_of(spark, []), add_up(found), FACTS, storage_of(spark), tmp_path.as_uri(), ReviewSettings(), tables
    )
    book = openpyxl.load_workbook(tmp_path / "findings.xlsx")
    assert book.sheetnames[:2] == ["Tie-out", "Summary"]
    sheet = book["Tie-out"]
    cells = _cells(sheet)
    assert [(row["Color"].value, row["Gap"].value) for row in cells] == [
        ("RED", 90), ("RED", -20), ("YELLOW", 3), ("NONE", None), ("GREEN", 0),
    ]  # fmt: skip
    assert len({row["Color"].fill.fgColor.rgb for row in cells}) == 4
    assert cells[0]["Program"].value == "Medicaid MCO"
    assert cells[0]["Why"].data_type == "s"
    assert cells[0]["NDC-11"].value == "00002000103"
    assert cells[0]["Days until interest"].number_format == '0;[Red]-0" past"'
    assert (sheet.freeze_panes, sheet.print_title_rows, sheet.page_setup.fitToHeight) == ("F2", "$1:$1", 0)
    summary = [[cell.value for cell in row][:2] for row in book["Summary"].iter_rows()]
    assert ["Tie-out", "2 red, 1 yellow, 1 green, 1 with nothing to compare"] in summary
    assert ["Not drafted", "4 claim lines: their invoice line is red in the tie-out"] in summary


def test_a_count_of_one_agrees_with_its_noun(spark: SparkSession, tmp_path: Path) -> None:
    priced = finding(1) | {"amount_at_issue": Decimal("5.00")}
    unpriced = finding(2) | {"amount_at_issue": None}
    dismissed = finding(3) | {"is_dismissed": True}
    found, lines = frame_of(spark, [priced, unpriced, dismissed]), lines_of(spark, [line(priced)])
    tables = ReviewTables(lines_held=1, lines_sent_before=1)
    write_workbooks(found, lines, add_up(found), FACTS, storage_of(spark), tmp_path.as_uri(), ReviewSettings(), tables)
    book = openpyxl.load_workbook(tmp_path / "findings.xlsx")
    texts = [str(cell) for sheet in book for row in sheet.iter_rows(values_only=True) for cell in row if cell]
    for words in (
        "1 claim line drafted (strong evidence only)",
        "1 claim line: not drafted again",
        "1 finding that did not change since: not listed",
        "1 finding has no dollar amount",
    ):
        assert words in texts
    assert [
        text for text in texts if re.search(r"(?<![\d.,])1 (?:findings|claims|(?:claim )?lines|rows|cases)\b", text)
    ] == []


def test_queue_random_sample_and_cases_have_sheets_and_decisions_come_back_as_they_were_selected(
    spark: SparkSession, tmp_path: Path
) -> None:
    """Of six findings two are queued, one is drawn at random, and the others are on the sheet Findings alone."""
    rows = [finding(number) | {"priority": float(-number), "case_id": "C1"} for number in range(6)]
    standing = {
        0: ("QUEUE", "QUEUE", False),
        1: ("QUEUE", "QUEUE", True),
        2: ("BEYOND_CAPACITY", "QUEUE", False),
        3: ("NEGATIVE_PRIORITY", "RANDOM", False),
        4: ("NEGATIVE_PRIORITY", "QUEUE", False),
        5: ("DECIDED", "QUEUE", False),
    }
    queue = spark.createDataFrame([(rows[n]["finding_id"], *one) for n, one in standing.items()], QUEUE)
    case = {
        "case_id": "C1",
        "status": "RESOLVED_PAY",
        "counterparty_kind": "STATE",
        "counterparty_id": "KY",
        "root_words": "=340B claims",
        "findings": 6,
        "expected_recovery": Decimal("12.50"),
        "deadline_kind": "NONE",
    }
    cases = spark.createDataFrame([tuple(case.get(name) for name in CASES.names)], CASES)
    found = frame_of(spark, rows)
    tables = ReviewTables(cases=cases, queue=queue)
    write_workbooks(
        found, lines_of(spark, []), add_up(found), FACTS, storage_of(spark), tmp_path.as_uri(), ReviewSettings(), tables
    )
    path = tmp_path / "findings.xlsx"
    book = openpyxl.load_workbook(path)
    assert book.sheetnames == [
        *("Summary", "How to read", "Queue", "Random sample", "Findings", "One finding", "Both claims"),
        *("Cases", "Dispute lines", "Data quality"),
    ]  # fmt: skip
    on_sheet = {name: [row["Finding id"].value for row in _cells(book[name])] for name in ("Queue", "Random sample")}
    assert on_sheet == {"Queue": [rows[n]["finding_id"] for n in (0, 1)], "Random sample": [rows[3]["finding_id"]]}
    listed = {row["Finding id"].value: row for row in _cells(book["Findings"])}
    assert len(listed) == 6
    assert listed[rows[3]["finding_id"]]["Selection"].value == "RANDOM"
    assert listed[rows[4]["finding_id"]]["Queue"].value == "reviewing it is expected to cost more than it recovers"
    assert listed[rows[1]["finding_id"]]["Held"].value == "invoice line is red in the tie-out"
    assert listed[rows[0]["finding_id"]]["Case id"].value == "C1"
    [of_case] = _cells(book["Cases"])
    shown = {name: of_case[name].value for name in ("Status", "Goes to", "Root cause", "Expected recovery ($)")}
    assert list(shown.values()) == ["Resolved: we pay", "State", "=340B claims", 12.5]
    assert of_case["Root cause"].data_type == "s"
    summary = [[cell.value for cell in row][:2] for row in book["Summary"].iter_rows()]
    assert ["Queue", "2 findings, and 1 more drawn at random"] in summary
    assert ["Cases", "0 draft, 0 submitted, 0 resolved: credited, 1 resolved: we pay"] in summary
    for sheet, row, value in (("Queue", 2, "DISPUTE"), ("Random sample", 2, "DISMISS"), ("Findings", 6, "WATCH")):
        column = next(cell.column for cell in book[sheet][1] if cell.value == "Decision")
        book[sheet].cell(row, column).value = value
    answer: dict[str, Any] = {"Answered on": date(2026, 6, 1), "Answer": "PARTIAL", "Units credited": 5}
    for heading, value in answer.items():
        book["Cases"].cell(2, next(cell.column for cell in book["Cases"][1] if cell.value == heading)).value = value
    book.save(path)
    entries, undecided = entries_of(path)
    assert undecided == 0
    of_findings = [entry.cells for entry in entries if entry.table == "decisions"]
    assert [(cells["finding_id"], cells["decision"], cells["selection"]) for cells in of_findings] == [
        (rows[0]["finding_id"], "DISPUTE", "QUEUE"),
        (rows[3]["finding_id"], "DISMISS", "RANDOM"),
        (rows[4]["finding_id"], "WATCH", "QUEUE"),
    ]
    [of_case] = [entry.cells for entry in entries if entry.table == "outcomes"]
    assert (of_case["case_id"], of_case["answer"], of_case["units_credited"]) == ("C1", "PARTIAL", 5)
