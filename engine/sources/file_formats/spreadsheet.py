"""Tables in workbooks: `.xlsx`, `.xlsm`, `.xlsb`, `.xls` and `.ods` (docs/input-excel.md).

A workbook is read by the driver and handed to Spark as Arrow: a sheet has at most 1,048,576 rows.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.pandas.types import from_arrow_schema

from engine.contracts.columns import Table
from engine.errors import InputError, Problem
from engine.runtime.storage import Storage, StoredFile, name_of
from engine.sources.cells import Cells, Kind, column_letters, read_cells
from engine.sources.frames import one_spelling, plain, repeated_names, stacked
from engine.sources.location import Location
from engine.sources.reader import FileFormat, Opening, Reader, data_files, lacking
from engine.sources.workbook import Sheet, Workbook, WorkbookError, open_workbook

_OPTIONS = ("sheet", "header_row", "range")
_RANGE = re.compile(r"([A-Za-z]{1,3})([0-9]{0,7}):([A-Za-z]{1,3})([0-9]{0,7})")
_MOST_CELLS_NAMED = 5
_ARROW_TYPES: dict[frozenset[Kind], Any] = {
    frozenset({Kind.INTEGER}): pa.int64(),
    frozenset({Kind.FLOAT}): pa.float64(),
    frozenset({Kind.INTEGER, Kind.FLOAT}): pa.float64(),
    frozenset({Kind.BOOLEAN}): pa.bool_(),
    frozenset({Kind.DATE}): pa.date32(),
    frozenset({Kind.DATETIME}): pa.timestamp("us"),
    frozenset({Kind.DATE, Kind.DATETIME}): pa.timestamp("us"),
}


@dataclass(frozen=True)
class _Options:
    """Which part of a workbook is the table. Rows and columns count from 1, as Excel shows them."""

    sheet: str | None = None
    header_row: int | None = None
    first_row: int = 1
    last_row: int | None = None
    first_column: int = 1
    last_column: int | None = None


@dataclass(frozen=True)
class _SheetTable:
    """The cells of one file's table and their location."""

    file: StoredFile
    sheet: str
    cells: Cells
    hides_errors: bool


class Workbooks(Reader):
    """A workbook, or a folder of them with one table in each; see `Reader`.

    Options of the location: `sheet` (name, or number from 1), `header_row` (number of the sheet's row), `range`
    (`A1:F200`, open at its end as `A5:F`). Without `sheet`, the only visible sheet that is not empty is read, else the
    one named like the table, else the only one with `header_names`. The header is the first row that is not empty or,
    with `header_names`, the first one that contains them all, compared by letters and digits.

    `notes` list files whose error cells cannot be detected. Raises InputError for files that are not workbooks or need
    a password, and for missing sheets and headers.
    """

    def __init__(self, spark: SparkSession, storage: Storage, location: Location, header_names: Sequence[str] = ()):
        self._spark = spark
        self._location = location
        options = _options_of(location)
        # Excel keeps a file ~$name.xlsx next to a workbook that someone has open
        files = [file for file in data_files(storage, location) if not file.name.rpartition("/")[2].startswith("~$")]
        self._tables = [self._table(storage, file, options, header_names) for file in files]
        self.names = one_spelling(name for table in self._tables for name in table.cells.names)
        repeated = [repeated_names(table.cells.names) for table in self._tables]
        self.repeated: frozenset[str] = frozenset().union(*repeated)
        hiding = [name_of(table.file.uri) for table in self._tables if table.hides_errors]
        self.notes = tuple(
            f"{location.table.name}: cells of {name} with errors such as #N/A are read as empty; saved as .xlsx, they "
            "would be named"
            for name in hiding
        )
        self.lacking = lacking((table.file, table.cells.names) for table in self._tables)

    def rows(self, names: Sequence[str], identifiers: Collection[str]) -> DataFrame:
        """The rows of all sheets with these columns. Raises InputError with every unreadable cell."""
        problems = [problem for table in self._tables for problem in self._problems(table, names, identifiers)]
        if problems:
            raise InputError(problems)
        frames = [self._frame(table, names, identifiers) for table in self._tables]
        return stacked(frames, names, identifiers, self._location.table.name, self._location.uri)

    def _frame(self, table: _SheetTable, names: Sequence[str], identifiers: Collection[str]) -> DataFrame:
        columns = {}
        for name, position in _positions(table, names).items():
            kinds = frozenset(table.cells.columns[position].first_rows)
            kind = pa.string() if name in identifiers else _ARROW_TYPES.get(kinds, pa.string())
            columns[name] = table.cells.columns[position].values(kind)
        if not columns:
            # rows count even if none of their columns is known
            columns = {"row": pa.nulls(table.cells.rows, pa.string())}
        cells = pa.table(columns)
        # explicit, because it cannot be inferred from a sheet without rows
        return self._spark.createDataFrame(cells, from_arrow_schema(cells.schema))

    def _table(self, storage: Storage, file: StoredFile, options: _Options, header_names: Sequence[str]) -> _SheetTable:
        with storage.local_copy(file.uri) as path:
            try:
                workbook = open_workbook(path)
                sheet = _choose_sheet(workbook, self._location.table, options, header_names)
                header_row = options.header_row or _header_row(sheet, options, header_names)
                cells = read_cells(
                    sheet,
                    header_row,
                    options.first_column,
                    options.last_column,
                    options.last_row,
                )
            except WorkbookError as error:
                table = self._location.table.name
                raise InputError(
                    Problem(
                        f"the workbook of table {table} {error.what}",
                        file.uri,
                        error.found,
                        error.expected,
                        error.to_do,
                    )
                ) from None
        return _SheetTable(file, sheet.name, cells, workbook.hides_errors)

    def _problems(self, table: _SheetTable, names: Sequence[str], identifiers: Collection[str]) -> Iterable[Problem]:
        name_of_table = self._location.table.name
        for name, position in _positions(table, names).items():
            column, letters = table.cells.columns[position], column_letters(table.cells.first_column + position)
            if column.unreadable_rows:
                yield Problem(
                    f"column {name} of table {name_of_table} has cells without a value that can be read",
                    table.file.uri,
                    _addresses(table.sheet, letters, column.unreadable_rows),
                    "values; not errors such as #N/A or #REF!, and not formulas that were never calculated",
                    "correct the cells, and save the workbook in a spreadsheet program",
                )
            kinds = {kind: row for kind, row in column.first_rows.items() if kind is not Kind.TEXT}
            if name in identifiers and kinds:
                first = min(kinds, key=lambda kind: kinds[kind])
                count = sum(column.counts[kind] for kind in kinds)
                yield Problem(
                    f"identifier column {name} of table {name_of_table} has cells that are not text",
                    table.file.uri,
                    f"{table.sheet}!{letters}{kinds[first]} is a {first.value}; {count:,} such cells in this column",
                    "text cells: as a number, an identifier has lost its leading zeros",
                    "format the column as text in the source, and export it again; NPIs alone may be numbers",
                )


def _positions(table: _SheetTable, names: Iterable[str]) -> Mapping[str, int]:
    positions = {plain(theirs): position for position, theirs in enumerate(table.cells.names) if plain(theirs)}
    return {name: positions[plain(name)] for name in names if plain(name) in positions}


def _addresses(sheet: str, letters: str, rows: Sequence[int]) -> str:
    shown = ", ".join(f"{sheet}!{letters}{row}" for row in rows[:_MOST_CELLS_NAMED])
    more = len(rows) - _MOST_CELLS_NAMED
    return shown + (f" and {more:,} more" if more > 0 else "")


def _options_of(location: Location) -> _Options:
    setting = f"input.tables.{location.table.name}.options"
    problems = []
    unknown = [] if location.adapter else [name for name in location.options if name not in _OPTIONS]
    if unknown:
        problems.append(
            Problem("a workbook has no such option", setting, ", ".join(unknown), "one of " + ", ".join(_OPTIONS))
        )
    values = {name: str(location.options[name]).strip() for name in _OPTIONS if name in location.options}
    header_row = values.get("header_row", "1")
    if not header_row.isdigit() or int(header_row) < 1:
        problems.append(Problem("header_row is not a row of a sheet", setting, header_row, "a number from 1"))
    area = _RANGE.fullmatch(values.get("range", "A1:XFD"))
    if area is None:
        problems.append(
            Problem("range is not a range of cells", setting, values["range"], "for example A1:F200 or A5:F")
        )
    if problems or area is None:
        raise InputError(problems)
    return _Options(
        sheet=values.get("sheet"),
        header_row=int(header_row) if "header_row" in values else None,
        first_row=int(area[2] or 1),
        last_row=int(area[4]) if area[4] else None,
        first_column=column_number(area[1]),
        last_column=column_number(area[3]),
    )


def column_number(letters: str) -> int:
    """The number of a column, from 1, by its letters.

    >>> column_number("A"), column_number("z"), column_number("AA")
    (1, 26, 27)
    """
    number = 0
    for letter in letters.upper():
        number = number * 26 + ord(letter) - ord("A") + 1
    return number


def _choose_sheet(workbook: Workbook, table: Table, options: _Options, header_names: Sequence[str]) -> Sheet:
    if options.sheet is not None:
        return workbook.sheet(options.sheet)
    visible = [workbook.sheet(name) for name in workbook.visible_sheets]
    filled = [sheet for sheet in visible if not sheet.is_empty]
    named = [sheet for sheet in filled if _letters(sheet.name) == _letters(table.name)]
    with_header = [sheet for sheet in filled if header_names and _find_header(sheet, options, header_names)]
    for candidates in (filled, named, with_header):
        if len(candidates) == 1:
            return candidates[0]
    if not filled:
        raise WorkbookError("has no visible sheet with data", ", ".join(workbook.all_sheets), "one sheet with a header")
    raise WorkbookError(
        "has several sheets",
        ", ".join(sheet.name for sheet in filled),
        f"one that is not empty, or one named {table.name}",
        f"name the sheet in input.tables.{table.name}.options.sheet",
    )


def _header_row(sheet: Sheet, options: _Options, header_names: Sequence[str]) -> int:
    """The header's row, from 1."""
    row = _find_header(sheet, options, header_names)
    if row is None:
        expected = "a row with " + ", ".join(header_names) if header_names else "a header in the first row with values"
        raise WorkbookError("has no header", f"sheet {sheet.name}", expected, "see the options sheet and header_row")
    return row


def _find_header(sheet: Sheet, options: _Options, header_names: Sequence[str]) -> int | None:
    wanted = {_letters(name) for name in header_names}
    for row, cells in sheet.rows(options.first_row, options.first_column, options.last_column, options.last_row):
        present = {_letters(str(cell)) for cell in cells if cell != ""}
        if present and wanted <= present:
            return row
    return None


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _opened(of: Opening) -> Reader:
    return Workbooks(of.spark, of.storage, of.location, of.header_names)


EXCEL = FileFormat(
    "excel",
    (".xlsx",),
    "workbooks, one table in each",
    _opened,
    further=(".xlsm", ".xlsb", ".xls", ".ods"),
    page="input-excel.md",
)
