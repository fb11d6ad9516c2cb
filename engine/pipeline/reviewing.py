"""Drafts and review files of a run: written by `detect`, and again by `export` from what the run published."""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import DataFrame, SparkSession

from engine import exports, findings, rules
from engine.contracts.forms import FORM_LINES
from engine.errors import OutputError, Problem
from engine.pipeline.finished_runs import findings_of, finished_run
from engine.pipeline.forms import FORM_LINES_FOLDER, DraftedForms, drafted_disputes, write_draft_forms
from engine.runtime.parquet import read_parquet
from engine.runtime.storage import Storage, join, storage_of
from engine.settings import Settings


@dataclass(frozen=True)
class Drafts:
    """What was drafted. lines: DISPUTE_LINES, drafted: how many; forms: None without invoices; notes: what a reader
    should know of the forms.
    """

    lines: DataFrame
    drafted: int
    forms: DraftedForms | None
    notes: list[str]


def write_drafts(
    spark: SparkSession,
    storage: Storage,
    settings: Settings,
    folder: str,
    found: DataFrame,
    available: frozenset[str],
) -> Drafts:
    """Write the drafts in `disputes/` of a run: claim lines, forms, and lines for entities and the MFP facilitator.

    found: FINDINGS of the run. available: `invoices` and `settlements`, as far as the run has them. Raises OutputError.
    """
    codes = rules.dispute_codes(settings.reference_folder)
    lines = findings.dispute_lines(found, codes, settings)
    place = join(folder, "disputes")
    unmasked = settings.disputes.unmasked_rx_recipients
    drafted = exports.write_disputes_detail(lines, storage, join(place, "detail.csv"), unmasked)
    exports.write_recipient_files(
        findings.inquiry_drafts(found),
        {code.code: code.text for code in codes},
        storage,
        join(place, "inquiries"),
        unmasked,
        settings.disputes.mfp_justification_code,
        prefix=exports.DRAFT_PREFIX,
    )
    if "invoices" not in available:
        return Drafts(lines, drafted, None, ["no ROSI and no PQAS: the table invoices is missing"])
    notes = []
    if "settlements" not in available:
        notes.append("no PQAS: the table settlements is missing, so that what was paid before is not known")
    form_lines = read_parquet(spark, join(folder, *FORM_LINES_FOLDER), FORM_LINES)
    disputes = drafted_disputes(lines, found)
    forms = write_draft_forms(form_lines, disputes, storage, place, settings.disputes, settings.today)
    if forms.problems:
        notes.append(f"drafted forms: {len(forms.problems):,} lines do not add up, such as {forms.problems[0]}")
    return Drafts(lines, drafted, forms, notes)


def write_review(
    storage: Storage,
    settings: Settings,
    folder: str,
    found: DataFrame,
    drafts: Drafts,
    totals: exports.Totals,
    told: exports.RunFacts,
) -> list[str]:
    """Write the review files and the report of a run; returns the names in `review/`. Raises OutputError."""
    review = exports.write_workbooks(
        found, drafts.lines, totals, told, storage, join(folder, "review"), settings.review
    )
    exports.write_report(totals, drafts.drafted, told, storage, join(folder, "report.html"))
    return review


def export_review(spark: SparkSession, settings: Settings, run_id: str) -> tuple[str, list[str]]:
    """Write drafts, review files and report of a finished run again, from what it published; returns its folder and the
    names in `review/`. An unchanged run gives the files that `detect` wrote.

    Raises OutputError if there is no such run or it kept too little, ConfigurationError if the settings are not those
    of the run.
    """
    storage = storage_of(spark)
    folder, _, as_then = finished_run(storage, settings, run_id)
    try:
        told = exports.read_facts(storage, folder)
    except OSError:
        to_do = "run `detect` again: runs of earlier versions did not keep it"
        raise OutputError(Problem("what the review files say of the run is not kept", folder, to_do=to_do)) from None
    found = findings_of(spark, [folder])
    form_lines = join(folder, *FORM_LINES_FOLDER)
    available = {"invoices"} if storage.exists(form_lines) else set()
    available |= {"settlements"} & told.inputs.keys()
    drafts = write_drafts(spark, storage, as_then, folder, found, frozenset(available))
    review = write_review(storage, as_then, folder, found, drafts, exports.add_up(found), told)
    return folder, review
