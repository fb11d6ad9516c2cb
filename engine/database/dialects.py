"""SQL that differs between SQL Server and PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from engine.database.driver import odbc


@dataclass(frozen=True)
class Dialect:
    """What differs between the servers' SQL.

    snapshot: statement after which a transaction sees one state of the database, however long it reads.
    allows_snapshot: query that returns 1 if the database named by its parameter (NULL: the connection's) allows it.
    bucket: SQL of a text column's bucket among so many, NULLs in one of them. to_text: SQL of a value that no other
    type holds, as text. as_utc: of a time with zone, as one without. to_unicode: of a text, ordered as it is compared
    with a parameter. counts_utf16_units: the width of a text column counts UTF-16 units, not characters.
    """

    name: str
    snapshot: str
    allows_snapshot: str
    bucket: Callable[[str, int], str]
    to_text: Callable[[str], str]
    as_utc: Callable[[str], str]
    to_unicode: Callable[[str], str]
    counts_utf16_units: bool


SQL_SERVER = Dialect(
    name="SQL Server",
    snapshot="SET TRANSACTION ISOLATION LEVEL SNAPSHOT",
    allows_snapshot="SELECT snapshot_isolation_state FROM sys.databases WHERE name = COALESCE(?, DB_NAME())",
    bucket=lambda column, buckets: f"(CHECKSUM({column}) & 2147483647) % {buckets}",
    to_text=lambda column: f"CAST({column} AS nvarchar(64))",
    as_utc=lambda column: f"CAST(SWITCHOFFSET({column}, '+00:00') AS datetime2(7))",
    # A varchar is ordered by its code page, but compared with a parameter as Unicode: ranges would overlap.
    to_unicode=lambda column: f"CAST({column} AS nvarchar(4000))",
    counts_utf16_units=True,
)
POSTGRESQL = Dialect(
    name="PostgreSQL",
    snapshot="SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL REPEATABLE READ",
    allows_snapshot="SELECT 1 WHERE CAST(? AS varchar) IS NULL OR TRUE",
    bucket=lambda column, buckets: f"(COALESCE(HASHTEXT(CAST({column} AS text)), 0) & 2147483647) % {buckets}",
    to_text=lambda column: f"CAST({column} AS varchar(64))",
    as_utc=lambda column: column,  # sessions are in UTC: see connections.py
    to_unicode=lambda column: column,
    counts_utf16_units=False,
)


def version_of(connection: Any) -> str:
    """The server's product and version, and the driver's, for people to read."""
    pyodbc = odbc()
    names = (pyodbc.SQL_DBMS_NAME, pyodbc.SQL_DBMS_VER, pyodbc.SQL_DRIVER_NAME, pyodbc.SQL_DRIVER_VER)
    server, version, driver, driver_version = (str(connection.getinfo(name)) for name in names)
    return f"{server} {version}, through {driver} {driver_version}"


def dialect_of(connection: Any) -> Dialect:
    """The dialect of an open connection, by the name that the server gives."""
    return POSTGRESQL if connection.getinfo(odbc().SQL_DBMS_NAME) == "PostgreSQL" else SQL_SERVER
