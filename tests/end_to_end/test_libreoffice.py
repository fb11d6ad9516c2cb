"""The workbook and the forms in LibreOffice: opened without repair, calculated, edited, saved, and handed in again."""

from __future__ import annotations

import csv
import random
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow.parquet as parquet
import pytest

from jobs.export import export
from jobs.feedback import feedback
from tests.end_to_end.conftest import EXAMPLE
from tests.end_to_end.libreoffice import NEEDED, saved_by_libreoffice
from tests.end_to_end.runs import FinishedRun

pytestmark = [pytest.mark.slow, NEEDED]

SETTINGS = ("--config", EXAMPLE / "settings.yaml")


def _hand_in(run_job: Any, folder: Any, path: Any) -> Any:
    words = ["--output", folder / "out", "--as-of", "2025-12-18"]
    ended = run_job(feedback, path, *words)
    assert ended.status == 0, ended
    return ended.out


def test_edited_in_libreoffice_and_handed_in(run_job: Any, example_run: FinishedRun, tmp_path: Path) -> None:
    run = example_run.copied(tmp_path / "out").folder
    workbook = run / "review" / "findings.xlsx"
    saved = saved_by_libreoffice(workbook, "xlsx", tmp_path)
    _check_same_workbook(workbook, saved)
    assert saved_by_libreoffice(workbook, "pdf", tmp_path).read_bytes()[:5] == b"%PDF-"

    found = parquet.read_table(run / "findings").to_pylist()
    decided = sorted(row["finding_id"] for row in found if row["units_at_issue"])
    assert len(decided) == 3
    _watch_in_csv_file(run_job, tmp_path, run, decided)
    edited = tmp_path / "edited.xlsx"
    _edit(saved, edited, decided)
    for kind in ("xlsx", "ods"):
        again = saved_by_libreoffice(edited, kind, tmp_path / "again")
        printed = _hand_in(run_job, tmp_path, again)
        new, before = (3, 0) if kind == "xlsx" else (0, 3)
        assert f"recorded   {new} decisions, 0 outcomes; {before} were known already" in printed
    kept = parquet.read_table(tmp_path / "out" / "feedback" / "decisions.parquet").to_pylist()
    assert [row["decision"] for row in kept].count("WATCH") == 1
    kept = [row for row in kept if row["decision"] == "DISPUTE"]
    assert sorted(row["finding_id"] for row in kept) == decided
    assert {(row["decision"], row["decided_by"], row["reason"]) for row in kept} == {("DISPUTE", "Ann 😀", "=1+1")}

    words = ["--final", "--run-id", run.name, "--output", tmp_path / "out", "--as-of", "2025-12-18", *SETTINGS]
    assert run_job(export, *words).status == 0
    (sent,) = (run / "disputes" / "final").iterdir()
    forms = sorted(sent.rglob("*.xlsx"))
    assert [path.name.split("-")[0] for path in forms] == ["pqas", "rosi"]
    for form in forms:
        _check_form(form, tmp_path)
    for name in ("state-KY.csv", *(str(path.relative_to(sent)) for path in sent.rglob("rosi-*.csv"))):
        _check_csv(sent / name, tmp_path)


def _watch_in_csv_file(run_job: Any, folder: Path, run: Path, decided: list[str]) -> None:
    """findings.csv opened in LibreOffice, a decision entered, saved, and handed in."""
    findings = run / "review" / "findings.csv"
    _check_csv(findings, folder)
    saved = saved_by_libreoffice(findings, "csv", folder / "saved")
    with saved.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    watched = next(row for row in rows if row["Finding id"].strip() not in decided)
    watched |= {"Decision": "WATCH", "Decided by": "Ann", "Decided on": "2025-12-16"}
    edited = folder / "edited.csv"
    with edited.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    again = saved_by_libreoffice(edited, "csv", folder / "again")
    assert "recorded   1 decision," in _hand_in(run_job, folder, again)


def _check_same_workbook(path: Path, saved: Path) -> None:
    """No value changed, formulas gave what they say, drop-downs, protection, filters and print titles stayed."""
    before, after = openpyxl.load_workbook(path), openpyxl.load_workbook(saved)
    stored, shown = openpyxl.load_workbook(path, data_only=True), openpyxl.load_workbook(saved, data_only=True)
    assert before.sheetnames == after.sheetnames
    formulas = 0
    for sheet in before:
        own = after[sheet.title]
        for row in sheet.iter_rows():
            for cell in row:
                place = cell.coordinate
                if cell.data_type == "f":
                    formulas += 1
                    assert own[place].data_type == "f", (sheet.title, place)
                    result = shown[sheet.title][place].value
                    assert (result or "") == (stored[sheet.title][place].value or ""), (sheet.title, place)
                else:
                    assert (own[place].value or "") == (cell.value or ""), (sheet.title, place)
        lists = [
            sorted((str(one.sqref), one.type, one.formula1) for one in each.data_validations.dataValidation)
            for each in (sheet, own)
        ]
        assert [(area, kind) for area, kind, _ in lists[0]] == [(area, kind) for area, kind, _ in lists[1]]
        assert [f for _, kind, f in lists[0] if kind == "list"] == [f for _, kind, f in lists[1] if kind == "list"]
        assert sheet.protection.sheet == own.protection.sheet
        assert sheet.auto_filter.ref == own.auto_filter.ref
        assert sheet.print_title_rows == own.print_title_rows
    assert formulas > 50
    assert after["One finding"].protection.sheet
    assert {cell.protection.locked for cell in after["One finding"]["B"]} == {True, False}


def _edit(path: Path, edited: Path, decided: list[str]) -> None:
    """As an analyst might leave it: rows sorted by something else, columns moved, some hidden by a filter."""
    book = openpyxl.load_workbook(path)
    sheet = book["Findings"]
    rows = [[cell.value for cell in row] for row in sheet.iter_rows()]
    places = list(range(len(rows[0])))
    random.Random(5).shuffle(places)
    header, lines = [rows[0][place] for place in places], [[row[place] for place in places] for row in rows[1:]]
    lines.sort(key=lambda line: str(line[header.index("Claim number")]), reverse=True)
    entered = {"Decision": "DISPUTE", "Decided by": "Ann 😀", "Decided on": "2025-12-16", "Reason": "=1+1"}
    for line in lines:
        if line[header.index("Finding id")] in decided:
            for name, value in entered.items():
                line[header.index(name)] = value
    sheet.data_validations.dataValidation = []
    for number, line in enumerate([header, *lines], start=1):
        for place, value in enumerate(line, start=1):
            cell = sheet.cell(number, place)
            cell.value = value
            if isinstance(value, str):
                cell.data_type = "s"
        sheet.row_dimensions[number].hidden = number % 2 == 0
    book.save(edited)


def _check_form(path: Path, folder: Path) -> None:
    """Its formulas give the totals that the CSV file has, its texts are text, and it can be printed."""
    form = openpyxl.load_workbook(saved_by_libreoffice(path, "xlsx", folder / "forms"), data_only=True)
    cells = [cell for sheet in form for row in sheet.iter_rows() for cell in row if cell.value is not None]
    assert not [cell.coordinate for cell in cells if str(cell.value).startswith("#")]
    with path.with_suffix(".csv").open(encoding="utf-8-sig", newline="") as file:
        total = list(csv.reader(file))[-1]
    paid = next(Decimal(cell) for cell in reversed(total) if cell)
    numbers = {Decimal(str(cell.value)).quantize(Decimal("0.01")) for cell in cells if cell.data_type == "n"}
    assert paid in numbers
    assert "00002" in {cell.value for cell in cells}
    assert saved_by_libreoffice(path, "pdf", folder / "forms").read_bytes()[:5] == b"%PDF-"


def _check_csv(path: Path, folder: Path) -> None:
    """Opened and saved as CSV, and as a workbook, every identifier and text is as it was; no cell is a formula."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.reader(file))
    identifiers = [(number, place) for number, row in enumerate(rows) for place, cell in enumerate(row) if "\t" in cell]
    assert identifiers, path.name
    with saved_by_libreoffice(path, "csv", folder / "csv").open(encoding="utf-8-sig", newline="") as file:
        saved = list(csv.reader(file))
    book = openpyxl.load_workbook(saved_by_libreoffice(path, "xlsx", folder / "csv")).active
    for number, place in identifiers:
        assert saved[number][place] == rows[number][place]
        cell = book.cell(number + 1, place + 1)
        assert (cell.data_type, str(cell.value).strip()) == ("s", rows[number][place].strip())
    assert not [cell.coordinate for row in book.iter_rows() for cell in row if cell.data_type == "f"]
