"""Lists the input tables, or one table's columns with type, meaning, format and example; needs no Spark session."""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table as Grid

from engine.contracts.columns import Table
from engine.contracts.page import HEADINGS, column_cells, either_sentences
from engine.contracts.tables import TABLES
from engine.errors import ConfigurationError, Problem, did_you_mean
from jobs.common import main


def tables(
    table: Annotated[str | None, typer.Argument(help="One table. Default: all of them.", show_default=False)] = None,
) -> None:
    """Every table and column of the data contract; docs/input.md has the same content.

    Example: ./spark-submit.sh tables rebate_claims
    """
    if table is not None and table not in TABLES:
        raise ConfigurationError(
            Problem(
                f"there is no table {table}",
                "the command line",
                expected=", ".join(TABLES),
                to_do=did_you_mean(table, TABLES, "name one of these tables"),
            )
        )
    console = Console(width=None if sys.stdout.isatty() else 160, highlight=False, markup=False)
    for table_shown in TABLES.values() if table is None else [TABLES[table]]:
        console.print(f"\n{table_shown.name}  ({table_shown.role.value})", style="bold")
        console.print(" ".join([table_shown.meaning, *either_sentences(table_shown)]))
        console.print(_columns(table_shown))


def _columns(table: Table) -> Grid:
    grid = Grid()
    for heading in HEADINGS:
        grid.add_column(heading, overflow="fold")
    for column in table.columns:
        grid.add_row(*column_cells(table, column))
    return grid


if __name__ == "__main__":
    main(tables)
