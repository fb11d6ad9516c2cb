"""The job `export --final`: files of the claim lines that a named person decided to dispute, each line once."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from engine import exports, feedback, findings, positions, rules
from engine.contracts.findings import FINAL_LINES
from engine.errors import OutputError, Problem
from engine.pipeline.drafting import tie_out_of
from engine.pipeline.finished_runs import findings_of, finished_run, runs_in_order
from engine.run import published_runs
from engine.runtime.storage import Storage, join, storage_of
from engine.settings import Settings

FORM = "DETAIL"


@dataclass(frozen=True)
class Sent:
    """Lines by file, lines held back by reason, and the folder; no folder where nothing was to be sent."""

    files: dict[str, int]
    held_back: dict[str, int]
    folder: str | None


def export_final(spark: SparkSession, settings: Settings, run_id: str) -> Sent:
    """Write one file per state and PBM for a finished run, as of `settings.today`, and record what was sent.

    Decisions are those that the job `feedback` keeps. Raises OutputError where there is no such run or the place does
    not take the files, ConfigurationError where the settings are not those of the run.
    """
    storage, today = storage_of(spark), settings.today
    folder, _, as_then = finished_run(storage, settings, run_id)
    kept = feedback.KeptFeedback(storage, settings)
    decided = [row for row in kept.rows("decisions") if row["decided_at"].date() <= today]
    sent_before = kept.rows(feedback.SUBMISSIONS)
    codes = rules.dispute_codes(as_then.reference_folder)
    lines = _lines(spark, storage, settings, folder, decided, sent_before, codes, today)
    rows = lines.select(*(F.col(name) for name in FINAL_LINES.names)).toArrow().to_pylist()
    ready = [row for row in rows if row["held_back"] is None]
    held_back = Counter(row["held_back"] for row in rows if row["held_back"] is not None)
    if not ready:
        return Sent({}, dict(held_back), None)
    place = join(folder, "disputes", "final", f"{datetime.now(UTC):%Y-%m-%dT%H%M%SZ}")
    storage.make_folder(place)
    frozen = spark.createDataFrame([tuple(row[name] for name in FINAL_LINES.names) for row in ready], FINAL_LINES)
    texts = {code.code: code.text for code in codes}
    files = exports.write_final_files(frozen, texts, storage, place, settings.unmasked_rx_recipients)
    try:
        kept.add({feedback.SUBMISSIONS: [_submission(row, today) for row in ready]})
    except OutputError as error:
        to_do = "do not send them: remove the folder, fix the problem above and export again"
        raise OutputError(
            [*error.problems, Problem("the files are not recorded as sent", place, to_do=to_do)]
        ) from None
    return Sent(files, dict(held_back), place)


def _lines(
    spark: SparkSession,
    storage: Storage,
    settings: Settings,
    folder: str,
    decided: list[dict[str, Any]],
    sent_before: list[dict[str, Any]],
    codes: Any,
    today: date,
) -> DataFrame:
    schema = findings.DECISIONS_TO_DISPUTE
    decisions = spark.createDataFrame([tuple(row[name] for name in schema.names) for row in decided], schema)
    sent = spark.createDataFrame([(row["finding_id"],) for row in sent_before], "finding_id string")
    found = findings_of(spark, [folder])
    folders = published_runs(storage, settings.output.root, but="")
    latest = findings.latest_decisions(decisions.withColumn("selection", F.lit(None).cast("string")), today)
    stood = findings.as_reviewed(
        findings_of(spark, folders),
        latest.select("finding_id", "decided_on"),
        runs_in_order(spark, storage, folders),
    )
    judged = findings.with_decisions(found, latest, stood).drop("decided_on")
    lines = findings.final_lines(judged, decisions, sent, codes, today)
    tie_out = tie_out_of(spark, storage, folder)
    return lines if tie_out is None else findings.without_red_lines(lines, positions.on_red_lines(found, tie_out))


def _submission(row: dict[str, Any], today: date) -> dict[str, Any]:
    return {
        "form": FORM,
        "recipient": f"{row['route']} {row['recipient']}",
        "finding_id": row["finding_id"],
        "case_id": row["case_id"],
        "period": row["period"],
        "units": row["units_disputed"],
        "code": row["dispute_code"],
        "sent_on": today,
    }
