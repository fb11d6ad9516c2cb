"""Sheets with many rows, written once from top to bottom in constant memory."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xlsxwriter

from engine.contracts.tables import TABLES
from engine.contracts.words import DECISION_WORDS, DISMISS_REASONS
from engine.exports.column_bytes import begins_or_ends_with_any, has_any
from engine.exports.formats import Formats
from engine.exports.plain_text import plain_lines, plain_texts
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

HEADER_HEIGHT, LEAST_HEIGHT, LINE_HEIGHT, MOST_HEIGHT = 42, 30, 13, 409  # points, the greatest height in Excel
_WIDEST_PAGE = 230  # characters per line in print, landscape: small but readable
_MOST_PAGES = 3  # next to each other
# Characters of a wrapped line lost to the indent and to words that move to the next line.
_LOST_PER_LINE = 5
_ESCAPE = re.compile("(_x[0-9a-fA-F]{4}_)")
# In UTF-8: first and last bytes of any white space.
_BLANK_BYTES = bytes([*range(0x21), *range(0x7F, 0x100)])
_EXCEL_DAY_OF_1970 = 25_569
_FIRST_EXCEL_DAY = 61  # 1 March 1900: Excel counts a nonexistent 29 February 1900


class RowSheet:
    """A sheet with a frozen header and streamed rows. `finish` adds features that depend on the number of rows."""

    def __init__(
        self,
        book: xlsxwriter.Workbook,
        formats: Formats,
        name: str,
        columns: tuple[SheetColumn, ...],
        frozen_columns: int,
    ):
        self.columns, self.rows = columns, 0
        self._frozen_columns = frozen_columns
        self._formats = formats
        self._sheet = book.add_worksheet(name)
        self._sheet.freeze_panes(1, frozen_columns)
        self._sheet.set_default_row(LEAST_HEIGHT)
        self._sheet.set_zoom(90)
        self._sheet.set_landscape()
        self._sheet.set_margins(0.4, 0.4, 0.5, 0.5)
        self._sheet.set_footer("&L&F&C&A&R&P of &N")
        self._sheet.repeat_rows(0)
        self._sheet.set_row(0, HEADER_HEIGHT)
        for place, column in enumerate(columns):
            header = formats.input_header if column.name is None else formats.header
            self._sheet.set_column(place, place, column.width, formats.cells[column.shown])
            self._sheet.write_string(0, place, column.heading, header)

    def write(self, cells: Sequence[pa.Array]) -> None:
        """Write rows: one column of `cell_values` per column that analysts do not fill in; NULL writes no cell.

        Arrow assembles the XML of the sheet's row stream column by column: calling XlsxWriter per cell takes twenty
        times as long, and there can be millions of cells. Rows are as high as their text.
        """
        count = len(cells[0]) if cells else 0
        if not count:
            return
        if not self.rows:
            self._sheet._write_single_row(1)  # flushes the header, which XlsxWriter writes with the next row
        shown = [(place, column) for place, column in enumerate(self.columns) if column.name is not None]
        # row numbers of Excel: from 1, including the header
        numbers = pc.cast(pa.array(range(self.rows + 2, self.rows + 2 + count)), pa.string())
        lines = np.ones(count, dtype=np.int64)
        columns = []
        for (place, column), values in zip(shown, cells, strict=True):
            made = self._cells(place, column, values, numbers)
            if made is None:
                continue
            columns.append(made)
            if column.shown is Shown.WRAPPED:
                np.maximum(lines, _lines(values, column.width), out=lines)
        heights = pa.array(np.clip(LINE_HEIGHT * lines + 4, LEAST_HEIGHT, MOST_HEIGHT)).cast(pa.string())
        rows = _joined('<row r="', numbers, '" ht="', heights, '" customHeight="1">', *columns, "</row>")
        self._sheet.row_data_fh.write("".join(rows.to_pylist()))
        self.rows += count
        self._sheet._check_dimensions(self.rows, len(self.columns) - 1)
        self._sheet.previous_row = self.rows + 1

    def _cells(self, place: int, column: SheetColumn, values: pa.Array, numbers: pa.Array) -> pa.Array | None:
        """The column's cells as XML, NULL for no cell; None if the column has no cells."""
        if values.null_count == len(values):
            return None
        name = f'<c r="{xlsxwriter.utility.xl_col_to_name(place)}'
        style: str | pa.Array = str(self._formats.cells[column.shown]._get_xf_index())
        if not pa.types.is_string(values.type):
            return _cell(name, numbers, f'" s="{style}"><v>', _digits(values), "</v></c>")
        if column.shown is Shown.DATE:
            as_day = _cell(name, numbers, f'" s="{style}"><v>', values, "</v></c>")
            if not has_any(values, b"-"):
                return as_day
            as_text = _cell(name, numbers, f'" s="{style}" t="inlineStr"><is><t>', values, "</t></is></c>")
            return pc.if_else(pc.match_substring(values, "-"), as_text, as_day)
        for value, marked in self._formats.by_value.get(column.name or "", {}).items():
            style = pc.if_else(pc.fill_null(pc.equal(values, value), False), str(marked._get_xf_index()), style)
        begin: str | pa.Array = '" t="inlineStr"><is><t>'
        if begins_or_ends_with_any(values, _BLANK_BYTES):
            has_blanks = pc.fill_null(pc.not_equal(pc.utf8_trim_whitespace(values), values), False)
            begin = pc.if_else(has_blanks, '" t="inlineStr"><is><t xml:space="preserve">', begin)
        if isinstance(style, str) and isinstance(begin, str):
            return _cell(name, numbers, f'" s="{style}{begin}', _escaped(values), "</t></is></c>")
        return _cell(name, numbers, '" s="', style, begin, _escaped(values), "</t></is></c>")

    def finish(self) -> None:
        """Set filter, print area and pages, once all rows are written."""
        last, last_column = max(self.rows, 1), len(self.columns) - 1
        inputs = [place for place, column in enumerate(self.columns) if column.name is None]
        # printed: columns up to the last one to fill in, or all, on as many pages as are needed to stay readable
        last_printed = max(inputs, default=last_column)
        self._sheet.print_area(0, 0, last, last_printed)
        width = sum(column.width for column in self.columns[: last_printed + 1])
        pages = 1 if inputs else min(_MOST_PAGES, -(-width // _WIDEST_PAGE))
        self._sheet.fit_to_pages(pages, 0)
        if pages > 1:
            self._sheet.repeat_columns(0, self._frozen_columns - 1)
        self._sheet.autofilter(0, 0, last, last_column)
        self._sheet.ignore_errors({"number_stored_as_text": _area(last, last_column)})
        for place, column in enumerate(self.columns):
            if column.name is not None:
                continue
            # always true: colors the cells to fill in, down to the last row
            self._sheet.conditional_format(1, place, last, place, {"type": "no_errors", "format": self._formats.input})
            if column.heading in _VALIDATIONS:
                self._sheet.data_validation(1, place, last, place, _VALIDATIONS[column.heading])


def _joined(*parts: str | pa.Array) -> pa.Array:
    """Parts of each row concatenated; NULL parts are skipped."""
    return pc.binary_join_element_wise(*parts, "", null_handling="skip")


def _cell(*parts: str | pa.Array) -> pa.Array:
    """Parts of each cell concatenated; NULL if any part is."""
    return pc.binary_join_element_wise(*parts, "")


def _digits(values: pa.Array) -> pa.Array:
    """Numbers in the format of the file; NULL for NULL and NaN."""
    if pa.types.is_decimal(values.type) and values.type.scale > 0:
        return pc.utf8_rtrim(pc.utf8_rtrim(pc.cast(values, pa.string()), "0"), ".")
    if pa.types.is_integer(values.type):
        return pc.cast(values, pa.string())
    texts = [None if number is None or number != number else f"{number:.16g}" for number in values.to_pylist()]
    return pa.array(texts, pa.string())


def _lines(texts: pa.Array, width: int) -> Any:
    """Lines per text in a wrapped cell of this width; estimated high rather than low."""
    per_line = width - _LOST_PER_LINE
    texts = pc.fill_null(texts, "")
    if not has_any(texts, b"\n"):
        return np.maximum(1, -(-pc.utf8_length(texts).to_numpy() // per_line))
    parts = pc.split_pattern(texts, "\n")
    of_parts = np.maximum(1, -(-pc.utf8_length(parts.flatten()).to_numpy() // per_line))
    starts = parts.offsets.to_numpy()[:-1] - parts.offsets[0].as_py()
    return np.add.reduceat(of_parts, starts)


def _escaped(texts: pa.Array) -> pa.Array:
    """XML text. The format escapes characters as `_x0041_`; a text that contains this gets its underscore escaped."""
    if has_any(texts, b"_") and pc.any(pc.match_substring_regex(texts, _ESCAPE.pattern)).as_py():
        rare = [None if text is None else _ESCAPE.sub(r"_x005F\1", text) for text in texts.to_pylist()]
        texts = pa.array(rare, pa.string())
    if has_any(texts, b"&<>"):
        for character, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
            texts = pc.replace_substring(texts, character, entity)
    return texts


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
        "input_message": "For DISMISS pick from the list (explained on the sheet How to read).",
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


def cell_values(values: pa.Array, shown: Shown) -> pa.Array:
    """Values for cells: text, numbers, or the day numbers of dates as text. NULL is no cell.

    Excel's dates before March 1900 are wrong, so they are ISO text.
    """
    if shown == Shown.WRAPPED:
        return plain_lines(values)
    if shown.is_text:
        return plain_texts(values)
    if shown == Shown.DATE:
        dates = pc.cast(values, pa.date32())
        days = pc.add(pc.cast(dates, pa.int32()), _EXCEL_DAY_OF_1970)
        is_day = pc.greater_equal(days, _FIRST_EXCEL_DAY)
        return pc.if_else(is_day, pc.cast(days, pa.string()), pc.cast(dates, pa.string()))
    return values


def first_cells(cells: Mapping[str, pa.Array], columns: Sequence[SheetColumn]) -> dict[str, Any]:
    """Values of the first row by column: text, or a number (day numbers for dates)."""
    first: dict[str, Any] = {}
    for column in columns:
        if column.name is not None:
            value = cells[column.name][0].as_py()
            if column.shown is Shown.DATE:
                value = value if value is None or "-" in value else int(value)
            elif not column.shown.is_text:
                value = None if value is None or value != value else float(value)
            first[column.name] = value
    return first
