"""Tables, views and queries of a database: described and counted by the driver, read by the executors (see odbc.py)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import types as T

from engine.contracts.columns import Column
from engine.database import SQL_SERVER, query_mistake, quoted_table, without_end
from engine.errors import InputError, Problem
from engine.sources.database_access import Database, RowCounts, opened
from engine.sources.database_types import DatabaseColumn
from engine.sources.frames import plain, repeated_names
from engine.sources.location import DatabasePlace, Location
from engine.sources.odbc import frame
from engine.sources.reader import Reader
from engine.sources.table_read import TableRead

_TIMES = (T.DateType, T.TimestampNTZType)
# No step of a run uses rows with a later date.
_DATED = ("settled_on", "decided_at", "answered_on")


class DatabaseTable(Reader):
    """A table, view or query; see `Reader`. Raises InputError if it is missing or may not be read."""

    def __init__(self, spark: SparkSession, location: Location):
        assert location.database is not None
        self._spark = spark
        self._location = location
        described = describe(location)
        self.columns, self.sees_one_state = described.columns, described.read.sees_one_state
        self.counts = described.counts
        self._read = described.read
        self.names = tuple(column.name for column in self.columns)
        self.repeated = frozenset(repeated_names(self.names))
        self.notes = _notes(location, self.sees_one_state)

    def rows(self, names: Sequence[str], identifiers: Collection[str]) -> DataFrame:
        """The rows with these columns. Raises InputError for a column whose type cannot be read."""
        del identifiers  # one table has one type for a column
        types = {column.name: column.spark_type for column in self.columns}
        unreadable = [column for column in self.columns if column.name in names and column.spark_type is None]
        if unreadable:
            raise InputError(_unreadable(self._location, unreadable))
        schema = T.StructType([T.StructField(name, types[name]) for name in names])  # type: ignore[arg-type]
        read = self._read.model_copy(update={"columns": tuple(names)})
        return frame(self._spark, read, schema)

    @property
    def fingerprint(self) -> str:
        """SHA-256 over place, columns, number of rows that are read and the time of the last one of them received.

        Rows received, settled or decided after the as-of day do not change it: no run of that day uses them. A row that
        was changed in place is not detected; that would take a read of the complete table.
        """
        state = {
            "source": self._read.source,
            "columns": sorted((column.name, str(column.spark_type)) for column in self.columns),
            "rows": self.counts.known,
            "received_after": str(self._read.received_after),
            "last_received": str(self.counts.last_received),
        }
        return hashlib.sha256(json.dumps(state, sort_keys=True).encode()).hexdigest()


def _notes(location: Location, sees_one_state: bool) -> tuple[str, ...]:
    """Notes for the summary on how the table was read."""
    place = location.database
    if sees_one_state or place is None:
        return ()
    text = (
        f"{location.table.name}: the database of connection {place.connection} does not allow snapshot isolation, so "
        "rows that were changed while they were read may be seen in either state "
        "(ALTER DATABASE ... SET ALLOW_SNAPSHOT_ISOLATION ON)"
    )
    return (text,)


@dataclass(frozen=True)
class Described:
    """A database table before its rows are read: its columns, the planned read and its number of rows."""

    columns: tuple[DatabaseColumn, ...]
    read: TableRead
    counts: RowCounts


def describe(location: Location) -> Described:
    """Open a table as a run does: two short queries and one pass that counts rows; changes nothing.

    Raises:
        InputError: The table is missing or may not be read, or a column does not have the type that the
            contract or a setting requires; all problems of the columns are reported at once.
    """
    place = location.database
    assert place is not None
    setting = f"input.tables.{location.table.name}.{'table' if place.query is None else 'query'}"
    doing, is_query = f"opening table {location.table.name}", place.query is not None
    with opened(place.connection, place.settings, doing, location.uri, setting, is_query) as database:
        if place.query is not None and database.dialect is SQL_SERVER:
            mistake = query_mistake(place.query)
            if mistake is not None:
                expected = "one SELECT whose columns all have distinct names"
                raise InputError(Problem(mistake.what, setting, expected=expected, to_do=mistake.to_do))
        columns = tuple(database.describe(source_of(place)))
        read = planned_read(location, columns, database.allows_snapshot(place.table))
        empty = _refuse_columns(location, columns, read, database)
        read = read.model_copy(update={"texts": read.texts | empty})
        columns = tuple(
            DatabaseColumn(column.name, T.StringType(), column.type_name) if column.name in empty else column
            for column in columns
        )
        counts = database.count(read)
    return Described(columns, read.model_copy(update={"rows": counts.read}), counts)


def _refuse_columns(
    location: Location, columns: Sequence[DatabaseColumn], read: TableRead, database: Database
) -> frozenset[str]:
    """Reject columns whose database type cannot represent the contract's column.

    Returns identifier columns that are numeric and have no values: they lost nothing and are read as text.
    """
    problems = []
    of_contract = taken_columns(location, columns)
    unreadable = [column for column in of_contract.values() if column.spark_type is None]
    if unreadable:
        problems.append(_unreadable(location, unreadable))
    repeated = repeated_names(column.name for column in columns)
    ambiguous = sorted({column.name for column in of_contract.values() if plain(column.name) in repeated})
    if ambiguous:
        problems.append(
            Problem(
                f"table {location.table.name} has columns of one name more than once",
                location.uri,
                ", ".join(ambiguous),
                "one column of each name; case, blanks, underscores, hyphens and dots do not count",
                "rename or remove the others",
            )
        )
        raise InputError(problems)
    empty = set()
    for name, column in of_contract.items():
        contract = location.table.column(name)
        if not _has_lost_digits(contract, column.spark_type):
            continue
        lost = "last digits" if contract.is_npi else "leading zeros"
        if database.has_values(read, column.name):
            problems.append(
                Problem(
                    f"identifier column is numeric, its {lost} are gone: {location.table.name}.{name}",
                    location.uri,
                    f"column {column.name} of type {column.type_name}",
                    "text",
                    "change the column to text at the source of the identifiers: no cast restores them",
                )
            )
        else:
            empty.add(column.name)
    if problems:
        raise InputError(problems)
    return frozenset(empty)


def _has_lost_digits(column: Column, arrives_as: T.DataType | None) -> bool:
    """An NPI may be a number, but a 32-bit float holds only seven of its ten digits."""
    if column.is_npi:
        return isinstance(arrives_as, T.FloatType | T.BooleanType)
    return column.must_be_text and isinstance(arrives_as, T.NumericType | T.BooleanType)


def taken_columns(location: Location, columns: Iterable[DatabaseColumn]) -> dict[str, DatabaseColumn]:
    """The columns of a table that the contract names, by the contract's name, in its order."""
    known = {plain(column.name): column for column in columns}
    theirs = {name: plain(location.columns.get(name, name)) for name in location.table.column_names}
    return {name: known[own] for name, own in theirs.items() if own in known}


def _unreadable(location: Location, columns: Sequence[DatabaseColumn]) -> Problem:
    return Problem(
        f"table {location.table.name} has columns of a type that no contract column has",
        location.uri,
        ", ".join(f"{column.name} ({column.type_name})" for column in columns),
        "numbers, text, dates, times or bits",
        "cast them in a view or a query: CONVERT(varchar(64), a_hash, 2) makes a binary hash text",
    )


def source_of(place: DatabasePlace) -> str:
    """The text after FROM. A query ends on a separate line, because its last line may end in a comment."""
    if place.table is not None:
        return quoted_table(place.table)
    return f"(\n{without_end(str(place.query))}\n) AS source"


def planned_read(location: Location, columns: Sequence[DatabaseColumn], sees_one_state: bool) -> TableRead:
    """The read of a location, before columns are chosen and rows are counted."""
    place = location.database
    assert place is not None
    known = {plain(column.name): column for column in columns}
    received = _received_columns(location, known)
    key = known.get(plain(place.partition_by)) if place.partition_by is not None else None
    problems = []
    if place.partition_by is not None and key is None:
        problems.append(_no_column(location, "partition_by", place.partition_by, columns))
    if place.received_after is not None and not received:
        problems.append(
            Problem(
                f"table {location.table.name} has no time column to exclude rows received before",
                f"input.tables.{location.table.name}.received_after",
                expected=" or ".join(location.table.received) or "another table",
                to_do="remove it, or have the column as a date or time",
            )
        )
    if key is not None and not key.can_partition:
        problems.append(
            Problem(
                f"table {location.table.name} cannot be partitioned by column {key.name}",
                f"input.tables.{location.table.name}.partition_by",
                f"type {key.type_name}",
                "a number, date, time or text of limited length",
                "name another column, or none",
            )
        )
    if problems:
        raise InputError(problems)
    is_text = key is not None and isinstance(key.spark_type, T.StringType)
    return TableRead(
        table=location.table.name,
        connection=place.connection,
        settings=place.settings,
        source=source_of(place),
        columns=(),
        texts=frozenset(column.name for column in columns if column.is_requested_as_text),
        times_with_zone=frozenset(column.name for column in columns if column.has_zone),
        code_page_texts=frozenset(column.name for column in columns if column.is_code_page_text),
        dated=_dated_columns(location, columns),
        received=received,
        received_before=datetime.combine(place.as_of + timedelta(days=1), datetime.min.time()),
        received_after=place.received_after,
        partition_by=key.name if key else None,
        partition_method=place.partition_method or ("hash" if is_text else "range"),
        sees_one_state=sees_one_state,
    )


def _received_columns(location: Location, known: Mapping[str, DatabaseColumn]) -> tuple[str, ...]:
    """The database's columns with the time of receipt; none if one of them is not a time: preparation then decides."""
    theirs = (location.columns.get(name, name) for name in location.table.received)
    columns = [known[plain(name)] for name in theirs if plain(name) in known]
    are_times = all(isinstance(column.spark_type, _TIMES) for column in columns)
    return tuple(column.name for column in columns) if are_times else ()


def _dated_columns(location: Location, columns: Iterable[DatabaseColumn]) -> tuple[str, ...]:
    """The date columns that exclude rows of a reference table from runs of an earlier day."""
    taken = taken_columns(location, columns)
    dated = (taken[name] for name in _DATED if name in taken)
    return tuple(column.name for column in dated if isinstance(column.spark_type, _TIMES))


def _no_column(location: Location, setting: str, name: str, columns: Sequence[DatabaseColumn]) -> Problem:
    return Problem(
        f"the input of table {location.table.name} has no column {name}",
        location.uri,
        "columns " + ", ".join(column.name for column in columns[:40]),
        to_do=f"fix input.tables.{location.table.name}.{setting}",
    )
