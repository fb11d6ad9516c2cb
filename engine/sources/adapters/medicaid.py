"""CMS files of data.medicaid.gov: state drug utilization, NADAC prices, drug products of the rebate program."""

from __future__ import annotations

from collections.abc import Mapping

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from engine.dates import add_days
from engine.sources.adapters.layout import Adapter, Layout, date_of, iso_date, ndc_of

_OPEN_END = "2099-12-31"


def sdud(rows: DataFrame, table: str, options: Mapping[str, str]) -> DataFrame:
    """State Drug Utilization Data as `invoices`: one row per line as published.

    Source: CMS, State Drug Utilization Data (42 CFR 447.511 reports of the states). FFSU is MDRP_FFS, MCOU is
    MDRP_MCO; `period` is made of year and quarter; units in CMS units, amounts in US dollars.
    National totals (state XX) repeat what the states' own lines say. They are no program's invoice and keep their
    type with the mark NATIONAL_TOTAL as `program`, so that they end in quarantine as PROGRAM_INVALID, counted.
    """
    del table, options
    layout = Layout(rows)
    kind = F.upper(layout.text("Utilization Type"))
    is_national_total = F.upper(layout.text("State")) == "XX"
    program = (
        F.when(is_national_total, F.concat_ws(" ", F.lit("NATIONAL_TOTAL"), kind))
        .when(kind == "FFSU", "MDRP_FFS")
        .when(kind == "MCOU", "MDRP_MCO")
        .otherwise(kind)
    )
    return rows.select(
        program.alias("program"),
        layout.text("State").alias("state"),
        ndc_of(layout).alias("ndc"),
        F.concat(_whole(layout.text("Year")), F.lit("Q"), _whole(layout.text("Quarter"))).alias("period"),
        F.lit("SDUD").alias("source_kind"),
        *layout.renamed(
            {
                "product_name": "Product Name",
                "units_reimbursed": "Units Reimbursed",
                "prescriptions": "Number of Prescriptions",
                "medicaid_amount": "Medicaid Amount Reimbursed",
                "non_medicaid_amount": "Non Medicaid Amount Reimbursed",
                "total_amount": "Total Amount Reimbursed",
                "suppressed": "Suppression Used|Suppression",
            }
        ),
    )


def nadac(rows: DataFrame, table: str, options: Mapping[str, str]) -> DataFrame:
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
    "product_name": "FDA Product Name|Product Name",
    "unit_type": "Unit Type",
    "units_per_package": "Units Per Pkg Size|Units Per Package",
    "drug_category": "Drug Category",
    "cod_status": "COD Status",
}
_PRODUCT_DATES = {
    "market_date": "Market Date",
    "termination_date": "Termination Date",
    "reactivation_date": "Reactivation Date",
}


def mdrp_products(rows: DataFrame, table: str, options: Mapping[str, str]) -> DataFrame:
    """Drug Products in the Medicaid Drug Rebate Program as `products`.

    Source: CMS, quarterly product file (what manufacturers report under 42 CFR 447.510). CMS's file holds a snapshot
    per quarter (`Year`, `Quarter`): snapshots of an NDC that say the same become one row, valid from the quarter that
    first says so (the first known one: from ever) to the quarter that says otherwise, with the latest snapshot's last
    day as `snapshot_date`. A file without quarters gives a row per row.
    """
    del table, options
    layout = Layout(rows)
    products = rows.select(
        ndc_of(layout).alias("ndc"),
        *layout.renamed(_PRODUCT_COLUMNS),
        *(iso_date(layout.text(source)).alias(name) for name, source in _PRODUCT_DATES.items() if layout.has(source)),
        _quarter_start(layout).alias("snapshot"),
    )
    if not (layout.has("Year") and layout.has("Quarter")):
        return products.drop("snapshot")
    return _valid_while_unchanged(products)


def _valid_while_unchanged(snapshots: DataFrame) -> DataFrame:
    told = [name for name in snapshots.columns if name not in ("ndc", "snapshot")]
    content = F.struct(*told)
    has_key = F.col("ndc").isNotNull() & F.col("snapshot").isNotNull()
    in_time = Window.partitionBy("ndc").orderBy("snapshot", content)
    # the first row of an NDC has no predecessor, and a struct is never NULL: it counts as a change
    is_change = ~F.lag(content).over(in_time).eqNullSafe(content)
    numbered = (
        snapshots.where(has_key)
        .withColumn("is_change", is_change.cast("int"))
        .withColumn("version", F.sum("is_change").over(in_time.rowsBetween(Window.unboundedPreceding, 0)))
    )
    versions = numbered.groupBy("ndc", "version", *told).agg(
        F.min("snapshot").alias("first"), F.max("snapshot").alias("last")
    )
    next_version = Window.partitionBy("ndc").orderBy("version")
    dated = versions.select(
        "ndc",
        *told,
        F.when(F.col("version") > 1, F.col("first")).alias("valid_from"),
        F.lead("first").over(next_version).alias("valid_to"),
        F.last_day(F.add_months("last", 2)).alias("snapshot_date"),
    )
    return dated.unionByName(snapshots.where(~has_key).drop("snapshot"), allowMissingColumns=True)


def _quarter_start(layout: Layout) -> Column:
    year, quarter = _whole(layout.text("Year")), _whole(layout.text("Quarter"))
    month = quarter.try_cast("int") * 3 - 2
    return F.try_make_timestamp(year.try_cast("int"), month, F.lit(1), F.lit(0), F.lit(0), F.lit(0)).cast("date")


def _whole(text: Column) -> Column:
    """`4.0`, as a column of floats prints it, as `4`."""
    return F.regexp_replace(text, r"\.0+\z", "")


SDUD = Adapter(("invoices",), sdud, ("Utilization Type", "State", "NDC|Package Size", "Year", "Quarter"))
NADAC = Adapter(("market_prices",), nadac, ("NDC", "NADAC Per Unit", "Effective Date"))
MDRP_PRODUCTS = Adapter(("products",), mdrp_products, ("NDC|Package Size|Package Size Code",))
