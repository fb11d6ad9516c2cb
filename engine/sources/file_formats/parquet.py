"""Parquet as Spark, pandas, polars, Impala and others write it (docs/input-parquet.md).

The footers of the files show what Spark's reader would reject or misread: text stored as bytes, nanosecond timestamps,
untyped columns without values, codecs, and part files that disagree on a column's type.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.errors import InputError, Problem, counted
from engine.runtime.abilities import abilities
from engine.runtime.parquet import read_schema
from engine.runtime.paths import reader_path
from engine.runtime.storage import Storage, StoredFile
from engine.sources.contents import contents
from engine.sources.failures import damaged_page, not_text, suspect
from engine.sources.frames import (
    column_named,
    one_spelling,
    plain,
    repeated_names,
    spark_options,
    stacked,
)
from engine.sources.location import Location
from engine.sources.parquet_arrow import WantedColumn, read_files
from engine.sources.parquet_footer import Footer, FooterError, StoredColumn, read_footer
from engine.sources.partitions import conflict, is_same_value, partition_names, partition_values
from engine.sources.reader import (
    FileFormat,
    Opening,
    Reader,
    damaged_files,
    data_files,
    lacking,
    marked,
    refuse_unknown_options,
)
from engine.sources.staging import staging_folder

# Options of Spark's own reader.
_OPTIONS = ("mergeSchema", "datetimeRebaseMode", "int96RebaseMode")
_SPARK_CODECS = {"UNCOMPRESSED", "SNAPPY", "GZIP", "ZSTD", "LZ4", "LZ4_RAW"}
_REWRITTEN_CODECS = {"BROTLI"}
# Every engine reads these the same way.
_CODECS_OF_ALL = {"UNCOMPRESSED", "SNAPPY", "GZIP", "ZSTD"}
_HIDDEN_LOGS = {"_delta_log": "delta"}
_MOST_NAMED = 5
_MANY_PATHS = 32
_BATCH_ROWS = 1 << 16

# Placeholder column of rows from which no column is requested.
_NO_COLUMN = "row"

# The columns of one file that are read, by the name they are read under.
_Taken = dict[str, StoredColumn]


class ParquetFiles(Reader):
    """A Parquet file, or a folder of them, as Hive partitions (`state=AK/`) or flat; see `Reader`.

    A column in both folder and file is read from the folder's name, if their values are equal. Raises InputError naming
    each file whose footer cannot be read.
    """

    def __init__(self, spark: SparkSession, storage: Storage, location: Location):
        self._spark = spark
        self._storage = storage
        self._location = location
        _refuse_table_formats(storage, location)
        files = data_files(storage, location)
        self._partitions = partition_names(location.table.name, location.uri, files)
        self._footers = _footers(storage, location, files)
        in_files = [[column.name for column in footer.columns] for footer in self._footers]
        self.names = one_spelling(name for names in (*in_files, self._partitions) for name in names)
        repeated = [repeated_names(names) for names in (*in_files, self._partitions)]
        self.repeated = frozenset().union(*repeated)
        self.lacking = lacking(zip(files, ((*names, *self._partitions) for names in in_files), strict=True))

    def rows(self, names: Sequence[str], identifiers: Collection[str]) -> DataFrame:
        """The rows of all files with these columns. Raises InputError for columns that cannot be read."""
        table = self._location.table.name
        of_folders = {plain(name): name for name in self._partitions}
        partitions = {name: of_folders[plain(name)] for name in names if plain(name) in of_folders}
        self._refuse_conflicts(partitions)
        in_files = [name for name in names if name not in partitions]
        taken = [_taken(footer, in_files) for footer in self._footers]
        self._refuse_unreadable(taken)
        self._refuse_numbers(taken, identifiers)
        taken = [
            _meaningful(footer, columns, taken, identifiers)
            for footer, columns in zip(self._footers, taken, strict=True)
        ]
        if not self._engine_reads(taken):
            return stacked(self._frames_in_python(taken, partitions), names, identifiers, table, self._location.uri)
        parts: dict[Any, tuple[_Taken, list[StoredFile]]] = {}
        for footer, columns in zip(self._footers, taken, strict=True):
            file, columns = self._for_spark(footer, columns)
            key = (_base(file), tuple((name, column.name, column.stored_as) for name, column in columns.items()))
            parts.setdefault(key, (columns, []))[1].append(file)
        frames = [self._frame(columns, files, partitions) for columns, files in parts.values()]
        return stacked(frames, names, identifiers, table, self._location.uri)

    def _engine_reads(self, taken: Sequence[_Taken]) -> bool:
        """False if the engine's own reader would reject or misread a column or folder."""
        if abilities(self._spark).reads_every_parquet_type:
            return True
        codecs = set().union(
            *(footer.codecs(columns.values()) for footer, columns in zip(self._footers, taken, strict=True))
        )
        types: dict[str, set[str]] = {}
        for footer in self._footers:
            for field in footer.arrow or ():
                types.setdefault(field.name, set()).add(str(field.type))
        return (
            not self._partitions
            # an engine may compare the types of columns that are not requested
            and all(len(kinds) == 1 for kinds in types.values())
            and codecs <= _CODECS_OF_ALL
            and all(
                footer.is_plain(column)
                for footer, columns in zip(self._footers, taken, strict=True)
                for column in columns.values()
            )
        )

    def _frames_in_python(self, taken: Sequence[_Taken], partitions: dict[str, str]) -> list[DataFrame]:
        """One frame for all files whose columns have the same types."""
        parts: dict[Any, list[tuple[Footer, _Taken]]] = {}
        for footer, columns in zip(self._footers, taken, strict=True):
            key = tuple((name, column.value_type.simpleString()) for name, column in columns.items())
            parts.setdefault(key, []).append((footer, columns))
        return [self._frame_in_python(files, partitions) for files in parts.values()]

    def _frame_in_python(self, files: Sequence[tuple[Footer, _Taken]], partitions: dict[str, str]) -> DataFrame:
        wanted, damaged = {}, {}
        for footer, columns in files:
            self._refuse_codecs(footer, footer.codecs(columns.values()))
            of_file = [
                WantedColumn(name, column.name, column.kind, not_text=marked([self._not_text(column)]))
                for name, column in columns.items()
            ]
            in_folders = partition_values(footer.file)
            of_file += [WantedColumn(name, None, "string", in_folders[theirs]) for name, theirs in partitions.items()]
            # rows count even if none of their columns is requested
            wanted[footer.file.uri] = of_file or [WantedColumn(_NO_COLUMN, None, "string")]
            damaged[footer.file.uri] = marked([damaged_page(footer.file.uri)])
        schema = T.StructType()
        for name, column in files[0][1].items():
            schema.add(name, column.value_type)
        for name in partitions:
            schema.add(name, T.StringType())
        chosen = schema.names
        if not chosen:
            schema.add(_NO_COLUMN, T.StringType())
        read = partial(read_files, wanted=wanted, damaged=damaged)
        opened = contents(self._spark, self._storage, [footer.file for footer, _ in files])
        return opened.mapInArrow(read, schema).select(*map(column_named, chosen))

    def _frame(self, columns: _Taken, files: Sequence[StoredFile], partitions: dict[str, str]) -> DataFrame:
        schema, values = T.StructType(), []
        for name, column in columns.items():
            schema.add(column.name, column.read_as)
            values.append(self._value(column).alias(name))
        for name, theirs in partitions.items():
            # text in the schema, so state=06 stays "06"
            schema.add(theirs, T.StringType())
            values.append(_folder_value(theirs, files).alias(name))
        for file in files:
            suspect(self._storage.local_path(file.uri))
        reader = self._spark.read.schema(read_schema(self._spark, schema))
        reader = reader.options(ignoreCorruptFiles=False, ignoreMissingFiles=False)
        if self._partitions:
            reader = reader.option("basePath", _base(files[0]))
        reader = reader.options(**spark_options(self._location.options))
        return reader.parquet(*(reader_path(self._spark, path) for path in self._paths(files))).select(*values)

    def _paths(self, files: Sequence[StoredFile]) -> list[str]:
        """The files, or their folder if it has no others: listing many paths costs a Spark job."""
        base = _base(files[0])
        if len(files) > _MANY_PATHS and {file.uri for file in self._storage.files(base)} == {
            file.uri for file in files
        }:
            return [base]
        return [file.uri for file in files]

    def _value(self, column: StoredColumn) -> Column:
        received = column_named(column.name)
        value = received if column.decode is None else column.decode(received)
        is_unchecked = column.is_bytes or (column.is_text and not abilities(self._spark).checks_text)
        return self._checked_text(value, column) if is_unchecked else value

    def _checked_text(self, text: Column, column: StoredColumn) -> Column:
        """Stop the run at bytes that are not text; shown as text, they would be different values."""
        error = F.raise_error(F.lit(marked([self._not_text(column)]))).cast("string")
        return F.when(text.isNull() | F.is_valid_utf8(text), text).otherwise(error)

    def _not_text(self, column: StoredColumn) -> Problem:
        of_table = f"column {column.name} of table {self._location.table.name}"
        return not_text(of_table, self._location.uri, f"type {column.stored_as}")

    def _refuse_conflicts(self, partitions: dict[str, str]) -> None:
        """Check that a column in both folder names and files has the folder's value or NULL in every row."""
        if not partitions:
            return
        problems = []
        for theirs in partitions.values():
            for footer in self._footers:
                folder = partition_values(footer.file)[theirs]
                for column in footer.columns:
                    if plain(column.name) == plain(theirs) and not self._has_only(footer, column, folder):
                        problems.append(conflict(self._location.table.name, theirs, footer.file))
        if problems:
            raise InputError(problems[:_MOST_NAMED])

    def _has_only(self, footer: Footer, column: StoredColumn, value: str | None) -> bool:
        if footer.holds_nothing_but_nulls(column):
            return True
        if column.is_nested:
            return False
        bounds = footer.bounds(column) if column.decode is None else None
        if bounds is not None and all(is_same_value(value, bound) for bound in bounds):
            return True
        stored = self._stored_values(footer, column)
        return all(is_same_value(value, other) for other in pc.unique(stored).to_pylist())

    def _refuse_unreadable(self, taken: Sequence[_Taken]) -> None:
        problems: dict[str, Problem] = {}
        table = self._location.table.name
        for footer, columns in zip(self._footers, taken, strict=True):
            for name, column in columns.items():
                if column.is_readable or name in problems or footer.holds_nothing_but_nulls(column):
                    continue
                what = (
                    f"column {column.name} of table {table} contains lists or structures"
                    if column.is_nested
                    else f"column {column.name} of table {table} has a type that cannot be read"
                )
                expected = (
                    "single values; what repeats is one text, values joined by |"
                    if column.is_nested
                    else "numbers (decimals of up to 38 digits), text, dates, timestamps or booleans"
                )
                problems[name] = Problem(what, footer.file.uri, column.stored_as, expected, "write it as one of these")
        if problems:
            raise InputError(problems.values())

    def _refuse_numbers(self, taken: Sequence[_Taken], identifiers: Collection[str]) -> None:
        """Reject identifier columns that are numbers: their leading zeros are lost, whatever other files contain."""
        table = self._location.table.name
        problems = []
        for footer, columns in zip(self._footers, taken, strict=True):
            numbers = [
                f"{column.name} ({column.stored_as})"
                for name, column in columns.items()
                if name in identifiers and column.is_number and self._has_values(footer, column)
            ]
            if numbers:
                problems.append(
                    Problem(
                        f"identifiers of table {table} are numbers in a file",
                        footer.file.uri,
                        ", ".join(numbers),
                        "text in every file: the leading zeros of a number are gone",
                        "export these columns again as text",
                    )
                )
        if len(problems) > _MOST_NAMED:
            count = counted(len(problems) - _MOST_NAMED, "more file", "more files")
            more = Problem(f"{count} of table {table} too", self._location.uri)
            problems = [*problems[:_MOST_NAMED], more]
        if problems:
            raise InputError(problems)

    def _has_values(self, footer: Footer, column: StoredColumn) -> bool:
        """True if any value is neither NULL nor NaN, which pandas and others write for NULL."""
        if footer.holds_nothing_but_nulls(column):
            return False
        if footer.bounds(column) is not None:
            return True
        values = self._stored_values(footer, column).drop_null()
        if column.is_float:
            values = values.filter(pc.invert(pc.is_nan(values.cast(pa.float64()))))
        return len(values) > 0

    def _stored_values(self, footer: Footer, column: StoredColumn) -> Any:
        try:
            with self._storage.local_copy(footer.file.uri) as path:
                return pq.ParquetFile(path).read(columns=[column.name]).column(0)
        except (pa.ArrowException, OSError) as error:
            table = self._location.table.name
            damage = f"column {column.name}: {str(error).splitlines()[0][:200]}"
            raise damaged_files(table, [(footer.file.uri, damage)], "a readable Parquet file", _TO_DO) from None

    def _for_spark(self, footer: Footer, columns: _Taken) -> tuple[StoredFile, _Taken]:
        """The file, or its columns rewritten by pyarrow if Spark lacks the codec or the type."""
        codecs = footer.codecs(columns.values())
        self._refuse_codecs(footer, codecs)
        if codecs <= _SPARK_CODECS and not any(column.is_half_float for column in columns.values()):
            return footer.file, columns
        rewritten = self._rewritten(footer, columns)
        return rewritten.file, {name: rewritten.column(column.name) for name, column in columns.items()}

    def _refuse_codecs(self, footer: Footer, codecs: set[str]) -> None:
        unknown = codecs - _SPARK_CODECS - _REWRITTEN_CODECS
        if unknown:
            raise InputError(
                Problem(
                    f"a file of table {self._location.table.name} is compressed in a codec that cannot be read",
                    footer.file.uri,
                    ", ".join(sorted(unknown)),
                    "one of " + ", ".join(sorted(_SPARK_CODECS | _REWRITTEN_CODECS)),
                    "write the file again, compressed with zstd or snappy",
                )
            )

    def _rewritten(self, footer: Footer, columns: _Taken) -> Footer:
        what = f"a Parquet file of table {self._location.table.name} that only the driver can decode"
        folder = staging_folder(self._spark, self._location.table.name, footer.file.uri, what)
        target = folder.joinpath(*footer.file.name.split("/"))
        target.parent.mkdir(parents=True, exist_ok=True)
        theirs = [column.name for column in columns.values()]
        try:
            with self._storage.local_copy(footer.file.uri) as path:
                source = pq.ParquetFile(path)
                fields = [_storable(source.schema_arrow.field(name)) for name in theirs]
                with pq.ParquetWriter(target, pa.schema(fields), compression="zstd") as writer:
                    for batch in source.iter_batches(_BATCH_ROWS, columns=theirs):
                        writer.write_table(pa.Table.from_batches([batch]).select(theirs).cast(writer.schema))
        except (pa.ArrowException, OSError) as error:
            table = self._location.table.name
            raise damaged_files(
                table, [(footer.file.uri, str(error).splitlines()[0][:200])], "a readable Parquet file", _TO_DO
            ) from None
        return read_footer(self._storage, StoredFile(footer.file.name, f"file:{target}", target.stat().st_size))


_TO_DO = "ask the sender for the file again, or move it out of the folder"


def _storable(field: Any) -> Any:
    """The field in a type that Spark reads."""
    return field.with_type(pa.float32()) if pa.types.is_float16(field.type) else field


def _taken(footer: Footer, names: Iterable[str]) -> _Taken:
    columns = {plain(column.name): column for column in footer.columns}
    return {name: columns[plain(name)] for name in names if plain(name) in columns}


def _meaningful(footer: Footer, columns: _Taken, taken: Sequence[_Taken], identifiers: Collection[str]) -> _Taken:
    """Drop columns of only NULLs if their type would conflict: it has no meaning."""
    kept = {}
    for name, column in columns.items():
        types = {others[name].stored_as for others in taken if name in others}
        is_in_the_way = len(types) > 1 or not column.is_readable
        # numbers that were not refused have no values
        is_empty_identifier = name in identifiers and column.is_number
        if not (
            column.has_no_type or is_empty_identifier or (is_in_the_way and footer.holds_nothing_but_nulls(column))
        ):
            kept[name] = column
    return kept


def _base(file: StoredFile) -> str:
    """The folder that a file's name is relative to."""
    return file.uri.removesuffix(file.name)


def _folder_value(name: str, files: Iterable[StoredFile]) -> Column:
    """The value from a folder's name as UTF-8 text; Spark decodes `%C3%A9` byte by byte."""
    value = column_named(name)
    decoded = {partition_values(file)[name] for file in files}
    for text in sorted(text for text in decoded if text and not text.isascii()):
        as_spark_reads_it = "".join(map(chr, text.encode("utf-8")))
        value = F.when(column_named(name) == as_spark_reads_it, F.lit(text)).otherwise(value)
    return value


def _refuse_table_formats(storage: Storage, location: Location) -> None:
    """Reject Delta tables and the like: their Parquet files contain deleted rows, which only the log identifies."""
    for name in storage.children(location.uri) if storage.is_folder(location.uri) else []:
        if name in _HIDDEN_LOGS:
            raise InputError(
                Problem(
                    f"the folder of table {location.table.name} is a {_HIDDEN_LOGS[name]} table",
                    location.uri,
                    f"{name}/",
                    "a folder of Parquet files",
                    f"set input.tables.{location.table.name}.format: {_HIDDEN_LOGS[name]}",
                )
            )


def _footers(storage: Storage, location: Location, files: Iterable[StoredFile]) -> list[Footer]:
    footers, damaged = [], []
    for file in files:
        try:
            footers.append(read_footer(storage, file))
        except FooterError as error:
            damaged.append((file.uri, str(error)))
    if damaged:
        raise damaged_files(location.table.name, damaged, "a complete Parquet file", _TO_DO)
    return footers


def _opened(of: Opening) -> Reader:
    refuse_unknown_options(of, _OPTIONS)
    return ParquetFiles(of.spark, of.storage, of.location)


PARQUET = FileFormat("parquet", (".parquet",), "Parquet", _opened, page="input-parquet.md")
