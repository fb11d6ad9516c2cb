"""Why a row was flagged or not."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from engine import exports, link, rules
from engine.contracts.codes import Subject
from engine.contracts.findings import FINDINGS
from engine.contracts.tables import SUBJECT_FEEDS
from engine.errors import InputError, Problem
from engine.pipeline import work_tables
from engine.pipeline.facts import describe
from engine.pipeline.finished_runs import finished_run
from engine.pipeline.job import job_run
from engine.pipeline.kept import Kept
from engine.pipeline.link import link_claims
from engine.pipeline.prepare import prepare_tables
from engine.pipeline.read import read_tables
from engine.pipeline.stages import Prepared
from engine.runs import Run, RunOptions
from engine.runtime.column_names import column_names
from engine.runtime.parquet import read_parquet
from engine.runtime.session import operators_compiled_apart
from engine.runtime.storage import join, storage_of
from engine.settings import Settings
from engine.sources import OpenedTable

# Tables that grow after every run; neither linking nor rules read them.
_REVIEWS = ("decisions", "outcomes")
# Pairs whose claims' values are shown.
_MOST_SHOWN = 20


@dataclass(frozen=True)
class Explained:
    """The explanation of one row.

    pairs: the row's candidate pairs as rows of CANDIDATE_PAIRS, best first. answers: one per rule, with rule_id, title,
    answer (FIRED, SUPPRESSED, NOT_MET, OFF), came_close and message, and guards and unknown_facts if the rule is on.
    claims, claims_340b: prepared values of the rebate claims and the 340B claims of the first pairs, by source_row_id.
    data: path of the JSON file with all of that. picture: path of a figure of the pairs; None without a candidate pair.
    """

    subject: Subject
    pairs: list[dict[str, Any]]
    answers: list[dict[str, Any]]
    claims: dict[str, dict[str, Any]]
    claims_340b: dict[str, dict[str, Any]]
    data: str
    picture: str | None


def explain(
    spark: SparkSession,
    settings: Settings,
    run_id: str,
    source_row_id: str,
    say: Callable[[str], None] = lambda _: None,
) -> Explained:
    """Explain how a finished run linked a claim, and the result of each rule for a claim, invoice line or report.

    A run that kept its rows (`output.keep_rows`) is explained from them. Otherwise the input is read, prepared, linked
    and described again, as of the run's day. The run's folder is not changed.

    Args:
        say: callback for messages; it receives one line per step.

    Raises:
        OutputError: the run does not exist.
        ConfigurationError: the settings are not those of the run.
        InputError: the input is not that of the run, or no live row has this source_row_id.
    """
    storage = storage_of(spark)
    folder, summary, as_then = finished_run(storage, settings, run_id)
    linking = join(folder, "linking.json")
    learned = link.Learned.from_json(json.loads(storage.read_bytes(linking))) if storage.exists(linking) else None
    kept = Kept.of(spark, folder)
    with job_run(spark, as_then, RunOptions(f"explain-{uuid4().hex[:12]}"), say, "explain") as run:
        if kept is not None:
            say("reading  the rows that the run kept")
            prepared = kept.prepared()
            subject, facts = _kept_facts(kept, prepared, as_then, source_row_id)
        else:
            say("this run kept no rows (output.keep_rows), so its input is read, prepared and linked again")
            inputs = read_tables(run, {})
            _check_same_input(inputs.tables, summary["input"])
            prepared = prepare_tables(run, inputs)
            subject = _subject_of(prepared, source_row_id)
        pairs: list[dict[str, Any]] = []
        if learned is not None:
            say("links    comparing it with the claims of the other side")
            pairs = _candidate_pairs(run, prepared, subject, source_row_id, learned, as_then)
        say("rules    evaluating each rule on it")
        hits = _hits(run, folder, subject, source_row_id)
        if kept is not None:
            answers = _as_in_run(_answers(run, kept.available, subject, facts, with_messages=False), hits)
        else:
            answers = _rule_answers(run, prepared, subject, source_row_id)
        if SUBJECT_FEEDS[subject] in {*summary["models"], *summary.get("groups", {})}:
            answers = _as_scored(answers, hits)
        claims, claims_340b = _claims_of(prepared, subject, source_row_id, pairs)
        run.abandon()
    place = join(settings.output.root, "explain", run_id, exports.file_name(source_row_id))
    content = {
        "run_id": run_id,
        "source_row_id": source_row_id,
        "subject": subject,
        "pairs": pairs,
        "rules": answers,
        "claims": claims,
        "claims_340b": claims_340b,
    }
    exports.write_json(storage, f"{place}.json", content)
    if pairs:
        kind = "340B claim" if subject is Subject.ENTITY_CLAIM else "rebate claim"
        figure = exports.waterfall_figure(f"Links of {kind} {source_row_id}, run {run_id}", pairs)
        exports.write_figure(figure, storage, f"{place}.png")
    return Explained(subject, pairs, answers, claims, claims_340b, f"{place}.json", f"{place}.png" if pairs else None)


def _subject_of(prepared: Prepared, source_row_id: str) -> Subject:
    for subject, live in prepared.live.items():
        if not live.where(F.col("source_row_id") == source_row_id).isEmpty():
            return subject
    raise InputError(_not_judged(prepared, source_row_id))


def _not_judged(prepared: Prepared, source_row_id: str) -> Problem:
    place = f"--source-row-id {source_row_id}"
    for name in SUBJECT_FEEDS.values():
        if name in prepared.left_out:
            row = prepared.left_out[name]().where(F.col("source_row_id") == source_row_id).first()
            if row is not None:
                return Problem(
                    "this row was dropped before linking and rules",
                    f"{place} of {name}",
                    ", ".join(row["reasons"]),
                    to_do="see ledger.json and, for rows with mistakes, quarantine/ of the run",
                )
    return Problem(
        "no rebate claim, 340B claim, invoice line or report has this source_row_id", place, to_do="correct the id"
    )


def _kept_facts(kept: Kept, prepared: Prepared, settings: Settings, source_row_id: str) -> tuple[Subject, DataFrame]:
    """The subject of a row, and its facts as one local row, so that rules do not read the files again."""
    for subject in SUBJECT_FEEDS:
        rows = kept.facts(subject, settings.peers)
        if rows is None:
            continue
        own = rows.where(F.col("source_row_id") == source_row_id)
        values = own.collect()
        if values:
            return subject, kept.spark.createDataFrame([tuple(values[0])], own.schema)
    raise InputError(_not_judged(prepared, source_row_id))


def _rule_answers(run: Run, prepared: Prepared, subject: Subject, source_row_id: str) -> list[dict[str, Any]]:
    """The result of each rule for one row of the input, whose facts are computed again (see `_answers`)."""
    linked = link_claims(run, prepared)
    described = next(described for described in describe(run, linked).subjects if described.subject is subject)
    ids = described.facts.where(F.col("source_row_id") == source_row_id).select("source_row_id")
    # written first: one query plan with all facts and all rules can need more memory than the driver has
    facts = run.work.write(work_tables.EXPLAINED.of(described.table), described.all_facts(ids, "explain"))
    return _answers(run, linked.available, subject, facts)


def _answers(
    run: Run, available: frozenset[str], subject: Subject, facts: DataFrame, with_messages: bool = True
) -> list[dict[str, Any]]:
    """The result of each rule for one row, in the order of rule ids: answer, guards, message, and the facts that the
    rule reads and that are unknown; for rules that are off, the reason.

    Facts that are computed for flagged rows only, and so are missing here, are not listed as unknown.
    """
    known = set(column_names(facts))
    kinds = [*rules.FACTS_OF[subject].fields, *rules.SCORE_FACTS.fields]
    missing = {field.name: F.lit(None).cast(field.dataType) for field in kinds if field.name not in known}
    all_columns = facts.withColumns(missing) if missing else facts
    active = rules.active_rules(run.settings, available, subject, run.settings.today)
    titles = rules.rule_titles()
    with operators_compiled_apart(run.spark):
        rows = rules.rule_answers(all_columns, active, run.settings, with_messages).collect()
    answers = [row.asDict(recursive=True) for row in rows]
    for answer in answers:
        answer["unknown_facts"] = [name for name in answer["unknown_facts"] if name in known]
    answers += [{"rule_id": rule_id, "answer": "OFF", "message": why} for rule_id, why in active.off.items()]
    return sorted(
        ({"title": titles[answer["rule_id"]], **answer} for answer in answers), key=lambda answer: answer["rule_id"]
    )


def _hits(run: Run, folder: str, subject: Subject, source_row_id: str) -> list[dict[str, Any]]:
    """The rule results of the row in the run's findings."""
    findings = read_parquet(run.spark, join(folder, "findings"), FINDINGS)
    own = findings.where((F.col("subject") == subject.in_findings.value) & (F.col("source_row_id") == source_row_id))
    return [hit.asDict(recursive=True) for row in own.select("rules").collect() for hit in row["rules"]]


def _as_in_run(answers: list[dict[str, Any]], hits: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Replace message and guards of fired rules by those in the run: they depend on facts that were not kept.

    A rule that fires here but not in the run is one that needs another rule to fire with it: its answer becomes
    NOT_MET.
    """
    by_rule = {hit["rule_id"]: hit for hit in hits}
    in_run = []
    for answer in answers:
        hit = by_rule.get(answer["rule_id"])
        if hit is not None:
            answer = {**answer, "answer": "FIRED", "message": hit["message"], "guards": hit["guards"]}
        elif answer["answer"] == "FIRED":
            only = "fires only together with another rule"
            answer = {**answer, "answer": "NOT_MET", "came_close": True, "message": only, "guards": None}
        in_run.append(answer)
    return in_run


def _as_scored(answers: list[dict[str, Any]], hits: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Replace the answer of the rule on scores by the one in the run: rows are not scored again."""
    hit = next((hit for hit in hits if hit["rule_id"] == rules.ANOMALY_RULE), None)
    fired = {} if hit is None else {"answer": "FIRED", "message": hit["message"], "guards": hit["guards"]}
    result = fired or {"answer": "NOT_MET"}
    return [
        {"title": answer["title"], "rule_id": answer["rule_id"], **result}
        if answer["rule_id"] == rules.ANOMALY_RULE
        else answer
        for answer in answers
    ]


def _candidate_pairs(
    run: Run,
    prepared: Prepared,
    subject: Subject,
    source_row_id: str,
    learned: link.Learned | None,
    settings: Settings,
) -> list[dict[str, Any]]:
    """The row's CANDIDATE_PAIRS: links first, then by tier and score. Empty if the run linked nothing, and for invoice
    lines.
    """
    if (
        learned is None
        or subject.in_findings is Subject.INVOICE
        or prepared.claims is None
        or prepared.entity_claims is None
    ):
        return []
    if subject is Subject.REBATE_CLAIM:
        explained = link.PairRequest(rebate_claims=(source_row_id,))
    else:
        explained = link.PairRequest(entity_claims=(source_row_id,))
    pairs = link.candidate_pairs(
        prepared.claims.all,
        prepared.entity_claims,
        explained,
        learned,
        settings.link,
        lambda name, rows: run.work.write(work_tables.LINKING.of(name), rows),
        pharmacies=prepared.references.get("pharmacies"),
        products=prepared.references.get("products"),
    )
    rows = [row.asDict(recursive=True) for row in pairs.collect()]
    return sorted(
        rows,
        key=lambda pair: (
            not pair["link_is_chosen"],
            pair["link_tier"] or "without",
            -pair["link_score"],
            pair["source_row_id"],
            pair["link_source_row_id"],
        ),
    )


def _claims_of(
    prepared: Prepared, subject: Subject, source_row_id: str, pairs: Sequence[dict[str, Any]]
) -> tuple[dict[str, dict[str, Any]], dict[str, dict[str, Any]]]:
    """Prepared values of the explained row and of the claims of its first pairs: rebate claims, and 340B claims, by
    source_row_id.
    """
    if subject.in_findings is Subject.INVOICE:
        return {}, {}
    shown = pairs[:_MOST_SHOWN]
    mine = {source_row_id} if subject is Subject.REBATE_CLAIM else {pair["source_row_id"] for pair in shown}
    theirs = {source_row_id} if subject is Subject.ENTITY_CLAIM else {pair["link_source_row_id"] for pair in shown}
    claims = None if prepared.claims is None else prepared.claims.all
    return _values(claims, mine), _values(prepared.entity_claims, theirs)


def _values(rows: DataFrame | None, ids: set[str]) -> dict[str, dict[str, Any]]:
    if rows is None or not ids:
        return {}
    own = rows.where(F.col("source_row_id").isin(*sorted(ids))).collect()
    return {row["source_row_id"]: row.asDict(recursive=True) for row in own}


def _check_same_input(opened: Mapping[str, OpenedTable], read_then: dict[str, Any]) -> None:
    changed = [
        Problem(
            f"{name} is not what the run read",
            table.location,
            to_do="give the run's --input; if the table was changed since, run `detect` once more",
        )
        for name, table in opened.items()
        if name not in _REVIEWS and table.fingerprint != read_then.get(name, {}).get("fingerprint")
    ]
    if changed:
        raise InputError(changed)
