"""Creates the database tables for results and decisions; `--dry-run` prints the SQL."""

from __future__ import annotations

from typing import Annotated

import typer

from jobs.common import DEFAULT_CONFIG, PROJECT, Config, Set, main, settings_of

SCRIPTS = PROJECT / "conf" / "sqlserver"


def create_tables(
    config: Config = DEFAULT_CONFIG,
    set: Set = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the SQL; connect to nothing.")] = False,
) -> None:
    """Creates tables in the schema `output.database_schema` of the database `output.connection`.

    Example: ./spark-submit.sh create_tables --config my.yaml --dry-run
    """
    settings = settings_of(config, None, None, None, set)
    from engine import exports
    from engine.errors import ConfigurationError, Problem

    name, schema = settings.output.connection, settings.output.database_schema
    if dry_run:
        for script in exports.scripts(SCRIPTS, schema):
            print(f"-- {script.name}")
            for statement in script.statements:
                print(f"{statement};\n")
        return
    if name is None:
        raise ConfigurationError(
            Problem("no database is named to create tables in", "output.connection", to_do="name one of `databases`")
        )
    exports.create_tables(name, settings.databases[name], schema, SCRIPTS, print)


if __name__ == "__main__":
    main(create_tables)
