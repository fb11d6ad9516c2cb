"""The tables and drafts that a run writes to its outputs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from engine import exports, facts, findings, rules
from engine.contracts.codes import Step
from engine.pipeline.drafting import (
    LINES_FOLDER,
    TIE_OUT_FOLDER,
    Offered,
    offered_lines,
    review_tables,
    write_cases,
    write_queue,
)
from engine.pipeline.entity_shares import blanket_disputes, write_claims_of_entities
from engine.pipeline.forms import EVIDENCE_FOLDER
from engine.pipeline.positions import Posted, post_positions
from engine.pipeline.reviewing import DETAILS_FOLDER, Drafts, write_drafts
from engine.pipeline.stages import Findings, Flagged, Linked, Prepared
from engine.runs import Run
from engine.runtime.storage import join


@dataclass(frozen=True)
class Outputs:
    """What was written.

    quarantined: number of rows by table and reason. totals: sums over the findings. off: rules, guards and features
    that were off. posted: None if there are neither rebate claims nor invoices. tables: what the workbook shows in
    addition to findings.
    """

    quarantined: dict[str, dict[str, int]]
    totals: exports.Totals
    off: tuple[exports.Off, ...]
    posted: Posted | None
    drafts: Drafts
    tables: exports.ReviewTables


def write_outputs(run: Run, linked: Linked, flagged: Flagged, run_findings: Findings, sent: DataFrame) -> Outputs:
    """Write quarantine, positions, tie-out, dispute lines, cases, queue, evidence, details and drafts.

    `sent`: see `submissions`.
    """
    settings, folder, prepared, rows = run.settings, run.folders.outputs, linked.prepared, run_findings.rows
    off_features = (exports.Off("feature", name, why) for name, why in facts.off_features(linked.available).items())
    quarantined = _write_quarantine(run, prepared)
    totals = exports.add_up(rows, settings.today, settings.report.findings)
    _check(run, flagged, totals)
    # the unit ledger is computed by one thread, so the claims of the findings are written at the same time
    tasks: list[Callable[[], Any]] = [
        partial(_post_and_offer, run, prepared, rows, sent),
        partial(_write_evidence, run, prepared, rows),
        partial(_write_details, run, linked, rows),
    ]
    (posted, offered), *_ = run.in_parallel(tasks)
    tables = review_tables(run.spark, run.storage, folder, offered.held, offered.sent_before)
    drafts = write_drafts(run.spark, run.storage, settings, folder, rows, offered.lines, _available(prepared))
    _warn_of_blanket_disputes(run, prepared, drafts.lines)
    for note in drafts.notes:
        run.progress.note(note)
    return Outputs(quarantined, totals, (*flagged.off, *off_features), posted, drafts, tables)


def _post_and_offer(run: Run, prepared: Prepared, rows: DataFrame, sent: DataFrame) -> tuple[Posted | None, Offered]:
    """Write positions, tie-out, dispute lines, cases and queue."""
    posted = post_positions(run, prepared, rows)
    codes = rules.dispute_codes(run.settings.reference_folder)
    offered = offered_lines(rows, None if posted is None else posted.tie_out, sent, codes, run)
    exports.write_dispute_lines(offered.lines, join(run.folders.outputs, LINES_FOLDER))
    if offered.tie_out is not None:
        exports.write_tie_out(offered.tie_out, join(run.folders.outputs, TIE_OUT_FOLDER))
    write_queue(run, rows, write_cases(run, prepared, rows, sent, offered.red), offered.red)
    return posted, offered


def _check(run: Run, flagged: Flagged, totals: exports.Totals) -> None:
    """Check the number of findings that were added up against the flagged rows."""
    flagged_rows = sum(run.ledger.rows_out(flagged_subject.table) for flagged_subject in flagged.subjects)
    run.ledger.check("all tables", Step.EXPORTS, "findings added up", totals.findings, flagged_rows)


def _write_evidence(run: Run, prepared: Prepared, finding_rows: DataFrame) -> None:
    """Write the rows that support dispute codes, for the evidence sheet of final forms."""
    if prepared.claims is None:
        return
    other_lines = prepared.claims.among(findings.evidence_ids(finding_rows))
    rows = findings.evidence_rows(finding_rows, other_lines, prepared.entity_claims)
    exports.write_evidence(rows, join(run.folders.outputs, *EVIDENCE_FOLDER))


def _available(prepared: Prepared) -> frozenset[str]:
    """Which of the tables that forms require are available."""
    invoices = {"invoices"} if prepared.invoices is not None else set()
    return frozenset(invoices | ({"settlements"} & prepared.references.keys()))


def _warn_of_blanket_disputes(run: Run, prepared: Prepared, lines: DataFrame) -> None:
    if prepared.entity_claims is None:
        return
    claims = write_claims_of_entities(prepared.entity_claims, run.storage, run.folders.outputs)
    drafted = lines.where(F.col("entity_id").isNotNull()).groupBy("entity_id").count().collect()
    disputed = {row["entity_id"]: row["count"] for row in drafted}
    for warning in blanket_disputes(disputed, claims, run.settings.disputes):
        run.progress.note(warning)


def _write_details(run: Run, linked: Linked, finding_rows: DataFrame) -> None:
    """Write the claims of the findings field by field, with names, for the workbook."""
    prepared = linked.prepared
    claims = None if prepared.claims is None else prepared.claims.among
    details = exports.finding_details(finding_rows, claims, prepared.entity_claims, linked.references)
    exports.write_details(details, join(run.folders.outputs, DETAILS_FOLDER))


def _write_quarantine(run: Run, prepared: Prepared) -> dict[str, dict[str, int]]:
    """Write quarantine/<table> for every table with quarantined rows; returns their number by table and reason."""
    quarantined: dict[str, dict[str, int]] = {}
    for name, rows in prepared.quarantine.items():
        reasons = rows.select(F.explode("reasons").alias("reason")).groupBy("reason").count().collect()
        if reasons:
            exports.write_quarantine(rows, join(run.folders.outputs, "quarantine", name))
            quarantined[name] = {row["reason"]: row["count"] for row in sorted(reasons)}
    run.storage.make_folder(join(run.folders.outputs, "quarantine"))
    return quarantined
