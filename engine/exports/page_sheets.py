"""Sheets for reading: summary, how to read, data quality. Written from top to bottom, in constant memory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import xlsxwriter

from engine.exports.formats import Formats
from engine.exports.plain_text import plain

HEADER_HEIGHT, LINE_HEIGHT = 18, 14
_INDENT = 2  # width of an indent, in characters


class Area(NamedTuple):
    """Rows of a table on a sheet without the header; counted from 0."""

    first_row: int
    last_row: int


class Page:
    """A sheet with a cursor that only moves down."""

    def __init__(
        self, book: xlsxwriter.Workbook, formats: Formats, name: str, widths: Sequence[int], landscape: bool = False
    ):
        self.name, self.row, self._formats, self._widths = name, 0, formats, tuple(widths)
        self.sheet = book.add_worksheet(name)
        self.sheet.hide_gridlines(2)
        (self.sheet.set_landscape if landscape else self.sheet.set_portrait)()
        self.sheet.fit_to_pages(1, 0)
        for place, width in enumerate(widths):
            self.sheet.set_column(place, place, width)

    def title(self, text: str, under: str = "") -> None:
        """Write the first line of the page, and a note under it."""
        self.sheet.set_row(self.row, 24)
        self.sheet.write_string(self.row, 0, plain(text), self._formats.title)
        self.row += 1
        if under:
            self.note(under)
        self.row += 1

    def heading(self, text: str) -> None:
        """Write a heading after an empty row."""
        self.row += 1
        self.sheet.write_string(self.row, 0, plain(text), self._formats.heading)
        self.row += 1

    def note(self, text: str) -> None:
        """Write a line of small print."""
        self.sheet.write_string(self.row, 0, plain(text), self._formats.quiet_line)
        self.row += 1

    def pairs(self, lines: Iterable[tuple[str, str]], over: int = 1) -> None:
        """Write a label and a text; a text wider than its column wraps across that many columns."""
        for label, value in lines:
            self.sheet.write_string(self.row, 0, plain(label), self._formats.label)
            self._write_across(1, over, plain(value))
            self.row += 1

    def table(self, headers: Sequence[str], formats: Sequence[Any], rows: Iterable[Sequence[Any]]) -> Area:
        """Write a header and rows; numbers stay numbers, None is empty. Formats by column."""
        self.sheet.set_row(self.row, HEADER_HEIGHT)
        for place, text in enumerate(headers):
            self.sheet.write_string(self.row, place, text, self._formats.header)
        self.row += 1
        first = self.row
        for values in rows:
            row = [plain(value) if isinstance(value, str) else value for value in values]
            self._set_height(row, formats)
            for place, (value, cell_format) in enumerate(zip(row, formats, strict=True)):
                if value is None:
                    continue
                chosen = self._formats.evidence.get(value, cell_format) if isinstance(value, str) else cell_format
                write = self.sheet.write_string if isinstance(value, str) else self.sheet.write_number
                write(self.row, place, value, chosen)
            self.row += 1
        return Area(first, max(first, self.row - 1))

    def texts(self, header: str, texts: Iterable[str]) -> None:
        """Write a header and texts, each as wide as the page; longer ones wrap."""
        last = len(self._widths) - 1
        self.sheet.set_row(self.row, HEADER_HEIGHT)
        self.sheet.merge_range(self.row, 0, self.row, last, header, self._formats.header)
        self.row += 1
        for text in texts:
            self._write_across(0, last, plain(text))
            self.row += 1

    def _write_across(self, first: int, last: int, text: str) -> None:
        """Write a text into the first of some columns; one wider than all of them wraps across them."""
        width = sum(self._widths[first : last + 1]) - _INDENT
        if last > first and len(text) > width:
            self.sheet.set_row(self.row, LINE_HEIGHT * -(-len(text) // width))
            self.sheet.merge_range(self.row, first, self.row, last, text, self._formats.wrapped)
        else:
            self.sheet.write_string(self.row, first, text, self._formats.text)

    def _set_height(self, row: Sequence[Any], formats: Sequence[Any]) -> None:
        """Set the row height for wrapped text; not every program computes it."""
        lines = max(
            (
                -(-len(value) // max(1, width - _INDENT))
                for value, cell_format, width in zip(row, formats, self._widths, strict=False)
                if isinstance(value, str) and cell_format is self._formats.wrapped
            ),
            default=1,
        )
        if lines > 1:
            self.sheet.set_row(self.row, LINE_HEIGHT * lines)
