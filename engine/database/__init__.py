"""Connections to databases through ODBC: opening, retries, names in SQL, and errors without data or secrets."""

from engine.database.connections import connect, retrying
from engine.database.dialects import POSTGRESQL, SQL_SERVER, Dialect, dialect_of, version_of
from engine.database.driver import driver_errors, odbc
from engine.database.faults import Fault, FaultKind, fault_of, fault_problem
from engine.database.names import MOST_PARTS, Schema, column_name, parts_of, quoted, quoted_table
from engine.database.query import QueryMistake, query_mistake, without_end

__all__ = [
    "MOST_PARTS",
    "POSTGRESQL",
    "SQL_SERVER",
    "Dialect",
    "Fault",
    "FaultKind",
    "QueryMistake",
    "Schema",
    "column_name",
    "connect",
    "dialect_of",
    "driver_errors",
    "fault_of",
    "fault_problem",
    "odbc",
    "parts_of",
    "query_mistake",
    "quoted",
    "quoted_table",
    "retrying",
    "version_of",
    "without_end",
]
