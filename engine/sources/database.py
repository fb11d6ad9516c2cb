"""Tables, views and queries of a database: described and counted here, read by the executors (see odbc.py)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import types as T

from engine.database import quoted_table
from engine.errors import InputError, Problem
from engine.sources.database_access import AS_TEXT, WITH_ZONE, DatabaseColumn, opened
from engine.sources.frames import plain, repeated_names
from engine.sources.locations import DatabasePlace, Location
from engine.sources.odbc import FORMAT, OdbcSource
from engine.sources.table_read import TableRead

_TIMES = (T.DateType, T.TimestampNTZType)


class DatabaseTable:
    """A table, view or query; see `Reader`. Raises InputError where it is not there or may not be read."""

    def __init__(self, spark: SparkSession, location: Location):
        assert location.database is not None
        self._spark = spark
        self._location = location
        place = location.database
        with opened(place.connection, place.settings, f"opening table {location.table.name}", location.uri) as database:
            self.columns = database.describe(source_of(place))
            self.sees_one_state = database.allows_snapshot()
            self._read = planned_read(location, self.columns, self.sees_one_state)
            self.counts = database.count(self._read)
        self._read = self._read.model_copy(update={"rows": self.counts.read})
        self.names = tuple(column.name for column in self.columns)
        self.repeated = frozenset(repeated_names(self.names))

    def rows(self, names: Sequence[str], identifiers: Collection[str]) -> DataFrame:
        del identifiers  # one table has one type for a column
        types = {column.name: column.spark_type for column in self.columns}
        unreadable = [name for name in names if types[name] is None]
        if unreadable:
            type_names = {column.name: column.type_name for column in self.columns}
            raise InputError(
                Problem(
                    f"table {self._location.table.name} has columns of a type that no contract column can hold",
                    self._location.uri,
                    ", ".join(f"{name} ({type_names[name]})" for name in unreadable),
                    "numbers, text, dates, times or bits",
                    "cast them in a view or a query",
                )
            )
        schema = T.StructType([T.StructField(name, types[name]) for name in names])  # type: ignore[arg-type]
        read = self._read.model_copy(update={"columns": tuple(names)})
        self._spark.dataSource.register(OdbcSource)
        return self._spark.read.format(FORMAT).schema(schema).option("read", read.model_dump_json()).load()

    @property
    def fingerprint(self) -> str:
        """SHA-256 over place, columns, number of rows and the time of the last one received.

        A row that was changed in place goes unnoticed: telling it would take a read of the whole table.
        """
        told = {
            "source": self._read.source,
            "columns": sorted((column.name, str(column.spark_type)) for column in self.columns),
            "rows": self.counts.read,
            "left_out": self.counts.left_out,
            "last_received": str(self.counts.last_received),
        }
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()

    @property
    def notes(self) -> tuple[str, ...]:
        """What the summary should say of how the table was read."""
        name, place = self._location.table.name, self._location.database
        if self.sees_one_state or place is None:
            return ()
        text = (
            f"{name}: the database of connection {place.connection} does not allow snapshot isolation, so rows that "
            "were changed while they were read may be seen in either state "
            "(ALTER DATABASE ... SET ALLOW_SNAPSHOT_ISOLATION ON)"
        )
        return (text,)


def source_of(place: DatabasePlace) -> str:
    """What stands after FROM."""
    if place.table is not None:
        return quoted_table(place.table)
    return f"({str(place.query).strip().rstrip(';')}) AS source"


def planned_read(location: Location, columns: Sequence[DatabaseColumn], sees_one_state: bool) -> TableRead:
    """The read of a location, its columns not chosen yet and its rows not counted."""
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
                f"table {location.table.name} has no column of times by which to leave out what was received before",
                f"input.tables.{location.table.name}.received_after",
                expected=" or ".join(location.table.received) or "another table",
                to_do="remove it, or have the column as a date or time",
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
        texts=frozenset(column.name for column in columns if column.type_name in AS_TEXT),
        times_with_zone=frozenset(column.name for column in columns if column.type_name == WITH_ZONE),
        received=received,
        received_before=datetime.combine(place.as_of + timedelta(days=1), datetime.min.time()),
        received_after=place.received_after,
        partition_by=key.name if key else None,
        partition_method=place.partition_method or ("hash" if is_text else "range"),
        sees_one_state=sees_one_state,
    )


def _received_columns(location: Location, known: Mapping[str, DatabaseColumn]) -> tuple[str, ...]:
    """The database's columns that say when a row was received; none where one is no time: then prepare finds out."""
    theirs = (location.columns.get(name, name) for name in location.table.received)
    found = [known[plain(name)] for name in theirs if plain(name) in known]
    are_times = all(isinstance(column.spark_type, _TIMES) for column in found)
    return tuple(column.name for column in found) if are_times else ()


def _no_column(location: Location, setting: str, name: str, columns: Sequence[DatabaseColumn]) -> Problem:
    return Problem(
        f"table {location.table.name} has no column {name}",
        location.uri,
        "columns " + ", ".join(column.name for column in columns[:40]),
        to_do=f"mend input.tables.{location.table.name}.{setting}",
    )
