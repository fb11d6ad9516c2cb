"""Step facts: one wide row per live row of each subject, and the reference distributions of its peers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from engine import facts, findings
from engine.contracts.codes import Reason, Step, Subject
from engine.errors import counted
from engine.pipeline import work_tables
from engine.pipeline.stages import Described, DescribedSubject, Linked, LiveClaims
from engine.rules import CLAIM_SCREEN
from engine.runs import Run


@dataclass(frozen=True)
class DescribedClaims(DescribedSubject):
    """Rebate claims: most facts are computed for flagged claims only."""

    run: Run
    linked: Linked
    live: LiveClaims
    on_claims: facts.FoundOnClaims

    def all_facts(self, ids: DataFrame, step: str) -> DataFrame:
        """All facts of the claims in `ids`. Intermediate results are written, because features read each other."""
        prepared, references = self.linked.prepared, self.linked.references
        work, settings = self.run.work, self.run.settings
        screened, own = super().all_facts(ids, step), self.live.among(ids)
        inputs = facts.feature_inputs(screened, own, self.on_claims, references)
        inputs = work.write(work_tables.FEATURE_INPUTS.of(step), inputs)
        features = facts.claim_features(inputs, self.on_claims, references, self._background)
        features = work.write(work_tables.FEATURES.of(step), features)
        billed = prepared.invoices
        if billed is not None and prepared.replaced_invoices is not None:
            # a replacement of the total does not restart the dispute deadline
            billed = billed.unionByName(prepared.replaced_invoices)
        return facts.claim_facts(
            screened, own, self.on_claims, features, references, settings.today, prepared.unread_claims, billed
        )

    @property
    def _background(self) -> facts.Background:
        prepared, settings = self.linked.prepared, self.run.settings
        outcomes = _outcomes_of(self.live, self.linked.references.get("outcomes"))
        return facts.Background(
            self.live.unconverted,
            prepared.entity_claims,
            prepared.dispenses,
            outcomes,
            settings.today,
            settings.peers,
        )


def describe(run: Run, linked: Linked) -> Described:
    """Compute and write the facts of every row of each subject."""
    prepared = linked.prepared
    tasks: list[Callable[[], DescribedSubject]] = []
    if prepared.claims is not None and linked.claims is not None:
        tasks.append(partial(_claims, run, linked, prepared.claims, linked.claims))
    if prepared.entity_claims is not None:
        tasks.append(partial(_entity_claims, run, linked, prepared.entity_claims))
    if prepared.invoices is not None:
        tasks.append(partial(_invoices, run, linked, prepared.invoices))
    if "inflation_reports" in linked.references:
        tasks.append(partial(_inflation_reports, run, linked))
    with run.progress.step(Step.FACTS) as words:
        subjects = tuple(run.in_parallel(tasks))
        for described in subjects:
            rows = _counted(run, described)
            words.append(f"{described.table} {counted(rows, 'row', 'rows')}")
    return Described(subjects)


def _counted(run: Run, described: DescribedSubject) -> int:
    """Record a subject in the ledger; returns its number of rows."""
    table, rows = described.table, F.count(F.lit(1)).alias("rows")
    conditions = {}
    if described.subject is Subject.REBATE_CLAIM:
        conditions = {Reason.UNITS_NOT_CONVERTED.value: F.col("ndc_units").isNull()}
    counts = described.facts.agg(rows, *(F.count_if(is_so).alias(name) for name, is_so in conditions.items()))
    counted = counts.collect()[0].asDict()
    rows_out = int(counted.pop("rows"))
    run.ledger.check(
        table, Step.FACTS, "rows with peers", rows_out, run.work.rows(work_tables.FACTS[described.subject])
    )
    run.ledger.record(table, Step.FACTS, run.ledger.rows_out(table), rows_out, counted=counted)
    return rows_out


def _claims(run: Run, linked: Linked, live: LiveClaims, on_claims: facts.FoundOnClaims) -> DescribedClaims:
    settings = run.settings
    keep = partial(_kept, run)
    screen = facts.claim_screen(live.all, on_claims, linked.references, settings.today, CLAIM_SCREEN, keep)
    screen = run.work.write(work_tables.FACTS[Subject.REBATE_CLAIM], screen)
    peers = run.work.write(work_tables.PEERS[Subject.REBATE_CLAIM], facts.claim_peers(screen, settings.peers))
    rows = facts.with_claim_peers(screen, peers, settings.peers, CLAIM_SCREEN)
    return DescribedClaims(Subject.REBATE_CLAIM, rows, peers, run, linked, live, on_claims)


def _kept(run: Run, name: str, rows: DataFrame) -> DataFrame:
    return run.work.write(work_tables.CLAIM_HISTORY.of(name), rows)


def _outcomes_of(claims: LiveClaims, outcomes: DataFrame | None) -> DataFrame | None:
    """Answers to findings on claims of this input, with the claim's source_row_id (matched on the computed finding
    id).
    """
    if outcomes is None:
        return None
    named = claims.unconverted.select("source_row_id", findings.claim_finding_id().alias("finding_id"))
    return named.join(F.broadcast(outcomes), on="finding_id", how="inner")


def _entity_claims(run: Run, linked: Linked, claims: DataFrame) -> DescribedSubject:
    billed = None if linked.prepared.claims is None else linked.prepared.claims.unconverted
    links_340b = None if linked.claims is None else linked.claims.links_340b
    rows = facts.entity_claim_facts(claims, linked.references, billed, links_340b, run.settings.peers)
    rows = run.work.write(work_tables.FACTS[Subject.ENTITY_CLAIM], rows)
    return DescribedSubject(Subject.ENTITY_CLAIM, rows, peers=None)


def _invoices(run: Run, linked: Linked, invoices: DataFrame) -> DescribedSubject:
    prepared, settings = linked.prepared, run.settings
    claims = None if prepared.claims is None else prepared.claims.all
    rows = facts.invoice_facts(
        invoices, claims, linked.references, settings.today, prepared.unread_claims, prepared.replaced_invoices
    )
    rows = run.work.write(work_tables.FACTS[Subject.INVOICE], rows)
    peers = run.work.write(work_tables.PEERS[Subject.INVOICE], facts.invoice_peers(rows, settings.peers))
    return DescribedSubject(Subject.INVOICE, facts.with_invoice_peers(rows, peers, settings.peers), peers)


def _inflation_reports(run: Run, linked: Linked) -> DescribedSubject:
    reports, entity_claims = linked.references["inflation_reports"], linked.prepared.entity_claims
    rows = facts.inflation_facts(reports, entity_claims, linked.references)
    rows = run.work.write(work_tables.FACTS[Subject.INFLATION_REPORT], rows)
    return DescribedSubject(Subject.INFLATION_REPORT, rows, peers=None)
