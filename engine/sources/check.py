"""Check of the configured databases against the contract, before a run needs them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from engine.contracts.columns import Table
from engine.contracts.tables import TABLES
from engine.database import version_of
from engine.errors import Problem, UserError, counted
from engine.settings import Settings
from engine.sources.database import describe, taken_columns
from engine.sources.database_access import Database, opened
from engine.sources.database_types import DatabaseColumn
from engine.sources.frames import plain
from engine.sources.location import DatabasePlace, Location
from engine.sources.locations import SHIPPED, database_locations


@dataclass
class CheckedTable:
    """columns: one row per column: the contract's name, the database's name, its database type and its Spark type."""

    table: str
    location: str
    rows: int
    columns: list[tuple[str, str, str, str]]
    lines: list[str] = field(default_factory=list)


@dataclass
class CheckedConnection:
    """What the check of one connection showed; `lines` for the console."""

    name: str
    server: str = ""
    lines: list[str] = field(default_factory=list)
    tables: list[CheckedTable] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def check_connections(settings: Settings) -> Iterator[CheckedConnection]:
    """Check each database in turn; errors are in its `problems`. Changes nothing."""
    for name in settings.databases:
        checked = CheckedConnection(name)
        try:
            with opened(name, settings.databases[name], "connecting", f"databases.{name}") as database:
                checked.server = version_of(database.connection)
                checked.lines.append(_snapshot_line(database))
        except UserError as error:
            checked.problems += error.problems
            yield checked
            continue
        locations, problems = database_locations(settings, name)
        checked.problems += problems
        for location in locations:
            if location.database is not None:
                _check_table(location, location.database, checked)
        if not checked.tables and not checked.problems:
            checked.lines.append("no table of the contract is read from it")
        if settings.input.connection == name:
            available = {*SHIPPED, *settings.input.tables, *(location.table.name for location in locations)}
            absent = [table for table in TABLES if table not in available]
            checked.lines.append(f"missing, or the user has no permission to see them: {', '.join(absent) or 'none'}")
        yield checked


def _snapshot_line(database: Database) -> str:
    if database.allows_snapshot():
        return "snapshot isolation is allowed: each connection reads one state"
    return "snapshot isolation is not allowed: rows changed during a read may be seen in either state"


def _check_table(location: Location, place: DatabasePlace, checked: CheckedConnection) -> None:
    try:
        described = describe(location)
    except UserError as error:
        checked.problems += error.problems
        return
    columns, counts = described.columns, described.counts
    theirs = {name: location.columns.get(name, name) for name in location.table.column_names}
    shown = [
        (name, column.name, column.type_name, _read_as(column))
        for name, column in taken_columns(location, columns).items()
    ]
    table = CheckedTable(location.table.name, location.uri, counts.read + sum(counts.left_out.values()), shown)
    present = {name for name, *_ in shown}
    table.lines += [f"excluded: {counted(rows, 'row', 'rows')}, {reason}" for reason, rows in counts.left_out.items()]
    absent = [name for name in location.table.column_names if name not in present]
    table.lines += [f"missing: {', '.join(absent)}"] if absent else []
    unknown = [column.name for column in columns if plain(column.name) not in {plain(name) for name in theirs.values()}]
    table.lines += [f"ignored: {', '.join(unknown)}"] if unknown else []
    table.lines.append(_parts_line(place, described.read.ranges_wanted, counts.read))
    checked.tables.append(table)
    missing = list(_missing(location.table, present))
    if missing:
        checked.problems.append(
            Problem(
                f"table {location.table.name} lacks required columns",
                location.uri,
                "missing: " + "; ".join(missing),
                to_do=f"name the table's own columns in input.tables.{location.table.name}.columns",
            )
        )


def _read_as(column: DatabaseColumn) -> str:
    return column.spark_type.simpleString() if column.spark_type is not None else "cannot be read"


def _missing(table: Table, present: set[str]) -> Iterator[str]:
    yield from (name for name in table.required_names if name not in present)
    for group in table.either:
        # prescription numbers may be absent if no line is a pharmacy claim; only the rows show that
        if group[0] != ("rx_number",) and not any(present.issuperset(member) for member in group):
            yield ", or ".join(" with ".join(member) for member in group)


def _parts_line(place: DatabasePlace, ranges: int, rows: int) -> str:
    most = place.settings.concurrent_connections
    if place.partition_by is None:
        advice = "; name a key in partition_by to read it in several" if rows > place.settings.rows_per_range else ""
        return f"one connection reads the complete table{advice}"
    return f"{min(most, ranges)} connections read it in {ranges} ranges of {place.partition_by}"
