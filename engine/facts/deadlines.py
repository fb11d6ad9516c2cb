"""The start and length of a claim's dispute period, from its invoice's dates and its contract's term."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.contracts.codes import MEDICAID_PROGRAMS
from engine.dates import known_day
from engine.intervals import covers
from engine.runtime.expressions import union_all

DEADLINE_FACTS = [
    T.StructField("invoice_postmark_date", T.DateType()),
    T.StructField("invoice_sent_on", T.DateType()),
    T.StructField("contract_dispute_days", T.LongType()),
]


def deadlines_of_claims(claims: DataFrame, invoices: DataFrame | None, contracts: DataFrame | None) -> DataFrame | None:
    """source_row_id and DEADLINE_FACTS of claims for which at least one fact is known; None without both tables.

    A Medicaid claim is billed on the invoice with its number (in its program and state), else on the invoice lines of
    its program, state, product, rebate type and invoice_period (else period) that contradict neither its number nor its
    sub-program. If the lines have several dates, the earliest counts. A claim of another payer falls under the
    contracts that govern it at its date of service; if their dispute_days differ, the smallest counts. `claims`: few
    PREPARED_REBATE_CLAIMS.
    """
    candidates = [] if invoices is None else _of_invoices(claims, invoices)
    candidates += [] if contracts is None else [_of_contracts(claims, contracts)]
    if not candidates:
        return None
    numbered, of_line = (F.when(F.col("is_numbered") == flag, F.col("line")) for flag in (True, False))
    earliest = {"postmark": "invoice_postmark_date", "sent_on": "invoice_sent_on"}
    return (
        union_all(candidates)
        .groupBy("source_row_id")
        .agg(
            *(F.coalesce(F.min(numbered[name]), F.min(of_line[name])).alias(fact) for name, fact in earliest.items()),
            F.min("contract_dispute_days").alias("contract_dispute_days"),
        )
    )


def _of_invoices(claims: DataFrame, invoices: DataFrame) -> list[DataFrame]:
    postmark, received = known_day(F.col("postmark_date")), known_day(F.col("received_date"))
    dates = (F.min("postmark").alias("postmark"), F.min(F.coalesce("postmark", "received")).alias("sent_on"))
    lines = (
        invoices.where(F.col("source_kind") == "INVOICE")
        .withColumns({"rebate_type": _federal(), "postmark": postmark, "received": received})
        .where(F.coalesce("postmark", "received").isNotNull())
    )
    is_medicaid = F.col("program").isin(*(program.value for program in MEDICAID_PROGRAMS))
    billed = claims.where(is_medicaid).select(
        "source_row_id",
        "program",
        F.coalesce("state", "payer_id").alias("state"),
        "ndc11",
        F.coalesce("invoice_period", "period").alias("period"),
        _federal().alias("rebate_type"),
        "sub_program",
        "invoice_number",
    )

    def joined(keys: tuple[str, ...], more: tuple[str, ...], is_numbered: bool) -> DataFrame:
        of_key = lines.groupBy(*(F.col(name).alias(f"line_{name}") for name in (*keys, *more))).agg(*dates)
        same = F.lit(True)
        for name in keys:
            same = same & (F.col(name) == F.col(f"line_{name}"))
        for name in more:
            same = same & F.coalesce(F.col(name) == F.col(f"line_{name}"), F.lit(True))
        return billed.join(F.broadcast(of_key), on=same, how="inner").select(
            "source_row_id",
            F.lit(is_numbered).alias("is_numbered"),
            F.struct("postmark", "sent_on").alias("line"),
            F.lit(None).cast("bigint").alias("contract_dispute_days"),
        )

    return [
        joined(("program", "state", "invoice_number"), (), is_numbered=True),
        joined(
            ("program", "state", "ndc11", "period", "rebate_type"), ("sub_program", "invoice_number"), is_numbered=False
        ),
    ]


def _of_contracts(claims: DataFrame, contracts: DataFrame) -> DataFrame:
    terms = contracts.where(F.col("dispute_days").isNotNull() & F.col("payer_id").isNotNull()).select(
        *(
            F.col(name).alias(f"term_{name}")
            for name in ("payer_id", "program", "contract_id", "rebate_type", "ndc9", "begin_date", "end_date")
        ),
        F.col("dispute_days").cast("bigint").alias("contract_dispute_days"),
    )

    def agrees(name: str, or_unknown: bool = False) -> Column:
        same = F.col(f"term_{name}").isNull() | F.coalesce(F.col(f"term_{name}") == F.col(name), F.lit(False))
        return same | F.col(name).isNull() if or_unknown else same

    in_force = covers(F.col("date_of_service"), F.col("term_begin_date"), F.col("term_end_date"))
    same = (
        (F.col("payer_id") == F.col("term_payer_id"))
        & agrees("program")
        & agrees("contract_id", or_unknown=True)
        & agrees("rebate_type", or_unknown=True)
        & agrees("ndc9")
        & in_force
    )
    is_of_contract = ~F.col("program").isin(*(program.value for program in MEDICAID_PROGRAMS))
    joined = claims.where(is_of_contract).join(F.broadcast(terms), on=same, how="inner")
    none = F.lit(None).cast("date")
    return joined.select(
        "source_row_id",
        F.lit(False).alias("is_numbered"),
        F.struct(none.alias("postmark"), none.alias("sent_on")).alias("line"),
        "contract_dispute_days",
    )


def _federal() -> Column:
    return F.coalesce("rebate_type", F.lit("FEDERAL"))
