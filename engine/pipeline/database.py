"""A run in the database: the database is checked before the run begins and written after the run is published."""

from __future__ import annotations

from collections.abc import Mapping

from pyspark.sql import SparkSession

from engine import exports
from engine.errors import ConfigurationError, OutputError, Problem, counted
from engine.pipeline.drafting import run_tables
from engine.pipeline.finished_runs import finished_run
from engine.runs import Run
from engine.runtime.storage import storage_of
from engine.settings import Settings


def check_database(settings: Settings, run_id: str | None) -> None:
    """Check that the database of `output.connection`, if set, can accept a run. Raises OutputError."""
    name, schema = settings.output.connection, settings.output.database_schema
    if name is not None:
        create = settings.command("create_tables")
        exports.check_tables(name, settings.databases[name], schema, create, run_id or "")


def check_lengths(run: Run, summary: Mapping[str, object]) -> None:
    """Raise OutputError, before anything is published, for values that do not fit their columns in the database."""
    settings, name = run.settings, str(run.settings.output.connection)
    try:
        tables = run_tables(run.spark, run.storage, run.folders.outputs)
        exports.check_lengths(tables, summary, name, settings.databases[name], settings.output.database_schema)
    except OutputError as error:
        resumed = Problem(
            "the run is not published; its work is kept",
            run.folders.work,
            to_do="widen the columns, then resume: "
            + settings.command("detect", "--run-id", run.run_id, "--as-of", f"{settings.today}", "--resume"),
        )
        raise OutputError([*error.problems, resumed]) from None


def write_published(run: Run) -> None:
    """Write the published run to the database. Raises OutputError, which states what remains to be done."""
    try:
        run.progress.say(export_to_database(run.spark, run.settings, run.run_id))
    except OutputError as error:
        finished = Problem(
            "the run itself is finished, only the database lacks it",
            run.folders.final,
            to_do="fix the problem above, then run "
            + run.settings.command("export", "--run-id", run.run_id, "--to-database"),
        )
        raise OutputError([*error.problems, finished]) from None


def export_to_database(spark: SparkSession, settings: Settings, run_id: str) -> str:
    """Write the rows of a finished run to `output.connection`; returns a message that lists what was written.

    Raises:
        OutputError: the run does not exist, or the database rejects the rows.
        ConfigurationError: no connection is set, or the settings are not those of the run.
    """
    storage, name, schema = storage_of(spark), settings.output.connection, settings.output.database_schema
    if name is None:
        raise ConfigurationError(
            Problem("no database is named to write to", "output.connection", to_do="name one of `databases`")
        )
    folder, summary, _ = finished_run(storage, settings, run_id)
    tables = run_tables(spark, storage, folder)
    create = settings.command("create_tables")
    exports.check_lengths(tables, summary, name, settings.databases[name], schema)
    exports.write_to_database(tables, summary, name, settings.databases[name], schema, create)
    rows, lines = (counted(summary["counts"][name], "row", "rows") for name in ("findings", "dispute_lines"))
    return (
        f"database   {name}: {schema}.engine_findings {rows}, {schema}.engine_dispute_lines {lines}, "
        "their cases, positions and tie-out"
    )
