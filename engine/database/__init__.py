"""Connections to databases through ODBC: opened, tried again, and what went wrong in words without data or secrets."""

from engine.database.connections import connect, retrying
from engine.database.dialects import POSTGRESQL, SQL_SERVER, Dialect, dialect_of, version_of
from engine.database.faults import DRIVER_ERRORS, Fault, FaultKind, fault_of, fault_problem
from engine.database.names import quoted, quoted_table

__all__ = [
    "DRIVER_ERRORS",
    "POSTGRESQL",
    "SQL_SERVER",
    "Dialect",
    "Fault",
    "FaultKind",
    "connect",
    "dialect_of",
    "fault_of",
    "fault_problem",
    "quoted",
    "quoted_table",
    "retrying",
    "version_of",
]
