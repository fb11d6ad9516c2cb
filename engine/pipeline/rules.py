"""Step rules: the results of all rules on flagged rows."""

from __future__ import annotations

from functools import partial

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine import exports, models, rules
from engine.contracts.codes import Reason, Step
from engine.contracts.tables import SUBJECT_FEEDS
from engine.errors import counted
from engine.pipeline import work_tables
from engine.pipeline.stages import Flagged, FlaggedSubject, Linked, Scored, ScoredSubject
from engine.runs import Run
from engine.runtime.expressions import nullable, nulls
from engine.runtime.session import operators_compiled_apart

_UNUSUAL = T.StructType([T.StructField("source_row_id", T.StringType()), *rules.SCORE_FACTS.fields])
_REASONS = _UNUSUAL["reasons"].dataType
_MOST_REASONS = 3


def apply_rules(run: Run, linked: Linked, scored: Scored) -> Flagged:
    """Apply all rules to the rows on which a rule fires, or that a model or the month of a group makes unusual."""
    with run.progress.step(Step.RULES) as words:
        is_scored = {
            scored_subject.subject
            for scored_subject in scored.subjects
            if scored_subject.by_model is not None or scored_subject.groups is not None
        }
        active = {}
        for subject in SUBJECT_FEEDS:
            available = linked.available | ({"scores"} if subject in is_scored else set())
            active[subject] = rules.active_rules(run.settings, available, subject, run.settings.today)
        with operators_compiled_apart(run.spark):
            rows = run.in_parallel(
                [
                    partial(_answers, run, scored_subject, active[scored_subject.subject])
                    for scored_subject in scored.subjects
                ]
            )
        for scored_subject in scored.subjects:
            before, count = _checked(run, scored_subject)
            of_rules = counted(len(active[scored_subject.subject].rules), "rule", "rules")
            words.append(f"{scored_subject.table} {of_rules} on {counted(before, 'row', 'rows')}, {count:,} flagged")
    off = [reason for on in active.values() for reason in switched_off(on)]
    return Flagged(tuple(map(FlaggedSubject, scored.subjects, rows)), tuple(off))


def switched_off(active: rules.ActiveRules) -> list[exports.Off]:
    """The subject's rules, parts of rules and guards that are off, and why."""
    table = SUBJECT_FEEDS[active.subject]
    off = active.off | active.parts_off
    of_rules = [exports.Off("rule", f"{rule} on {table}", why) for rule, why in off.items()]
    return of_rules + [exports.Off("guard", f"{guard} on {table}", why) for guard, why in active.guards_off.items()]


def _checked(run: Run, scored: ScoredSubject) -> tuple[int, int]:
    """Record a subject in the ledger; returns its number of rows and of flagged rows."""
    before, count = run.ledger.rows_out(scored.table), run.work.rows(work_tables.FLAGGED.of(scored.table))
    # a row is flagged if a rule fires in the screen, if it is unusual, or if it represents an unusual month
    most = run.work.rows(work_tables.SCREENED.of(scored.table)) + (
        0 if scored.by_model is None else scored.by_model.flags.flagged
    )
    most += 0 if scored.groups is None else scored.groups.flagged
    run.ledger.check_at_most(scored.table, Step.RULES, "rows flagged", count, min(before, most))
    run.ledger.record(scored.table, Step.RULES, before, count, {Reason.NOT_FLAGGED.value: before - count})
    return before, count


def _answers(run: Run, scored: ScoredSubject, active: rules.ActiveRules) -> DataFrame:
    """Write the flagged rows of one subject with their rule results."""
    hits = scored.screened.hits
    unusual = F.broadcast(_unusual(run, scored))
    ids = hits.select("source_row_id").union(unusual.select("source_row_id")).distinct()
    described = scored.described.all_facts(ids, Step.RULES).join(unusual, on="source_row_id", how="left")
    # written first: planning all rules over the joins of all facts would take longer than running them
    described = run.work.write(work_tables.DESCRIBED.of(scored.table), described)
    answers = rules.apply_rules(described, rules.that_fired(active, hits), run.settings)
    origin = None if scored.by_model is None else scored.by_model.origin
    return run.work.write(work_tables.FLAGGED.of(scored.table), answers, model=origin)


def _unusual(run: Run, scored: ScoredSubject) -> DataFrame:
    """Rows that the model flags or that represent a month of a group, with the reasons; columns of _UNUSUAL."""
    by_model, by_group = _by_model(run, scored), scored.groups
    if by_group is None or not by_group.flagged:
        of_groups = nulls({field.name: field.dataType for field in _UNUSUAL if field.name.startswith("group_")})
        return by_model.withColumns(of_groups).select(*_UNUSUAL.names)
    # few rows on both sides, and one per source_row_id
    both = by_model.join(by_group.rows, on="source_row_id", how="full")
    none = F.array().cast(_REASONS)
    reasons = F.concat(*(F.coalesce(nullable(F.col(name), _REASONS), none) for name in ("reasons", "group_reasons")))
    return both.withColumn("reasons", F.slice(reasons, 1, _MOST_REASONS)).select(*_UNUSUAL.names)


def _by_model(run: Run, scored: ScoredSubject) -> DataFrame:
    """Rows that the model flags, with the reasons; columns of _UNUSUAL without those of groups."""
    by_model, peers = scored.by_model, scored.described.peers
    if by_model is None or peers is None:
        columns = [field for field in _UNUSUAL if not field.name.startswith("group_")]
        return run.spark.createDataFrame([], T.StructType(columns))
    inputs, rare = by_model.inputs, by_model.flags.rows.select("source_row_id", "anomaly_p_value", "anomaly_rows")
    facts_of_rare = inputs.rows.join(F.broadcast(rare.select("source_row_id")), on="source_row_id", how="left_semi")
    reasons = models.explain(facts_of_rare, by_model.model, peers, run.settings.model, inputs.grid)
    explained = rare.join(reasons, on="source_row_id", how="left")  # one row per source_row_id
    unusual = run.work.write(work_tables.UNUSUAL.of(scored.table), explained, model=by_model.origin)
    flagged = by_model.flags.flagged
    run.ledger.check(
        scored.table, Step.RULES, "unusual rows", run.work.rows(work_tables.UNUSUAL.of(scored.table)), flagged
    )
    return unusual
