"""The faster way to fetch: Arrow straight from the driver that the package mssql-python brings along."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

from engine.database import Dialect, odbc
from engine.database.connections import connection_string
from engine.errors import ConfigurationError, Problem
from engine.sources.table_read import TableRead

_ROWS_PER_BATCH = 50_000


def without_columns(rows: int) -> pa.RecordBatch:
    """What a query gives that only counts rows."""
    return pa.RecordBatch.from_struct_array(pa.array([{}] * rows, pa.struct([])))


def arrow_batches(
    read: TableRead, sql: str, values: Sequence[Any], schema: pa.Schema, dialect: Dialect
) -> Iterator[pa.RecordBatch]:
    """The rows of a query in batches of `schema`, over a connection of its own.

    Raises what pyodbc would for what the server refuses, without SQLSTATE and number, which the package does not tell;
    ConfigurationError where it is not installed.
    """
    try:
        import mssql_python
    except ImportError:
        raise ConfigurationError(
            Problem(
                "the package mssql-python is not installed",
                f"databases.{read.connection}.reader",
                to_do="install it (pip install mssql-python), or set reader: pyodbc",
            )
        ) from None
    words = connection_string(read.connection, read.settings, reads_only=True, driver=False)
    connection = None
    try:
        connection = mssql_python.connect(words, timeout=read.settings.query_timeout)
        cursor = connection.cursor()
        if read.sees_one_state:
            cursor.execute(dialect.snapshot)
            connection.commit()
        cursor.execute(sql, *values)
        for batch in cursor.arrow_reader(_ROWS_PER_BATCH):
            yield batch.cast(schema) if read.columns else without_columns(batch.num_rows)
    except mssql_python.Error as error:
        raise odbc().OperationalError("", str(error)) from None
    finally:
        if connection is not None:
            connection.close()
