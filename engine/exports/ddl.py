"""Create the database tables for a run's results and for analysts' decisions from the shipped SQL."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from engine.database import Dialect, Schema, connect, dialect_of, driver_errors, fault_of, fault_problem, retrying
from engine.errors import OutputError, Problem
from engine.exports.database_columns import (
    DatabaseColumnType,
    columns_of_table,
    missing_schema,
    narrow_columns,
    narrow_problem,
    schema_of,
)
from engine.settings import DatabaseSettings

_SHIPPED_SCHEMA = "dbo"
_CREATED = re.compile(rf"CREATE TABLE {_SHIPPED_SCHEMA}\.(\w+) \((.*?)\n\);", re.DOTALL)


@dataclass(frozen=True)
class Script:
    """One DDL file: its statements, and by created table, the definition of each column, in order."""

    name: str
    statements: tuple[str, ...]
    tables: dict[str, dict[str, str]]


def scripts(folder: Path, schema: str) -> list[Script]:
    """The shipped files by name, with names qualified by `schema`."""
    return [_script(path.name, path.read_text(encoding="utf-8"), schema) for path in sorted(folder.glob("*.sql"))]


def _script(name: str, text: str, schema: str) -> Script:
    tables = {}
    for table, body in _CREATED.findall(text):
        lines = [line.strip() for line in body.splitlines() if line.strip()]
        columns = [line.rstrip(",").split(" ", 1) for line in lines if not line.startswith("CONSTRAINT")]
        tables[table] = dict(columns)
    own = text if schema == _SHIPPED_SCHEMA else text.replace(f"{_SHIPPED_SCHEMA}.", f"{schema_of(schema).quoted}.")
    statements = tuple(statement.strip() for statement in own.split(";\n") if statement.strip())
    return Script(name, statements, tables)


def create_tables(
    name: str,
    settings: DatabaseSettings,
    schema: str,
    folder: Path,
    echo: Callable[[str], None],
    adapted: Callable[[str], str] = lambda statement: statement,
) -> None:
    """Create the tables that are missing; existing ones stay as they are.

    Each file is one transaction.

    Args:
        name, settings: The connection.
        schema: Where the tables are or will be: `schema` or `database.schema`.
        folder: The shipped files.
        echo: Called with one line per file.
        adapted: Translates a statement for a database other than SQL Server.

    Raises:
        OutputError: The schema is missing, a table lacks columns or has narrower ones, or the server refuses.
    """
    lacking: list[Problem] = []
    connection = None
    place, where = schema_of(schema), f"{name}: {schema}"
    try:
        connection = retrying(settings)(lambda: connect(name, settings, reads_only=False))
        no_schema = missing_schema(connection, place, where)
        if no_schema is not None:
            raise OutputError(no_schema)
        dialect = dialect_of(connection)
        for script in scripts(folder, schema):
            present = {table: columns_of_table(connection, place, table) for table in script.tables}
            missing = [table for table, columns in present.items() if not columns]
            if missing and len(missing) < len(present):
                lacking.append(_half_there(where, script, missing))
            elif missing:
                for statement in script.statements:
                    connection.execute(adapted(statement))
                connection.commit()
                echo(f"created   {', '.join(f'{schema}.{table}' for table in script.tables)}")
            else:
                lacking += _lacking_columns(where, place, script, present, dialect)
                echo(f"exists    {', '.join(f'{schema}.{table}' for table in script.tables)}")
    except driver_errors() as error:
        right = "CREATE TABLE and ALTER on the schema"
        problem = fault_problem(fault_of(error), name, "creating the tables", where, right)
        raise OutputError(problem) from None
    finally:
        if connection is not None:
            connection.close()
    if lacking:
        raise OutputError(lacking)


def _half_there(where: str, script: Script, missing: list[str]) -> Problem:
    return Problem(
        "some tables of a file exist and others do not",
        where,
        f"missing: {', '.join(missing)}",
        to_do=f"create the missing ones by hand from conf/sqlserver/{script.name}",
    )


def _lacking_columns(
    where: str,
    schema: Schema,
    script: Script,
    present: dict[str, dict[str, DatabaseColumnType]],
    dialect: Dialect,
) -> list[Problem]:
    problems = []
    for table, definitions in script.tables.items():
        place = schema.table(table)
        if lacks := [column for column in definitions if column.lower() not in present[table]]:
            changes = "; ".join(
                f"ALTER TABLE {place} ADD {column} {_nullable(definitions[column])}" for column in lacks
            )
            problems.append(
                Problem(
                    f"table {place} lacks columns",
                    where,
                    ", ".join(lacks),
                    to_do=f"add them, nothing is altered automatically: {changes}",
                )
            )
        types = {column: definition.split(" ")[0] for column, definition in definitions.items()}
        if narrow := narrow_columns(present[table], types, dialect):
            ends = {column: definition.partition(" ")[2] for column, definition in definitions.items()}
            problems.append(narrow_problem(where, place, narrow, types, ends.__getitem__))
    return problems


def _nullable(definition: str) -> str:
    """A column definition that allows NULL: required for a column that is added to a table with rows."""
    return definition.replace(" not null", " null")
