"""Columns of any text in workbook and CSV: as the functions for one text make them, and read back as text."""

from __future__ import annotations

import csv
import io
import tempfile
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import xlsxwriter
from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine.exports.csv_files import csv_column, csv_lines, csv_writer, identifiers
from engine.exports.formats import Formats
from engine.exports.plain_text import LONGEST_CELL, plain, plain_lines, plain_texts, safe_text, safe_texts
from engine.exports.row_sheets import RowSheet, cell_values
from engine.exports.sheet_columns import SheetColumn, Shown

HOSTILE = [
    *("=1+1", "+A1", "-2", "@SUM(A1)", "\t=1", "\r=1", "＝1", "\u200b=1", '=HYPERLINK("http://example.com","x")'),
    *(
        "x;=cmd|' /C calc'!A0",
        "😀 👩‍⚕️",
        "日本",
        "naïve <b> & \x07",
        "_x0041_",
        "a\ufffe\uffffb",
        " lead",
        "trail\u00a0",
    ),
    *("a\nb\r\nc\u2028d\x85e", '"quoted", and ; more', "x" * 40_000, "=" * 33_000, "00002", "3-14", "", "\ud7ff\ue000"),
]
TEXTS = st.lists(
    st.none() | st.sampled_from(HOSTILE) | st.text(st.characters(exclude_categories=("Cs",)), max_size=12),
    min_size=1,
    max_size=12,
)


@settings(max_examples=150, deadline=None)
@given(TEXTS)
@example([None, None])
@example(HOSTILE)
def test_a_column_is_what_its_texts_are_one_by_one(texts: Any) -> None:
    column = pa.array([None, *texts], pa.string())[1:]  # a slice: values need not begin where the buffer does
    assert plain_texts(column).to_pylist() == [None if text is None else plain(text) for text in texts]
    assert safe_texts(column).to_pylist() == [safe_text(text) for text in texts]
    in_lines = plain_lines(column).to_pylist()
    for text, shown in zip(texts, in_lines, strict=True):
        if text is None or len(text) <= LONGEST_CELL:
            lines = None if text is None else "\n".join(plain(line) for line in text.split("\n"))
            assert shown == (None if lines is None else lines[:LONGEST_CELL])
        else:
            assert len(shown) <= LONGEST_CELL


@settings(max_examples=150, deadline=None)
@given(TEXTS)
@example(HOSTILE)
def test_csv_lines_are_those_of_the_csv_module_and_nothing_runs(texts: Any) -> None:
    safe = csv_column(pa.array(texts, pa.string()))
    columns = [identifiers(safe), safe]
    expected = io.StringIO()
    csv_writer(expected).writerows(zip(*(column.to_pylist() for column in columns), strict=True))
    assert csv_lines(columns) == expected.getvalue()
    for row in csv.reader(io.StringIO(csv_lines(columns))):
        for cell, text in zip(row, ("identifier", "text"), strict=True):
            shown = cell.lstrip("\t") if text == "identifier" else cell
            assert shown[:1] not in tuple("=+-@\t\r\n"), cell
            assert cell == shown or shown[0].isalnum() or shown[0] == "."


@settings(max_examples=25, deadline=None)
@given(TEXTS)
@example(HOSTILE)
def test_cells_of_a_workbook_are_text_and_come_back(texts: Any) -> None:
    columns = (SheetColumn("A", "a", Shown.TEXT, 20, ""), SheetColumn("B", "b", Shown.WRAPPED, 20, ""))
    column = pa.array(texts, pa.string())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "book.xlsx"
        with xlsxwriter.Workbook(str(path), {"constant_memory": True}) as book:
            sheet = RowSheet(book, Formats(book), "S", columns, 1)
            sheet.write([cell_values(column, one.shown) for one in columns])
            sheet.finish()
        read = openpyxl.load_workbook(path)["S"]
        for number, text in enumerate(texts, start=2):
            cells = [read.cell(number, place) for place in (1, 2)]
            assert {cell.data_type for cell in cells} <= {"s", "inlineStr", "n"}
            assert cells[0].data_type != "n" or cells[0].value is None
            expected = None if text is None else _as_read(plain(text))
            # openpyxl does not undo the format's way to write such a text
            assert (cells[0].value or "").replace("_x005F_", "_") == (expected or "")


def _as_read(text: str) -> str:
    """Characters that XML cannot hold are left out."""
    return text.replace("\ufffe", "").replace("\uffff", "")
