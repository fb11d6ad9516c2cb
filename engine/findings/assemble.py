"""Turns the rule results of a row into a finding: the steps that all subjects share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.contracts.codes import Subject
from engine.contracts.findings import FINDINGS, REFERENCE_ROW, RULE_HIT
from engine.findings.claims import claims_at_issue
from engine.findings.codes import DISPUTE_KIND, code_table, codes_of
from engine.findings.decisions import payer_of
from engine.findings.entity_claims import entity_claims_at_issue
from engine.findings.evidence import gated_action, is_barred, raised, ranked
from engine.findings.history import with_history
from engine.findings.inflation import reports_at_issue
from engine.findings.invoices import invoices_at_issue
from engine.findings.narrative import narrative, settled_since
from engine.findings.worth import JUDGED, amount_at_issue, is_settled, money, of_own_class, priority, with_judged_rules
from engine.runtime.expressions import nullable, sort
from engine.settings import Settings

if TYPE_CHECKING:
    from engine.rules.dispute_codes import DisputeCode


# Each returns the identifying columns of FINDINGS and the columns that value the row: worth_units (NDC units billed),
# worth_settled_units and worth_settled_on (credited or repaid since it was received), worth_stated_amount,
# worth_proxy_price (unit price used for ranking only, if no price is known).
_AT_ISSUE = {
    Subject.REBATE_CLAIM: claims_at_issue,
    Subject.ENTITY_CLAIM: entity_claims_at_issue,
    Subject.INVOICE: invoices_at_issue,
    Subject.INFLATION_REPORT: reports_at_issue,
}


def findings_of(
    subject: Subject,
    flagged: DataFrame,
    dispute_codes: Iterable[DisputeCode],
    settings: Settings,
    run_id: str,
    previous: DataFrame | None = None,
    reranked: Column | None = None,
    answers: DataFrame | None = None,
) -> DataFrame:
    """FINDINGS (contract part 4) of flagged rows of a subject, one row each.

    `flagged`: the subject's facts with rules (array<RULE_RESULT>, classes after guards, at least one element),
    anomaly_score, anomaly_p_value and reasons (NULL if no model scored the row). `dispute_codes`: the contract's code
    table. `previous`: findings of the last run. `reranked`: p(valid) as a column over rows with the columns of
    FINDINGS; None: p(valid) comes from the settings and `answers` (see `answers_by_rule`; None: no answers). Units are
    NDC units, money is in US dollars.
    """
    rows = _AT_ISSUE[subject](flagged, settings.deadlines)
    table = code_table(dispute_codes, settings.today)
    rows = with_judged_rules(rows, table)
    rows = rows.withColumn("rules", raised(F.col("rules"), JUDGED))
    rows = rows.withColumn("ranked_rules", ranked(F.col("rules"), JUDGED))
    rows = rows.withColumns(
        {
            "deciding": F.get("ranked_rules", F.lit(0))["hit"],
            "own_rules": of_own_class(F.col("ranked_rules")),
        }
    )
    deciding, own = F.col("deciding"), F.col("own_rules")
    billed, settled = F.col("worth_units"), F.col("worth_settled_units")
    rows = rows.withColumns(
        {
            "run_id": F.lit(run_id),
            "subject": F.lit(subject.in_findings.value),
            "evidence": deciding["evidence"],
            "codes": codes_of(F.col("rules")),
            "dispute_code": F.when(deciding["code_kind"] == DISPUTE_KIND, deciding["code"]),
            "units_at_issue": deciding["units_at_issue"],
            "amount_at_issue": amount_at_issue(own, deciding),
            "reference_rows": _reference_rows(F.col("rules")),
            "narrative": F.concat(
                narrative(F.col("ranked_rules"), subject), settled_since(billed, settled, F.col("worth_settled_on"))
            ),
            "route": deciding["route"],
            "party_at_fault": deciding["party_at_fault"],
            "action": gated_action(
                deciding,
                F.col("deadline_date"),
                F.lit(settings.today),
                is_barred(F.col("rules")),
                is_settled(own),
            ),
        }
    )
    # findings without units at issue (the model's) rank by the size of their claim, after findings with units
    unsaid = (F.abs(F.col("worth_units")) * F.lit(settings.priority.share_at_issue)).cast("decimal(15,3)")
    ranking_units = F.coalesce(F.col("units_at_issue"), unsaid)
    ranking_price = F.coalesce(F.col("unit_price_used"), F.col("worth_proxy_price"))
    worth = F.coalesce(F.col("amount_at_issue"), money(ranking_units * ranking_price))
    answered = None
    if answers is not None and reranked is None:
        known = answers.select(
            F.col("rule_id").alias("answers_rule"), F.col("payer").alias("answers_payer"), "accepted", "answers"
        )
        same = (F.col("answers_rule") == F.col("deciding.rule_id")) & (F.col("answers_payer") == payer_of())
        rows = rows.join(F.broadcast(known), on=same, how="left")  # at most one row per rule and payer
        answered = (F.col("accepted"), F.col("answers"))
    rows = rows.withColumns(
        {
            "priority": priority(F.col("evidence"), worth, settings.priority, reranked, answered),
            "rules": _public(F.col("rules")),
        }
    )
    rows = with_history(rows, previous)
    undecided = {"decision": "string", "decided_on": "date", "changed_since_decision": "array<string>"}
    undecided["case_id"] = "string"  # see `cases.with_case`
    rows = rows.withColumns(
        {"is_dismissed": F.lit(False), **{name: F.lit(None).cast(kind) for name, kind in undecided.items()}}
    )
    return rows.select(*(F.col(field.name).cast(field.dataType) for field in FINDINGS.fields))


def _reference_rows(rules: Column) -> Column:
    none = F.array().cast(f"array<{REFERENCE_ROW.simpleString()}>")
    return sort(F.array_distinct(F.flatten(F.transform(rules, lambda hit: F.coalesce(hit["reference_rows"], none)))))


def _public(rules: Column) -> Column:
    """The fields of RULE_RESULT that findings show, ordered by rule id."""
    empty = {
        "related_source_row_ids": F.array().cast("array<string>"),
        "related_count": F.lit(0).cast("bigint"),
        "guards": F.array().cast("array<struct<name:string,state:string>>"),
    }
    hits = F.transform(
        rules,
        lambda hit: F.struct(
            *(
                (F.coalesce(hit[name], empty[name]) if name in empty else hit[name]).alias(name)
                for name in RULE_HIT.names
            )
        ),
    )
    return sort(nullable(hits, T.ArrayType(RULE_HIT)))
