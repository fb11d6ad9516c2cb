"""Sheets of many rows, written once from top to bottom in constant memory."""

from __future__ import annotations

import re
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

HEADER_HEIGHT, LEAST_HEIGHT, LINE_HEIGHT, MOST_HEIGHT = 36, 30, 13, 409  # points; Excel shows no higher row
# Characters of a wrapped line that indent and words that move to the next line take.
_LOST_PER_LINE = 5
_SPECIAL = re.compile("[&<>_\ufffe\uffff]")
_ESCAPE = re.compile("(_x[0-9a-fA-F]{4}_)")
_NO_CHARACTERS = re.compile("[\ufffe\uffff]")
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
    ):
        self.columns, self.rows = columns, 0
        self._formats = formats
        self._sheet = book.add_worksheet(name)
        self._sheet.freeze_panes(1, frozen_columns)
        self._sheet.set_default_row(LEAST_HEIGHT)
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
        """Rows given as one list per column that is not the analyst's; None writes no cell, text a text cell.

        Rows go into the sheet's row stream as XML: a call of XlsxWriter per cell takes three times as long, and there
        may be millions. Rows are as high as their text.
        """
        count = len(cells[0]) if cells else 0
        if not count:
            return
        if not self.rows:
            self._sheet._write_single_row(1)  # the header, which waits for a next row
        shown = [(place, column) for place, column in enumerate(self.columns) if column.name is not None]
        numbers = range(self.rows + 2, self.rows + 2 + count)  # as Excel counts them, from 1 and with the header
        heights = [1] * count
        columns = []
        for (place, column), values in zip(shown, cells, strict=True):
            columns.append(self._cells(place, column, values, numbers))
            if column.shown is Shown.WRAPPED:
                heights = list(map(max, heights, (_lines(text, column.width) for text in values)))
        rows = zip(numbers, heights, zip(*columns, strict=True), strict=True)
        self._sheet.row_data_fh.write("".join(_row(number, lines, row) for number, lines, row in rows))
        self.rows += count
        self._sheet._check_dimensions(self.rows, len(self.columns) - 1)
        self._sheet.previous_row = self.rows + 1

    def _cells(self, place: int, column: SheetColumn, values: list[Any], numbers: range) -> list[str]:
        """The column's cells as XML, "" for no cell."""
        letter = xlsxwriter.utility.xl_col_to_name(place)
        plain_style = self._formats.cells[column.shown]._get_xf_index()
        by_value = {
            name: one._get_xf_index() for name, one in self._formats.by_value.get(column.name or "", {}).items()
        }
        made = []
        for value, number in zip(values, numbers, strict=True):
            if value is None:
                made.append("")
            elif isinstance(value, str):
                text = value if _SPECIAL.search(value) is None else _escaped(value)
                style = by_value.get(value, plain_style)
                made.append(f'<c r="{letter}{number}" s="{style}" t="inlineStr"><is>{_text(text)}</is></c>')
            else:
                made.append(f'<c r="{letter}{number}" s="{plain_style}"><v>{value:.16g}</v></c>')
        return made

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


def _row(number: int, lines: int, cells: tuple[str, ...]) -> str:
    height = min(max(LEAST_HEIGHT, LINE_HEIGHT * lines + 4), MOST_HEIGHT)
    return f'<row r="{number}" ht="{height}" customHeight="1">{"".join(cells)}</row>'


def _lines(text: str | None, width: int) -> int:
    """Lines that a text takes in a wrapped cell of this width, rather one too many than one too few."""
    if text is None:
        return 1
    per_line = width - _LOST_PER_LINE
    if len(text) <= per_line:
        return 1 if "\n" not in text else text.count("\n") + 1
    return sum(max(1, -(-len(line) // per_line)) for line in text.split("\n"))


def _text(text: str) -> str:
    if text[:1].isspace() or text[-1:].isspace():
        return f'<t xml:space="preserve">{text}</t>'
    return f"<t>{text}</t>"


def _escaped(text: str) -> str:
    """XML text; `_x0041_` is how the format writes a character, so that such a text is written by its first one."""
    text = _ESCAPE.sub(r"_x005F\1", text)
    return _NO_CHARACTERS.sub("", text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


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
