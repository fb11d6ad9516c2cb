"""One switch: no Rx number and no amount is in any file, and everything else is as it was, column by column."""

from __future__ import annotations

import csv
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from pyspark.sql import DataFrame, SparkSession

from engine.exports import (
    add_up,
    finding_tickets,
    redacted_findings,
    redacted_lines,
    write_disputes_detail,
    write_tickets,
    write_workbooks,
)
from engine.exports.redacted import suppressed
from engine.exports.report import report_page
from engine.exports.sheet_columns import FINDINGS_COLUMNS, LINE_COLUMNS
from engine.runtime.storage import storage_of
from engine.settings import ReviewSettings
from tests.unit.exports_rows import FACTS, finding, frame_of, line, lines_of

RX, RX_RAW, AMOUNT, PRICE = "8675309", "0008675309", Decimal("98765.43"), Decimal("3292.181000")
HIDDEN = (RX, "98765", "98,765", "3292.18", "3,292.18", "9876.5")
# What the switch changes, by heading; all other cells are equal.
MASKED = {"Rx number", "Rx as received"}
EMPTY = {"Priority ($)", "Amount at issue ($)", "Unit price used ($)"}
REWORDED = {"What is suspected", "Evidence checked", "Unusual (model)", "Explanation"}


def rows() -> list[dict[str, Any]]:
    one = finding(1)
    hit = {**one["rules"][0], "message": "The state asks for $98,765.43, not $12.", "amount_at_issue": AMOUNT}
    price = {"feature": "f48_paid_per_unit", "value": 9876.5, "typical_low": 6.1, "typical_high": 9.8, "peers": 50}
    secret = {
        "rx_number": RX,
        "rx_number_raw": RX_RAW,
        "amount_at_issue": AMOUNT,
        "unit_price_used": PRICE,
        "priority": 98765.43,
        "narrative": "A rebate of $3,292.181 per unit, $98,765.43 in all, or about -$98,765.43, for 30 units.",
        "rules": [hit],
        "reasons": [{**price, "contribution": 0.5}],
        "evidence": "STRONG",
    }
    return [{**one, **secret}, finding(2), finding(3)]


@pytest.fixture(scope="module")
def files(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> dict[bool, dict[str, Any]]:
    """Every text of every file that people get, by name, as it is and redacted; and the cells of sheets."""
    found = frame_of(spark, rows())
    drafted = lines_of(spark, [{**line(row), "explanation": row["narrative"]} for row in rows()])
    return {
        redacted: _written(spark, tmp_path_factory.mktemp("files"), found, drafted, redacted)
        for redacted in (False, True)
    }


def _written(spark: SparkSession, folder: Path, found: DataFrame, drafted: DataFrame, redacted: bool) -> dict[str, Any]:
    storage = storage_of(spark)
    if redacted:
        found, drafted = redacted_findings(found), redacted_lines(drafted)
    totals = add_up(found)
    write_workbooks(found, drafted, totals, FACTS, storage, folder.as_uri(), ReviewSettings(), redacted=redacted)
    write_disputes_detail(drafted, storage, f"{folder.as_uri()}/detail.csv", () if redacted else ("KY", "AK"))
    tickets = finding_tickets(found, FACTS.rule_titles, FACTS.as_of, 10, redacted)
    write_tickets(tickets, storage, f"{folder.as_uri()}/tickets.csv")
    report = report_page(totals, 3, FACTS)
    book = openpyxl.load_workbook(folder / "findings.xlsx")
    sheets = {sheet.title: [[cell.value for cell in row] for row in sheet.iter_rows()] for sheet in book}
    texts = {path.name: path.read_text("utf-8-sig") for path in folder.glob("*.csv")} | {"report.html": report}
    texts |= {f"sheet {name}": "\n".join(str(cell) for row in cells for cell in row) for name, cells in sheets.items()}
    return {"texts": texts, "sheets": sheets, "findings.csv": list(csv.DictReader(texts["findings.csv"].splitlines()))}


def test_without_the_switch_the_analysts_files_have_them_all(files: dict[bool, dict[str, Any]]) -> None:
    texts = files[False]["texts"]
    assert RX in texts["sheet Findings"]
    assert RX in texts["findings.csv"]
    for name in ("sheet Findings", "findings.csv", "report.html", "tickets.csv", "sheet Dispute lines"):
        assert "98,765" in texts[name] or "98765.43" in texts[name], name


def test_with_it_no_file_has_an_rx_number_an_amount_or_a_price(files: dict[bool, dict[str, Any]]) -> None:
    texts = files[True]["texts"]
    assert len(texts) >= 9
    assert {(name, secret) for name, text in texts.items() for secret in HIDDEN if secret in text} == set()
    assert [name for name, text in texts.items() if "$" in text.replace("($)", "") and name.endswith(".csv")] == []


@pytest.mark.parametrize("sheet", ["Findings", "Dispute lines"])
def test_every_other_column_is_as_it_was(files: dict[bool, dict[str, Any]], sheet: str) -> None:
    headings = [column.heading for column in (FINDINGS_COLUMNS if sheet == "Findings" else LINE_COLUMNS)]
    before, after = (files[redacted]["sheets"][sheet] for redacted in (False, True))
    assert before[0] == after[0] == headings
    for place, heading in enumerate(headings):
        old, new = [row[place] for row in before[1:]], [row[place] for row in after[1:]]
        if heading in MASKED:
            assert [text[-4:] for text in new] == [text[-4:] for text in old]
            assert all(text is None or set(text[:-4]) <= {"*"} for text in new)
        elif heading in EMPTY:
            assert set(new) == {None}
            assert set(old) != {None}
        elif heading not in REWORDED:
            assert old == new, heading


def test_texts_lose_their_amounts_and_nothing_else(files: dict[bool, dict[str, Any]]) -> None:
    (first,) = [row for row in files[True]["findings.csv"] if row["Rx number"] == "***5309"]
    removed = "[amount removed]"
    assert first["What is suspected"] == (
        f"A rebate of {removed} per unit, {removed} in all, or about {removed}, for 30 units."
    )
    assert first["Unusual (model)"] == "amount paid per unit"
    assert removed in first["Evidence checked"] or "$" not in first["Evidence checked"]


def test_the_queue_keeps_its_order(files: dict[bool, dict[str, Any]]) -> None:
    ids = [[row["Finding id"] for row in files[redacted]["findings.csv"]] for redacted in (False, True)]
    assert ids[0] == ids[1]


@pytest.mark.parametrize(
    ("counts", "hidden"),
    [
        ({"a": 0, "b": 11, "c": 500}, set()),
        ({"a": 10, "b": 11, "c": 500}, {"a", "b"}),  # a alone would follow from the total
        ({"a": 1, "b": 10, "c": 500}, {"a", "b"}),
        ({"a": 3}, {"a"}),
        ({}, set()),
    ],
)
def test_small_counts_and_those_they_follow_from_are_suppressed(counts: dict[str, int], hidden: set[str]) -> None:
    assert suppressed(counts, 11) == hidden
