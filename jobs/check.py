"""Shows in seconds what `detect` would do with an input: what it would quarantine, ignore and leave off."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from engine.errors import InputError
from jobs.common import DEFAULT_CONFIG, AsOf, Config, Engine, Input, Set, main, session_of, settings_of

if TYPE_CHECKING:
    from engine.pipeline import Checked, CheckedTable


class FileFormat(StrEnum):
    """Formats of files to check."""

    CSV = "csv"
    PARQUET = "parquet"


def check(
    config: Config = DEFAULT_CONFIG,
    input: Input = None,
    output: Annotated[
        str | None, typer.Option("--output", help="Folder for the rejected rows of the whole tables; none by default.")
    ] = None,
    as_of: AsOf = None,
    set: Set = None,
    engine: Engine = None,
    format: Annotated[FileFormat, typer.Option("--format", help="Of the rejected rows.")] = FileFormat.CSV,
) -> None:
    """Opens every table as detect does and samples it; changes nothing. Use the settings that the run will have.

    Example: ./spark-submit.sh check --input claims/2026Q1
    """
    settings = settings_of(config, input, None, as_of, set, engine)
    from engine import pipeline

    spark = session_of("check", settings)
    checked = pipeline.check(spark, settings, print, output, format.value)
    console = Console(width=None if sys.stdout.isatty() else 140, highlight=False, markup=False)
    for table in checked.tables:
        _show_table(console, table)
    _show_rest(console, checked)
    if checked.problems:
        raise InputError(checked.problems)
    console.print("detect would start.")


def _show_table(console: Console, table: CheckedTable) -> None:
    read = "rows sampled" if table.is_sample else "rows"
    console.print(f"\n{table.table.name}: {table.location}, {table.rows:,} {read}", style="bold")
    if table.values.bad:
        console.print(_bad_values(table))
    for line in table.to_do:
        console.print(f"  {line}")
    if table.missing_columns:
        console.print(f"  missing columns: {', '.join(table.missing_columns)}")
    if table.unknown_columns:
        console.print(f"  ignored columns: {', '.join(table.unknown_columns)}")


def _bad_values(table: CheckedTable) -> Table:
    """One row per column and reason, most frequent first; examples show the form, not the value."""
    grid = Table()
    for heading in ("column", "rows", "what happens", "reason", "example of the form", "expected"):
        grid.add_column(heading, overflow="fold", justify="right" if heading == "rows" else "left")
    for bad in table.values.bad:
        fate = "quarantined" if bad.is_quarantined else "becomes NULL"
        grid.add_row(bad.column, f"{bad.rows:,}", fate, bad.reason, bad.example or "", bad.expected)
    return grid


def _show_rest(console: Console, checked: Checked) -> None:
    console.print("\nInput as a whole", style="bold")
    console.print(f"  missing tables: {', '.join(checked.missing_tables) or 'none'}")
    if checked.off:
        console.print(_off(checked))
    for name, (rows, place) in checked.rejected.items():
        console.print(f"  {name}: {rows:,} rejected rows in {place}")


def _off(checked: Checked) -> Table:
    """One row per reason, with the rules, guards and features that are off for it."""
    by_reason: dict[str, dict[str, list[str]]] = {}
    for off in checked.off:
        by_reason.setdefault(off.why, {}).setdefault(off.kind, []).append(off.name)
    grid = Table(title="Off", title_justify="left", show_lines=True)
    for heading in ("why", "rules", "guards", "features"):
        grid.add_column(heading, overflow="fold")
    for why, names in sorted(by_reason.items()):
        grid.add_row(why, *(_listed(names.get(kind, ())) for kind in ("rule", "guard", "feature")))
    return grid


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


if __name__ == "__main__":
    main(check)
