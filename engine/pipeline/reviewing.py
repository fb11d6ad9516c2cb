"""Drafts and review files of a run: written by `detect`, and again by `export` from the published run."""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import DataFrame, SparkSession

from engine import exports, findings, rules
from engine.contracts.forms import FORM_LINES
from engine.errors import OutputError, Problem, counted
from engine.pipeline.drafting import lines_of, review_tables
from engine.pipeline.finished_runs import findings_of, finished_run
from engine.pipeline.forms import FORM_LINES_FOLDER, DraftedForms, drafted_disputes, write_draft_forms
from engine.runtime.parquet import read_parquet
from engine.runtime.storage import Storage, join, storage_of
from engine.settings import Settings

DETAILS_FOLDER = "details"
_DRAFT_FOLDERS = ("inquiries", "rosi", "pqas")


@dataclass(frozen=True)
class Drafts:
    """What was drafted.

    lines: DISPUTE_LINES; drafted: their number. forms: None without invoices or if redacted. notes: why forms are
    missing, and lines of forms that do not add up.
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
    finding_rows: DataFrame,
    lines: DataFrame,
    available: frozenset[str],
) -> Drafts:
    """Write the drafts in `disputes/` of a run: claim lines, forms, and lines for entities and the MFP facilitator.

    finding_rows: FINDINGS of the run; lines: its DISPUTE_LINES; available: which of `invoices` and `settlements` the
    run has. Raises OutputError.
    """
    codes = rules.dispute_codes(settings.reference_folder)
    place, unmasked, redacted = join(folder, "disputes"), settings.unmasked_rx_recipients, settings.redaction.on
    shown = exports.redacted_lines(lines) if redacted else lines
    for name in _DRAFT_FOLDERS:  # drafts of an earlier export may contain what redaction removes
        if storage.exists(join(place, name)):
            storage.delete(join(place, name))
    drafted = exports.write_disputes_detail(shown, storage, join(place, "detail.csv"), unmasked)
    exports.write_recipient_files(
        findings.inquiry_drafts(exports.redacted_findings(finding_rows) if redacted else finding_rows),
        {code.code: code.text for code in codes},
        storage,
        join(place, "inquiries"),
        unmasked,
        settings.disputes.mfp_justification_code,
        prefix=exports.DRAFT_PREFIX,
    )
    if "invoices" not in available:
        return Drafts(lines, drafted, None, ["no ROSI and no PQAS: the table invoices is missing"])
    if redacted:
        return Drafts(
            lines, drafted, None, ["no drafts of ROSI and PQAS: redaction removes the amounts they consist of"]
        )
    notes = []
    if "settlements" not in available:
        notes.append("no PQAS: the table settlements is missing, so that what was paid before is not known")
    form_lines = read_parquet(spark, join(folder, *FORM_LINES_FOLDER), FORM_LINES)
    disputes = drafted_disputes(lines, finding_rows)
    forms = write_draft_forms(form_lines, disputes, storage, place, settings.disputes, settings.today)
    if forms.problems:
        lines_off = counted(len(forms.problems), "line does", "lines do")
        notes.append(f"drafted forms: {lines_off} not add up, such as {forms.problems[0]}")
    return Drafts(lines, drafted, forms, notes)


def write_review(
    storage: Storage,
    settings: Settings,
    folder: str,
    finding_rows: DataFrame,
    drafts: Drafts,
    totals: exports.Totals,
    facts: exports.ReviewFacts,
    tables: exports.ReviewTables,
) -> list[str]:
    """Write the review files and the report of a run; returns the names in `review/`. Raises OutputError."""
    redacted, place = settings.redaction.on, join(folder, "review")
    shown, lines, sums = finding_rows, drafts.lines, totals
    if redacted:
        shown, lines = exports.redacted_findings(finding_rows), exports.redacted_lines(drafts.lines)
        sums = exports.add_up(shown, settings.today, settings.report.findings)
    details = read_parquet(finding_rows.sparkSession, join(folder, DETAILS_FOLDER), exports.DETAILS)
    review = exports.write_workbooks(
        shown, lines, sums, facts.run, storage, place, settings.review, tables, redacted, details
    )
    if settings.tickets.most:
        tickets = _tickets(shown, tables, facts, settings)
        exports.write_tickets(tickets, storage, join(place, exports.TICKETS_NAME), issue_keys(storage, settings))
        review.append(exports.TICKETS_NAME)
    exports.write_report(
        sums,
        drafts.drafted,
        facts.run,
        storage,
        join(folder, "report.html"),
        facts.overview,
        settings.report,
        settings.redaction.least_count if redacted else None,
    )
    return review


def _tickets(
    shown: DataFrame, tables: exports.ReviewTables, facts: exports.ReviewFacts, settings: Settings
) -> list[exports.Ticket]:
    most, redacted = settings.tickets.most, settings.redaction.on
    if settings.tickets.per == "case" and tables.cases is not None:
        return exports.case_tickets(tables.cases, settings.today, most, redacted)
    return exports.finding_tickets(shown, facts.run.rule_titles, settings.today, most, redacted)


def check_tickets(storage: Storage, settings: Settings) -> None:
    """Check that the file of issue keys, if one is configured, can be read. Raises InputError, OutputError."""
    issue_keys(storage, settings)


def issue_keys(storage: Storage, settings: Settings) -> dict[str, str]:
    """Issue keys by external id, from the file of the setting `tickets.keys`. Raises InputError."""
    return exports.read_issue_keys(storage, settings.tickets.keys) if settings.tickets.keys else {}


def export_review(spark: SparkSession, settings: Settings, run_id: str) -> tuple[str, list[str]]:
    """Write drafts, review files and report of a published run again; returns its folder and the file names in
    `review/`. Without changes to the run, the files equal those that `detect` wrote.

    Raises:
        OutputError: the run does not exist, or an earlier version wrote it and did not keep what the files need.
        ConfigurationError: the settings are not those of the run.
    """
    storage = storage_of(spark)
    folder, _, as_then = finished_run(storage, settings, run_id)
    try:
        facts = exports.read_facts(storage, folder)
    except OSError:
        to_do = "run `detect` again: runs of earlier versions did not keep it"
        raise OutputError(
            Problem("the contents of the review files of the run are not kept", folder, to_do=to_do)
        ) from None
    finding_rows = findings_of(spark, [folder])
    available = {"invoices"} if storage.exists(join(folder, *FORM_LINES_FOLDER)) else set()
    available |= {"settlements"} & facts.run.inputs.keys()
    drafts = write_drafts(spark, storage, as_then, folder, finding_rows, lines_of(spark, folder), frozenset(available))
    tables = review_tables(spark, storage, folder, facts.lines_held, facts.lines_sent_before)
    totals = exports.add_up(finding_rows, as_then.today, as_then.report.findings)
    return folder, write_review(storage, as_then, folder, finding_rows, drafts, totals, facts, tables)
