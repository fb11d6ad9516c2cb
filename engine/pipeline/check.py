"""The job `check`: what `detect` would do with an input, predicted from a sample of its rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from engine import exports, facts, prepare, rules, sources
from engine.contracts.columns import Table
from engine.contracts.references import VALIDITY_NAMES
from engine.contracts.tables import SUBJECT_FEEDS, TABLES
from engine.errors import OutputError, Problem, closest_name
from engine.pipeline.database import check_database
from engine.pipeline.job import job_run
from engine.pipeline.link import resolved_columns
from engine.pipeline.prepare import prepare_tables
from engine.pipeline.read import unread_notes
from engine.pipeline.rules import switched_off
from engine.pipeline.stages import Inputs, Prepared
from engine.pipeline.subject_scores import SCORED
from engine.runs import RunOptions
from engine.runtime.storage import Storage, join, storage_of
from engine.settings import Settings
from engine.sources import FoundTables, OpenedTable

_QUARANTINE = "quarantine"
_JUDGED = ("problems", "raw", "coerced", "coerced_values", "null_words")


@dataclass(frozen=True)
class CheckedTable:
    """One table of the input.

    rows: number of rows read. is_sample: the table may have more rows. quarantined: number of rows by their first
    reason. problem: which rows would be quarantined, and how to avoid it; None if no row would be. is_fatal: `detect`
    would stop because of the problem.
    """

    table: Table
    location: str
    rows: int
    is_sample: bool
    quarantined: Mapping[str, int]
    values: prepare.ValueReport
    problem: Problem | None
    is_fatal: bool
    notes: tuple[str, ...]
    unknown_columns: tuple[str, ...]
    missing_columns: tuple[str, ...]

    @property
    def to_do(self) -> list[str]:
        """What the user should know or set, one sentence each."""
        quarantined = [] if self.problem is None else [f"{self.problem.what}. To do: {self.problem.to_do}"]
        of_values = (*prepare.coerced_notes(self.values), *prepare.null_word_notes(self.values))
        similar = [
            f"did you mean input.tables.{self.table.name}.columns: {{{column}: {theirs}}}?"
            for column, theirs in self._similar_columns()
        ]
        return [*self.notes, *quarantined, *of_values, *similar]

    def _similar_columns(self) -> Iterator[tuple[str, str]]:
        """Pairs of a missing column and the ignored column with the most similar name."""
        for column in self.missing_columns:
            close = closest_name(column, self.unknown_columns, 0.75, lambda name: name.lower().replace(" ", "_"))
            if close is not None:
                yield column, close


@dataclass(frozen=True)
class Checked:
    """Result of the job.

    problems: why `detect` would stop. off: rules, guards and features that would be off. rejected: by table, the number
    of rejected rows and the folder they were written to; empty if none were written.
    """

    tables: tuple[CheckedTable, ...]
    missing_tables: tuple[str, ...]
    off: tuple[exports.Off, ...]
    problems: tuple[Problem, ...]
    rejected: Mapping[str, tuple[int, str]]


def check(
    spark: SparkSession,
    settings: Settings,
    say: Callable[[str], None],
    output: str | None = None,
    file_format: str = "csv",
) -> Checked:
    """Open every table as `detect` does and conform a sample of it. Writes nothing unless `output` is set.

    Args:
        say: callback for messages; it receives the names of the tables and of the files that are not read, before any
            table is opened.
        output: folder for the rejected rows of the complete tables: `quarantine/<table>/rejected.csv` (or Parquet).
        file_format: `csv` or `parquet`.

    Raises:
        UserError: `detect` could not read the input, or its settings are wrong.
    """
    try:
        return _check(spark, settings, say, output, file_format)
    except Exception as error:
        unreadable = sources.translate_read_error(error)
        if unreadable is None or unreadable is error:
            raise
        raise unreadable from None


def _check(
    spark: SparkSession, settings: Settings, say: Callable[[str], None], output: str | None, file_format: str
) -> Checked:
    def report(located: FoundTables) -> None:
        for line in (str(located), *unread_notes(located)):
            say(line)

    storage = storage_of(spark)
    rules.check_configuration(settings)
    check_database(settings, run_id=None)
    opened = sources.open_tables(spark, storage, settings, report)
    prepare.check_contract(opened)
    lookups: dict[str, Any] = {}
    with sources.sampling(spark):
        tables = tuple(_checked(opened[name], settings, lookups) for name in _lookups_first(opened))
    problems = [table.problem for table in tables if table.problem is not None and table.is_fatal]
    rejected: dict[str, tuple[int, str]] = {}
    if output is not None:
        # the complete tables were conformed, so their problems replace those of the samples
        problems, rejected = _write_rejected(spark, storage, settings, opened, output, file_format)
    return Checked(
        tuple(sorted(tables, key=lambda table: list(TABLES).index(table.table.name))),
        tuple(name for name in TABLES if name not in opened),
        tuple(_off(settings, opened)),
        tuple(problems),
        rejected,
    )


def _lookups_first(opened: Mapping[str, OpenedTable]) -> list[str]:
    """Names of the tables, those that other tables are conformed with first."""
    first = [name for name in prepare.LOOKUPS if name in opened]
    return first + [name for name in opened if name not in first]


def _checked(opened: OpenedTable, settings: Settings, lookups: dict[str, Any]) -> CheckedTable:
    """Conform a sample of the table. A table of LOOKUPS is read completely, because other tables depend on it, and is
    added to `lookups`.
    """
    name, most = opened.table.name, settings.check.rows_per_file
    is_lookup = name in prepare.LOOKUPS
    sample = opened.rows if is_lookup else sources.first_rows(opened.rows, most)
    formats = settings.input.formats_of(name)
    conformed = prepare.conform(sample, opened.table, as_of=settings.today, formats=formats, **lookups)
    if is_lookup:
        conformed = conformed.localCheckpoint()
        lookups[name] = prepare.good_rows(conformed)
    judged = conformed.select(*_JUDGED, F.spark_partition_id().alias("part")).localCheckpoint()
    is_noted = F.coalesce("problems", "coerced", "null_words").isNotNull()
    counted = judged.select("part", F.get("problems", F.lit(0)).alias("reason"), is_noted.alias("noted")).toArrow()
    rows, parts = counted.num_rows, Counter(counted["part"].to_pylist())
    quarantined = Counter(counted["reason"].drop_null().to_pylist())
    is_sample = not is_lookup and max(parts.values(), default=0) >= most
    has_notes = any(counted["noted"].to_pylist())
    report = prepare.value_report(judged, opened.table, formats) if has_notes else prepare.ValueReport(name, (), ())
    limit, problem = settings.input.most_quarantined, None
    is_fatal = quarantined.total() > limit * rows
    if quarantined:
        where = f"{opened.location}, a sample" if is_sample else opened.location
        problem = prepare.quarantine_problem(name, where, rows, quarantined, report, limit if is_fatal else None)
    return CheckedTable(
        table=opened.table,
        location=opened.location,
        rows=rows,
        is_sample=is_sample,
        quarantined=quarantined,
        values=report,
        problem=problem,
        is_fatal=is_fatal,
        notes=opened.notes,
        unknown_columns=opened.unknown_columns,
        missing_columns=tuple(
            column
            for column in opened.table.column_names
            if column not in opened.columns and column not in VALIDITY_NAMES
        ),
    )


def _off(settings: Settings, opened: dict[str, OpenedTable]) -> Iterator[exports.Off]:
    """What would be off in a run with these tables if each had rows and every model were registered."""
    available = Prepared(opened).available | resolved_columns(opened)
    for subject in SUBJECT_FEEDS:
        scored = {"scores"} if subject in SCORED and SUBJECT_FEEDS[subject] in opened else set()
        yield from switched_off(rules.active_rules(settings, available | scored, subject, settings.today))
    for name, why in facts.off_features(available).items():
        yield exports.Off("feature", name, why)


def _write_rejected(
    spark: SparkSession,
    storage: Storage,
    settings: Settings,
    opened: dict[str, OpenedTable],
    output: str,
    file_format: str,
) -> tuple[list[Problem], dict[str, tuple[int, str]]]:
    """Write the rows of the complete tables that `detect` would quarantine.

    Returns why `detect` would stop, and, for each table with such rows, their number and folder. Raises OutputError if
    the folder already contains rejected rows.
    """
    folder = join(output, _QUARANTINE)
    if storage.children(folder):
        raise OutputError(
            Problem("rejected rows of an earlier check are kept", folder, to_do="name another --output, or remove them")
        )
    there = settings.model_copy(update={"output": settings.output.model_copy(update={"root": output})})
    with job_run(spark, there, RunOptions(), say=lambda _: None, job="check") as run:
        prepared = prepare_tables(run, Inputs(opened), stops=False)
        written = {}
        for name, rows in prepared.quarantine.items():
            place = join(folder, name)
            count = exports.write_rejected(rows, opened[name].rows.columns, storage, place, file_format)
            if count:
                written[name] = count, place
        run.abandon()
    return list(prepared.mostly_quarantined), written
