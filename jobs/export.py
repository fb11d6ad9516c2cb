"""Writes the findings and dispute lines of a finished run to a database; writing twice leaves the same rows."""

from __future__ import annotations

from typing import Annotated

import typer

from jobs.common import DEFAULT_CONFIG, Config, Engine, Output, Set, main, session_of, settings_of


def export(
    run_id: Annotated[str, typer.Option("--run-id", help="A finished run below the output folder.")],
    to_database: Annotated[
        bool, typer.Option("--to-database", help="Write to the database that output.connection names.")
    ] = False,
    config: Config = DEFAULT_CONFIG,
    output: Output = None,
    set: Set = None,
    engine: Engine = None,
) -> None:
    """`detect` does the same by itself where the settings name an output.connection."""
    settings = settings_of(config, None, output, None, set, engine)
    from engine import pipeline
    from engine.errors import ConfigurationError, Problem

    if not to_database:
        raise ConfigurationError(
            Problem("nothing is named to export to", "the command line", to_do="give --to-database")
        )
    spark = session_of("export", settings)
    print(pipeline.export_to_database(spark, settings, run_id))


if __name__ == "__main__":
    main(export)
