"""Current columns of a database's output tables, compared with the columns that a run writes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from engine.database import SQL_SERVER, Dialect, Schema
from engine.errors import ConfigurationError, Problem

_WIDTH = re.compile(r"nvarchar\((\d+|max)\)")
_DECIMAL = re.compile(r"decimal\((\d+),(\d+)\)")
# Columns without a limit have a reported width of -1, or of 2^31-1 units and more.
_UNLIMITED = 1 << 29


@dataclass(frozen=True)
class DatabaseColumnType:
    """width: of a text column, in UTF-16 units (SQL Server) or characters; None: not text, or of any length."""

    type_name: str
    width: int | None = None
    precision: int | None = None
    scale: int | None = None

    def __str__(self) -> str:
        """The type as a statement writes it."""
        if self.width is not None:
            return f"{self.type_name}({self.width})"
        if self.scale is not None and self.type_name in ("decimal", "numeric"):
            return f"{self.type_name}({self.precision},{self.scale})"
        return self.type_name


def schema_of(text: str) -> Schema:
    """The schema named by `output.database_schema`. Raises ConfigurationError."""
    try:
        return Schema(text)
    except ValueError:
        expected = "schema or database.schema; a name with a dot in brackets: [a.b]"
        raise ConfigurationError(
            Problem("a schema's name cannot be read", "output.database_schema", text, expected)
        ) from None


def columns_of_table(connection: Any, schema: Schema, table: str) -> dict[str, DatabaseColumnType]:
    """Type by column, in lower case; empty if there is no such table."""
    sql = (
        "SELECT COLUMN_NAME, DATA_TYPE, CHARACTER_MAXIMUM_LENGTH, NUMERIC_PRECISION, NUMERIC_SCALE "
        f"FROM {schema.information('COLUMNS')} WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ?"
    )
    columns = {}
    for column, type_name, width, precision, scale in connection.execute(sql, schema.name, table).fetchall():
        is_limited = width is not None and 0 <= int(width) < _UNLIMITED
        columns[str(column).lower()] = DatabaseColumnType(
            str(type_name).lower(),
            int(width) if is_limited else None,
            None if precision is None else int(precision),
            None if scale is None else int(scale),
        )
    return columns


def missing_schema(connection: Any, schema: Schema, where: str) -> Problem | None:
    """The problem of a schema that is not in the database; None if it is."""
    sql = f"SELECT 1 FROM {schema.information('SCHEMATA')} WHERE SCHEMA_NAME = ?"
    if connection.execute(sql, schema.name).fetchone() is not None:
        return None
    return Problem(
        "the schema for the outputs is not in the database, or the user may not see it",
        where,
        schema.name,
        to_do=f"ask the database's owner to run CREATE SCHEMA {schema.quoted.rpartition('.')[2]}, or fix "
        "output.database_schema",
    )


def narrow_columns(
    columns: Mapping[str, DatabaseColumnType], expected: Mapping[str, str], dialect: Dialect
) -> dict[str, DatabaseColumnType]:
    """The columns of a table that are narrower than the shipped definition; absent columns are not included."""
    return {
        name: columns[name.lower()]
        for name, kind in expected.items()
        if name.lower() in columns and _is_narrower(columns[name.lower()], kind, dialect)
    }


def _is_narrower(column: DatabaseColumnType, expected: str, dialect: Dialect) -> bool:
    text, number = _WIDTH.fullmatch(expected), _DECIMAL.fullmatch(expected)
    if text is not None:
        # A code page lacks some characters, which would become question marks.
        has_code_page = dialect is SQL_SERVER and column.type_name in ("varchar", "char", "text")
        is_short = column.width is not None and (text[1] == "max" or column.width < int(text[1]))
        return has_code_page or is_short
    if number is not None and column.precision is not None and column.scale is not None:
        precision, scale = int(number[1]), int(number[2])
        return column.scale < scale or column.precision - column.scale < precision - scale
    return False


def narrow_problem(
    where: str, table: str, narrow: Mapping[str, DatabaseColumnType], expected: Mapping[str, str], nullable: Any
) -> Problem:
    """The problem of a table whose columns are too narrow, with the change that a user must make."""
    changes = [f"ALTER TABLE {table} ALTER COLUMN {name} {expected[name]} {nullable(name)}" for name in narrow]
    return Problem(
        f"table {table} has columns that are narrower than those that a run writes",
        where,
        ", ".join(f"{name} {column}" for name, column in narrow.items()),
        ", ".join(f"{name} {expected[name]}" for name in narrow),
        f"widen them; no rows are lost: {'; '.join(changes)}",
    )


def too_long(
    where: str, table: str, lengths: Iterable[tuple[str, int]], columns: Mapping[str, DatabaseColumnType]
) -> list[Problem]:
    """Problems of texts that are longer than their columns; `lengths`: length of the longest value by column."""
    return [
        Problem(
            f"a value does not fit its column {table}.{name}",
            where,
            f"length {length:,}",
            f"at most {column.width:,}",
            f"ALTER TABLE {table} ALTER COLUMN {name} nvarchar({'max' if length > 4_000 else length}), also in the "
            "staging table; nothing was written",
        )
        for name, length in lengths
        if (column := columns.get(name.lower())) is not None and column.width is not None and length > column.width
    ]
