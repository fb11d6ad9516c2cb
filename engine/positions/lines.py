"""The totals that invoices state for each key of the unit ledger, and the live claim lines that support them."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from engine.claim_key import rebate_type_of_key
from engine.contracts.codes import MEDICAID_PROGRAMS

# The key of an account: its invoice lines, claim lines and events can match each other. `account` is one text of these
# columns, for joins.
ACCOUNT = ("program", "payer_id", "rebate_type", "ndc11", "period")
SUM = "decimal(38,3)"
MONEY = "decimal(18,2)"
_KINDS = {"PRIOR_REPLACEMENT": "replacement", "CURRENT": "current", "PRIOR_DELTA": "delta"}


def is_medicaid() -> Column:
    """For rows with `program`: whether it is a Medicaid program."""
    return F.col("program").isin(*(program.value for program in MEDICAID_PROGRAMS))


def key_text(*parts: Column | str) -> Column:
    """Values joined into one text in which NULL equals NULL and nothing else."""
    values = [F.col(part) if isinstance(part, str) else part for part in parts]
    return F.concat_ws("\x1f", *(F.coalesce(value.cast("string"), F.lit("\x1e")) for value in values))


def claim_lines(claims: DataFrame) -> DataFrame:
    """One row per account, sub-program and claim line: the units of its live rows, and how many rows have none.

    `claims`: live PREPARED_REBATE_CLAIMS. The payer of a Medicaid claim is its state. units: NDC units, NULL counts as
    zero.
    """
    state = F.coalesce("state", "payer_id")
    return (
        claims.select(
            "program",
            F.when(is_medicaid(), state).otherwise(F.col("payer_id")).alias("payer_id"),
            rebate_type_of_key().alias("rebate_type"),
            *("ndc11", "period", "sub_program", "plan_id", "claim_id"),
            F.coalesce("claim_line", F.lit(1)).cast("bigint").alias("claim_line"),
            F.when(is_medicaid(), state).otherwise(F.col("state")).alias("state"),
            "ndc_units",
        )
        .groupBy(*ACCOUNT, "sub_program", "plan_id", "claim_id", "claim_line")
        .agg(
            F.min("state").alias("state"),
            F.coalesce(F.sum("ndc_units"), F.lit(0)).cast(SUM).alias("units"),
            F.count_if(F.col("ndc_units").isNull()).alias("unconverted"),
        )
        .withColumn("account", key_text(*ACCOUNT))
    )


def invoice_lines(invoices: DataFrame) -> DataFrame:
    """One row per account and sub-program with an invoice line: total, gross and the line that states the total.

    `invoices`: PREPARED_INVOICES; public utilization data are not invoices. If one key and kind has several invoice
    numbers, the latest counts (contract part 7.13), by receipt, unknown first, then number. PRIOR_REPLACEMENT replaces
    the total; PRIOR_DELTA is added to it unless it was received before the replacement. total: current units, NULL if
    unknown; gross: units before PRIOR lines reduced them, at least the total and zero. replaced: lines that a later
    invoice replaced.
    """
    received = F.coalesce("received_date", "postmark_date")
    lines = invoices.where(F.col("source_kind") == "INVOICE").select(
        "program",
        F.col("state").alias("payer_id"),
        rebate_type_of_key().alias("rebate_type"),
        *("ndc11", "period", "sub_program", "invoice_number"),
        F.coalesce("line_kind", F.lit("CURRENT")).alias("line_kind"),
        received.alias("received"),
        F.col("units_reimbursed").cast(SUM).alias("units"),
    )
    key = (*ACCOUNT, "sub_program")
    latest = Window.partitionBy(*key, "line_kind").orderBy(
        F.col("received").desc_nulls_last(), F.col("invoice_number").desc_nulls_last(), F.col("units").desc_nulls_last()
    )
    numbered = lines.withColumn("nth", F.row_number().over(latest))
    parts = []
    for kind, name in _KINDS.items():
        holds = (F.col("line_kind") == kind) & (F.col("nth") == 1)
        parts += [F.max(F.when(holds, F.col("units"))).alias(name), F.max(holds).alias(f"has_{name}")]
        stated = {value: F.when(holds, F.col(value)) for value in ("received", "invoice_number")}
        parts += [F.max(column).alias(f"{name}_{value}") for value, column in stated.items()]
    of_key = numbered.groupBy(*key).agg(*parts, F.count_if(F.col("nth") > 1).alias("replaced"))
    is_swallowed = F.coalesce(F.col("delta_received") < F.col("replacement_received"), F.lit(False))
    base = F.when(F.col("has_replacement"), F.col("replacement")).otherwise(
        F.when(F.col("has_current"), F.col("current")).otherwise(F.lit(0).cast(SUM))
    )
    delta = F.when(F.col("has_delta") & ~is_swallowed, F.col("delta")).otherwise(F.lit(0).cast(SUM))
    number = F.when(F.col("has_replacement"), F.col("replacement_invoice_number"))
    number = number.when(F.col("has_current"), F.col("current_invoice_number"))
    stating = F.when(F.col("has_replacement"), F.lit("PRIOR_REPLACEMENT"))
    stating = stating.when(F.col("has_current"), F.lit("CURRENT"))
    of_key = of_key.withColumn("total", (base + delta).cast(SUM))
    zero = F.lit(0).cast(SUM)
    gross = F.greatest("total", F.when(F.col("has_current"), F.col("current")), zero)
    return of_key.select(
        *key,
        "total",
        F.when(F.col("total").isNull(), zero).otherwise(gross).cast(SUM).alias("gross"),
        number.otherwise(F.col("delta_invoice_number")).alias("invoice_number"),
        stating.otherwise(F.lit("PRIOR_DELTA")).alias("line_kind"),
        "replaced",
        key_text(*ACCOUNT).alias("account"),
    )
