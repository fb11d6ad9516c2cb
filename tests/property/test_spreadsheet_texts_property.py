"""Columns of any text in workbook and CSV: as the functions for one text make them, and read back as text."""

from __future__ import annotations

import csv
import io
import itertools
import tempfile
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.sax.saxutils import escape

import openpyxl
import pyarrow as pa
import pytest
import xlsxwriter
from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine.contracts.forms import CONTACT_FIELDS, EVIDENCE_COLUMNS, FORM_COLUMNS, CellKind, FilledForm, Form
from engine.exports import write_form
from engine.exports.csv_files import csv_column, csv_lines, csv_writer, identifiers
from engine.exports.formats import Formats
from engine.exports.page_sheets import Page
from engine.exports.plain_text import LONGEST_CELL, cut, plain, plain_lines, plain_texts, safe_text, safe_texts
from engine.exports.row_sheets import RowSheet, cell_values
from engine.exports.sheet_columns import SheetColumn, Shown
from engine.runtime.object_stores import ObjectStores
from engine.runtime.storage import Storage
from tests.hostile_texts import ANY_TEXTS, TEXTS, check_csv, check_xlsx, units

HOSTILE = list(TEXTS)
SOME_TEXTS = st.lists(
    st.none() | st.sampled_from(HOSTILE) | st.text(st.characters(exclude_categories=("Cs",)), max_size=12),
    min_size=1,
    max_size=12,
)
ANY_TEXT = st.sampled_from(ANY_TEXTS) | st.text(st.characters(), max_size=12)


@settings(max_examples=150, deadline=None)
@given(SOME_TEXTS)
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
            assert shown == (None if lines is None else cut(lines, LONGEST_CELL))
        else:
            assert units(shown) <= LONGEST_CELL


@settings(max_examples=150, deadline=None)
@given(SOME_TEXTS)
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
@given(SOME_TEXTS)
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
            expected = None if text is None else plain(text)
            # openpyxl does not undo the format's way to write such a text
            assert (cells[0].value or "").replace("_x005F_", "_") == (expected or "")


@settings(max_examples=100, deadline=None)
@given(ANY_TEXT, st.integers(1, 40) | st.just(LONGEST_CELL))
def test_plain_text_fits_and_can_be_in_any_file(text: Any, longest: Any) -> None:
    shown = plain(text, longest)
    assert units(shown) <= longest
    ElementTree.fromstring(f"<t>{escape(shown)}</t>".encode())
    assert plain(shown, longest) == shown
    assert units(safe_text(text) or "") <= LONGEST_CELL


@settings(max_examples=100, deadline=None)
@given(SOME_TEXTS)
@example(HOSTILE)
def test_csv_files_begin_no_formula_whatever_separates_cells(texts: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "some.csv"
        column = csv_column(pa.array(texts, pa.string()))
        path.write_text(csv_lines([identifiers(column), column]), encoding="utf-8", newline="")
        check_csv(path)


@pytest.mark.parametrize("first", [0, 13, 29])
def test_forms_hold_any_text(first: int, tmp_path: Path) -> None:
    """Each text in another field: 29 begins with the longest in the header."""
    form = _form(itertools.cycle((*ANY_TEXTS[first:], *ANY_TEXTS[:first])))
    names = write_form(form, Storage(ObjectStores()), str(tmp_path))
    assert sorted(Path(name).suffix for name in names) == [".csv", ".pdf", ".xlsx"]
    for name in names:
        path = tmp_path / name
        if path.suffix == ".xlsx":
            check_xlsx(path)
        elif path.suffix == ".csv":
            check_csv(path)
        else:
            assert path.read_bytes()[:5] == b"%PDF-"


def test_pages_hold_any_text(tmp_path: Path) -> None:
    path = tmp_path / "page.xlsx"
    with xlsxwriter.Workbook(str(path), {"constant_memory": True, "strings_to_formulas": False}) as book:
        formats = Formats(book)
        page = Page(book, formats, "Page", (10, 20, 20))
        page.pairs(zip(ANY_TEXTS, reversed(ANY_TEXTS), strict=True), over=2)
        page.table(ANY_TEXTS[:3], (formats.text,) * 3, zip(*(ANY_TEXTS[place:] for place in range(3)), strict=False))
        for text in ANY_TEXTS:
            page.title(text, text)
            page.heading(text)
    check_xlsx(path)


def _form(texts: Iterator[str]) -> FilledForm:
    def text() -> str:
        return next(texts)

    def line() -> dict[str, Any]:
        return {c.name: text() if c.kind is CellKind.TEXT else Decimal("-1.5") for c in FORM_COLUMNS[Form.ROSI]}

    def evidence() -> dict[str, Any]:
        return {name: Decimal("1.500") if name == "units" else text() for name in EVIDENCE_COLUMNS}

    return FilledForm(
        form=Form.ROSI,
        state=text(),
        labeler_code=text(),
        labeler_name=text(),
        rebate_type=text(),
        period="2025Q3",
        invoice_number=text(),
        day=date(2026, 2, 15),
        contact={name: text() for name in CONTACT_FIELDS},
        lines=[line() for _ in range(8)],
        is_draft=True,
        evidence=[evidence() for _ in range(3)],
    )
