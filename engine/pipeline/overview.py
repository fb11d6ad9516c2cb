"""What the report shows in addition to the findings of the run, from past runs, feedback and reference tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from engine import exports, feedback, findings
from engine.contracts.codes import Subject
from engine.pipeline.finished_runs import findings_of, runs_in_order
from engine.pipeline.stages import Prepared
from engine.runs import Run, published_runs

_NAMED = {"entity": ("covered_entities", "entity_id"), "pharmacy": ("pharmacies", "npi")}


def overview_of(run: Run, prepared: Prepared, finding_rows: DataFrame, totals: exports.Totals) -> exports.Overview:
    """The overview for the report. `finding_rows`: FINDINGS of this run; `totals`: their sums. Parts whose source is
    missing (no feedback, no table) are empty.
    """
    settings = run.settings.report
    claims = None if prepared.claims is None else prepared.claims.unconverted
    counts = exports.row_counts(claims, prepared.entity_claims, prepared.invoices)
    volumes, compared = exports.volumes(counts, run.settings.today, settings)
    return exports.Overview(
        _amounts(run, prepared, finding_rows),
        _precision(run, prepared),
        volumes,
        compared,
        _names(prepared, totals, settings.top),
    )


def _past(run: Run, finding_rows: DataFrame) -> DataFrame:
    """FINDINGS of all published runs and of this one."""
    folders = published_runs(run.storage, run.settings.output.root, but=run.run_id)
    return finding_rows if not folders else findings_of(run.spark, folders).unionByName(finding_rows)


def _amounts(run: Run, prepared: Prepared, finding_rows: DataFrame) -> Mapping[Subject | None, exports.Amounts]:
    today = run.settings.today
    kept = feedback.KeptFeedback(run.storage, run.settings).rows(feedback.SUBMISSIONS)
    sent = [row for row in kept if row["sent_on"] <= today]
    answers = _last_answers(prepared.references.get("outcomes"))
    ids = sorted({row["finding_id"] for row in (*sent, *answers) if row["finding_id"]})
    if not ids and not answers:
        return {}
    wanted = run.spark.createDataFrame([(finding_id,) for finding_id in ids], "finding_id string")
    known = _past(run, finding_rows).join(F.broadcast(wanted), on="finding_id", how="left_semi")
    rows = known.groupBy("finding_id").agg(
        F.max("subject").alias("subject"), F.max("unit_price_used").alias("unit_price_used")
    )
    of_finding = {row["finding_id"]: row for row in rows.collect()}
    return add_up_amounts(sent, answers, of_finding)


def add_up_amounts(
    sent: Iterable[Mapping[str, Any]], answers: Iterable[Mapping[str, Any]], of_finding: Mapping[str, Any]
) -> dict[Subject | None, exports.Amounts]:
    """Units and US dollars by subject; None: the finding is unknown, or the answer names only a case.

    `sent`: submissions; `answers`: the last of each finding or case; `of_finding`: subject and unit_price_used by
    finding id. Dollars recovered are only those that answers state.
    """
    amounts: dict[Subject | None, exports.Amounts] = {}

    def of(finding_id: str | None) -> exports.Amounts:
        row = of_finding.get(finding_id or "")
        return amounts.setdefault(None if row is None else Subject(row["subject"]), exports.Amounts())

    for line in sent:
        subject_amounts, units = of(line["finding_id"]), line["units"] or Decimal(0)
        price = of_finding[line["finding_id"]]["unit_price_used"] if line["finding_id"] in of_finding else None
        subject_amounts.lines += 1
        subject_amounts.units += units
        subject_amounts.unpriced += price is None
        subject_amounts.submitted += Decimal(0) if price is None else (units * price).quantize(Decimal("0.01"))
    for answer in answers:
        subject_amounts = of(answer["finding_id"])
        subject_amounts.credited_units += answer["units_credited"] or Decimal(0)
        if answer["amount_credited"] is not None:
            subject_amounts.answers += 1
            subject_amounts.recovered += answer["amount_credited"]
    return amounts


def _last_answers(outcomes: DataFrame | None) -> list[dict[str, Any]]:
    """The last answer to each finding or case; its credits replace those of earlier answers."""
    if outcomes is None:
        return []
    names = ("finding_id", "case_id", "answered_on", "answer", "units_credited", "amount_credited")
    last: dict[tuple[str | None, str | None], dict[str, Any]] = {}
    for row in sorted((row.asDict() for row in outcomes.select(*names).collect()), key=_in_order):
        last[row["finding_id"], row["case_id"]] = row
    return list(last.values())


def _in_order(row: Mapping[str, Any]) -> tuple[date, str, Decimal]:
    return row["answered_on"], row["answer"], row["amount_credited"] or Decimal(0)


def _precision(run: Run, prepared: Prepared) -> list[exports.Precision]:
    """Precision by rule: of findings that counterparties answered, and of findings drawn at random and decided."""
    outcomes, decisions = (prepared.references.get(name) for name in ("outcomes", "decisions"))
    folders = published_runs(run.storage, run.settings.output.root, but=run.run_id)
    if not folders or (outcomes is None and decisions is None):
        return []
    past, runs = findings_of(run.spark, folders), runs_in_order(run.spark, run.storage, folders)
    precision = []
    if outcomes is not None:
        right: Counter[str] = Counter()
        judged: Counter[str] = Counter()
        for row in findings.answers_by_rule(past, outcomes, runs, run.settings.today).collect():
            if row["rule_id"] is not None:
                right[row["rule_id"]] += row["accepted"]
                judged[row["rule_id"]] += row["answers"]
        precision += [exports.Precision(rule, exports.ANSWERED, right[rule], judged[rule]) for rule in sorted(judged)]
    if decisions is not None:
        sampled = findings.sampled_by_rule(past, decisions, runs, run.settings.today).collect()
        precision += [
            exports.Precision(row["rule_id"], exports.SAMPLED, row["valid"], row["decided"])
            for row in sorted(sampled, key=lambda row: row["rule_id"] or "")
            if row["rule_id"] is not None
        ]
    return precision


def _names(prepared: Prepared, totals: exports.Totals, most: int) -> dict[str, str]:
    """Names of the covered entities and pharmacies that the report lists, by id; of several names the first by
    alphabet.
    """
    names: dict[str, str] = {}
    for dimension, (table, key) in _NAMED.items():
        rows = prepared.references.get(table)
        ids = {
            group.value
            for subject_totals in totals.by_subject
            for group in subject_totals.greatest(dimension, most + 1)
        }
        if rows is None or not ids or "name" not in prepared.opened[table].columns:
            continue
        named = rows.where(F.col(key).isin(*sorted(ids))).groupBy(key).agg(F.min("name").alias("name"))
        names |= {row[key]: row["name"] for row in named.collect() if row["name"]}
    return names
