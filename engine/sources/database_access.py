"""Queries about a database table before its rows are read. They change nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from engine.contracts.codes import Reason
from engine.database import (
    MOST_PARTS,
    SQL_SERVER,
    Dialect,
    Schema,
    connect,
    dialect_of,
    driver_errors,
    fault_of,
    fault_problem,
    parts_of,
    quoted,
    retrying,
)
from engine.errors import InputError
from engine.settings import DatabaseSettings
from engine.sources.arrow_fetch import check_reader
from engine.sources.database_types import DatabaseColumn, database_column
from engine.sources.table_read import Condition, TableRead, all_of, any_of


@dataclass(frozen=True)
class RowCounts:
    """Rows that are read, rows excluded by reason, and the state of the table that a run reads.

    known: rows that are read and not dated after the as-of day; last_received: the latest time at which one of the rows
    that are read was received.
    """

    read: int
    left_out: dict[str, int]
    known: int
    last_received: datetime | None


class Database:
    """Queries over an open connection."""

    def __init__(self, connection: Any):
        self.connection = connection
        self.dialect: Dialect = dialect_of(connection)

    def describe(self, source: str) -> list[DatabaseColumn]:
        """The columns of a source, which may be anything that can follow FROM."""
        sql = f"SELECT * FROM {source}"
        cursor = self.connection.execute(f"{sql} WHERE 1 = 0")
        description = cursor.description
        cursor.close()
        type_names = self._type_names(sql)
        return [database_column(column, type_names.get(column[0]), self.dialect) for column in description]

    def _type_names(self, sql: str) -> dict[str, str]:
        """SQL Server's type names; its driver reports a time with zone and bytes as the same type."""
        if self.dialect is not SQL_SERVER:
            return {}
        described = self.connection.execute("EXEC sp_describe_first_result_set ?", sql).fetchall()
        # a .NET type has no name in this column
        return {str(row.name): str(row.system_type_name or "CLR type") for row in described}

    def allows_snapshot(self, table: str | None = None) -> bool:
        """True if a transaction can read a snapshot of the database of `table` (None: the connection's)."""
        parts = [] if table is None else parts_of(table)
        if len(parts) == MOST_PARTS:
            return False  # snapshots do not cover linked servers
        database = parts[0] if len(parts) == MOST_PARTS - 1 else None
        answer = self.connection.execute(self.dialect.allows_snapshot, database).fetchval()
        return int(answer or 0) == 1

    def has_values(self, read: TableRead, column: str) -> bool:
        """True if a row that is read has a value in the column."""
        known = Condition(f"{quoted(column)} IS NOT NULL", ())
        condition = all_of([known, read.conditions(self.dialect)])
        sql = f"SELECT CASE WHEN EXISTS (SELECT 1 FROM {read.source}{condition.where}) THEN 1 ELSE 0 END"
        return bool(self.connection.execute(sql, *condition.values).fetchval())

    def count(self, read: TableRead) -> RowCounts:
        """Count rows by outcome, in one pass over the table."""
        never = Condition("1 = 0", ())
        late, old = read.is_late(self.dialect) or never, read.is_old(self.dialect) or never
        dated = read.is_dated_late(self.dialect) or never
        left_out = any_of([late, old])
        received = read.received_at(self.dialect)
        yes, no = "CAST(1 AS bigint)", "CAST(0 AS bigint)"
        # one value per placeholder, in the order of the text
        parts = [
            Condition(f"SUM({yes})", ()),
            Condition(f"SUM(CASE WHEN {late.sql} THEN {yes} ELSE {no} END)", late.values),
            Condition(f"SUM(CASE WHEN NOT ({left_out.sql}) THEN {yes} ELSE {no} END)", left_out.values),
            Condition(f"SUM(CASE WHEN {dated.sql} THEN {no} ELSE {yes} END)", dated.values),
        ]
        if received is not None:
            parts.append(Condition(f"MAX(CASE WHEN NOT ({left_out.sql}) THEN {received} END)", left_out.values))
        sql = f"SELECT {', '.join(part.sql for part in parts)} FROM {read.source}"
        row = self.connection.execute(sql, *(value for part in parts for value in part.values)).fetchone()
        total, late_rows, read_rows, known = (int(count or 0) for count in row[:4])
        counted = {
            Reason.AFTER_AS_OF.value: late_rows,
            Reason.BEFORE_HIGH_WATER_MARK.value: total - late_rows - read_rows,
        }
        return RowCounts(
            read_rows,
            {reason: rows for reason, rows in counted.items() if rows},
            min(known, read_rows),
            None if received is None else row[4],
        )

    def tables_in(self, schema: Schema) -> list[str]:
        """Names of the tables and views of a schema that the user may see, sorted."""
        sql = f"SELECT TABLE_NAME FROM {schema.information('TABLES')} WHERE TABLE_SCHEMA = ?"
        return sorted(str(row[0]) for row in self.connection.execute(sql, schema.name).fetchall())

    def has_schema(self, schema: Schema) -> bool:
        """True if the schema exists in its database and the user may see it."""
        sql = f"SELECT 1 FROM {schema.information('SCHEMATA')} WHERE SCHEMA_NAME = ?"
        return self.connection.execute(sql, schema.name).fetchone() is not None


@contextmanager
def opened(
    name: str, settings: DatabaseSettings, doing: str, where: str, setting: str = "", is_query: bool = False
) -> Iterator[Database]:
    """A database for reading only; connecting is retried, queries of the block are not.

    Args:
        name: The connection's name in the settings.
        doing, where: The operation and its object, for an error message.
        setting: The setting that names the table or holds the query, for an error message.
        is_query: True if `where` is a query of the settings, which a server may reject for any reason.

    Raises:
        InputError: The server or the driver refused; the message contains no data.
        ConfigurationError: A secret, the driver manager or the package of the configured reader is missing.
    """
    connection = None
    try:
        check_reader(name, settings)
        connection = retrying(settings)(lambda: connect(name, settings, reads_only=True))
        yield Database(connection)
    except driver_errors() as error:
        right = "connect" if connection is None else f"SELECT on {where.partition(':')[2].strip() or where}"
        problem = fault_problem(fault_of(error), name, doing, where, right, setting=setting, is_query=is_query)
        raise InputError(problem) from None
    finally:
        if connection is not None:
            with suppress(*driver_errors()):  # it may be broken already
                connection.close()
