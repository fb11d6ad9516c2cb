"""Open every table of a run: locate, check and rename it, without reading its rows."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from engine.contracts.codes import Reason
from engine.contracts.columns import Table
from engine.errors import InputError, Problem, UserError, closest_name
from engine.ndc import ndc11
from engine.redaction import masked
from engine.runtime.abilities import abilities
from engine.runtime.failures import ENGINE_ERRORS
from engine.runtime.storage import Storage, name_of
from engine.settings import Settings
from engine.sources.adapters import ADAPTERS, Adapter, Layout, satisfying
from engine.sources.archives import unpacked
from engine.sources.database import DatabaseTable
from engine.sources.failures import forget_suspects, opening_problem
from engine.sources.file_formats import FILE_FORMATS
from engine.sources.fingerprint import fingerprint
from engine.sources.frames import NESTED, column_named, plain, stacked
from engine.sources.location import Location
from engine.sources.locations import SHIPPED, locate_tables
from engine.sources.reader import Opening, Reader, data_files
from engine.sources.spark_format import JsonDocument, SparkFormat
from engine.sources.unread import UnreadFile, unread_files

_MOST_NAMED = 5


@dataclass(frozen=True)
class OpenedTable:
    """One table as received, its columns under the contract's names and in the types they arrived in.

    Nanosecond timestamps are cut to microseconds, times without zone are UTC, untyped columns of only NULLs
    are text. `columns`: the contract's columns that the table has; `unknown_columns`: all others, by their own name,
    which `rows` does not contain. `complete`: the absence of a row is meaningful. `left_out`: rows by reason that were
    excluded at the source; `rows_expected`: number of rows to read, if it was counted beforehand.
    """

    table: Table
    rows: DataFrame
    location: str
    columns: frozenset[str]
    unknown_columns: tuple[str, ...]
    complete: bool
    fingerprint: str
    left_out: Mapping[str, int] = field(default_factory=dict)
    rows_expected: int | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class FoundTables:
    """The tables of a run by name, in the contract's order, and other files in the input folder."""

    names: tuple[str, ...]
    unread: tuple[UnreadFile, ...]

    def __str__(self) -> str:
        """Number and names of the tables, for messages."""
        return f"{len(self.names)} table{'s' * (len(self.names) != 1)}: {', '.join(self.names)}"


def open_tables(
    spark: SparkSession,
    storage: Storage,
    settings: Settings,
    report: Callable[[FoundTables], None] | None = None,
) -> dict[str, OpenedTable]:
    """Open every table of the input, in the contract's order; `settings.input` has their locations (contract, general
    rules).

    Reads names and types, and checks the bytes of text files; rows are read only when they are used. `report` is called
    with the located tables before any table is opened. Raises InputError with the problems of all tables: a configured
    table that does not exist, none of rebate_claims, entity_claims and invoices, a table in two places, a damaged file,
    columns that cannot be distinguished.
    """
    forget_suspects()
    locations, problems = locate_tables(storage, settings)
    if report is not None:
        report(_located(storage, settings, locations))
    opened = {}
    for location in locations:
        try:
            opened[location.table.name] = _opened(spark, storage, location)
        except UserError as error:
            problems.extend(error.problems)
        except (*ENGINE_ERRORS, OSError) as error:
            problems.append(opening_problem(location.table.name, location.uri, error))
    if problems:
        raise InputError(problems)
    return opened


def _located(storage: Storage, settings: Settings, locations: Sequence[Location]) -> FoundTables:
    reference = storage.qualified(settings.reference_folder)
    names = []
    for location in locations:
        is_shipped = location.table.name in SHIPPED and any(file.uri.startswith(reference) for file in location.files)
        names.append(f"{location.table.name} (as shipped)" if is_shipped else location.table.name)
    return FoundTables(tuple(names), unread_files(storage, settings.input.root, [*_with_fallbacks(locations)]))


def _with_fallbacks(locations: Sequence[Location]) -> Iterator[Location]:
    for location in locations:
        yield location
        if location.fallback is not None:
            yield from _with_fallbacks([location.fallback])


def _opened(spark: SparkSession, storage: Storage, location: Location) -> OpenedTable:
    if location.database is not None:
        return _opened_in_database(spark, location)
    left_out: Mapping[str, int] = {}
    unknown: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    with unpacked(spark, storage, location) as readable:
        if location.adapter:
            rows, left_out, notes = _adapted(spark, storage, readable, ADAPTERS[location.adapter])
        else:
            reader = _reader(spark, storage, readable, None)
            rows, unknown = _renamed(reader, readable)
            notes = (*_incomplete_files(reader, readable, rows.columns), *reader.notes)
    opened = OpenedTable(
        table=location.table,
        rows=rows,
        location=masked(location.uri),
        columns=frozenset(rows.columns),
        unknown_columns=unknown,
        complete=location.complete,
        fingerprint=fingerprint(storage, location),
        left_out=left_out,
        notes=notes,
    )
    return with_fallback(opened, _opened(spark, storage, location.fallback)) if location.fallback else opened


def _opened_in_database(spark: SparkSession, location: Location) -> OpenedTable:
    reader = DatabaseTable(spark, location)
    rows, unknown = _renamed(reader, location)
    return OpenedTable(
        table=location.table,
        rows=rows,
        location=masked(location.uri),
        columns=frozenset(rows.columns),
        unknown_columns=unknown,
        complete=location.complete,
        fingerprint=reader.fingerprint,
        left_out=reader.counts.left_out,
        rows_expected=reader.counts.read,
        notes=reader.notes,
    )


def _reader(spark: SparkSession, storage: Storage, location: Location, adapter: Adapter | None) -> Reader:
    """The reader for the kind of location; other formats than ours are left to Spark."""
    if adapter and adapter.schema:
        return JsonDocument(spark, storage, location, adapter.schema(location.table.name))
    kind = FILE_FORMATS.get(location.format.lower())
    if kind is not None and kind.open is not None:
        return kind.open(Opening(spark, storage, location, adapter))
    if not abilities(spark).reads_further_formats:
        raise InputError(_not_of_embedded_engine(location))
    return SparkFormat(spark, storage, location)


def _not_of_embedded_engine(location: Location) -> Problem:
    names = list(FILE_FORMATS)
    return Problem(
        f"table {location.table.name} is of a format that the embedded engine does not read",
        location.uri,
        location.format,
        " or ".join([", ".join(names[:-1]), names[-1]]),
        "use --engine spark",
    )


def _adapted(
    spark: SparkSession, storage: Storage, location: Location, adapter: Adapter
) -> tuple[DataFrame, dict[str, int], tuple[str, ...]]:
    """The table, the number of rows excluded by reason, and notes on the files."""
    if not adapter.by_file:
        reader = _reader(spark, storage, location, adapter)
        return *_converted(reader, location, adapter, location.options), reader.notes
    tables, left_out = [], Counter[str]()
    notes: list[str] = []
    for file in data_files(storage, location):
        single = replace(location, uri=file.uri)
        reader = _reader(spark, storage, single, adapter)
        rows, excluded = _converted(reader, single, adapter, {**location.options, "file_name": name_of(file.uri)})
        tables.append(rows)
        left_out.update(excluded)
        notes.extend(reader.notes)
    return reduce(DataFrame.unionByName, tables), dict(left_out), tuple(notes)


def _converted(
    reader: Reader, location: Location, adapter: Adapter, options: Mapping[str, Any]
) -> tuple[DataFrame, dict[str, int]]:
    """Convert a file with its adapter; an adapter has no unknown columns."""
    readable = [name for name in reader.names if plain(name) not in reader.repeated]
    missing = adapter.missing(readable)
    problems = [] if missing else [*_files_without_needs(reader, location, adapter, readable)]
    if problems:
        raise InputError(problems)
    if missing:
        raise InputError(
            Problem(
                f"the file of table {location.table.name} is not of the layout that adapter {location.adapter} reads",
                location.uri,
                "columns " + ", ".join(reader.names[:40]),
                "also " + ", ".join(missing),
                f"fix input.tables.{location.table.name}",
            )
        )
    rows = reader.rows(readable, adapter.identifiers_among(readable))
    excluded = {}
    for reason, condition in adapter.excluded.items():
        is_excluded = condition(Layout(rows))
        excluded[reason] = rows.where(is_excluded).count()
        rows = rows.where(~is_excluded)
    return adapter.convert(rows, location.table.name, options), excluded


def _files_without_needs(
    reader: Reader, location: Location, adapter: Adapter, names: Sequence[str]
) -> Iterator[Problem]:
    """One problem per need that some files of a table satisfy and others do not."""
    for need in adapter.needs:
        files = set.intersection(*(set(_lacking(reader, name)) for name in satisfying(need, names)))
        if files:
            yield _missing_in_some_files(location, f"{location.table.name}: {need}", need, sorted(files))


def _renamed(reader: Reader, location: Location) -> tuple[DataFrame, tuple[str, ...]]:
    table = location.table
    received = {plain(name): name for name in reader.names}
    taken = {name: received[plain(name)] for name in table.column_names if plain(name) in received}
    problems = []
    for name, theirs in location.columns.items():
        if plain(theirs) in received:
            taken[name] = received[plain(theirs)]
        else:
            problems.append(_no_such_column(location, name, theirs, reader.names))
    ambiguous = sorted({theirs for theirs in taken.values() if plain(theirs) in reader.repeated})
    if ambiguous:
        problems.append(
            Problem(
                f"table {table.name} has columns of one name more than once",
                location.uri,
                ", ".join(ambiguous),
                "one column of each name; case, blanks, underscores, hyphens and dots do not count",
                "rename or remove the others",
            )
        )
    if problems:
        raise InputError(problems)
    identifiers = {theirs for name, theirs in taken.items() if table.column(name).must_be_text}
    rows = reader.rows(tuple(dict.fromkeys(taken.values())), identifiers)
    _refuse_incomplete(reader, location, taken)
    in_order = [name for name in table.column_names if name in taken]
    rows = rows.select(*(column_named(taken[name]).alias(name) for name in in_order))
    _refuse_nested(rows, location)
    return rows, tuple(name for name in reader.names if name not in taken.values())


def with_fallback(main: OpenedTable, other: OpenedTable) -> OpenedTable:
    """A table of products, completed with the rows of another list for NDCs that it lacks.

    Rows of the other list for NDCs that the table has are counted as IN_MAIN_TABLE (one pass over both). The result is
    not `complete`: absence from one of two lists means nothing.
    """
    if "ndc" not in main.columns & other.columns:
        return main
    listed = main.rows.select(ndc11(F.trim(F.col("ndc").cast("string"))).alias("listed")).distinct()
    is_listed = ndc11(F.trim(F.col("ndc").cast("string"))) == F.col("listed")
    names = [name for name in main.table.column_names if name in main.columns | other.columns]
    identifiers = {name for name in names if main.table.column(name).must_be_text}
    added = other.rows.join(listed, on=is_listed, how="left_anti")
    left_out = Counter({**main.left_out})
    left_out.update(other.left_out)
    left_out[Reason.IN_MAIN_TABLE] += other.rows.join(listed, on=is_listed, how="left_semi").count()
    where = f"{main.location}, fallback {other.location}"
    return replace(
        main,
        rows=stacked([main.rows, added], names, identifiers, main.table.name, where),
        location=masked(where),
        columns=frozenset(names),
        unknown_columns=tuple(dict.fromkeys((*main.unknown_columns, *other.unknown_columns))),
        complete=False,
        fingerprint=hashlib.sha256(f"{main.fingerprint}\n{other.fingerprint}\n".encode()).hexdigest(),
        left_out=dict(left_out),
        notes=(*main.notes, *other.notes),
    )


def _lacking(reader: Reader, theirs: str) -> tuple[str, ...]:
    """Files without a column that other files of the table have."""
    return reader.lacking.get(plain(theirs), ())


def _refuse_incomplete(reader: Reader, location: Location, taken: Mapping[str, str]) -> None:
    problems = []
    for name in location.table.required_names:
        files = _lacking(reader, taken[name]) if name in taken else ()
        if files:
            problems.append(_missing_in_some_files(location, f"{location.table.name}.{name}", taken[name], files))
    if problems:
        raise InputError(problems)


def _missing_in_some_files(location: Location, what: str, theirs: str, files: Sequence[str]) -> Problem:
    return Problem(
        f"required column is missing in some files: {what}",
        ", ".join(files[:_MOST_NAMED]) + f" and {len(files) - _MOST_NAMED} more" * (len(files) > _MOST_NAMED),
        f"no column {theirs}",
        "the column in every file; case, blanks and underscores in its name do not count",
        f"add it, or read these files separately: exclude them from input.tables.{location.table.name}.path",
    )


def _incomplete_files(reader: Reader, location: Location, columns: Sequence[str]) -> tuple[str, ...]:
    """Notes on columns that are NULL in the rows of some files, which do not have them."""
    notes = []
    for name in columns:
        files = _lacking(reader, location.columns.get(name, name))
        if files:
            named = ", ".join(name_of(file) for file in files[:_MOST_NAMED])
            more = f" and {len(files) - _MOST_NAMED} more" if len(files) > _MOST_NAMED else ""
            notes.append(f"{location.table.name}: column {name} is NULL for the rows of {named}{more}, which lack it")
    return tuple(notes)


def _no_such_column(location: Location, name: str, theirs: str, names: tuple[str, ...]) -> Problem:
    closest = closest_name(theirs, names, simplified=str.lower)
    return Problem(
        f"the input of table {location.table.name} has no column {theirs}",
        location.uri,
        "columns " + ", ".join(names[:40]),
        to_do=f"fix input.tables.{location.table.name}.columns.{name}"
        + (f"; did you mean {closest}?" if closest else ""),
    )


def _refuse_nested(rows: DataFrame, location: Location) -> None:
    nested = [field.name for field in rows.schema if isinstance(field.dataType, NESTED)]
    if nested:
        raise InputError(
            Problem(
                f"table {location.table.name} has columns of lists or structures",
                location.uri,
                ", ".join(nested),
                "single values; what repeats is one text, values joined by |",
            )
        )
