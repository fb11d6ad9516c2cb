"""facts -> screen, and scores -> rules -> findings: what is said of a row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine import cases, exports, findings, models, rules
from engine.contracts.codes import Reason, Step, Subject
from engine.contracts.findings import FINDINGS
from engine.contracts.tables import SUBJECT_FEEDS
from engine.pipeline.finished_runs import findings_of, runs_in_order
from engine.pipeline.handed_on import Judged, Prepared
from engine.pipeline.scoring import model_origin
from engine.run import Run, published_runs
from engine.runtime.expressions import nullable, nulls
from engine.runtime.parquet import read_parquet
from engine.runtime.storage import join
from engine.sources import WorkFolder


def screen(run: Run, work: WorkFolder, prepared: Prepared, judged: list[Judged]) -> dict[Subject, DataFrame]:
    """By subject, the rows on which a rule fires, with the ids of its rules (see `rules.flagged_rows`).

    R052 is none of them: nothing is scored yet.
    """

    def hits(one: Judged) -> DataFrame:
        hit = rules.flagged_rows(one.facts, active[one.subject], run.settings)
        return work.write(f"screened/{SUBJECT_FEEDS[one.subject]}", hit)

    with run.step(Step.SCREEN) as words:
        active = {
            one.subject: rules.active_rules(run.settings, prepared.available, one.subject, run.settings.today)
            for one in judged
        }
        with operators_compiled_apart(run.spark):
            tables = run.in_parallel([partial(hits, one) for one in judged])
        for one in judged:
            table = SUBJECT_FEEDS[one.subject]
            flagged = work.rows(f"screened/{table}")
            run.ledger.check_at_most(table, Step.SCREEN, "rows flagged", flagged, run.ledger.rows_out(table))
            words.append(f"{table} {len(active[one.subject].rules)} rules, {flagged:,} rows flagged")
    return {one.subject: rows for one, rows in zip(judged, tables, strict=True)}


def apply_rules(
    run: Run, work: WorkFolder, prepared: Prepared, judged: list[Judged], screened: Mapping[Subject, DataFrame]
) -> tuple[dict[Subject, DataFrame], list[exports.Off]]:
    """Flagged rows with what each rule says of them, by subject; and which rules and guards were off."""
    off: list[exports.Off] = []
    active: dict[Subject, rules.ActiveRules] = {}
    with run.step(Step.RULES) as words:
        for subject in SUBJECT_FEEDS:
            is_scored = any(
                one.subject is subject and (one.scores is not None or one.groups is not None) for one in judged
            )
            available = prepared.available | ({"scores"} if is_scored else set())
            active[subject] = rules.active_rules(run.settings, available, subject, run.settings.today)
            off += switched_off(active[subject])
        with operators_compiled_apart(run.spark):
            tables = run.in_parallel(
                [partial(_answers, run, work, one, active[one.subject], screened[one.subject]) for one in judged]
            )
        for one in judged:
            table = SUBJECT_FEEDS[one.subject]
            before, count = run.ledger.rows_out(table), work.rows(f"flagged/{table}")
            # a row is flagged if a rule fires in the screen, if it is unusual, or stands for a month that is
            most = work.rows(f"screened/{table}") + (one.flags.flagged if one.flags is not None else 0)
            most += one.groups.flagged if one.groups is not None else 0
            run.ledger.check_at_most(table, Step.RULES, "rows flagged", count, min(before, most))
            run.ledger.record(table, Step.RULES, before, count, {Reason.NOT_FLAGGED.value: before - count})
            words.append(f"{table} {len(active[one.subject].rules)} rules on {before:,} rows, {count:,} flagged")
    return {one.subject: rows for one, rows in zip(judged, tables, strict=True)}, off


def _answers(run: Run, work: WorkFolder, one: Judged, active: rules.ActiveRules, screened: DataFrame) -> DataFrame:
    """Flagged rows of one subject with what each rule says of them, written out."""
    table = SUBJECT_FEEDS[one.subject]
    unusual = F.broadcast(_unusual(run, work, one))
    ids = F.broadcast(screened.select("source_row_id").union(unusual.select("source_row_id")).distinct())
    asked = one.facts.join(ids, on="source_row_id", how="left_semi")
    whole = one.described(asked, ids).join(unusual, on="source_row_id", how="left")
    # all rules over the joins of all facts are a plan that an engine takes longer to make than to run
    whole = work.write(f"described/{table}", whole)
    answers = rules.apply_rules(whole, rules.that_fired(active, screened), run.settings)
    return work.write(f"flagged/{table}", answers, model=model_origin(one))


def switched_off(active: rules.ActiveRules) -> list[exports.Off]:
    """The subject's rules, parts of rules and guards that are off, and why."""
    table = SUBJECT_FEEDS[active.subject]
    off = active.off | active.parts_off
    of_rules = [exports.Off("rule", f"{rule} on {table}", why) for rule, why in off.items()]
    return of_rules + [exports.Off("guard", f"{guard} on {table}", why) for guard, why in active.guards_off.items()]


@contextmanager
def operators_compiled_apart(spark: SparkSession) -> Iterator[None]:
    """All rules are too long for one method: Spark tries for seconds and fails, or makes one that runs slowly."""
    setting = "spark.sql.codegen.wholeStage"
    before = spark.conf.get(setting)
    spark.conf.set(setting, "false")
    try:
        yield
    finally:
        spark.conf.set(setting, str(before))


_UNUSUAL = T.StructType([T.StructField("source_row_id", T.StringType()), *rules.SCORE_FACTS.fields])
_REASONS = _UNUSUAL["reasons"].dataType
_MOST_REASONS = 3


def _unusual(run: Run, work: WorkFolder, one: Judged) -> DataFrame:
    """Rows that the model flags or that stand for a month of a group, with the reasons; columns of _UNUSUAL."""
    by_model, by_group = _by_model(run, work, one), one.groups
    if by_group is None or not by_group.flagged:
        of_groups = nulls({field.name: field.dataType for field in _UNUSUAL if field.name.startswith("group_")})
        return by_model.withColumns(of_groups).select(*_UNUSUAL.names)
    # few rows on both sides, and one each
    both = by_model.join(by_group.rows, on="source_row_id", how="full")
    none = F.array().cast(_REASONS)
    reasons = F.concat(*(F.coalesce(nullable(F.col(name), _REASONS), none) for name in ("reasons", "group_reasons")))
    return both.withColumn("reasons", F.slice(reasons, 1, _MOST_REASONS)).select(*_UNUSUAL.names)


def _by_model(run: Run, work: WorkFolder, one: Judged) -> DataFrame:
    """Rows that the model flags, with the reasons; columns of _UNUSUAL but for those of groups."""
    table = SUBJECT_FEEDS[one.subject]
    if one.flags is None or one.model is None or one.peers is None:
        return run.spark.createDataFrame(
            [], T.StructType([field for field in _UNUSUAL if not field.name.startswith("group_")])
        )
    rare = one.flags.rows.select("source_row_id", "anomaly_p_value", "anomaly_rows")
    facts_of_rare = one.inputs.join(F.broadcast(rare.select("source_row_id")), on="source_row_id", how="left_semi")
    reasons_of_rare = models.explain(facts_of_rare, one.model, one.peers, run.settings.model, one.grid)
    explained = rare.join(reasons_of_rare, on="source_row_id", how="left")  # one row each
    unusual = work.write(f"unusual/{table}", explained, model=model_origin(one))
    run.ledger.check(table, Step.RULES, "unusual rows", work.rows(f"unusual/{table}"), one.flags.flagged)
    return unusual


def assemble_findings(
    run: Run, flagged: dict[Subject, DataFrame], prepared: Prepared, judged: list[Judged], reranked: Column | None
) -> DataFrame:
    """FINDINGS of all subjects, written to their place. `reranked`: p(valid); None: the settings'."""
    codes = rules.dispute_codes(run.settings.reference_folder)
    previous = _previous_findings(run)
    answers = _answers_by_rule(run, prepared)
    with run.step(Step.FINDINGS) as words:
        found = run.spark.createDataFrame([], FINDINGS)
        for one in judged:
            scored_by = [field.name for field in rules.SCORE_FACTS if field.name != "reasons"]
            rows = _with_scores(flagged[one.subject].drop(*scored_by), one.scores)
            own = findings.findings_of(one.subject, rows, codes, run.settings, run.run_id, previous, reranked, answers)
            found = found.unionByName(own)
            table = SUBJECT_FEEDS[one.subject]
            run.ledger.record(table, Step.FINDINGS, run.ledger.rows_out(table), run.ledger.rows_out(table))
        decided = _decisions(run, prepared)
        if decided is not None:
            found = findings.with_decisions(found, *decided)
        if prepared.linking is not None:
            found = findings.with_feed_problems(found, prepared.linking.feed_problems)
        found = cases.with_case(found)
        place = join(run.folder, "findings")
        exports.write_findings(found, place)
        found = read_parquet(run.spark, place, FINDINGS)
        count = found.count()
        flagged_rows = sum(run.ledger.rows_out(SUBJECT_FEEDS[one.subject]) for one in judged)
        run.ledger.check("all tables", Step.FINDINGS, "findings", count, flagged_rows)
        words.append(f"{count:,} findings")
    return found


def _with_scores(rows: DataFrame, scores: DataFrame | None) -> DataFrame:
    if scores is None:
        return rows.withColumns({name: F.lit(None).cast("double") for name in ("anomaly_score", "anomaly_p_value")})
    ids = F.broadcast(rows.select("source_row_id"))
    own = scores.join(ids, on="source_row_id", how="left_semi")
    # one score per row
    return rows.join(own.select("source_row_id", "anomaly_score", "anomaly_p_value"), on="source_row_id", how="left")


def _decisions(run: Run, prepared: Prepared) -> tuple[DataFrame, DataFrame | None] | None:
    """The latest decision on each finding, and the decided findings as they stood then (see `findings.with_decisions`).

    None where there are no decisions.
    """
    decisions = prepared.references.get("decisions")
    if decisions is None:
        return None
    latest = findings.latest_decisions(decisions, run.settings.today)
    folders = published_runs(run.storage, run.settings.output.root, but=run.run_id)
    if not folders:
        return latest, None
    found = findings_of(run.spark, folders)
    decided = latest.select("finding_id", "decided_on")
    return latest, findings.as_reviewed(found, decided, runs_in_order(run.spark, run.storage, folders))


def _answers_by_rule(run: Run, prepared: Prepared) -> DataFrame | None:
    """What counterparties answered so far (see `findings.answers_by_rule`); None where nothing was."""
    outcomes = prepared.references.get("outcomes")
    folders = published_runs(run.storage, run.settings.output.root, but=run.run_id)
    if outcomes is None or not folders:
        return None
    found = findings_of(run.spark, folders)
    return findings.answers_by_rule(found, outcomes, runs_in_order(run.spark, run.storage, folders), run.settings.today)


def _previous_findings(run: Run) -> DataFrame | None:
    """The findings of the run that was published last, another than this one; None where there is none."""
    before = published_runs(run.storage, run.settings.output.root, but=run.run_id)
    return read_parquet(run.spark, join(before[-1], "findings"), FINDINGS) if before else None
