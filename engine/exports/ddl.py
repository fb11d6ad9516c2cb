"""The tables that a run writes to and that analysts' decisions live in, made from the shipped SQL."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from engine.database import connect, driver_errors, fault_of, fault_problem, quoted, retrying
from engine.errors import OutputError, Problem
from engine.settings import DatabaseSettings

_SHIPPED_SCHEMA = "dbo"
_CREATED = re.compile(rf"CREATE TABLE {_SHIPPED_SCHEMA}\.(\w+) \((.*?)\n\);", re.DOTALL)


@dataclass(frozen=True)
class Script:
    """One file of DDL: its statements, and the columns of every table that it creates, in order."""

    name: str
    statements: tuple[str, ...]
    tables: dict[str, tuple[str, ...]]


def scripts(folder: Path, schema: str) -> list[Script]:
    """The shipped files, by name, written for `schema`."""
    return [_script(path.name, path.read_text(encoding="utf-8"), schema) for path in sorted(folder.glob("*.sql"))]


def _script(name: str, text: str, schema: str) -> Script:
    tables = {}
    for table, body in _CREATED.findall(text):
        lines = [line.strip() for line in body.splitlines() if line.strip()]
        tables[table] = tuple(line.split()[0] for line in lines if not line.startswith("CONSTRAINT"))
    own = text if schema == _SHIPPED_SCHEMA else text.replace(f"{_SHIPPED_SCHEMA}.", f"{quoted(schema)}.")
    statements = tuple(statement.strip() for statement in own.split(";\n") if statement.strip())
    return Script(name, statements, tables)


def create_tables(
    name: str,
    settings: DatabaseSettings,
    schema: str,
    folder: Path,
    say: Callable[[str], None],
    adapted: Callable[[str], str] = lambda statement: statement,
) -> None:
    """Create what is not there; a table that is there is left as it is, whatever it holds.

    Each file is one transaction. `adapted`: a statement as another database than SQL Server needs it. Raises
    OutputError where a table that is there lacks columns, and for what the server refuses.
    """
    lacking: list[Problem] = []
    connection = None
    try:
        connection = retrying(settings)(lambda: connect(name, settings, reads_only=False))
        for script in scripts(folder, schema):
            there = {table: _columns(connection, schema, table) for table in script.tables}
            missing = [table for table, columns in there.items() if not columns]
            if missing and len(missing) < len(there):
                lacking.append(_half_there(name, schema, script, missing))
            elif missing:
                for statement in script.statements:
                    connection.execute(adapted(statement))
                connection.commit()
                say(f"created   {', '.join(f'{schema}.{table}' for table in script.tables)}")
            else:
                lacking += _lacking_columns(name, schema, script, there)
                say(f"is there  {', '.join(f'{schema}.{table}' for table in script.tables)}")
    except driver_errors() as error:
        right = "CREATE TABLE and ALTER on the schema"
        problem = fault_problem(fault_of(error), name, "creating the tables", f"{name}: {schema}", right)
        raise OutputError(problem) from None
    finally:
        if connection is not None:
            connection.close()
    if lacking:
        raise OutputError(lacking)


def _columns(connection: object, schema: str, table: str) -> set[str]:
    sql = "SELECT COLUMN_NAME FROM INFORMATION_SCHEMA.COLUMNS WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ?"
    return {str(row[0]).lower() for row in connection.execute(sql, schema, table).fetchall()}  # type: ignore[attr-defined]


def _half_there(name: str, schema: str, script: Script, missing: list[str]) -> Problem:
    return Problem(
        "some tables of a file are there and others are not",
        f"{name}: {schema}",
        f"missing: {', '.join(missing)}",
        to_do=f"create the missing ones by hand from conf/sqlserver/{script.name}",
    )


def _lacking_columns(name: str, schema: str, script: Script, there: dict[str, set[str]]) -> list[Problem]:
    return [
        Problem(
            f"table {schema}.{table} lacks columns",
            f"{name}: {schema}",
            ", ".join(lacks),
            to_do=f"add them as conf/sqlserver/{script.name} has them; nothing is altered by itself",
        )
        for table, columns in script.tables.items()
        if (lacks := [column for column in columns if column not in there[table]])
    ]
