"""Step findings: one finding per flagged row, with its priority for review."""

from __future__ import annotations

from collections import Counter

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from engine import cases, exports, findings, rules
from engine.contracts.codes import Step
from engine.contracts.findings import FINDINGS
from engine.errors import counted
from engine.pipeline.finished_runs import findings_of, runs_in_order
from engine.pipeline.stages import Findings, Flagged, Linked, QueueOrder
from engine.runs import Run, published_runs
from engine.runtime.parquet import read_parquet
from engine.runtime.storage import join


def assemble_findings(run: Run, linked: Linked, flagged: Flagged, order: QueueOrder) -> Findings:
    """Assemble and write the FINDINGS of all subjects."""
    codes = rules.dispute_codes(run.settings.reference_folder)
    previous = _previous_findings(run)
    answers, reranked = _answers_by_rule(run, linked), order.probability(run)
    with run.progress.step(Step.FINDINGS) as words:
        finding_rows = run.spark.createDataFrame([], FINDINGS)
        for flagged_subject in flagged.subjects:
            scored_by = [field.name for field in rules.SCORE_FACTS if field.name != "reasons"]
            scores = None if flagged_subject.scored.by_model is None else flagged_subject.scored.by_model.scores
            rows = _with_scores(flagged_subject.rows.drop(*scored_by), scores)
            own = findings.findings_of(
                flagged_subject.subject, rows, codes, run.settings, run.run_id, previous, reranked, answers
            )
            finding_rows = finding_rows.unionByName(own)
        decided = _decisions(run, linked)
        if decided is not None:
            finding_rows = findings.with_decisions(finding_rows, *decided)
        if linked.report is not None:
            finding_rows = findings.with_feed_problems(finding_rows, linked.report.feed_problems)
        place = join(run.folders.outputs, "findings")
        exports.write_findings(cases.with_case(finding_rows), place)
        written = read_parquet(run.spark, place, FINDINGS)
        count = _checked(run, flagged, written)
        words.append(counted(count, "finding", "findings"))
    return Findings(written, order)


def _checked(run: Run, flagged: Flagged, written: DataFrame) -> int:
    """Check the written findings against the flagged rows and record them in the ledger; returns their number."""
    counts = {row["subject"]: row["count"] for row in written.groupBy("subject").count().collect()}
    expected: Counter[str] = Counter()
    for subject in flagged.subjects:
        expected[subject.subject.in_findings.value] += run.ledger.rows_out(subject.table)
    for subject in {*counts, *expected}:
        run.ledger.check(subject, Step.FINDINGS, "findings", counts.get(subject, 0), expected[subject])
    for subject in flagged.subjects:
        rows = run.ledger.rows_out(subject.table)
        run.ledger.record(subject.table, Step.FINDINGS, rows, rows)
    return sum(counts.values())


def _with_scores(rows: DataFrame, scores: DataFrame | None) -> DataFrame:
    if scores is None:
        return rows.withColumns({name: F.lit(None).cast("double") for name in ("anomaly_score", "anomaly_p_value")})
    ids = F.broadcast(rows.select("source_row_id"))
    own = scores.join(ids, on="source_row_id", how="left_semi")
    # at most one score per row
    return rows.join(own.select("source_row_id", "anomaly_score", "anomaly_p_value"), on="source_row_id", how="left")


def _decisions(run: Run, linked: Linked) -> tuple[DataFrame, DataFrame | None] | None:
    """The latest decision on each finding, and the decided findings as of that decision (see
    `findings.with_decisions`).

    None without the table decisions; the second is None without another published run.
    """
    decisions = linked.references.get("decisions")
    if decisions is None:
        return None
    latest = findings.latest_decisions(decisions, run.settings.today)
    folders = published_runs(run.storage, run.settings.output.root, but=run.run_id)
    if not folders:
        return latest, None
    finding_rows = findings_of(run.spark, folders)
    decided = latest.select("finding_id", "decided_on")
    return latest, findings.as_reviewed(finding_rows, decided, runs_in_order(run.spark, run.storage, folders))


def _answers_by_rule(run: Run, linked: Linked) -> DataFrame | None:
    """Answers of counterparties so far (see `findings.answers_by_rule`); None without the table outcomes or another
    published run.
    """
    outcomes = linked.references.get("outcomes")
    folders = published_runs(run.storage, run.settings.output.root, but=run.run_id)
    if outcomes is None or not folders:
        return None
    finding_rows = findings_of(run.spark, folders)
    return findings.answers_by_rule(
        finding_rows, outcomes, runs_in_order(run.spark, run.storage, folders), run.settings.today
    )


def _previous_findings(run: Run) -> DataFrame | None:
    """The findings of the latest published run other than this one; None if there is no such run."""
    before = published_runs(run.storage, run.settings.output.root, but=run.run_id)
    return read_parquet(run.spark, join(before[-1], "findings"), FINDINGS) if before else None
