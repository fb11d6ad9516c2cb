"""link -> facts: one wide row per subject, with what is usual among its peers."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from engine import facts, findings
from engine.contracts.codes import Reason, Step, Subject
from engine.contracts.tables import SUBJECT_FEEDS
from engine.pipeline.handed_on import Judged, LiveClaims, Prepared
from engine.run import Run
from engine.settings import PeerSettings, Settings
from engine.sources import WorkFolder

# Facts of every row, as the work folder names them.
RESULTS = {
    Subject.REBATE_CLAIM: "facts/claims",
    Subject.ENTITY_CLAIM: "facts/entity_claims",
    Subject.INVOICE: "facts/invoices",
    Subject.INFLATION_REPORT: "facts/inflation_reports",
}


def describe(run: Run, work: WorkFolder, prepared: Prepared, found: facts.FoundOnClaims | None) -> list[Judged]:
    tasks: list[Callable[[], Judged]] = []
    if prepared.claims is not None and found is not None:
        tasks.append(partial(_claim_facts, work, prepared.claims, found, prepared, run.settings))
    if prepared.entity_claims is not None:
        tasks.append(partial(_entity_claim_facts, work, prepared.entity_claims, found, prepared, run.settings.peers))
    if prepared.invoices is not None:
        tasks.append(partial(_invoice_facts, work, prepared.invoices, prepared, run.settings))
    if "inflation_reports" in prepared.references:
        tasks.append(partial(_inflation_facts, work, prepared))
    with run.step(Step.FACTS) as words:
        judged = run.in_parallel(tasks)
        for one in judged:
            table = SUBJECT_FEEDS[one.subject]
            rows = F.count(F.lit(1)).alias("rows")
            if one.subject is Subject.REBATE_CLAIM:
                noticed = {Reason.UNITS_NOT_CONVERTED.value: F.col("ndc_units").isNull()}
            else:
                noticed = {}
            counts = one.facts.agg(rows, *(F.count_if(condition).alias(name) for name, condition in noticed.items()))
            counted = counts.collect()[0].asDict()
            rows_out = counted.pop("rows")
            run.ledger.check(table, Step.FACTS, "rows with peers", rows_out, work.rows(RESULTS[one.subject]))
            run.ledger.record(table, Step.FACTS, run.ledger.rows_out(table), rows_out, counted=counted)
            words.append(f"{table} {rows_out:,} rows")
    return judged


def _claim_facts(
    work: WorkFolder,
    claims: LiveClaims,
    found: facts.FoundOnClaims,
    prepared: Prepared,
    settings: Settings,
) -> Judged:
    references = prepared.references
    screen = work.write(
        RESULTS[Subject.REBATE_CLAIM], facts.claim_screen(claims.all, found, references, settings.today)
    )
    peers = work.write("peers/claims", facts.claim_peers(screen, settings.peers))
    background = facts.Background(
        claims.unconverted,
        prepared.entity_claims,
        prepared.dispenses,
        _outcomes_of(claims, references.get("outcomes")),
        settings.today,
        settings.peers,
    )

    def described(flagged: DataFrame, ids: DataFrame) -> DataFrame:
        own = claims.among(ids)
        asked = work.write("asked/claims", facts.asked_of_flagged(flagged, own, found, references))
        features = work.write("features/claims", facts.claim_features(asked, found, references, background))
        billed = prepared.invoices
        if billed is not None and prepared.replaced_invoices is not None:
            # a new total does not begin the term again
            billed = billed.unionByName(prepared.replaced_invoices)
        return facts.claim_facts(
            flagged, own, found, features, references, settings.today, prepared.unread_claims, billed
        )

    whole = facts.with_claim_peers(screen, peers, settings.peers)
    return Judged(Subject.REBATE_CLAIM, whole, peers, described)


def _outcomes_of(claims: LiveClaims, outcomes: DataFrame | None) -> DataFrame | None:
    """Answers to findings on claims of this input, with the claim's source_row_id; it tells its finding's id itself."""
    if outcomes is None:
        return None
    named = claims.unconverted.select("source_row_id", findings.claim_finding_id().alias("finding_id"))
    return named.join(F.broadcast(outcomes), on="finding_id", how="inner")


def _entity_claim_facts(
    work: WorkFolder,
    claims: DataFrame,
    found: facts.FoundOnClaims | None,
    prepared: Prepared,
    settings: PeerSettings,
) -> Judged:
    asked_for = None if prepared.claims is None else prepared.claims.unconverted
    links_340b = None if found is None else found.links_340b
    subject_facts = facts.entity_claim_facts(claims, prepared.references, asked_for, links_340b, settings)
    rows = work.write(RESULTS[Subject.ENTITY_CLAIM], subject_facts)
    return Judged(Subject.ENTITY_CLAIM, rows, None, described=lambda flagged, _: flagged)


def _invoice_facts(work: WorkFolder, invoices: DataFrame, prepared: Prepared, settings: Settings) -> Judged:
    claims = prepared.claims.all if prepared.claims is not None else None
    subject_facts = facts.invoice_facts(
        invoices, claims, prepared.references, settings.today, prepared.unread_claims, prepared.replaced_invoices
    )
    rows = work.write(RESULTS[Subject.INVOICE], subject_facts)
    peers = work.write("peers/invoices", facts.invoice_peers(rows, settings.peers))
    whole = facts.with_invoice_peers(rows, peers, settings.peers)
    return Judged(Subject.INVOICE, whole, peers, described=lambda flagged, _: flagged)


def _inflation_facts(work: WorkFolder, prepared: Prepared) -> Judged:
    reports = prepared.references["inflation_reports"]
    subject_facts = facts.inflation_facts(reports, prepared.entity_claims, prepared.references)
    rows = work.write(RESULTS[Subject.INFLATION_REPORT], subject_facts)
    return Judged(Subject.INFLATION_REPORT, rows, None, described=lambda flagged, _: flagged)
