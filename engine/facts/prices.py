"""Prices per NDC unit in US dollars: URA by the row's period, WAC, ceiling and MFP by the quarter of service."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.contracts.codes import Subject
from engine.facts.families import absent
from engine.facts.feature import AT_SERVICE, WHOLE_RUN, Feature
from engine.intervals import join_as_of
from engine.runtime.column_names import column_names
from engine.runtime.expressions import as_double, divide, greatest_of_groups

_UNIT_PRICE = T.DecimalType(15, 6)
_QUARTER = f"{AT_SERVICE}, its quarter"


def paid_per_unit_to_wac() -> Column:
    """F20: amount paid / (NDC units x WAC of the quarter of service).

    Near 1 for brands; far below at 340B acquisition cost, and far from 1 if the units are wrong.
    """
    return divide(as_double("amount_paid"), as_double("ndc_units") * as_double("price_wac"))


def amount_paid_to_market_price() -> Column:
    """F21: amount paid / (NDC units x market price in force at the date of service)."""
    return divide(as_double("amount_paid"), as_double("ndc_units") * as_double("market_price"))


def aac_gap() -> Column:
    """F22: the difference between the discount from WAC at which the claim was paid and that of the ceiling price."""
    wac = as_double("price_wac")
    paid_per_unit = divide(as_double("amount_paid"), as_double("ndc_units"))
    return F.abs(divide(wac - paid_per_unit, wac) - divide(wac - as_double("price_ceiling"), wac))


def rebate_to_paid() -> Column:
    """F23: NDC units x URA / amount paid; above 1.5 the units are suspect. URA: ours, else the payer's."""
    rebate_per_unit = F.coalesce("price_ura", "unit_rebate_amount").cast("double")
    return divide(as_double("ndc_units") * rebate_per_unit, as_double("amount_paid"))


def mfp_ceiling_gap() -> Column:
    """F56: ceiling less MFP of the quarter of service; below zero the 340B price is the lower one."""
    return (F.col("price_ceiling") - F.col("price_mfp")).cast("double")


FEATURES = (
    Feature(
        "F20",
        "f20_paid_per_unit_to_wac",
        "amount paid / (NDC units x WAC)",
        needs=("rebate_claims.amount_paid", "prices.wac_unit"),
        window=f"{_QUARTER}; z: {WHOLE_RUN} of equal NDC-11 and program",
        value=paid_per_unit_to_wac,
    ),
    Feature(
        "F21",
        "f21_amount_paid_to_market_price",
        "amount paid / (NDC units x market price)",
        needs=("rebate_claims.amount_paid", "market_prices"),
        window=AT_SERVICE,
        kind=T.DoubleType(),
        value=amount_paid_to_market_price,
    ),
    Feature(
        "F21",
        "f21_paid_per_unit_to_market_price",
        "paid per unit (F48) / market price",
        needs=("invoices.units_reimbursed", "invoices.total_amount|invoices.medicaid_amount", "market_prices"),
        grain="invoice line",
        window=f"first day of the period; z: {WHOLE_RUN} of the program",
        subject=Subject.INVOICE,
    ),
    Feature(
        "F22",
        "f22_aac_gap",
        "abs((WAC - amount paid / NDC units) / WAC - (WAC - ceiling) / WAC): near 0 it was paid at the 340B price",
        needs=("rebate_claims.amount_paid", "prices.wac_unit", "prices.ceiling_unit"),
        window=_QUARTER,
        kind=T.DoubleType(),
        value=aac_gap,
    ),
    Feature(
        "F23",
        "f23_rebate_to_paid",
        "NDC units x URA / amount paid; URA: ours of the period, else the payer's",
        needs=("rebate_claims.amount_paid", "prices.unit_rebate_amount|rebate_claims.unit_rebate_amount"),
        window=f"period of the row; z: {WHOLE_RUN} of equal NDC-11 and program",
        value=rebate_to_paid,
    ),
    Feature(
        "F56",
        "f56_mfp_ceiling_gap",
        "340B ceiling price - MFP, per unit",
        needs=("prices.ceiling_unit", "prices.mfp_unit"),
        grain="NDC-11 and quarter",
        window=_QUARTER,
        unit="US dollars per NDC unit",
        kind=T.DoubleType(),
        value=mfp_ceiling_gap,
    ),
)


def with_prices(
    rows: DataFrame, prices: DataFrame | None, quarter: Column, names: dict[str, str], into: str
) -> DataFrame:
    """Add `into`, a struct of prices of one quarter, to `rows` (ndc11).

    `names`: field and its source column. If the table has several rows of a product and quarter (snapshots), the latest
    snapshot counts.
    """
    if prices is None:
        return rows.withColumn(into, absent(T.StructField(name, _UNIT_PRICE) for name in names))
    keys = {"price_ndc11": "ndc11", "price_quarter": "period"}
    named = prices.select(*(F.col(column).alias(name) for name, column in (keys | names).items()), "snapshot_date")
    latest = greatest_of_groups(named, [*keys], ("snapshot_date", *names), into="latest").select(
        *keys, F.struct(*(f"latest.{name}" for name in names)).alias(into)
    )
    same = [F.col("ndc11") == F.col("price_ndc11"), quarter == F.col("price_quarter")]
    joined = rows.join(F.broadcast(latest), on=same, how="left")  # one row per product and quarter
    return joined.select(*column_names(rows), into)


MARKET_FACTS = (
    T.StructField("market_price", _UNIT_PRICE),
    T.StructField("market_price_effective_date", T.DateType()),
)


def with_market_price(rows: DataFrame, market_prices: DataFrame | None, day: Column) -> DataFrame:
    """Add `market`, a struct of MARKET_FACTS, to `rows` (ndc11): NADAC or a similar price in force on `day`."""
    if market_prices is None:
        return rows.withColumn("market", absent(MARKET_FACTS))
    # The survey covers every product on the market; only those in the feed are broadcast.
    of_products = market_prices.join(rows.select("ndc11").distinct(), on="ndc11", how="left_semi")
    return join_as_of(
        rows,
        of_products,
        key={"ndc11": F.col("ndc11")},
        day=day,
        start=F.col("effective_date"),
        end=F.col("end_date"),
        values={"market_price": F.col("price_per_unit"), "market_price_effective_date": F.col("effective_date")},
        into="market",
    )
