"""Rows of edited workbooks and CSV files, as people saved them."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from engine.errors import InputError, Problem
from engine.sources import Sheet, WorkbookError, open_workbook

DECISIONS, OUTCOMES = "decisions", "outcomes"
_WORKBOOKS = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")
# Headings that differ from their column's name.
_ALSO = {"units_decided": "units", "decided_on": "decided_at", "answered_at": "answered_on"}
_NAMES = {
    DECISIONS: ("finding_id", "decided_at", "decided_by", "decision", "reason", "units", "comment", "selection"),
    OUTCOMES: (
        "finding_id",
        "case_id",
        "answered_on",
        "answer",
        "counterparty_reason",
        "units_credited",
        "amount_credited",
    ),
}
# The columns of a finding that an analyst fills in, apart from the decision itself.
_ENTERED = ("reason", "units", "comment", "decided_by", "decided_at")
# A row is an entry if this column is filled in.
_DECIDING = {DECISIONS: "decision", OUTCOMES: "answer"}
_DELIMITERS = ",;\t|"


@dataclass(frozen=True)
class Entry:
    """One row that somebody filled in: cells by column of the table, NULL if empty, and the row's location.

    unreadable: columns whose cell contains an error or a formula that no program has calculated; they read as empty.
    """

    table: str
    cells: dict[str, Any]
    where: str
    unreadable: tuple[str, ...] = ()


@dataclass(frozen=True)
class _OpenSheet:
    """Its name for messages, its rows with the header first, and the locations of cells that cannot be read."""

    name: str
    rows: Iterator[Sequence[Any]]
    unreadable_cells: Callable[[], list[tuple[int, int]]] = list


def entries_of(path: Path) -> tuple[list[Entry], int]:
    """The rows of a file with a decision or an answer, and the number of rows that have only other entries.

    In a workbook, every visible sheet that has the columns is read, in any order of columns; rows hidden by a filter
    count too. A row with a decision and an answer is two entries; a row with neither is none, whatever else it has.
    Raises InputError if the file cannot be read or no sheet has the columns.
    """
    is_workbook = path.suffix.lower() in _WORKBOOKS
    sheets = _sheets_of_workbook(path) if is_workbook else [_OpenSheet(path.name, _rows_of_csv(path))]
    entries: list[Entry] = []
    undecided, recognized = 0, False
    for sheet in sheets:
        header = [_column(heading) for heading in next(sheet.rows, [])]
        tables = _tables_of(header)
        if not tables:
            continue
        recognized = True
        unreadable: dict[int, list[str]] = {}
        for row, place in sheet.unreadable_cells():
            if place < len(header):
                unreadable.setdefault(row, []).append(header[place])
        for number, cells in enumerate(sheet.rows, start=2):
            values = {column: _value(cell) for column, cell in zip(header, cells, strict=False) if column}
            for table in tables:
                own = {column: values.get(column) for column in _NAMES[table]}
                bad = tuple(column for column in unreadable.get(number, ()) if column in own)
                entry = Entry(table, own, f"{sheet.name}, row {number}", bad)
                if own[_DECIDING[table]] is not None or _DECIDING[table] in bad:
                    entries.append(entry)
                elif table == DECISIONS and any(own[column] is not None for column in _ENTERED):
                    undecided += 1
    if not recognized:
        raise InputError(
            Problem(
                "no decisions and no outcomes were found in the file",
                str(path),
                "sheets " + ", ".join(sheet.name for sheet in sheets) if is_workbook else "other columns",
                "a header with Finding id and Decision, or with Finding id (or Case id), Answered on and Answer",
                "give a run's review/findings.xlsx or findings.csv as it was edited, or a file with these columns",
            )
        )
    return entries, undecided


def _column(heading: Any) -> str:
    """The column name of a heading: `Decided on` is decided_at; an empty heading gives an empty name."""
    name = re.sub(r"\W+", "_", str(heading or "").strip().lower()).strip("_")
    return _ALSO.get(name, name)


def _tables_of(header: Sequence[str]) -> list[str]:
    """The tables that rows under this header belong to: decisions, outcomes, or both."""
    named = {DECISIONS: {"finding_id"}, OUTCOMES: {"finding_id", "case_id"}}
    return [table for table, ids in named.items() if _DECIDING[table] in header and ids & {*header}]


def _value(cell: Any) -> Any:
    """NULL for an empty cell; text without surrounding blanks."""
    text = cell.strip() if isinstance(cell, str) else cell
    return None if text == "" else text


def _sheets_of_workbook(path: Path) -> list[_OpenSheet]:
    try:
        book = open_workbook(path)
        sheets = [(name, book.sheet(name)) for name in book.visible_sheets]
    except WorkbookError as error:
        problem = Problem(f"the workbook {error.what}", str(path), error.found, error.expected, error.to_do)
        raise InputError(problem) from None
    except OSError as error:
        raise InputError(Problem("the file cannot be opened", str(path), str(error.strerror))) from None
    return [
        _OpenSheet(
            f"{path.name}, sheet {name}",
            (cells for _, cells in sheet.rows(1, 1, None, None)),
            partial(_unreadable_cells, sheet),
        )
        for name, sheet in sheets
    ]


def _unreadable_cells(sheet: Sheet) -> list[tuple[int, int]]:
    """The row number in the spreadsheet, and the index of the cell within the sheet's rows."""
    return [(row, column - sheet.first_column) for row, column in sheet.unreadable_cells]


def _rows_of_csv(path: Path) -> Iterator[Sequence[Any]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(
            Problem(
                "the file is not UTF-8 text",
                str(path),
                "another encoding",
                to_do="in Excel save it as `CSV UTF-8`, or give the workbook itself",
            )
        ) from None
    except OSError as error:
        raise InputError(Problem("the file cannot be opened", str(path), str(error.strerror))) from None
    first_line = text.partition("\n")[0]
    delimiter = max(_DELIMITERS, key=first_line.count)
    return iter(csv.reader(text.splitlines(keepends=True), delimiter=delimiter))
