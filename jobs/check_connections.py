"""Shows the tables of the contract in the databases of the settings; changes nothing."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.table import Table

from jobs.common import DEFAULT_CONFIG, AsOf, Config, Set, main, settings_of


def check_connections(config: Config = DEFAULT_CONFIG, as_of: AsOf = None, set: Set = None) -> None:
    """Shows server, rights, tables, columns and types, rows, what is missing, and how each table would be partitioned.

    Example: ./spark-submit.sh check_connections --config my.yaml
    """
    settings = settings_of(config, None, None, as_of, set)
    from engine import sources
    from engine.errors import ConfigurationError, InputError, Problem, counted

    if not settings.databases:
        raise ConfigurationError(
            Problem("the settings name no database", "databases", to_do="describe one: see the README")
        )
    console = Console(width=None if sys.stdout.isatty() else 140)
    problems = []
    for checked in sources.check_connections(settings):
        problems += checked.problems
        console.print(f"\n[bold]{checked.name}[/bold]  {checked.server or 'no connection'}", highlight=False)
        for line in checked.lines:
            console.print(f"  {line}", highlight=False, markup=False)
        for described in checked.tables:
            table = Table(
                title=f"{described.table}: {described.location}, {counted(described.rows, 'row', 'rows')}",
                title_justify="left",
            )
            for heading in ("column of the contract", "column there", "type there", "read as"):
                table.add_column(heading, overflow="fold")
            for column in described.columns:
                table.add_row(*column)
            console.print(table)
            for line in described.lines:
                console.print(f"  {line}", highlight=False, markup=False)
    if problems:
        raise InputError(problems)


if __name__ == "__main__":
    main(check_connections)
