"""Connections to databases through ODBC: opened, tried again, and what went wrong in words without data or secrets."""

from engine.database.connections import connect, retrying
from engine.database.dialects import POSTGRESQL, SQL_SERVER, Dialect, dialect_of, version_of
from engine.database.driver import driver_errors, odbc
from engine.database.faults import Fault, FaultKind, fault_of, fault_problem
from engine.database.names import quoted, quoted_table

__all__ = [
    "POSTGRESQL",
    "SQL_SERVER",
    "Dialect",
    "Fault",
    "FaultKind",
    "connect",
    "dialect_of",
    "driver_errors",
    "fault_of",
    "fault_problem",
    "odbc",
    "quoted",
    "quoted_table",
    "retrying",
    "version_of",
]
