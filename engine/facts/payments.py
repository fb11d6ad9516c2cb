"""Payments on the line (amount, payer and date), and how long the claim can still be questioned."""

from __future__ import annotations

from datetime import date

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.dates import days_between
from engine.facts.feature import OWN, Feature
from engine.intervals import quarter_index, quarter_index_of
from engine.runtime.expressions import divide


def zero_paid() -> Column:
    """F40: amount paid <= 0 and nothing from third parties; a NULL third-party amount counts as zero, as in R021."""
    return (F.col("amount_paid") <= 0) & (F.coalesce("amount_third_party", F.lit(0)) == 0)


def third_party_share() -> Column:
    """F41: the third parties' share of all payments."""
    others = F.col("amount_third_party").cast("double")
    return divide(others, F.col("amount_paid").cast("double") + others)


def claim_age_days() -> Column:
    """F44: paid date less date of service, in days."""
    return days_between(F.col("paid_date"), F.col("date_of_service")).cast("double")


FEATURES = (
    Feature(
        "F40",
        "f40_zero_paid",
        "amount paid <= 0 and nothing from third parties; an amount of theirs that is not given counts as none",
        needs=("rebate_claims.amount_paid",),
        unit="boolean",
        kind=T.BooleanType(),
        value=zero_paid,
    ),
    Feature(
        "F41",
        "f41_tpl_share",
        "amount from third parties / (amount paid + amount from third parties); the amount billed is in no table, what "
        "all payers paid replaces it",
        needs=("rebate_claims.amount_paid", "rebate_claims.amount_third_party"),
        kind=T.DoubleType(),
        value=third_party_share,
    ),
    Feature(
        "F44",
        "f44_claim_age_days",
        "paid date - date of service",
        needs=("rebate_claims.paid_date",),
        unit="days",
        value=claim_age_days,
    ),
    Feature(
        "F45",
        "f45_lookback_q",
        "quarter of --as-of - period",
        window=f"{OWN}, to --as-of",
        unit="quarters",
        kind=T.IntegerType(),
    ),
)


def lookback_quarters(as_of: date | None) -> Column:
    """F45: quarters from the row's period to that of `as_of`."""
    return quarter_index(F.lit(as_of)) - quarter_index_of(F.col("period"))
