"""Why a row was flagged or not."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from engine import exports, link, rules
from engine.contracts.codes import Subject
from engine.contracts.findings import FINDINGS
from engine.contracts.tables import SUBJECT_FEEDS
from engine.errors import InputError, Problem
from engine.pipeline.describing import describe
from engine.pipeline.finished_runs import finished_run
from engine.pipeline.handed_on import Prepared
from engine.pipeline.judging import operators_compiled_apart
from engine.pipeline.linking import link_claims
from engine.pipeline.main_job import way
from engine.pipeline.preparing import prepare_tables, read_tables
from engine.run import Run, RunOptions
from engine.runtime.parquet import read_parquet
from engine.runtime.storage import join, storage_of
from engine.settings import Settings
from engine.sources import OpenedTable, WorkFolder

# Tables that people add to after every run; neither links nor rules read them.
_REVIEWS = ("decisions", "outcomes")


@dataclass(frozen=True)
class Explained:
    """The candidate pairs of one claim as rows of CANDIDATE_PAIRS, best first, each rule's answer, and where all that
    and a picture of the pairs are.

    answers: rule_id, title, answer (FIRED, SUPPRESSED, NOT_MET, OFF), message, and for rules that are on guards and
    unknown_facts. picture: None where no claim met the asked one.
    """

    subject: Subject
    pairs: list[dict[str, Any]]
    answers: list[dict[str, Any]]
    data: str
    picture: str | None


def explain(spark: SparkSession, settings: Settings, run_id: str, source_row_id: str) -> Explained:
    """How the links of a claim came about in a finished run, and what each rule says of a claim or an invoice line.

    The input is read, prepared, linked and described once more, as of the run's day; the run's folder stays as it is.
    Raises OutputError where there is no such run, ConfigurationError where the settings are not the run's, InputError
    where the input is not, or holds no such live row.
    """
    storage = storage_of(spark)
    folder, summary, as_then = finished_run(storage, settings, run_id)
    linking = join(folder, "linking.json")
    learned = link.Learned.from_json(json.loads(storage.read_bytes(linking))) if storage.exists(linking) else None
    own_id = f"explain-{uuid4().hex[:12]}"
    with way(spark, as_then, RunOptions(own_id), lambda _: None, "explain") as (run, work):
        try:
            opened = read_tables(run)
            _check_same_input(opened, summary["input"])
            prepared = prepare_tables(run, work, opened)
            subject = _subject_of(prepared, source_row_id)
            pairs = (
                [] if learned is None else _candidate_pairs(work, prepared, subject, source_row_id, learned, as_then)
            )
            answers = _rule_answers(run, work, prepared, subject, source_row_id)
            if SUBJECT_FEEDS[subject] in {*summary["models"], *summary.get("groups", {})}:
                answers = _as_scored(answers, _hits(run, folder, subject, source_row_id))
        finally:
            run.abandon()
    place = join(settings.output.root, "explain", run_id, exports.file_name(source_row_id))
    told = {"run_id": run_id, "source_row_id": source_row_id, "subject": subject, "pairs": pairs, "rules": answers}
    exports.write_json(storage, f"{place}.json", told)
    if pairs:
        kind = "340B claim" if subject is Subject.ENTITY_CLAIM else "rebate claim"
        figure = exports.waterfall_figure(f"Links of {kind} {source_row_id}, run {run_id}", pairs)
        exports.write_figure(figure, storage, f"{place}.png")
    return Explained(subject, pairs, answers, f"{place}.json", f"{place}.png" if pairs else None)


def _subject_of(prepared: Prepared, source_row_id: str) -> Subject:
    rows = {
        Subject.REBATE_CLAIM: None if prepared.claims is None else prepared.claims.unconverted,
        Subject.ENTITY_CLAIM: prepared.entity_claims,
        Subject.INVOICE: prepared.invoices,
        Subject.INFLATION_REPORT: prepared.inflation_reports,
    }
    for subject, live in rows.items():
        if live is not None and not live.where(F.col("source_row_id") == source_row_id).isEmpty():
            return subject
    raise InputError(_not_judged(prepared, source_row_id))


def _not_judged(prepared: Prepared, source_row_id: str) -> Problem:
    place = f"--source-row-id {source_row_id}"
    for name in SUBJECT_FEEDS.values():
        if name in prepared.left_out:
            row = prepared.left_out[name]().where(F.col("source_row_id") == source_row_id).first()
            if row is not None:
                return Problem(
                    "this row was never linked nor judged",
                    f"{place} of {name}",
                    ", ".join(row["reasons"]),
                    to_do="see ledger.json and, for rows with mistakes, quarantine/ of the run",
                )
    return Problem(
        "no rebate claim, 340B claim, invoice line or report has this source_row_id", place, to_do="correct the id"
    )


def _rule_answers(
    run: Run, work: WorkFolder, prepared: Prepared, subject: Subject, source_row_id: str
) -> list[dict[str, Any]]:
    """What each rule says of one row, by rule id: answer, guards, message, facts that the rule reads and the row lacks;
    and why rules are off."""
    judged = describe(run, work, prepared, link_claims(run, work, prepared))
    one = next(one for one in judged if one.subject is subject)
    asked = one.facts.where(F.col("source_row_id") == source_row_id)
    # written, since all rules over a plan of all facts need more memory than a driver may have
    whole = work.write("explain/facts", one.described(asked, asked.select("source_row_id")))
    whole = whole.withColumns({field.name: F.lit(None).cast(field.dataType) for field in rules.SCORE_FACTS})
    active = rules.active_rules(run.settings, prepared.available, subject, run.settings.today)
    titles = rules.rule_titles()
    with operators_compiled_apart(run.spark):
        answers = [row.asDict(recursive=True) for row in rules.rule_answers(whole, active, run.settings).collect()]
    answers += [{"rule_id": rule_id, "answer": "OFF", "message": why} for rule_id, why in active.off.items()]
    return sorted(
        ({"title": titles[answer["rule_id"]], **answer} for answer in answers), key=lambda answer: answer["rule_id"]
    )


def _hits(run: Run, folder: str, subject: Subject, source_row_id: str) -> list[dict[str, Any]]:
    """The row's rules in the run's findings, one after the other."""
    findings = read_parquet(run.spark, join(folder, "findings"), FINDINGS)
    own = findings.where((F.col("subject") == subject.in_findings.value) & (F.col("source_row_id") == source_row_id))
    return [hit.asDict(recursive=True) for row in own.select("rules").collect() for hit in row["rules"]]


def _as_scored(answers: list[dict[str, Any]], hits: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """With the answer of the rule on scores as it was in the run: the model is not asked again."""
    hit = next((hit for hit in hits if hit["rule_id"] == rules.ANOMALY_RULE), None)
    fired = {} if hit is None else {"answer": "FIRED", "message": hit["message"], "guards": hit["guards"]}
    said = fired or {"answer": "NOT_MET"}
    return [
        {"title": answer["title"], "rule_id": answer["rule_id"], **said}
        if answer["rule_id"] == rules.ANOMALY_RULE
        else answer
        for answer in answers
    ]


def _candidate_pairs(
    work: WorkFolder,
    prepared: Prepared,
    subject: Subject,
    source_row_id: str,
    learned: link.Learned | None,
    settings: Settings,
) -> list[dict[str, Any]]:
    """The row's CANDIDATE_PAIRS: links first, then by tier and score. None where the run linked nothing."""
    if (
        learned is None
        or subject.in_findings is Subject.INVOICE
        or prepared.claims is None
        or prepared.entity_claims is None
    ):
        return []
    if subject is Subject.REBATE_CLAIM:
        asked = link.Asked(rebate_claims=(source_row_id,))
    else:
        asked = link.Asked(entity_claims=(source_row_id,))
    pairs = link.candidate_pairs(
        prepared.claims.all,
        prepared.entity_claims,
        asked,
        learned,
        settings.link,
        lambda name, rows: work.write(f"link/{name}", rows),
        pharmacies=prepared.references.get("pharmacies"),
        products=prepared.references.get("products"),
    )
    found = [row.asDict(recursive=True) for row in pairs.collect()]
    return sorted(
        found,
        key=lambda pair: (
            not pair["link_is_chosen"],
            pair["link_tier"] or "without",
            -pair["link_score"],
            pair["source_row_id"],
            pair["link_source_row_id"],
        ),
    )


def _check_same_input(opened: dict[str, OpenedTable], read_then: dict[str, Any]) -> None:
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
