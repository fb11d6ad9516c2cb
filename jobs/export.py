"""Writes outputs of a finished run: its review files again, final dispute files, or its rows to a database."""

from __future__ import annotations

from typing import Annotated

import typer

from engine.errors import counted
from engine.redaction import masked
from jobs.common import DEFAULT_CONFIG, AsOf, Config, Engine, Output, Redacted, Set, main, session_of, settings_of


def export(
    run_id: Annotated[str, typer.Option("--run-id", help="A finished run below the output folder.")],
    to_database: Annotated[
        bool, typer.Option("--to-database", help="Write to the database that output.connection names.")
    ] = False,
    final: Annotated[
        bool,
        typer.Option(
            "--final",
            help="Forms and one file per recipient, of the lines that a named person decided to dispute.",
        ),
    ] = False,
    config: Config = DEFAULT_CONFIG,
    output: Output = None,
    as_of: AsOf = None,
    set: Set = None,
    engine: Engine = None,
    redacted: Redacted = False,
) -> None:
    """Writes outputs of a finished run; without --final and --to-database, its drafts, workbook and report again.

    `detect` writes to the database automatically if the settings name an output.connection.

    Example: ./spark-submit.sh export --final --run-id 2026Q1
    """
    settings = settings_of(config, None, output, as_of, set, engine, redacted)
    from engine import pipeline

    spark = session_of("export", settings)
    if not (to_database or final):
        folder, review = pipeline.export_review(spark, settings, run_id)
        print(masked(f"written    report.html, drafts in disputes, and in review: {', '.join(review)}"))
        print(masked(f"folder     {folder}"))
    if final:
        sent = pipeline.export_final(spark, settings, run_id)
        for reason, lines in sorted(sent.held_back.items()):
            print(f"not sent   {counted(lines, 'decided line', 'decided lines')}: {reason}")
        for warning in sent.warnings:
            print(f"warning    {warning}")
        for name, lines in sent.files.items():
            print(f"written    {counted(lines, 'line', 'lines')}  {name}")
        print(masked(f"folder     {sent.folder}") if sent.folder else "nothing    no decided line is left to send")
    if to_database:
        print(pipeline.export_to_database(spark, settings, run_id))


if __name__ == "__main__":
    main(export)
