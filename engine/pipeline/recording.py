"""The job `feedback`: check and store decisions of analysts and answers of counterparties."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from engine import feedback
from engine.errors import InputError, OutputError, Problem, counted
from engine.pipeline.finished_runs import findings_of
from engine.runs import published_runs
from engine.runtime.storage import Storage, storage_of
from engine.settings import Settings

_MOST_PROBLEMS, _MOST_CONFLICTS = 20, 10


@dataclass(frozen=True)
class Recorded:
    """What the job did: rows added by table, rows that were stored before, notes for the user, and the folder."""

    decisions: int
    outcomes: int
    known_already: int
    notes: tuple[str, ...]
    where: str


def record_feedback(
    spark: SparkSession,
    settings: Settings,
    files: Sequence[Path],
    decided_by: str | None = None,
    decided_on: date | None = None,
) -> Recorded:
    """Add the rows of the files to the stored feedback; if any row is invalid, none is added.

    `decided_by`, `decided_on`: defaults for rows without them. Importing a file again adds nothing.

    Raises:
        InputError: rows are invalid; it lists them.
        OutputError: no run is published, or the rows cannot be stored.
    """
    storage = storage_of(spark)
    kept = feedback.KeptFeedback(storage, settings)
    entries, undecided = [], 0
    for file in files:
        of_file, without = feedback.entries_of(file)
        entries += of_file
        undecided += without
    checked = feedback.accepted(
        entries, _known_findings(spark, storage, settings), settings.today, decided_by, decided_on
    )
    merged = feedback.merged(checked.decisions, checked.outcomes, kept.rows("decisions"), kept.rows("outcomes"))
    problems = [*checked.problems, *merged.problems]
    if problems:
        raise InputError([*_first(problems), Problem("nothing was recorded", kept.where, to_do=_CORRECT)])
    kept.add({"decisions": merged.decisions, "outcomes": merged.outcomes})
    notes = [f"decided differently before: {conflict}" for conflict in merged.conflicts[:_MOST_CONFLICTS]]
    if len(merged.conflicts) > _MOST_CONFLICTS:
        remaining = counted(len(merged.conflicts) - _MOST_CONFLICTS, "more finding", "more findings")
        notes.append(f"and {remaining} decided differently before")
    if undecided:
        rows = counted(undecided, "row has", "rows have")
        notes.append(f"{rows} a reason, comment, name or date but no decision: not recorded")
    return Recorded(len(merged.decisions), len(merged.outcomes), merged.known_already, tuple(notes), kept.where)


_CORRECT = "correct these rows and hand the files in again; rows that are stored already are never added twice"


def _first(problems: Sequence[Problem]) -> list[Problem]:
    shown = list(problems[:_MOST_PROBLEMS])
    if len(problems) > _MOST_PROBLEMS:
        shown.append(
            Problem(
                f"and {counted(len(problems) - _MOST_PROBLEMS, 'more row is', 'more rows are')} wrong", "the same files"
            )
        )
    return shown


def _known_findings(spark: SparkSession, storage: Storage, settings: Settings) -> Mapping[str, feedback.FindingFacts]:
    """Findings of all published runs by id; for a finding in several runs, the most units that its row ever billed."""
    folders = published_runs(storage, settings.output.root, but="")
    if not folders:
        raise OutputError(
            Problem("no run is published there", settings.output.root, to_do="give the --output of the run decided on")
        )
    finding_rows = findings_of(spark, folders)
    most_units = F.max(F.abs(F.coalesce("ndc_units", "units_claimed"))).alias("units")
    rows = finding_rows.groupBy("finding_id").agg(most_units).toArrow().to_pylist()
    return {row["finding_id"]: feedback.FindingFacts(row["units"]) for row in rows}
