"""Settlements and decisions as events on the accounts of the unit ledger."""

from __future__ import annotations

from datetime import date

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from engine.claim_key import rebate_type_of_key
from engine.contracts.codes import Subject
from engine.positions.book import Effect
from engine.positions.lines import ACCOUNT, MONEY, SUM, is_medicaid, key_text
from engine.runtime.expressions import greatest_of_groups, union_all

_EFFECTS = {
    "PAID": Effect.PAID,
    "DISPUTED": Effect.DISPUTED,
    "RELEASED": Effect.RELEASED,
    "WRITTEN_OFF": Effect.RELEASED,
    "STATE_CREDIT": Effect.STATE_CREDIT,
    "ENTITY_REPAID": Effect.ENTITY_REPAID,
}
# Columns of an event in addition to those of its account.
AMOUNT = "amount"
EVENT = ("day", "effect", "units", "event_id", "code", "finding_id", "claim_id", "claim_line", "plan_id", "sub_program")


def settlement_events(settlements: DataFrame, claims: DataFrame, lines: DataFrame | None, as_of: date) -> DataFrame:
    """Settlements of positive units up to `as_of`: ACCOUNT, account, EVENT and amount.

    account is NULL if it is not known. If a settlement names a live claim, its account is the claim's; if the claim has
    several quarters, the settlement's own quarter if the claim has it, else the last. Other settlements belong to the
    account that they name. Without a payer (Medicaid: a state), the account is that of the only payer with such a claim
    or line. `claims`: claim_lines, `lines`: invoice_lines.
    """
    rows = _settlements(settlements, as_of)
    of_claims = claims.select(*ACCOUNT, "claim_id").distinct()
    known = of_claims.select(*ACCOUNT) if lines is None else of_claims.select(*ACCOUNT).union(lines.select(*ACCOUNT))
    same = [F.col(f"s_{name}") == F.col(name) for name in ("program", "rebate_type", "ndc11")]
    payer = F.coalesce(F.col("s_payer_id") == F.col("payer_id"), F.lit(True))
    named = of_claims.join(rows, on=[*same, payer, F.col("s_claim_id") == F.col("claim_id")], how="inner")
    unnamed = rows.where(F.col("s_payer_id").isNull())
    of_line = known.distinct().join(unnamed, on=[*same, F.col("s_period") == F.col("period")], how="inner")
    accounts = _account(named, "named").join(_account(of_line, "line"), on="event_id", how="full_outer")
    joined = rows.join(accounts, on="event_id", how="left")
    is_named = F.col("named_payer_id").isNotNull()
    is_ambiguous = F.coalesce(F.col("named_payers") > 1, F.lit(False))
    of_own_line = F.coalesce("s_payer_id", F.when(F.col("line_payers") == 1, F.col("line_payer_id")))
    payer_id = F.when(~is_ambiguous, F.coalesce("named_payer_id", of_own_line))
    period = F.when(is_named & ~is_ambiguous, F.col("named_period")).otherwise(F.col("s_period"))
    placed = joined.select(
        F.col("s_program").alias("program"),
        payer_id.alias("payer_id"),
        F.col("s_rebate_type").alias("rebate_type"),
        F.col("s_ndc11").alias("ndc11"),
        period.alias("period"),
        *("day", "effect", "units", "event_id", "code"),
        F.lit(None).cast("string").alias("finding_id"),
        F.col("s_claim_id").alias("claim_id"),
        "claim_line",
        F.lit(None).cast("string").alias("plan_id"),
        "sub_program",
        AMOUNT,
    )
    account = F.when(F.col("payer_id").isNotNull(), key_text(*ACCOUNT))
    return placed.select(*ACCOUNT, account.alias("account"), *EVENT, AMOUNT)


def _settlements(settlements: DataFrame, as_of: date) -> DataFrame:
    of_state = F.coalesce("state", "payer_id")
    effect = F.try_element_at(
        F.create_map(*(F.lit(str(part)) for pair in _EFFECTS.items() for part in pair)), F.col("kind")
    )
    rows = settlements.where(F.col("settled_on") <= F.lit(as_of)).select(
        F.col("program").alias("s_program"),
        F.when(is_medicaid(), of_state).otherwise(F.col("payer_id")).alias("s_payer_id"),
        rebate_type_of_key().alias("s_rebate_type"),
        F.col("ndc11").alias("s_ndc11"),
        F.col("period").alias("s_period"),
        F.col("claim_id").alias("s_claim_id"),
        F.col("claim_line").cast("bigint").alias("claim_line"),
        "sub_program",
        F.col("settled_on").alias("day"),
        effect.alias("effect"),
        F.col("units").cast(SUM).alias("units"),
        "code",
        "settlement_id",
        F.col("amount").cast(MONEY).alias(AMOUNT),
    )
    rows = rows.where((F.col("units") > 0) & F.col("effect").isNotNull())
    # Settlements of one day and kind are sorted by their ids. The order of equal settlements does not matter, but each
    # is kept.
    text = key_text(
        *("settlement_id", "s_program", "s_payer_id", "s_rebate_type", "s_ndc11", "s_period", "s_claim_id"),
        *("claim_line", "sub_program", "day", "effect", "units", "code"),
    )
    rows = rows.withColumn("text", text)
    number = F.row_number().over(Window.partitionBy("text").orderBy("text"))
    return rows.withColumn("event_id", F.concat_ws("\x1f", "text", F.lpad(number.cast("string"), 9, "0"))).drop(
        "text", "settlement_id"
    )


def _account(pairs: DataFrame, name: str) -> DataFrame:
    """By event_id: the number of payers of its pairs, the payer, and its own period, else the last."""
    own = F.max(F.when(F.col("period") == F.col("s_period"), F.col("period")))
    return pairs.groupBy("event_id").agg(
        F.count_distinct("payer_id").alias(f"{name}_payers"),
        F.max("payer_id").alias(f"{name}_payer_id"),
        F.coalesce(own, F.max("period")).alias(f"{name}_period"),
    )


def decision_events(
    decisions: DataFrame,
    findings: DataFrame,
    claims: DataFrame | None,
    invoices: DataFrame | None,
    as_of: date,
    submitted: DataFrame | None = None,
) -> DataFrame:
    """Decisions DISPUTE up to the end of the `as_of` day (UTC) as events: ACCOUNT, account, EVENT and no amount.

    Only the latest decision on a finding counts. It disputes its own units, else those that were submitted
    (`submitted`: finding_id, units_submitted), else those at issue; after a state credits them, none are at issue any
    more. `findings`: FINDINGS of the run; those on 340B claims move no units. `claims`, `invoices`: live rows, as
    prepared; at least one of them is available. A decision whose finding or row is not in the run has no account.
    """
    known = decisions.where(F.to_date("decided_at") <= F.lit(as_of))
    latest = (
        greatest_of_groups(known, ["finding_id"], ("decided_at", "decision", "units"), into="last")
        .where(F.col("last.decision") == "DISPUTE")
        .select(
            F.col("finding_id").alias("decided_id"),
            F.to_date("last.decided_at").alias("day"),
            F.col("last.units").alias("decided_units"),
        )
    )
    reported = findings.select(
        "finding_id", "subject", F.col("source_row_id").alias("found_row_id"), "dispute_code", "units_at_issue"
    )
    # finding_id is unique on all sides.
    decided = latest.join(reported, on=F.col("decided_id") == F.col("finding_id"), how="left")
    if submitted is None:
        decided = decided.withColumn("units_submitted", F.lit(None).cast(SUM))
    else:
        by_finding = submitted.withColumnRenamed("finding_id", "submitted_id")
        decided = decided.join(by_finding, on=F.col("decided_id") == F.col("submitted_id"), how="left")
    base = _with_rows(decided, _rows(claims, invoices))
    account = F.when(F.col("payer_id").isNotNull(), key_text(*ACCOUNT))
    units = F.coalesce("decided_units", "units_submitted", "units_at_issue", F.lit(0)).cast(SUM)
    of_entities = F.coalesce(F.col("subject") == Subject.ENTITY_CLAIM.value, F.lit(False))
    return base.where(~of_entities & (units > 0)).select(
        *ACCOUNT,
        account.alias("account"),
        "day",
        F.lit(Effect.DECIDED.value).alias("effect"),
        units.alias("units"),
        F.col("decided_id").alias("event_id"),
        F.col("dispute_code").alias("code"),
        F.col("decided_id").alias("finding_id"),
        *("claim_id", "claim_line", "plan_id", "sub_program"),
        F.lit(None).cast(MONEY).alias(AMOUNT),
    )


def _with_rows(decided: DataFrame, rows: DataFrame) -> DataFrame:
    ids = decided.select("subject", "found_row_id").distinct()
    same = [F.col("row_subject") == F.col("subject"), F.col("row_id") == F.col("found_row_id")]
    of_decisions = rows.join(F.broadcast(ids), on=same, how="left_semi")
    return decided.join(F.broadcast(of_decisions), on=same, how="left")


def _rows(claims: DataFrame | None, invoices: DataFrame | None) -> DataFrame:
    """row_subject, row_id, ACCOUNT and the claim line's identifiers of all rows to which a decision can apply.

    At least one of the two tables is available.
    """

    def of(rows: DataFrame, subject: Subject, payer: Column, *more: Column) -> DataFrame:
        return rows.select(
            F.lit(subject.value).alias("row_subject"),
            F.col("source_row_id").alias("row_id"),
            "program",
            payer.alias("payer_id"),
            rebate_type_of_key().alias("rebate_type"),
            *("ndc11", "period", "sub_program"),
            *more,
        )

    parts = []
    if claims is not None:
        payer = F.when(is_medicaid(), F.coalesce("state", "payer_id")).otherwise(F.col("payer_id"))
        line = F.coalesce("claim_line", F.lit(1)).cast("bigint").alias("claim_line")
        parts.append(of(claims, Subject.REBATE_CLAIM, payer, F.col("claim_id"), line, F.col("plan_id")))
    if invoices is not None:
        nothing = F.lit(None).cast("string")
        more = (nothing.alias("claim_id"), F.lit(None).cast("bigint").alias("claim_line"), nothing.alias("plan_id"))
        lines = invoices.where(F.col("source_kind") == "INVOICE")
        parts.append(of(lines, Subject.INVOICE, F.col("state"), *more))
    return union_all(parts)
