"""CMS files of data.medicaid.gov: state drug utilization, NADAC prices, drug products of the rebate program."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from engine.contracts.codes import Reason
from engine.dates import add_days
from engine.sources.adapters.layout import (
    Adapter,
    Layout,
    date_of,
    iso_date,
    ndc_of,
    period_of_qyyyy,
    quarter_start,
    without_decimals,
)

_OPEN_END = "2099-12-31"
_SUPPRESSED = "*"
_UTILIZATION_TYPE = ("Utilization Type", "record_id")
_STATE = ("State", "state_code")
_YEAR = ("Year", "period_covered")
_SUPPRESSION = ("Suppression Used", "Suppression")
_NUMBERS = {
    "units_reimbursed": ("Units Reimbursed",),
    "prescriptions": ("Number of Prescriptions", "No. of Prescriptions"),
    "medicaid_amount": ("Medicaid Amount Reimbursed",),
    "non_medicaid_amount": ("Non Medicaid Amount Reimbursed",),
    "total_amount": ("Total Amount Reimbursed",),
}


def sdud(rows: DataFrame, table: str, options: Mapping[str, Any]) -> DataFrame:
    """State Drug Utilization Data as `invoices`: one row per line of a state, under any of CMS's headers.

    Source: CMS, State Drug Utilization Data (42 CFR 447.511 reports of the states). FFSU is MDRP_FFS, MCOU is
    MDRP_MCO; units in CMS units, amounts in US dollars. A line is suppressed if CMS marks it, if one of its numbers is
    `*`, or if a line without that mark has no number at all; `*` is NULL.
    National totals (state XX) repeat the lines of the states and are excluded as NATIONAL_TOTAL.
    """
    del table, options
    layout = Layout(rows)
    kind = F.upper(layout.text(*_UTILIZATION_TYPE))
    numbers = {name: layout.received(*names) for name, names in _NUMBERS.items() if layout.has(*names)}
    return rows.select(
        F.when(kind == "FFSU", "MDRP_FFS").when(kind == "MCOU", "MDRP_MCO").otherwise(kind).alias("program"),
        layout.text(*_STATE).alias("state"),
        ndc_of(layout).alias("ndc"),
        _period(without_decimals(layout.text(*_YEAR)), layout.text("Quarter")).alias("period"),
        F.lit("SDUD").alias("source_kind"),
        _is_suppressed(layout, list(numbers.values())).alias("suppressed"),
        *layout.renamed({"product_name": "Product Name|product_fda_list_name|FDA Product Name|Product FDA Name"}),
        *(F.when(~number.eqNullSafe(F.lit(_SUPPRESSED)), number).alias(name) for name, number in numbers.items()),
    )


def _period(year: Column, quarter: Column) -> Column:
    number = F.regexp_extract(without_decimals(quarter), r"^[Qq]?0?([1-4])[Qq]?\z", 1)
    digit = F.when(number != "", number).otherwise(quarter)
    # `period_covered` of the former API holds the year; in CMS's record layout it is quarter and year
    return F.when(F.length(year) == 5, period_of_qyyyy(year)).otherwise(F.concat(year, F.lit("Q"), digit))


def _is_suppressed(layout: Layout, numbers: list[Column]) -> Column:
    has_star, has_number = F.lit(False), F.lit(False)
    for number in numbers:
        has_star |= number.eqNullSafe(F.lit(_SUPPRESSED))
        has_number |= number.isNotNull()
    marked = layout.text(*_SUPPRESSION)
    return F.when(has_star, "true").otherwise(F.coalesce(marked, (~has_number).cast("string")))


def _is_national_total(layout: Layout) -> Column:
    return F.upper(layout.text(*_STATE)).eqNullSafe(F.lit("XX"))


def nadac(rows: DataFrame, table: str, options: Mapping[str, Any]) -> DataFrame:
    """National Average Drug Acquisition Cost as `market_prices`: US dollars per NADAC unit (EA, ML, GM).

    Source: CMS, NADAC (42 U.S.C. 1396r-8(f)). Two layouts:
    - intervals (`effective_date`, `end_date`): `end_date` is the last day of the price; the contract's end is the day
      after it, and 2099-12-31 is open.
    - the published weekly list (`Effective Date`, `As of Date`): it repeats every price each week. One row is kept for
      each NDC and effective date, as of the latest week; the price ends where the NDC's next one begins. Rows without
      an NDC or a readable date are all kept, for quarantine.
    """
    del table, options
    layout = Layout(rows)
    start, end = layout.text("Effective Date"), layout.text("End Date")
    price = layout.received("NADAC Per Unit")
    if layout.has("End Date"):
        last_day = date_of(end)
        day_after = F.when(last_day != F.lit(_OPEN_END).cast("date"), add_days(last_day, 1).cast("string"))
        return rows.select(
            ndc_of(layout).alias("ndc"),
            iso_date(start).alias("effective_date"),
            F.when(last_day.isNull(), end).otherwise(day_after).alias("end_date"),
            price.alias("price_per_unit"),
        )
    listed = rows.select(
        ndc_of(layout).alias("ndc"),
        date_of(start).alias("start"),
        iso_date(start).alias("effective_date"),
        price.alias("price_per_unit"),
        date_of(layout.text("As of Date")).alias("listed_on"),
    )
    has_key = F.col("ndc").isNotNull() & F.col("start").isNotNull()
    latest_first = Window.partitionBy("ndc", "start").orderBy(F.col("listed_on").desc_nulls_last(), "price_per_unit")
    by_start = Window.partitionBy("ndc").orderBy("start")
    priced = (
        listed.where(has_key)
        .withColumn("place", F.row_number().over(latest_first))
        .where(F.col("place") == 1)
        .withColumn("end_date", F.lead("start").over(by_start).cast("string"))
    )
    without_key = listed.where(~has_key).withColumn("end_date", F.lit(None).cast("string"))
    columns = ("ndc", "effective_date", "end_date", "price_per_unit")
    return priced.select(*columns).unionByName(without_key.select(*columns))


_PRODUCT_COLUMNS = {
    "labeler_name": "Labeler Name",
    "product_name": "FDA Product Name|Product Name|FDA Name",
    "unit_type": "Unit Type",
    "units_per_package": "Units Per Pkg Size|Units Per Package|Units Per Package Size",
    "drug_category": "Drug Category",
    "cod_status": "COD Status",
}
_PRODUCT_DATES = {
    "market_date": ("Market Date",),
    "termination_date": ("Termination Date", "Drug Termination Date"),
    "reactivation_date": ("Reactivation Date", "Drug Reactivation Date"),
}
_REPORTED = "Date Reported to CMS"


def mdrp_products(rows: DataFrame, table: str, options: Mapping[str, Any]) -> DataFrame:
    """Drug Products in the Medicaid Drug Rebate Program as `products`: the quarterly and the weekly list.

    Source: CMS, product data that manufacturers report under 42 CFR 447.510. The quarterly list has a snapshot per
    quarter (`Year`, `Quarter`), the weekly list of newly reported drugs the day on which each was reported. Snapshots
    of an NDC that agree become one row. It is valid from the quarter or day of its first snapshot (an NDC's first row:
    from any day) to that of the next row; `snapshot_date` is the last day of the latest such quarter, or the
    latest day. A file without quarters and days gives a row per row.
    """
    del table, options
    layout = Layout(rows)
    reported = date_of(layout.text(_REPORTED))
    quarter = quarter_start(without_decimals(layout.text("Year")), without_decimals(layout.text("Quarter")))
    products = rows.select(
        ndc_of(layout).alias("ndc"),
        *layout.renamed(_PRODUCT_COLUMNS),
        *(iso_date(layout.text(*names)).alias(name) for name, names in _PRODUCT_DATES.items() if layout.has(*names)),
        F.coalesce(quarter, reported).alias("since"),
        F.coalesce(F.last_day(F.add_months(quarter, 2)), reported).alias("snapshot"),
    )
    if not (layout.has(_REPORTED) or (layout.has("Year") and layout.has("Quarter"))):
        return products.drop("since", "snapshot")
    return _valid_while_unchanged(products)


def _valid_while_unchanged(snapshots: DataFrame) -> DataFrame:
    values = [name for name in snapshots.columns if name not in ("ndc", "since", "snapshot")]
    content = F.struct(*values)
    has_key = F.col("ndc").isNotNull() & F.col("snapshot").isNotNull()
    in_time = Window.partitionBy("ndc").orderBy("snapshot", "since", content)
    # the first row of an NDC has no predecessor, and a struct is never NULL: it counts as a change
    is_change = ~F.lag(content).over(in_time).eqNullSafe(content)
    numbered = (
        snapshots.where(has_key)
        .withColumn("is_change", is_change.cast("int"))
        .withColumn("version", F.sum("is_change").over(in_time.rowsBetween(Window.unboundedPreceding, 0)))
    )
    versions = numbered.groupBy("ndc", "version", *values).agg(
        F.min("since").alias("first"), F.max("snapshot").alias("last")
    )
    next_version = Window.partitionBy("ndc").orderBy("version")
    dated = versions.select(
        "ndc",
        *values,
        F.when(F.col("version") > 1, F.col("first")).alias("valid_from"),
        F.lead("first").over(next_version).alias("valid_to"),
        F.col("last").alias("snapshot_date"),
    )
    return dated.unionByName(snapshots.where(~has_key).drop("since", "snapshot"), allowMissingColumns=True)


SDUD = Adapter(
    ("invoices",),
    sdud,
    ("Utilization Type|record_id", "State|state_code", "NDC|Package Size", "Year|period_covered", "Quarter"),
    identifiers=("NDC",),
    excluded={Reason.NATIONAL_TOTAL: _is_national_total},
)
NADAC = Adapter(("market_prices",), nadac, ("NDC", "NADAC Per Unit", "Effective Date"), identifiers=("NDC",))
MDRP_PRODUCTS = Adapter(
    ("products",), mdrp_products, ("NDC|Package Size|Package Size Code|NDC3", "Unit Type"), identifiers=("NDC",)
)
