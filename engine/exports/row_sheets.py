"""Sheets of many rows, written once from top to bottom in constant memory."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import xlsxwriter

from engine.contracts.tables import TABLES
from engine.contracts.words import DECISION_WORDS, DISMISS_REASONS
from engine.exports.formats import Formats
from engine.exports.plain_text import LONGEST_CELL, plain, plain_texts
from engine.exports.sheet_columns import (
    ANSWER,
    ANSWERED_ON,
    DECIDED_ON,
    DECIDED_UNITS,
    DECISION,
    REASON,
    SheetColumn,
    Shown,
)

HEADER_HEIGHT, ROW_HEIGHT = 36, 54
_EXCEL_DAY_OF_1970 = 25_569
_FIRST_EXCEL_DAY = 61  # 1 March 1900: Excel counts a 29 February 1900 before it


class RowSheet:
    """One sheet: a frozen header, then rows as they come. `finish` adds what needs the number of rows."""

    def __init__(
        self,
        book: xlsxwriter.Workbook,
        formats: Formats,
        name: str,
        columns: tuple[SheetColumn, ...],
        frozen_columns: int,
        row_height: int = ROW_HEIGHT,
    ):
        self.columns, self.rows = columns, 0
        self._formats = formats
        self._sheet = book.add_worksheet(name)
        self._sheet.freeze_panes(1, frozen_columns)
        self._sheet.set_default_row(row_height)
        self._sheet.set_zoom(90)
        self._sheet.set_landscape()
        self._sheet.set_margins(0.4, 0.4, 0.5, 0.5)
        self._sheet.set_footer("&L&F&C&A&R&P of &N")
        self._sheet.repeat_rows(0)
        self._sheet.fit_to_pages(1, 0)
        self._sheet.set_row(0, HEADER_HEIGHT)
        for place, column in enumerate(columns):
            header = formats.input_header if column.name is None else formats.header
            self._sheet.set_column(place, place, column.width, formats.cells[column.shown])
            self._sheet.write_string(0, place, column.heading, header)

    def write(self, cells: list[list[Any]]) -> None:
        """Rows given as one list per column that is not the analyst's; None writes no cell, text a text cell."""
        places = [place for place, column in enumerate(self.columns) if column.name is not None]
        writers = [
            (
                place,
                self._sheet.write_string if self.columns[place].shown.is_text else self._sheet.write_number,
                self._formats.by_value.get(self.columns[place].name or ""),
            )
            for place in places
        ]
        for values in zip(*cells, strict=True):
            self.rows += 1
            for value, (place, write, by_value) in zip(values, writers, strict=True):
                if value is not None:
                    write_value = self._sheet.write_string if isinstance(value, str) else write
                    write_value(self.rows, place, value, by_value.get(value) if by_value else None)

    def finish(self) -> None:
        last, last_column = max(self.rows, 1), len(self.columns) - 1
        inputs = [place for place, column in enumerate(self.columns) if column.name is None]
        # on paper: from the first column to the last one to fill in
        self._sheet.print_area(0, 0, last, max(inputs, default=last_column))
        self._sheet.autofilter(0, 0, last, last_column)
        self._sheet.ignore_errors({"number_stored_as_text": _area(last, last_column)})
        for place, column in enumerate(self.columns):
            if column.name is not None:
                continue
            # a condition that always holds: colours the cells to fill in, down to the last row and no further
            self._sheet.conditional_format(1, place, last, place, {"type": "no_errors", "format": self._formats.input})
            if column.heading in _VALIDATIONS:
                self._sheet.data_validation(1, place, last, place, _VALIDATIONS[column.heading])


def _area(last_row: int, last_column: int) -> str:
    return f"A1:{xlsxwriter.utility.xl_rowcol_to_cell(last_row, last_column)}"


ANSWERS = next(column.codes or () for column in TABLES["outcomes"].columns if column.name == "answer")
_VALIDATIONS: dict[str, dict[str, Any]] = {
    DECISION: {
        "validate": "list",
        "source": list(DECISION_WORDS),
        "input_title": "Decision",
        "input_message": "DISPUTE, DISMISS, WATCH or PAY",
        "error_title": "Not a decision",
        "error_message": "Pick DISPUTE, DISMISS, WATCH or PAY from the list.",
    },
    REASON: {
        "validate": "list",
        "source": list(DISMISS_REASONS),
        "input_title": "Reason",
        "input_message": "For DISMISS pick from the list (sheet How to read says what each means).",
        "error_type": "warning",
        "error_title": "Not on the list",
        "error_message": "Reasons for DISMISS come from the list. Keep this one?",
    },
    DECIDED_UNITS: {
        "validate": "decimal",
        "criteria": ">=",
        "value": 0,
        "error_title": "Not a number of units",
        "error_message": "Give units as a number from 0 on.",
    },
    ANSWER: {
        "validate": "list",
        "source": list(ANSWERS),
        "error_title": "Not an answer",
        "error_message": "Pick an answer from the list.",
    },
    ANSWERED_ON: {
        "validate": "date",
        "criteria": ">=",
        "value": "=DATE(2000,1,1)",
        "error_title": "Not a date",
        "error_message": "Give a date.",
    },
    DECIDED_ON: {
        "validate": "date",
        "criteria": ">=",
        "value": "=DATE(2000,1,1)",
        "error_title": "Not a date",
        "error_message": "Give a date.",
    },
}


def _excel_day(day: int | None, text: str | None) -> int | str | None:
    if day is None:
        return None
    number = day + _EXCEL_DAY_OF_1970
    return number if number >= _FIRST_EXCEL_DAY else text


def _wrapped(text: str) -> str:
    """Text of one cell with the line breaks that the engine puts between parts."""
    bounded = text if len(text) <= LONGEST_CELL else text[: LONGEST_CELL - 1] + "…"
    return "\n".join(plain(line) for line in bounded.split("\n"))[:LONGEST_CELL]


def excel_column(values: pa.Array, shown: Shown) -> list[Any]:
    """Values as cells hold them: text, or numbers (dates count days). NULL and NaN are no cell.

    Excel has no right date before March 1900: those are ISO text.
    """
    if shown == Shown.WRAPPED:
        return [None if text is None else _wrapped(text) for text in values.to_pylist()]
    if shown.is_text:
        return plain_texts(values)
    if shown == Shown.DATE:
        dates = pc.cast(values, pa.date32())
        days = pc.cast(dates, pa.int32()).to_pylist()
        texts = pc.cast(dates, pa.string()).to_pylist()
        return [_excel_day(day, text) for day, text in zip(days, texts, strict=True)]
    numbers = pc.cast(values, pa.float64(), safe=False).to_pylist()
    return [None if number is None or number != number else number for number in numbers]
