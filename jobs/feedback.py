"""Reads analysts' decisions and counterparties' outcomes from edited workbooks and CSV files."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from engine.errors import counted
from jobs.common import DEFAULT_CONFIG, AsOf, Config, Engine, Output, Set, main, session_of, settings_of


def feedback(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Edited review workbooks or CSV files.", show_default=False)
    ],
    decided_by: Annotated[
        str | None, typer.Option("--decided-by", help="Who decided, for rows that do not state it.")
    ] = None,
    decided_on: Annotated[
        datetime | None,
        typer.Option("--decided-on", formats=["%Y-%m-%d"], help="Day of the decision, for rows that do not state it."),
    ] = None,
    config: Config = DEFAULT_CONFIG,
    output: Output = None,
    as_of: AsOf = None,
    set: Set = None,
    engine: Engine = None,
) -> None:
    """Stores decisions and outcomes where the settings' `feedback` points; `detect` and `train` read them there.

    Example: ./spark-submit.sh feedback output/2026Q1/review/findings.xlsx --decided-by "A. Analyst"
    """
    settings = settings_of(config, None, output, as_of, set, engine)
    from engine import pipeline

    recorded = pipeline.record_feedback(
        session_of("feedback", settings),
        settings,
        files,
        decided_by,
        None if decided_on is None else decided_on.date(),
    )
    for note in recorded.notes:
        print(f"note       {note}")
    print(
        f"recorded   {counted(recorded.decisions, 'decision', 'decisions')}, "
        f"{counted(recorded.outcomes, 'outcome', 'outcomes')}; "
        f"{counted(recorded.known_already, 'was', 'were')} known already\nkept in    {recorded.where}"
    )


if __name__ == "__main__":
    main(feedback)
