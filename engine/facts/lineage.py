"""The claim over time: the periods in which it was billed, and the pharmacy's reversals."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from engine.dates import add_days, days_between
from engine.facts.feature import OWN, Feature
from engine.facts.history import near, with_history
from engine.intervals import start_of_quarter
from engine.runtime.column_names import column_names
from engine.runtime.expressions import all_of

CUT_OFF_DAYS = 60  # states invoice within 60 days after the quarter (42 CFR 447.511)
_CLAIM, _LINE = ("payer_id", "plan_id", "claim_id"), ("claim_line", "date_of_service")
_DISPENSE = ("pharmacy_key", "rx_key", "fill_number", "date_of_service", "ndc11")


def reversal_lag() -> Column:
    """F38: days from the cut-off to the pharmacy's reversal; above zero the reversal was too late for the invoice."""
    last_day = F.last_day(F.add_months(start_of_quarter(F.col("period")), 2))
    cut_off = F.coalesce(F.col("received_at").cast("date"), add_days(last_day, CUT_OFF_DAYS))
    return days_between(F.col("pharmacy_reversed_at").cast("date"), cut_off)


FEATURES = (
    Feature(
        "F37",
        "f37_cross_period_count",
        "distinct periods of live lines with units above zero of the payer, plan, claim number, line and date of "
        "service",
        grain="claim line over its periods",
        window="received by --as-of",
        unit="periods",
    ),
    Feature(
        "F38",
        "f38_reversal_lag",
        "day of the pharmacy's reversal - cut-off; cut-off: the day the line was received, else the end of its period "
        f"and {CUT_OFF_DAYS} days",
        needs=("pharmacy_claims.transaction_at",),
        grain="dispense",
        window=f"{OWN} and its dispense",
        unit="days",
        value=reversal_lag,
    ),
    Feature(
        "F39",
        "f39_n_reversals",
        "reversals (B2) of the dispense; unknown where the pharmacy's transactions do not hold it",
        needs=("pharmacy_claims",),
        grain="dispense",
        window="received by --as-of",
        unit="reversals",
    ),
)


def with_periods(rows: DataFrame, flagged: DataFrame, claims: DataFrame) -> DataFrame:
    """Add F37 and claim_products to `rows`.

    A line without a plan belongs to the same claim as other lines without one.
    """
    lines = near(flagged, claims.where(F.col("units") > 0), _CLAIM, may_be_null=["plan_id"])
    assert lines is not None
    # Counted by key: a placeholder claim number has too many lines to give each row an array of them.
    periods = _counted(lines, (*_CLAIM, *_LINE), "period", "periods")
    products = _counted(lines, _CLAIM, "ndc11", "products")
    enriched = rows.join(periods, on=_same_key((*_CLAIM, *_LINE), "periods"), how="left")  # one row per key in both
    enriched = enriched.join(products, on=_same_key(_CLAIM, "products"), how="left")
    is_known = F.col("payer_id").isNotNull() & F.col("claim_id").isNotNull()
    are_parts_known = all_of([is_known, *(F.col(name).isNotNull() for name in _LINE)])
    none = F.lit(0).cast("bigint")
    return enriched.select(
        *column_names(rows),
        F.when(are_parts_known, F.coalesce("periods", none)).cast("int").alias("f37_cross_period_count"),
        F.when(is_known, F.coalesce("products", none)).cast("int").alias("claim_products"),
    )


def _counted(lines: DataFrame, keys: Sequence[str], column: str, into: str) -> DataFrame:
    """One row per key, with keys named `<into>_<key>` and `into`: distinct values of the column, NULL not counted."""
    named = (F.col(key).alias(f"{into}_{key}") for key in keys)
    return lines.groupBy(*named).agg(F.count_distinct(column).alias(into))


def _same_key(keys: Sequence[str], of: str) -> list[Column]:
    return [
        F.col(key).eqNullSafe(F.col(f"{of}_{key}")) if key == "plan_id" else F.col(key) == F.col(f"{of}_{key}")
        for key in keys
    ]


def with_reversals(rows: DataFrame, flagged: DataFrame, dispenses: DataFrame | None) -> DataFrame:
    """Add F39 to `rows`. `dispenses`: PHARMACY_DISPENSES, one row per dispense; a NULL fill equals only a NULL fill."""
    by = {"reversals": F.col("reversals")}
    known = near(flagged, dispenses, _DISPENSE, may_be_null=["fill_number"])
    if known is None:
        return rows.withColumn("f39_n_reversals", F.lit(None).cast("int"))
    enriched = with_history(rows, known, _DISPENSE, by, "dispense", may_be_null=["fill_number"])
    return enriched.select(*column_names(rows), F.get("dispense", F.lit(0))["reversals"].alias("f39_n_reversals"))
