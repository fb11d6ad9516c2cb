"""Compares the findings of two finished runs, and shows the likely cause of each difference."""

from __future__ import annotations

import sys
from collections import Counter
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from engine.redaction import masked
from jobs.common import DEFAULT_CONFIG, Config, Engine, Output, Set, main, session_of, settings_of


def compare(
    run_id: Annotated[str, typer.Option("--run-id", help="The finished run to examine, below the output folder.")],
    with_id: Annotated[str, typer.Option("--with", help="The run to compare it with, such as the previous one.")],
    config: Config = DEFAULT_CONFIG,
    output: Output = None,
    set: Set = None,
    engine: Engine = None,
) -> None:
    """Compares the findings of two finished runs: new, gone and changed ones.

    Example: ./spark-submit.sh compare --run-id 2026Q2 --with 2026Q1
    """
    settings = settings_of(config, None, output, None, set, engine)
    from engine import pipeline

    spark = session_of("compare", settings)
    compared = pipeline.compare(spark, settings, run_id, with_id)
    table = Table(title=f"{run_id} against {with_id}")
    for heading in ("change", "subject", "rules", "what may have caused it"):
        table.add_column(heading)
    table.add_column("findings", justify="right")
    counted = Counter(
        (
            change["change"],
            change["subject"],
            ", ".join(change["rule_ids"]),
            "\n".join(change["causes"]) or "nothing known",
        )
        for change in compared.changes
    )
    for words, count in sorted(counted.items()):
        table.add_row(*words, f"{count:,}")
    console = Console(width=None if sys.stdout.isatty() else 140, highlight=False)
    engine_now, engine_before = compared.engines
    if engine_now != engine_before:
        console.print(f"The runs had different engines: {run_id} {engine_now}, {with_id} {engine_before}.")
    if counted:
        console.print(table)
    else:
        console.print("Both runs found the same.")
    print(masked(f"data       {compared.data}\ntable      {compared.table}"))


if __name__ == "__main__":
    main(compare)
