"""Open workbook files of any format, including details that the reading library does not report.

Source of the file formats: ECMA-376 (Office Open XML), part 1, 18.3.1.4 (cells), and [MS-OFFCRYPTO] 2.3.4 (encryption).
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from python_calamine import CalamineError, CalamineWorkbook, PasswordError, SheetTypeEnum, SheetVisibleEnum

from engine.sources.unpacked_size import ArchiveError, check_unpacked_size

_OLE = bytes.fromhex("d0cf11e0a1b11ae1")
_ENCRYPTED_PACKAGE = "EncryptedPackage".encode("utf-16-le")
_BINARY_WORKBOOK = "xl/workbook.bin"
_HEAD_BYTES = 4096
_CHUNK_BYTES = 1 << 24
_ERROR_CELL = re.compile(rb"<(?:\w+:)?c\s(?:[^>]*\s)?t=[\"']e[\"'][^>]*>")
_FORMULA_WITHOUT_VALUE = re.compile(
    rb"<(?:\w+:)?c((?:\s[^>]*)?)>\s*<(?:\w+:)?f(?:\s[^>]*)?(?:/>|>[^<]*</(?:\w+:)?f>)\s*"
    rb"(?:<(?:\w+:)?v\s*/>|<(?:\w+:)?v>\s*</(?:\w+:)?v>)?\s*</(?:\w+:)?c>"
)
_REFERENCE = re.compile(rb"\br=[\"']([A-Z]{1,3})([0-9]+)[\"']")
_TEXT_FORMULA = re.compile(rb"\bt=[\"']str[\"']")


class WorkbookError(Exception):
    """A workbook or its table cannot be read; worded to follow `the workbook of table x`."""

    def __init__(self, what: str, found: str = "", expected: str = "", to_do: str = ""):
        super().__init__(what)
        self.what, self.found, self.expected, self.to_do = what, found, expected, to_do


class Sheet:
    """One sheet. Rows and columns count from 1, as the spreadsheet program shows them."""

    def __init__(self, name: str, sheet: Any, workbook: Path):
        self.name = name
        self._sheet = sheet
        self._workbook = workbook

    @property
    def is_empty(self) -> bool:
        """Whether the sheet has no cell with a value."""
        return self._sheet.start is None

    @property
    def first_column(self) -> int:
        """Number of the first column with a value, from 1."""
        return 1 if self.is_empty else int(self._sheet.start[1]) + 1

    def rows(
        self, first_row: int, first_column: int, last_column: int | None, last_row: int | None
    ) -> Iterator[tuple[int, Sequence[Any]]]:
        """Rows with their number, of equal length, from the sheet's first used column on; an empty cell is ``."""
        left = max(first_column - self.first_column, 0)
        right = None if last_column is None else max(last_column - self.first_column + 1, 0)
        for row, cells in enumerate(() if self.is_empty else self._sheet.iter_rows(), start=1):
            if last_row is not None and row > last_row:
                return
            if row >= first_row:
                yield row, cells[left:right]

    @cached_property
    def unreadable_cells(self) -> list[tuple[int, int]]:
        """Row and column of cells that contain an error (#N/A) or a formula that was never calculated.

        Available for `.xlsx` and `.xlsm`; the reading library returns such cells as empty.
        """
        if not zipfile.is_zipfile(self._workbook):
            return []
        with zipfile.ZipFile(self._workbook) as package:
            part = _part_of_sheet(package, self.name)
            if part is None:
                return []
            with package.open(part) as xml:
                return sorted(set(_unreadable_cells(xml)))


class Workbook:
    """A workbook file.

    all_sheets: names in the workbook's order; visible_sheets: those that are neither hidden nor charts.
    hides_errors: error cells are read as empty and cannot be named (`.xls`, `.xlsb`).
    """

    def __init__(self, path: Path, workbook: Any, hides_errors: bool):
        self.hides_errors = hides_errors
        self._path = path
        self._workbook = workbook
        self.all_sheets = tuple(workbook.sheet_names)
        self.visible_sheets = tuple(
            sheet.name
            for sheet in workbook.sheets_metadata
            if sheet.visible == SheetVisibleEnum.Visible and sheet.typ == SheetTypeEnum.WorkSheet
        )
        self._opened: dict[str, Sheet] = {}

    def sheet(self, wanted: str) -> Sheet:
        """A sheet by its name, in any case, or by its number from 1; including hidden sheets. Raises WorkbookError."""
        by_name = {name.strip().lower(): name for name in self.all_sheets}
        name = wanted if wanted in self.all_sheets else by_name.get(wanted.strip().lower())
        if name is None and wanted.isdigit() and 1 <= int(wanted) <= len(self.all_sheets):
            name = self.all_sheets[int(wanted) - 1]
        if name is None:
            raise WorkbookError(f"has no sheet {wanted}", "sheets " + ", ".join(self.all_sheets))
        if name not in self._opened:
            try:
                self._opened[name] = Sheet(name, self._workbook.get_sheet_by_name(name), self._path)
            except CalamineError as error:
                raise WorkbookError(f"has a damaged sheet {name}", str(error)[:200]) from None
        return self._opened[name]


def open_workbook(path: Path) -> Workbook:
    """Open a workbook by its content, whatever its file extension.

    Raises:
        WorkbookError: it needs a password, is damaged, or is not a workbook.
    """
    head = _head(path)
    if head.startswith(_OLE) and _contains(path, _ENCRYPTED_PACKAGE):
        raise _needs_password()
    try:
        hides_errors = head.startswith(_OLE)
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as package:
                check_unpacked_size(package.infolist())
                hides_errors = _BINARY_WORKBOOK in package.namelist()
        with path.open("rb") as file:
            return Workbook(path, CalamineWorkbook.from_filelike(file), hides_errors)
    except PasswordError:
        raise _needs_password() from None
    except ArchiveError as error:
        raise WorkbookError("is not opened", str(error)) from None
    except (CalamineError, zipfile.BadZipFile, OSError) as error:
        raise _unreadable(head, str(error)) from None


def _needs_password() -> WorkbookError:
    return WorkbookError(
        "is protected by a password",
        "an encrypted workbook",
        "a workbook that opens without a password",
        "save a copy without a password, on storage that is protected otherwise",
    )


def _unreadable(head: bytes, message: str) -> WorkbookError:
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<html", b"<!doctype html", b"<table", b"<?xml", b"<meta")):
        return WorkbookError(
            "is not a workbook", "a web page or XML file named like one", to_do="open it in Excel and save it as .xlsx"
        )
    if head and b"\0" not in head and not head.startswith(b"PK"):
        return WorkbookError(
            "is not a workbook", "a text file named like one", to_do="set format: csv, and sep in options if needed"
        )
    return WorkbookError(
        "cannot be read",
        message[:200] or "an unknown format",
        "a workbook .xlsx, .xlsm, .xlsb, .xls or .ods",
        "open it in Excel and save it as .xlsx, or ask the sender for it again",
    )


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_HEAD_BYTES)


def _contains(path: Path, wanted: bytes) -> bool:
    before = b""
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            if wanted in before + chunk:
                return True
            before = chunk[-len(wanted) :]
    return False


def _part_of_sheet(package: zipfile.ZipFile, name: str) -> str | None:
    """The XML part of a sheet; None unless this is an XML workbook."""
    parts = set(package.namelist())
    if not {"xl/workbook.xml", "xl/_rels/workbook.xml.rels"} <= parts:
        return None
    relation = None
    # expat itself limits how far entities may expand
    for element in ElementTree.fromstring(package.read("xl/workbook.xml")).iter():  # noqa: S314
        if element.tag.rpartition("}")[2] == "sheet" and element.get("name") == name:
            relation = next(value for key, value in element.attrib.items() if key.endswith("}id"))
    for element in ElementTree.fromstring(package.read("xl/_rels/workbook.xml.rels")).iter():  # noqa: S314
        if element.get("Id") == relation and relation is not None:
            target = str(element.get("Target"))
            part = target.lstrip("/") if target.startswith("/") else f"xl/{target}"
            return part if part in parts else None
    return None


def _unreadable_cells(xml: Any) -> Iterator[tuple[int, int]]:
    """Row and column of each such cell; works row by row, so a cell is never cut in two."""
    pending = b""
    while chunk := xml.read(_CHUNK_BYTES):
        pending += chunk
        end = pending.rfind(b"</row>" if b"</row>" in pending else b":row>") + 1
        yield from _unreadable_in(pending[:end])
        pending = pending[end:]
    yield from _unreadable_in(pending)


def _unreadable_in(xml: bytes) -> Iterator[tuple[int, int]]:
    if b't="e"' in xml or b"t='e'" in xml:
        yield from _references(match[0] for match in _ERROR_CELL.finditer(xml))
    if b"<f" in xml or b":f" in xml:
        formulas = (match for match in _FORMULA_WITHOUT_VALUE.finditer(xml) if not _TEXT_FORMULA.search(match[1]))
        yield from _references(match[1] for match in formulas)


def _references(cells: Iterator[bytes]) -> Iterator[tuple[int, int]]:
    for cell in cells:
        reference = _REFERENCE.search(cell)
        if reference is not None:
            number = 0
            for letter in reference[1]:
                number = number * 26 + letter - ord("A") + 1
            yield int(reference[2]), number
