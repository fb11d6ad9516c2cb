"""What is asked of a database before rows are read from it. Changes nothing in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pyspark.sql import types as T

from engine.contracts.codes import Reason
from engine.database import SQL_SERVER, Dialect, connect, dialect_of, driver_errors, fault_of, fault_problem, retrying
from engine.errors import InputError
from engine.settings import DatabaseSettings
from engine.sources.database_types import spark_type
from engine.sources.table_read import Condition, TableRead

# Types that SQL Server converts before its drivers see them, so that all drivers give the same.
WITH_ZONE = "datetimeoffset"
AS_TEXT = ("uniqueidentifier", "time")


@dataclass(frozen=True)
class DatabaseColumn:
    """A column under the database's own name; `type_name` as the database says it, where it does."""

    name: str
    spark_type: T.DataType | None
    type_name: str


@dataclass(frozen=True)
class RowCounts:
    """Rows that are read, rows that are left out by reason, and the time of the last one received."""

    read: int
    left_out: dict[str, int]
    last_received: datetime | None


class Database:
    """Questions to an open connection."""

    def __init__(self, connection: Any):
        self.connection = connection
        self.dialect: Dialect = dialect_of(connection)

    def describe(self, source: str) -> list[DatabaseColumn]:
        """The columns of what may stand after FROM."""
        sql = f"SELECT * FROM {source}"
        cursor = self.connection.execute(f"{sql} WHERE 1 = 0")
        description = cursor.description
        cursor.close()
        type_names = self._type_names(sql)
        return [_column(column, type_names.get(column[0], column[1].__name__)) for column in description]

    def _type_names(self, sql: str) -> dict[str, str]:
        """What SQL Server itself calls the types: its driver tells a time with zone from bytes no more than we do."""
        if self.dialect is not SQL_SERVER:
            return {}
        told = self.connection.execute("EXEC sp_describe_first_result_set ?", sql).fetchall()
        return {str(row.name): str(row.system_type_name) for row in told}

    def allows_snapshot(self) -> bool:
        answer = self.connection.execute(self.dialect.allows_snapshot).fetchval()
        return int(answer or 0) == 1

    def count(self, read: TableRead) -> RowCounts:
        """One pass over the table: rows by what becomes of them."""
        late, old = read.is_late(), read.is_old()
        last = f"MAX({read._received})" if read.received else "NULL"
        never = Condition("1 = 0", ())
        is_late, is_old = late or never, old or never
        one = "CAST(1 AS bigint)"
        sql = (
            f"SELECT SUM({one}), SUM(CASE WHEN {is_late.sql} THEN {one} ELSE 0 END), "
            f"SUM(CASE WHEN NOT ({is_late.sql}) AND ({is_old.sql}) THEN {one} ELSE 0 END), {last} FROM {read.source}"
        )
        values = (*is_late.values, *is_late.values, *is_old.values)
        row = self.connection.execute(sql, *values).fetchone()
        total, late_rows, old_rows = (int(count or 0) for count in row[:3])
        left_out = {Reason.AFTER_AS_OF.value: late_rows, Reason.BEFORE_HIGH_WATER_MARK.value: old_rows}
        return RowCounts(
            total - late_rows - old_rows, {reason: rows for reason, rows in left_out.items() if rows}, row[3]
        )

    def tables_in(self, schema: str) -> list[str]:
        """Names of the tables and views of a schema that the user may see, sorted."""
        sql = "SELECT TABLE_NAME FROM INFORMATION_SCHEMA.TABLES WHERE TABLE_SCHEMA = ?"
        return sorted(str(row[0]) for row in self.connection.execute(sql, schema).fetchall())


@contextmanager
def opened(name: str, settings: DatabaseSettings, doing: str, where: str) -> Iterator[Database]:
    """A database for reading only; connecting is tried again, what the block asks is not.

    Raises InputError for what the server or the driver refuses, in words without data.
    """
    connection = None
    try:
        connection = retrying(settings)(lambda: connect(name, settings, reads_only=True))
        yield Database(connection)
    except driver_errors() as error:
        right = "connect" if connection is None else f"SELECT on {where.partition(':')[2].strip() or where}"
        raise InputError(fault_problem(fault_of(error), name, doing, where, right)) from None
    finally:
        if connection is not None:
            with suppress(*driver_errors()):  # it may be broken already
                connection.close()


def _column(described: Any, type_name: str) -> DatabaseColumn:
    base = type_name.partition("(")[0].lower()
    if base == WITH_ZONE:
        return DatabaseColumn(described[0], T.TimestampNTZType(), base)
    if base in AS_TEXT:
        return DatabaseColumn(described[0], T.StringType(), base)
    return DatabaseColumn(described[0], spark_type(described), base)
