"""Typed columns from the cells of a sheet: the kind of each cell, and its text or value."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from itertools import islice
from typing import Any

import pyarrow as pa

from engine.sources.workbook import Sheet

_BATCH_ROWS = 10_000
# A spreadsheet's numbers have 15 digits; further digits of a double are noise (0.1 + 0.2).
_DIGITS = 15
_ERRORS = frozenset({"#N/A", "#REF!", "#DIV/0!", "#VALUE!", "#NAME?", "#NULL!", "#NUM!"})


class Kind(Enum):
    """The kind of a cell; values are used in messages."""

    TEXT = "text"
    INTEGER = "number"
    FLOAT = "number with decimals"
    BOOLEAN = "boolean"
    DATE = "date"
    DATETIME = "date with a time"
    TIME = "time"


@dataclass
class SheetColumn:
    """One column as text, with the kinds of its cells: how many of each, and the sheet row of the first."""

    texts: list[Any] = field(default_factory=list)
    counts: Counter[Kind] = field(default_factory=Counter)
    first_rows: dict[Kind, int] = field(default_factory=dict)
    unreadable_rows: list[int] = field(default_factory=list)

    def add(self, cells: Sequence[Any], rows: Sequence[int]) -> None:
        """Add the cells of some rows; `rows` are their numbers in the sheet."""
        kinds = [_kind(cell) for cell in cells]
        for kind, count in Counter(kinds).items():
            if kind is not None:
                self.counts[kind] += count
                self.first_rows.setdefault(kind, rows[kinds.index(kind)])
        if Kind.TEXT in self.first_rows and not _ERRORS.isdisjoint(cell for cell in cells if isinstance(cell, str)):
            self.unreadable_rows += [row for row, cell in zip(rows, cells, strict=True) if cell in _ERRORS]
        self.texts.append(
            pa.array(
                [None if kind is None else _text(cell, kind) for cell, kind in zip(cells, kinds, strict=True)],
                pa.string(),
            )
        )

    def values(self, kind: Any) -> Any:
        """The column in an Arrow type that fits all of its cells."""
        return pa.chunked_array(self.texts, pa.string()).cast(kind)


@dataclass(frozen=True)
class Cells:
    """A table of a sheet. names: its header. first_column: the sheet's column of `columns[0]`, from 1."""

    names: tuple[str, ...]
    columns: tuple[SheetColumn, ...]
    first_column: int
    rows: int


def read_cells(
    sheet: Sheet, header_row: int, first_column: int, last_column: int | None, last_row: int | None
) -> Cells:
    """The table below a header; rows without any value are skipped. Rows and columns count from 1."""
    rows = sheet.rows(header_row, first_column, last_column, last_row)
    row, header = next(rows, (header_row, []))
    names = tuple(_name(cell) for cell in header) if row == header_row else ()
    columns = tuple(SheetColumn() for _ in names)
    count = 0
    for numbers, batch in _batches(rows):
        count += len(batch)
        for column, cells in zip(columns, zip(*batch, strict=True), strict=True):
            column.add(cells, numbers)
    first_column = max(first_column, sheet.first_column)
    for row, letter in sheet.unreadable_cells:
        position = letter - first_column
        is_below_header = row > header_row and (last_row is None or row <= last_row)
        if 0 <= position < len(columns) and is_below_header:
            columns[position].unreadable_rows.append(row)
    return Cells(names, columns, first_column, count)


def column_letters(number: int) -> str:
    """The letters of a column by its number, from 1.

    >>> column_letters(1), column_letters(26), column_letters(27)
    ('A', 'Z', 'AA')
    """
    letters = ""
    while number:
        number, remainder = divmod(number - 1, 26)
        letters = chr(ord("A") + remainder) + letters
    return letters


def _batches(rows: Iterator[tuple[int, Sequence[Any]]]) -> Iterator[tuple[list[int], list[Sequence[Any]]]]:
    filled = ((row, cells) for row, cells in rows if any(_kind(cell) is not None for cell in cells))
    while batch := list(islice(filled, _BATCH_ROWS)):
        yield [row for row, _ in batch], [cells for _, cells in batch]


def _kind(cell: Any) -> Kind | None:
    """None for a cell without a value."""
    if isinstance(cell, str):
        return Kind.TEXT if cell and not cell.isspace() else None
    if isinstance(cell, float):
        return Kind.INTEGER if cell.is_integer() and abs(cell) < 10**_DIGITS else Kind.FLOAT
    return _KINDS[type(cell)]


_KINDS: dict[type, Kind | None] = {
    bool: Kind.BOOLEAN,
    int: Kind.INTEGER,
    datetime: Kind.DATETIME,
    date: Kind.DATE,
    time: Kind.TIME,
    timedelta: Kind.TIME,
    type(None): None,
}


def _text(cell: Any, kind: Kind) -> str:
    if kind is Kind.TEXT:
        return str(cell)
    if kind is Kind.INTEGER:
        return str(int(cell))
    if kind is Kind.FLOAT:
        digits = f"{Decimal(f'{cell:.{_DIGITS}g}'):f}"
        # if points separate thousands in text cells, 1.234 would be read as 1234
        decimals = len(digits.partition(".")[2])
        return f"{digits}0" if decimals and decimals % 3 == 0 else digits
    if kind is Kind.BOOLEAN:
        return "true" if cell else "false"
    return str(cell)


def _name(cell: Any) -> str:
    kind = _kind(cell)
    return "" if kind is None else _text(cell, kind)
