"""Texts of the input that must stay text in every file: formulas, control characters, markup, and very long ones."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import openpyxl

# As a CSV file or a table can hold them.
TEXTS = (
    *("=1+1", "+A1", "-2", "@SUM(A1)", "\t=1", "\r=1", "＝1", "\u200b=1", '=HYPERLINK("http://example.com","x")'),
    *(
        "x;=cmd|' /C calc'!A0",
        "x\t=cmd|' /C calc'!A0",
        "a\nb\r\nc\u2028d\x85e",
        "a\r\n=1\nb",
        "]]>",
        "../../x",
        "%s{0}",
    ),
    *("<script>alert(1)</script>", "<b>&amp;&#x41;", '"quoted", and ; more', "'", "naïve <b> & \x07", "nul\0\x1b[31m"),
    *(
        "😀 👩\u200d⚕",
        "日本",
        "\u202e\u200fRTL א",
        "_x0041_",
        "a\ufffe\uffffb",
        " lead",
        "trail\u00a0",
        "00002",
        "3-14",
        "",
    ),
    *("\ud7ff\ue000", "x" * 40_000, "=" * 33_000, "😀" * 20_000, "word " * 8_000),
)
# Python's texts can also hold half of a surrogate pair, which no file can.
ANY_TEXTS = (*TEXTS, "a\ud800b", "\udfff")
LONGEST_CELL = 32_767
# Those of the workbook and the forms themselves.
_OWN_FORMULAS = re.compile(r"=(SUM\([A-Z]+\d+:[A-Z]+\d+\)|[A-Z]+\d+\+[A-Z]+\d+)")
_NUMBER = re.compile(r"-?[\d,]+(\.\d+)?")


def units(text: str) -> int:
    """Characters as Excel and Java count them."""
    return len(text.encode("utf-16-le")) // 2


def check_xlsx(path: Path, sheets_of_formulas: tuple[str, ...] = ()) -> None:
    """Every part is well-formed XML, no text is a formula, a link or an error, and no cell is too long for Excel."""
    with zipfile.ZipFile(path) as book:
        for name in book.namelist():
            if name.endswith((".xml", ".rels")):
                ElementTree.fromstring(book.read(name))
    for sheet in openpyxl.load_workbook(path):
        for cell in (cell for row in sheet.iter_rows() for cell in row if cell.value is not None):
            place = (path.name, sheet.title, cell.coordinate)
            assert cell.data_type != "e", place
            assert cell.hyperlink is None, place
            if cell.data_type == "f" and sheet.title not in sheets_of_formulas:
                assert _OWN_FORMULAS.fullmatch(str(cell.value)), place
            if isinstance(cell.value, str):
                assert units(cell.value) <= LONGEST_CELL, place


def check_csv(path: Path) -> int:
    """No field begins a formula, whichever separator a spreadsheet expects; returns the number of lines.

    Only numbers begin with a sign.
    """
    csv.field_size_limit(1 << 20)
    text = path.read_bytes().decode("utf-8-sig")
    rows = list(csv.reader(io.StringIO(text, newline="")))
    assert len({len(row) for row in rows}) == 1, path.name
    for row in rows:
        for cell in row:
            shown = cell.removeprefix("\t")  # of an identifier
            assert shown[:1] not in tuple("=+-@\t\r\n") or _NUMBER.fullmatch(cell), (path.name, cell[:80])
            assert re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\ufffe\uffff]", cell) is None, (path.name, cell[:80])
            assert units(cell) <= LONGEST_CELL, (path.name, cell[:80])
    for separator in ";\t":
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator):
            for cell in row[1:]:
                assert cell.lstrip(' "')[:1] not in tuple("=+@"), (path.name, cell[:80])
    return len(rows) - 1
