"""The job `check`: what `detect` would do with an input, found out on a sample of it."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from engine import exports, facts, prepare, rules, sources
from engine.contracts.columns import Table
from engine.contracts.tables import SUBJECT_FEEDS, TABLES
from engine.errors import OutputError, Problem
from engine.pipeline.handed_on import Prepared
from engine.pipeline.judging import switched_off
from engine.pipeline.linking import resolved_columns
from engine.pipeline.preparing import prepare_tables
from engine.pipeline.publishing import check_database
from engine.pipeline.scoring import SCORED
from engine.run import Run, RunOptions
from engine.settings import Settings
from engine.sources import OpenedTable, WorkFolder
from engine.storage import Storage, join

_QUARANTINE = "quarantine"
_JUDGED = ("problems", "left_as", "raw", "coerced")


@dataclass(frozen=True)
class CheckedTable:
    """One table of the input. `rows`: how many were read; `is_sample`: the table may have more."""

    table: Table
    location: str
    rows: int
    is_sample: bool
    notes: tuple[str, ...]
    unknown_columns: tuple[str, ...]
    missing_columns: tuple[str, ...]


@dataclass(frozen=True)
class Checked:
    """`off` holds the rules, guards and features that would be off; `rejected` rows and file by table."""

    tables: tuple[CheckedTable, ...]
    missing_tables: tuple[str, ...]
    off: tuple[exports.Off, ...]
    rejected: Mapping[str, tuple[int, str]] = field(default_factory=dict)


def check(spark: SparkSession, settings: Settings, output: str | None = None, file_format: str = "csv") -> Checked:
    """Open every table as `detect` does and conform a sample of it. Changes nothing but, if given, `output`.

    Args:
        output: folder for the rejected rows of the whole tables: `quarantine/<table>/rejected.csv` (or Parquet).
        file_format: `csv` or `parquet`.

    Raises:
        UserError: `detect` would stop, for the same reasons.
    """
    storage = Storage(spark)
    rules.check_configuration(settings)
    check_database(settings)
    opened = sources.open_tables(spark, storage, settings)
    prepare.check_contract(opened)
    lookups: dict[str, DataFrame] = {}
    with sources.one_file_per_part(spark):
        tables = tuple(_checked(opened[name], settings, lookups) for name in _lookups_first(opened))
    rejected = {} if output is None else _write_rejected(spark, storage, settings, opened, output, file_format)
    return Checked(
        tuple(sorted(tables, key=lambda one: list(TABLES).index(one.table.name))),
        tuple(name for name in TABLES if name not in opened),
        tuple(_off(settings, opened)),
        rejected,
    )


def _lookups_first(opened: Mapping[str, OpenedTable]) -> list[str]:
    """References that other tables are conformed with, then all others."""
    first = [name for name in prepare.LOOKUPS if name in opened]
    return first + [name for name in opened if name not in first]


def _checked(one: OpenedTable, settings: Settings, lookups: dict[str, DataFrame]) -> CheckedTable:
    """The table's sample conformed. A table of LOOKUPS is read whole, as all others depend on it, and added to
    `lookups`.
    """
    name, most = one.table.name, settings.check.rows_per_file
    is_lookup = name in prepare.LOOKUPS
    sample = one.rows if is_lookup else sources.first_rows(one.rows, most)
    conformed = prepare.conform(sample, one.table, as_of=settings.today, **lookups)
    if is_lookup:
        conformed = conformed.localCheckpoint()
        lookups[name] = prepare.good_rows(conformed)
    judged = conformed.select(*_JUDGED, F.spark_partition_id().alias("part")).localCheckpoint()
    by_part = judged.groupBy("part").count().collect()
    return CheckedTable(
        table=one.table,
        location=one.location,
        rows=sum(row["count"] for row in by_part),
        is_sample=not is_lookup and any(row["count"] >= most for row in by_part),
        notes=one.notes,
        unknown_columns=one.unknown_columns,
        missing_columns=tuple(column for column in one.table.column_names if column not in one.columns),
    )


def similar_columns(checked: CheckedTable) -> dict[str, str]:
    """Missing column: the ignored column of the table whose name is most like it."""
    similar = {}
    plain = {name.lower().replace(" ", "_"): name for name in checked.unknown_columns}
    for column in checked.missing_columns:
        close = difflib.get_close_matches(column, plain, n=1, cutoff=0.75)
        if close:
            similar[column] = plain[close[0]]
    return similar


def _off(settings: Settings, opened: dict[str, OpenedTable]) -> Iterator[exports.Off]:
    """As a run with these tables, each with rows, and with registered models."""
    prepared = Prepared(opened, found_out=resolved_columns(opened))
    for subject in SUBJECT_FEEDS:
        scored = {"scores"} if subject in SCORED and SUBJECT_FEEDS[subject] in opened else set()
        yield from switched_off(rules.active_rules(settings, prepared.available | scored, subject, settings.today))
    for name, why in facts.off_features(prepared.available).items():
        yield exports.Off("feature", name, why)


def _write_rejected(
    spark: SparkSession,
    storage: Storage,
    settings: Settings,
    opened: dict[str, OpenedTable],
    output: str,
    file_format: str,
) -> dict[str, tuple[int, str]]:
    """The rows of the whole tables that `detect` would quarantine: how many of each table, and where they are now.

    Raises OutputError if the folder already holds rejected rows.
    """
    folder = join(output, _QUARANTINE)
    if storage.children(folder):
        raise OutputError(
            Problem("rejected rows of an earlier check are kept", folder, to_do="name another --output, or remove them")
        )
    work = WorkFolder(spark, storage, join(output, ".check.work"), resume=False)
    run = Run(spark, settings, storage, RunOptions(), "check", say=lambda _: None)
    try:
        prepared = prepare_tables(run, work, opened)
        written = {}
        for name, rows in prepared.quarantine.items():
            place = join(folder, name)
            count = exports.write_rejected(rows, opened[name].rows.columns, storage, place, file_format)
            if count:
                written[name] = count, place
        return written
    finally:
        work.delete()
