"""The faster reader: Arrow batches from the package mssql-python, which brings its own driver."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

from engine.database import Dialect, odbc
from engine.database.connections import connection_string
from engine.errors import ConfigurationError, Problem
from engine.settings import DatabaseSettings
from engine.sources.table_read import TableRead

_ROWS_PER_BATCH = 50_000
# The package replaces SQLSTATE codes by these texts (mssql_python.exceptions.sqlstate_to_exception).
_STATES_BY_TEXT = {
    "01S00": "Invalid connection string attribute",
    "22001": "String data, right-truncated",
    "22003": "Numeric value out of range",
    "22007": "Invalid datetime format",
    "22008": "Datetime field overflow",
    "22012": "Division by zero",
    "22018": "Invalid character value for cast specification",
    "28000": "Invalid authorization specification",
    "3D000": "Invalid catalog name",
    "40001": "Serialization failure",
    "42000": "Syntax error or access violation",
    "42S02": "Base table or view not found",
    "42S22": "Column not found",
    "08001": "Client unable to establish connection",
    "08004": "Server rejected the connection",
    "08S01": "Communication link failure",
    "HY001": "Memory allocation error",
    "HYT00": "Timeout expired",
    "HYT01": "Connection timeout expired",
    "HYC00": "Optional feature not implemented",
}


def without_columns(rows: int) -> pa.RecordBatch:
    """The result of a query that only counts rows."""
    return pa.RecordBatch.from_struct_array(pa.array([{}] * rows, pa.struct([])))


def check_reader(name: str, settings: DatabaseSettings) -> None:
    """Check that the configured reader is installed here.

    Raises:
        ConfigurationError: The package mssql-python, or its ODBC driver, cannot be loaded.
    """
    if settings.reader != "mssql-python":
        return
    for package, module in (("mssql-python", "mssql_python"), ("mssql-python-odbc", "mssql_python_odbc")):
        try:
            importlib.import_module(module)
        except Exception as error:  # loading a native library may raise anything
            raise ConfigurationError(
                Problem(
                    f"the package {package} cannot be loaded",
                    f"databases.{name}.reader",
                    type(error).__name__ if isinstance(error, ImportError) else str(error).splitlines()[0][:200],
                    "mssql-python and mssql-python-odbc installed on this machine and, on a cluster, on every executor",
                    "install both (pip install mssql-python mssql-python-odbc), or set reader: pyodbc",
                )
            ) from None


def arrow_batches(
    read: TableRead, sql: str, values: Sequence[Any], schema: pa.Schema, dialect: Dialect
) -> Iterator[pa.RecordBatch]:
    """The rows of a query in batches of `schema`, over a separate connection.

    Raises:
        pyodbc.OperationalError: The server or the driver refused; with the SQLSTATE if the package names it.
        ConfigurationError: The package is not installed.
    """
    check_reader(read.connection, read.settings)
    mssql_python: Any = importlib.import_module("mssql_python")
    keywords = connection_string(read.connection, read.settings, reads_only=True, driver=False)
    connection = None
    try:
        connection = mssql_python.connect(keywords, timeout=read.settings.query_timeout)
        cursor = connection.cursor()
        if read.sees_one_state:
            cursor.execute(dialect.snapshot)
            connection.commit()
        cursor.execute(sql, *values)
        for batch in cursor.arrow_reader(_ROWS_PER_BATCH):
            yield batch.cast(schema) if read.columns else without_columns(batch.num_rows)
    except (mssql_python.Error, RuntimeError) as error:
        raise odbc().OperationalError(_state_of(error), str(error)) from None
    finally:
        if connection is not None:
            connection.close()


def _state_of(error: Exception) -> str:
    """The SQLSTATE for the text that precedes the server's message; empty if there is none."""
    text = str(getattr(error, "driver_error", ""))
    return next((state for state, words in _STATES_BY_TEXT.items() if text == words), "")
