"""Text files: CSV and its relatives, and fixed-width records (docs/input-files.md).

Spark's reader replaces invalid bytes, drops surplus fields, fills short rows with NULL, lets an open quotation mark
consume the remaining file, and supports few encodings. So it reads only regular files, which a first pass over their
lines identifies: UTF-8, every line a complete row of the header's length. All others are read strictly in Python on
the executors (`text_records`); damage stops the run with file and line.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from urllib.parse import unquote

import pyarrow as pa
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.errors import InputError, Problem, counted
from engine.runtime.abilities import abilities, without_backtracking
from engine.runtime.failures import ENGINE_ERRORS
from engine.runtime.parquet import read_schema
from engine.runtime.paths import reader_path
from engine.runtime.storage import Storage, StoredFile
from engine.sources.contents import contents, each_file
from engine.sources.frames import column_named, one_spelling, plain, repeated_names, stacked
from engine.sources.location import Location
from engine.sources.partitions import conflict, partition_names, partition_values
from engine.sources.reader import FileFormat, Opening, Reader, data_files, folder_column, lacking, local_name, marked
from engine.sources.text_format import TextFormat, text_format
from engine.sources.text_records import (
    BLANKS,
    DamagedTextError,
    first_record,
    is_packed,
    looks_like_utf16,
    rows,
    unpacked_start,
)

_HEADER_BYTES = 1 << 18
_ROWS_PER_BATCH = 20_000
_MOST_FILES_NAMED = 5
_STRICT: dict[str, str | bool] = {
    "mode": "FAILFAST",
    "quote": '"',
    "escape": '"',
    "unescapedQuoteHandling": "RAISE_ERROR",
    # with column pruning, a row with a surplus field would pass
    "columnPruning": False,
    "ignoreCorruptFiles": False,
    "ignoreMissingFiles": False,
}
_SEPARATORS = {",": "commas", ";": "semicolons", "|": "bars", "\t": "tabs", "~": "tildes", "^": "carets"}
_AS_SETTING = {"\t": "\\t"}
_IS_DATA = re.compile(r"[\d\s.,:/$%-]*\d[\d\s.,:/$%-]*")
# Placeholder column of rows from which no column is requested.
_NO_COLUMN = "row"


@dataclass(frozen=True)
class _File:
    """A file, its header, and the columns in the names of its folders."""

    stored: StoredFile
    header: tuple[str, ...]
    folders: Mapping[str, str | None]

    @property
    def names(self) -> tuple[str, ...]:
        return (*self.header, *self.folders)


@dataclass(frozen=True)
class _Wanted:
    """The columns read from one file: position in a record (None: absent), and the folder's value.

    conflicts: the problem to report if file and folder disagree, as JSON, for columns in both.
    """

    name: str
    width: int
    positions: tuple[int | None, ...]
    folder_values: tuple[str | None, ...] = ()
    conflicts: tuple[str | None, ...] = ()


@dataclass(frozen=True)
class _Files:
    """The files of a table: those that Spark reads, and those that are read in Python."""

    regular: list[_File] = field(default_factory=list)
    others: list[_File] = field(default_factory=list)


class DelimitedFiles(Reader):
    """A text file or several, compressed or not; see `Reader`.

    Each file is read by its own header. `lacking`: by column in plain form, the files that lack it while others
    have it. Raises InputError with every file that cannot be read: bytes of another encoding, a row of the wrong
    length, an open quotation mark, a header of another separator or none.
    """

    def __init__(
        self,
        spark: SparkSession,
        storage: Storage,
        location: Location,
        adapter_options: Sequence[str] = (),
        header_names: Sequence[str] = (),
    ):
        self._spark = spark
        self._storage = storage
        self._location = location
        written = text_format(location.table.name, location.options, adapter_options)
        self._written = replace(written, header_names=frozenset(plain(name) for name in header_names))
        stored = data_files(storage, location)
        in_folders = any("=" in file.name for file in stored)
        self._partitions = partition_names(location.table.name, location.uri, stored) if in_folders else ()
        opened, plain_uris = self._opened(stored)
        self._files = self._checked(opened, plain_uris)
        self.names = one_spelling(name for file in opened for name in file.names)
        self.repeated = frozenset(name for file in opened for name in repeated_names(file.header))
        self.lacking = lacking((file.stored, file.names) for file in opened)

    def rows(self, names: Sequence[str], identifiers: Collection[str]) -> DataFrame:
        """The rows of all files with these columns, as text; a file without a column has NULL."""
        headers: dict[tuple[str, ...], list[_File]] = {}
        for file in self._files.regular:
            headers.setdefault(file.header, []).append(file)
        frames = [self._read_by_spark(header, files, names) for header, files in headers.items()]
        if self._files.others:
            frames.append(self._read_in_python(self._files.others, names))
        return stacked(frames, names, identifiers, self._location.table.name, self._location.uri)

    # -- headers ------------------------------------------------------------------------------------------------------

    def _opened(self, stored: Sequence[StoredFile]) -> tuple[list[_File], set[str]]:
        """Every file with its header, and the files that Spark may be able to read."""
        files, plain_uris, problems = [], set(), []
        for file in stored:
            sample = self._storage.first_bytes(file.uri, _HEADER_BYTES)
            # Hadoop recognizes codecs by lower-case extensions only
            was_packed = is_packed(sample)
            try:
                sample = unpacked_start(sample) if was_packed else sample
                header = self._header(sample)
            except DamagedTextError as error:
                problems.append(_damaged(self._location.table.name, file.uri, error))
                continue
            problem = self._unlikely_header(file, header)
            if problem is not None:
                problems.append(problem)
            files.append(_File(file, header, partition_values(file)))
            if self._written.is_plain and not was_packed and self._is_for_spark(file) and _is_ordinary(sample):
                plain_uris.add(file.uri)
        if problems:
            raise InputError(_few(problems, self._location.table.name))
        return files, plain_uris

    def _is_for_spark(self, file: StoredFile) -> bool:
        """False for files that only some engines read: compressed text, and partition columns in folder names."""
        can = abilities(self._spark)
        return can.names_files or not (self._partitions or file.uri.endswith((".gz", ".bz2")))

    def _header(self, sample: bytes) -> tuple[str, ...]:
        written = self._written
        first = first_record(lambda: io.BytesIO(sample), "", written, wrong_bytes="replace")
        if first is None and written.names:
            return written.names
        if first is None:
            raise DamagedTextError("no header: the file is empty")
        record = first[1]
        if written.spans:
            return written.names
        if written.has_header:
            return tuple(record)
        if written.names and len(written.names) != len(record):
            raise DamagedTextError(
                f"a row of {counted(len(record), 'field', 'fields')}, for which {len(written.names)} names are set",
                first[0],
            )
        return written.names or tuple(f"_c{n}" for n in range(len(record)))

    def _unlikely_header(self, file: StoredFile, header: tuple[str, ...]) -> Problem | None:
        """A file that seems to have another separator, or no header. The message does not quote its first line."""
        written, table = self._written, self._location.table
        if written.spans or not written.has_header:
            return None
        known = {plain(name) for name in (*table.column_names, *self._location.columns.values())}
        if any(plain(name) in known for name in header):
            return None
        counts = {mark: sum(name.count(mark) for name in header) for mark in _SEPARATORS if mark != written.separator}
        most = max(counts, key=lambda mark: counts[mark])
        where = f"input.tables.{table.name}"
        if counts[most] >= len(header):
            columns = "one column" if len(header) == 1 else f"{len(header)} columns"
            return Problem(
                f"a file of table {table.name} seems to have another separator",
                file.uri,
                f"{columns}, and {counts[most]} {_SEPARATORS[most]} in the first line",
                f"columns separated by {_SEPARATORS.get(written.separator, written.separator)}",
                f'set {where}.options: {{sep: "{_AS_SETTING.get(most, most)}"}}',
            )
        data = sum(_IS_DATA.fullmatch(name) is not None for name in header)
        if data and self._location.adapter is None:
            return Problem(
                f"a file of table {table.name} seems to have no header",
                file.uri,
                f"{data} of {len(header)} values in its first line are numbers or dates, and none is a column's name",
                "a header with the names of the columns",
                f"set {where}.header: false and {where}.names: [the {len(header)} columns in order]",
            )
        return None

    # -- checks -------------------------------------------------------------------------------------------------------

    def _checked(self, files: Sequence[_File], plain_uris: Collection[str]) -> _Files:
        """Read every file once. Raises InputError with the problems of all files."""
        checked = _Files()
        headers: dict[int, list[_File]] = {}
        for file in files:
            if file.stored.uri in plain_uris:
                headers.setdefault(len(file.header), []).append(file)
            else:
                checked.others.append(file)
        for width, same_width in headers.items():
            irregular = self._irregular(same_width, width)
            checked.regular.extend(file for file in same_width if local_name(file.stored.uri) not in irregular)
            checked.others.extend(file for file in same_width if local_name(file.stored.uri) in irregular)
        if checked.others:
            self._check_in_python(checked.others)
        return checked

    def _irregular(self, files: Sequence[_File], width: int) -> set[str]:
        """Files with a line that is not UTF-8, not a complete row, or of another length."""
        if abilities(self._spark).names_files:
            lines = self._irregular_lines(files, width).select(F.col("_metadata.file_path").alias("file"))
            return {local_name(unquote(row["file"])) for row in lines.distinct().collect()}
        # usually there are none: one query for all files
        if self._are_regular(files, width):
            return set()
        return {local_name(file.stored.uri) for file in files if not self._are_regular([file], width)}

    def _are_regular(self, files: Sequence[_File], width: int) -> bool:
        try:
            return self._irregular_lines(files, width).isEmpty()
        except ENGINE_ERRORS:
            # an engine may refuse bytes that are not UTF-8; reading in Python finds the line
            return False

    def _irregular_lines(self, files: Sequence[_File], width: int) -> DataFrame:
        lines = self._spark.read.options(ignoreCorruptFiles=False, ignoreMissingFiles=False).text(
            [reader_path(self._spark, file.stored.uri) for file in files]
        )
        value, separator = F.col("value"), self._written.separator
        complete = without_backtracking(self._spark, _complete_line(separator))
        quoted = without_backtracking(self._spark, _QUOTED)
        has_quote = F.contains(value, F.lit('"'))
        is_complete = ~has_quote | value.rlike(complete)
        unquoted = F.when(has_quote, F.regexp_replace(value, quoted, "")).otherwise(value)
        separators = F.octet_length(unquoted) - F.octet_length(F.replace(unquoted, F.lit(separator), F.lit("")))
        is_blank = F.ltrim(value, F.lit(BLANKS)) == ""
        is_regular = F.is_valid_utf8(value) & is_complete & (is_blank | (separators == width - 1))
        return lines.where(~is_regular | F.contains(value, F.lit("\0")))

    def _check_in_python(self, files: Sequence[_File]) -> None:
        tasks = {file.stored.uri: _Wanted(file.stored.uri, len(file.header), ()) for file in files}
        check = partial(_check_files, tasks=tasks, written=self._written, table=self._location.table.name)
        opened = contents(self._spark, self._storage, [file.stored for file in files])
        damaged = opened.mapInArrow(check, "uri string, problem string").orderBy("uri").collect()
        if damaged:
            problems = [Problem(**json.loads(row["problem"])) for row in damaged]
            raise InputError(_few(problems, self._location.table.name))

    # -- rows ---------------------------------------------------------------------------------------------------------

    def _read_by_spark(self, header: tuple[str, ...], files: Sequence[_File], names: Sequence[str]) -> DataFrame:
        fields = _distinct(header)
        schema = T.StructType([T.StructField(name, T.StringType()) for name in fields])
        reader = self._spark.read.schema(read_schema(self._spark, schema))
        reader = reader.options(**_STRICT, sep=self._written.separator)
        reader = reader.option("header", self._written.has_header)
        read = reader.csv([reader_path(self._spark, file.stored.uri) for file in files])
        spelling = {plain(name): name for name in fields}
        folders = {plain(name): name for name in self._partitions}
        columns = []
        for name in names:
            key = plain(name)
            value = _not_blank(column_named(spelling[key])) if key in spelling else None
            if key in folders:
                stored = [file.stored for file in files]
                value = folder_column(self._location, folders[key], stored, value)
            if value is not None:
                columns.append(value.alias(name))
        return read.select(*columns)

    def _read_in_python(self, files: Sequence[_File], names: Sequence[str]) -> DataFrame:
        read_names = list(names) or [_NO_COLUMN]
        tasks = {file.stored.uri: self._wanted(file, read_names) for file in files}
        schema = T.StructType([T.StructField(name, T.StringType()) for name in read_names])
        table = self._location.table.name
        read = partial(_read_files, tasks=tasks, written=self._written, table=table, names=read_names)
        rows_read = contents(self._spark, self._storage, [file.stored for file in files]).mapInArrow(read, schema)
        return rows_read.select(*(column_named(name) for name in names))

    def _wanted(self, file: _File, names: Sequence[str]) -> _Wanted:
        places: dict[str, int] = {}
        for place, name in enumerate(_distinct(file.header)):
            places.setdefault(plain(name), place)
        folders = {plain(name): name for name in file.folders}
        in_both = {
            key: conflict(self._location.table.name, folders[key], file.stored) for key in folders.keys() & places
        }
        keys = [plain(name) for name in names]
        return _Wanted(
            name=file.stored.uri,
            width=len(file.header),
            positions=tuple(places.get(key) for key in keys),
            folder_values=tuple(file.folders[folders[key]] if key in folders else None for key in keys),
            conflicts=tuple(json.dumps(asdict(in_both[key])) if key in in_both else None for key in keys),
        )


# -- on executors -----------------------------------------------------------------------------------------------------


def _check_files(
    batches: Iterable[pa.RecordBatch], tasks: Mapping[str, _Wanted], written: TextFormat, table: str
) -> Iterator[pa.RecordBatch]:
    """The problem of every file that has one."""
    for uri, opener in each_file(batches, tasks):
        file = tasks[uri]
        try:
            for _ in rows(opener, file.name, written, file.width):
                pass
        except DamagedTextError as error:
            problem = json.dumps(asdict(_damaged(table, file.name, error)))
            yield pa.RecordBatch.from_pydict({"uri": [file.name], "problem": [problem]})


def _read_files(
    batches: Iterable[pa.RecordBatch],
    tasks: Mapping[str, _Wanted],
    written: TextFormat,
    table: str,
    names: Sequence[str],
) -> Iterator[pa.RecordBatch]:
    for uri, opener in each_file(batches, tasks):
        file = tasks[uri]
        read: list[list[str]] = []
        try:
            for _, record in rows(opener, file.name, written, file.width):
                read.append(record)
                if len(read) == _ROWS_PER_BATCH:
                    yield _batch(read, file, names)
                    read = []
        except DamagedTextError as error:
            raise RuntimeError(marked([_damaged(table, file.name, error)])) from None
        if read:
            yield _batch(read, file, names)


def _batch(read: Sequence[Sequence[str]], file: _Wanted, names: Sequence[str]) -> pa.RecordBatch:
    fields = list(zip(*read, strict=True))
    columns = []
    for position, folder_value, problem in zip(file.positions, file.folder_values, file.conflicts, strict=True):
        values: list[str | None] = [folder_value] * len(read)
        if position is not None:
            in_file = [value if value.strip(BLANKS) else None for value in fields[position]]
            if problem is None:
                values = in_file
            elif any(value is not None and value.strip() != (folder_value or "").strip() for value in in_file):
                raise RuntimeError(marked([Problem(**json.loads(problem))]))
        columns.append(pa.array(values, pa.string()))
    return pa.RecordBatch.from_arrays(columns, names=list(names))


# -- helpers ----------------------------------------------------------------------------------------------------------


def _damaged(table: str, uri: str, error: DamagedTextError) -> Problem:
    setting = f"input.tables.{table}.options.encoding"
    expected, to_do = "rows of the header's length; a quotation mark inside a quoted value doubled", ""
    if "bytes" in error.damage or "byte" in error.damage:
        expected = "text in the encoding of the settings (default: UTF-8)"
        to_do = f"set {setting} to the encoding in which the file was written"
    elif "damaged character" in error.damage:
        expected = "whole characters"
    if error.fits:
        expected = f"fits {' or '.join(error.fits)}"
        to_do = f"set {setting}: {error.fits[0]}"
    return Problem(
        f"a file of table {table} cannot be read",
        uri,
        str(error),
        expected,
        to_do or "ask the sender for the file again, or fix it",
    )


def _few(problems: Sequence[Problem], table: str) -> list[Problem]:
    shown = list(problems[:_MOST_FILES_NAMED])
    if len(problems) > len(shown):
        shown.append(
            Problem(
                f"{counted(len(problems) - len(shown), 'more file', 'more files')} of table {table} too",
                "same location",
            )
        )
    return shown


def _is_ordinary(sample: bytes) -> bool:
    """True without signs of another encoding or of carriage returns as line endings."""
    has_mark = sample.startswith((b"\xff\xfe", b"\xfe\xff", b"\0\0\xfe\xff"))
    has_returns = sample.count(b"\r") > sample.count(b"\r\n")
    return not (has_mark or has_returns or b"\0" in sample or looks_like_utf16(sample))


def _not_blank(column: Column) -> Column:
    return F.when(F.ltrim(column, F.lit(BLANKS)) != "", column)


def _distinct(header: Sequence[str]) -> list[str]:
    """The header's names; blank or repeated names, which cannot be requested, are replaced by their position."""
    repeated = repeated_names(header)
    return [f"field {n} of file" if plain(name) in {*repeated, ""} else name for n, name in enumerate(header)]


_QUOTED = '"[^"]*+(?:""[^"]*+)*+"'


def _complete_line(separator: str) -> str:
    """A line none of whose quoted values continues on the next; possessive, so it never backtracks.

    A quotation mark in the middle of an unquoted value (`5" pen`) is an ordinary character.
    """
    sep = re.escape(separator)
    value = f'(?:{_QUOTED}|[^"{sep}][^{sep}]*+|)'
    return f"^{value}(?:{sep}{value})*+\\z"


def _opened(of: Opening) -> Reader:
    return DelimitedFiles(of.spark, of.storage, of.location, of.own_options, of.header_names)


CSV = FileFormat(
    "csv",
    (".csv", ".csv.gz"),
    "text: CSV and its relatives, fixed-width records",
    _opened,
    page="input-files.md#text-files",
)
