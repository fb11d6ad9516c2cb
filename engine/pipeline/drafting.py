"""findings -> exports: claim lines that are offered for dispute, cases, and the review queue."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine import cases, exports, feedback, findings, positions
from engine.contracts.cases import CASES, QUEUE, QueueStatus
from engine.contracts.findings import DISPUTE_LINES, FINDINGS
from engine.contracts.positions import POSITIONS
from engine.contracts.tie_out import TIE_OUT
from engine.pipeline import work_tables
from engine.pipeline.positions import FOLDER as POSITIONS_FOLDER
from engine.pipeline.stages import Prepared
from engine.runs import Run
from engine.runtime.parquet import read_parquet
from engine.runtime.storage import SUCCESS_MARKER, Storage, join
from engine.settings import Settings

if TYPE_CHECKING:
    from engine.rules.dispute_codes import DisputeCode

LINES_FOLDER, TIE_OUT_FOLDER, CASES_FOLDER, QUEUE_FOLDER = "dispute_lines", "tie_out", "cases", "queue"
SUBMITTED = "finding_id string, case_id string, units decimal(15,3), sent_on date"


@dataclass(frozen=True)
class Offered:
    """What is offered for dispute.

    lines: DISPUTE_LINES. tie_out: TIE_OUT with the lines it withholds, None without invoices. held, sent_before: number
    of lines not offered because they are on a red line of the tie-out, or because they were sent before. red:
    finding_id and line_key of all findings on red lines.
    """

    lines: DataFrame
    tie_out: DataFrame | None
    held: int
    sent_before: int
    red: DataFrame | None


def submissions(spark: SparkSession, storage: Storage, settings: Settings, until: date) -> DataFrame:
    """SUBMITTED: what `export --final` recorded as sent up to a day, one row per line.

    Raises InputError or OutputError if the stored submissions cannot be read.
    """
    kept: list[dict[str, Any]] = feedback.KeptFeedback(storage, settings).rows(feedback.SUBMISSIONS)
    rows = [(r["finding_id"], r["case_id"], r["units"], r["sent_on"]) for r in kept if r["sent_on"] <= until]
    return spark.createDataFrame(rows, SUBMITTED)


def offered_lines(
    finding_rows: DataFrame,
    tie_out: DataFrame | None,
    sent: DataFrame,
    dispute_codes: Iterable[DisputeCode],
    run: Run,
) -> Offered:
    """Dispute lines of STRONG findings, without those on a red line of the tie-out and those sent before."""
    lines = run.work.write(work_tables.LINES, findings.dispute_lines(finding_rows, dispute_codes, run.settings))
    sent_ids = F.broadcast(sent.where(F.col("finding_id").isNotNull()).select("finding_id").distinct())
    unsent = run.work.write(work_tables.LINES_UNSENT, lines.join(sent_ids, on="finding_id", how="left_anti"))
    every, left = run.work.rows(work_tables.LINES), run.work.rows(work_tables.LINES_UNSENT)
    if tie_out is None:
        return Offered(unsent, None, 0, every - left, None)
    red = run.work.write(work_tables.LINES_RED, positions.on_red_lines(finding_rows, tie_out))
    held = run.work.write(
        work_tables.LINES_HELD, red.join(unsent.select("finding_id"), on="finding_id", how="left_semi")
    )
    others = unsent.join(held.select("finding_id"), on="finding_id", how="left_anti")
    offered = run.work.write(work_tables.LINES_OFFERED, others)
    held_lines = run.work.rows(work_tables.LINES_HELD)
    return Offered(offered, positions.with_held_lines(tie_out, held), held_lines, every - left, red)


def write_cases(
    run: Run, prepared: Prepared, finding_rows: DataFrame, sent: DataFrame, red: DataFrame | None
) -> DataFrame:
    """Write `cases/` of the run; returns CASES. `sent`: see `submissions`; `red`: see `Offered`."""
    place, references = join(run.folders.outputs, POSITIONS_FOLDER), prepared.references
    has_positions = run.storage.exists(join(place, SUCCESS_MARKER))
    known = cases.CaseInput(
        sent=sent,
        held=red,
        outcomes=references.get("outcomes"),
        positions=read_parquet(run.spark, place, POSITIONS) if has_positions else None,
        entities=references.get("covered_entities"),
        pharmacies=references.get("pharmacies"),
    )
    in_cases = run.work.write(
        work_tables.CASES_OF_RUN, cases.cases_of(finding_rows, known, run.settings.cases.counterparties)
    )
    exports.write_cases(in_cases, join(run.folders.outputs, CASES_FOLDER))
    return in_cases


def write_queue(run: Run, finding_rows: DataFrame, of_cases: DataFrame, red: DataFrame | None) -> None:
    """Write `queue/` of the run: the findings to review."""
    settings = run.settings
    rows = run.work.write(work_tables.STANDINGS, cases.standings(finding_rows, of_cases, red, settings.queue))
    worth = rows.where(F.col("standing") == QueueStatus.QUEUE.value).count()
    size = cases.queue_size(worth, settings.queue)
    exports.write_queue(cases.queue_of(rows, size, settings.today), join(run.folders.outputs, QUEUE_FOLDER))


def tie_out_of(spark: SparkSession, storage: Storage, folder: str) -> DataFrame | None:
    """TIE_OUT of a published run; None if it has none."""
    place = join(folder, TIE_OUT_FOLDER)
    return read_parquet(spark, place, TIE_OUT) if storage.exists(join(place, SUCCESS_MARKER)) else None


def review_tables(
    spark: SparkSession, storage: Storage, folder: str, held: int, sent_before: int
) -> exports.ReviewTables:
    """What the workbook of a run shows in addition to findings, read from its outputs. held, sent_before: see
    `Offered`.
    """
    in_cases, queue = join(folder, CASES_FOLDER), join(folder, QUEUE_FOLDER)
    return exports.ReviewTables(
        tie_out=tie_out_of(spark, storage, folder),
        cases=read_parquet(spark, in_cases, CASES),
        queue=read_parquet(spark, queue, QUEUE),
        lines_held=held,
        lines_sent_before=sent_before,
    )


def lines_of(spark: SparkSession, folder: str) -> DataFrame:
    """DISPUTE_LINES of a published run."""
    return read_parquet(spark, join(folder, LINES_FOLDER), DISPUTE_LINES)


def run_tables(spark: SparkSession, storage: Storage, folder: str) -> exports.RunTables:
    """The tables that a run, published or about to be, writes to a database."""

    def table(name: str, schema: T.StructType) -> DataFrame | None:
        place = join(folder, name)
        return read_parquet(spark, place, schema) if storage.exists(join(place, SUCCESS_MARKER)) else None

    return exports.RunTables(
        read_parquet(spark, join(folder, "findings"), FINDINGS),
        read_parquet(spark, join(folder, LINES_FOLDER), DISPUTE_LINES),
        read_parquet(spark, join(folder, CASES_FOLDER), CASES),
        table(POSITIONS_FOLDER, POSITIONS),
        table(TIE_OUT_FOLDER, TIE_OUT),
    )
