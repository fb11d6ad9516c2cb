"""Purchases of the product at the 340B price (`chargebacks`) and 340B claims of the entity in question."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.contracts.codes import ClaimType, Program
from engine.entity_families import SPAN, at_parent
from engine.facts.duplicates import is_refund_request
from engine.facts.families import absent
from engine.facts.feature import BEFORE, Feature
from engine.facts.history import SERVICE_QUARTER, TRAILING_QUARTERS, added_up, before, near, with_history
from engine.intervals import covers, quarter_index
from engine.runtime.column_names import column_names
from engine.runtime.expressions import array_contains, divide, greatest_of_groups, log

QUARTERS_APART = 2
QUARTERS_ADDED_UP = TRAILING_QUARTERS
_SUM = "decimal(38,6)"
_ENTITY_PRODUCT = ("parent_entity_id", "ndc9")
FEATURES = (
    Feature(
        "F53",
        "f53_purch_vs_disp",
        "units bought at the 340B price (packages x units per package) / units that the entity claims as 340B",
        needs=("chargebacks", "products.units_per_package", "entity_claims"),
        grain="parent entity in question and NDC-9",
        window=BEFORE,
    ),
    Feature(
        "F54",
        "f54_ce_volume_jump",
        "ln(units claimed as 340B in a quarter / their mean in the 4 before it, one without claims counting 0)",
        needs=("entity_claims",),
        grain="parent entity in question and NDC-9",
        window="the quarter before that of service, and the 4 before it",
        unit="natural logarithm",
    ),
)
PURCHASE_FACTS = (
    T.StructField("entity_bought_at_340b", T.BooleanType()),
    T.StructField("entity_units_asked_for", T.DoubleType()),
    T.StructField("entity_units_bought", T.DoubleType()),
    T.StructField("f53_purch_vs_disp", T.DoubleType()),
)


def with_units_claimed(rows: DataFrame, flagged: DataFrame, entity_claims: DataFrame | None) -> DataFrame:
    """Add F54 and `units_claimed` to `rows` (parent_entity_id, ndc9).

    units_claimed: the units that the entity claimed as 340B in the four quarters before the quarter of service; NULL if
    no entity is known.
    """
    if entity_claims is None:
        unknown = F.lit(None).cast(_SUM)
        return rows.withColumns({"f54_ce_volume_jump": unknown.cast("double"), "units_claimed": unknown})
    enriched = with_history(
        rows,
        near(flagged, entity_claims, _ENTITY_PRODUCT),
        _ENTITY_PRODUCT,
        {"quarter": quarter_index(F.col("date_of_service"))},
        "of_entity",
        {"units": F.sum("quantity").cast(_SUM)},
    )
    ago = F.col(SERVICE_QUARTER)
    last = added_up(F.filter("of_entity", lambda entry: ago - entry["quarter"] == 1), "units", _SUM)
    earlier = F.filter("of_entity", lambda entry: (ago - entry["quarter"]).between(2, QUARTERS_ADDED_UP + 1))
    mean = added_up(earlier, "units", _SUM).cast("double") / QUARTERS_ADDED_UP
    jump = F.when((last > 0) & (mean > 0), log(last.cast("double") / mean))
    return enriched.select(
        *column_names(rows),
        jump.alias("f54_ce_volume_jump"),
        added_up(before("of_entity"), "units", _SUM).alias("units_claimed"),
    )


def with_purchases(
    rows: DataFrame,
    flagged: DataFrame,
    chargebacks: DataFrame | None,
    families: DataFrame | None,
    products: DataFrame | None,
) -> DataFrame:
    """Add `purchase`, a struct of PURCHASE_FACTS, to `rows`.

    `rows`: flagged claims with parent_entity_id, the entity in question, and units_claimed. `flagged`: the flagged
    claims, all of which count for the units billed.

    entity_bought_at_340b: the parent entity's net 340B packages of the NDC-9 are above zero within two quarters of the
    quarter of service. entity_units_bought: its net NDC units over the four quarters up to that quarter, NULL if a
    package's units are not known. entity_units_asked_for: NDC units on claims for which it is the entity in question,
    over the same four quarters. F53 covers the four quarters before. All are NULL if the table is missing or no entity
    is known.
    """
    if chargebacks is None:
        return rows.withColumn("purchase", absent(PURCHASE_FACTS))
    by_quarter = bought_by_quarter(chargebacks, families, products)
    billed = _units_billed(flagged)
    joined = rows.join(billed, on=F.col("source_row_id") == F.col("billed_row_id"), how="left").join(
        F.broadcast(by_quarter),
        on=[F.col("parent_entity_id") == F.col("bought_entity_id"), F.col("ndc9") == F.col("bought_ndc9")],
        how="left",  # one row per entity and product
    )
    joined = joined.withColumn("bought", F.coalesce(bought_as_of(F.col("date_of_service")), F.array()))
    service = F.col(SERVICE_QUARTER)
    close = F.filter("bought", lambda each: F.abs(each["quarter"] - service) <= QUARTERS_APART)
    up_to_now = F.filter("bought", lambda each: (service - each["quarter"]).between(0, QUARTERS_ADDED_UP - 1))
    units_before = added_up(before("bought"), "units", _SUM).cast("double")
    facts = F.struct(
        (added_up(close, "packages", _SUM) > 0).alias("entity_bought_at_340b"),
        F.col("units_billed").cast("double").alias("entity_units_asked_for"),
        added_up(up_to_now, "units", _SUM).cast("double").alias("entity_units_bought"),
        divide(units_before, F.col("units_claimed").cast("double")).alias("f53_purch_vs_disp"),
    )
    return joined.select(*column_names(rows), F.when(F.col("parent_entity_id").isNotNull(), facts).alias("purchase"))


def bought_by_quarter(chargebacks: DataFrame, families: DataFrame | None, products: DataFrame | None) -> DataFrame:
    """One row per parent entity and NDC-9 (bought_entity_id, bought_ndc9) with the array `bought`, sorted by quarter.

    Its entries contain the quarter, net packages and NDC units at the 340B price, the period in which the buying entity
    belonged to the parent, and `then`, 1 if it belonged to it on the day of the purchase. Units are NULL if a package's
    units are not known.
    """
    bought = chargebacks.where(F.col("contract_type") == "340B").withColumn("ndc9", F.substring("ndc11", 1, 9))
    return (
        _with_units(at_parent(bought, "entity_id", families), products)
        .withColumn("then", F.when(covers(F.col("invoice_date"), *(F.col(name) for name in SPAN)), F.lit(1)))
        .groupBy("entity_id", "ndc9", *SPAN, "then", quarter_index(F.col("invoice_date")).alias("quarter"))
        .agg(F.sum("packages").alias("packages"), _sum_if_all_known("units").alias("units"))
        .groupBy(F.col("entity_id").alias("bought_entity_id"), F.col("ndc9").alias("bought_ndc9"))
        .agg(F.sort_array(F.collect_list(F.struct("quarter", "packages", "units", *SPAN, "then"))).alias("bought"))
    )


def bought_as_of(day: Column) -> Column:
    """The entries of `bought` by entities that belong to the parent on the day."""
    return F.filter("bought", lambda each: covers(day, *(each[name] for name in SPAN)))


def _with_units(bought: DataFrame, products: DataFrame | None) -> DataFrame:
    """Add NDC units to `bought`; NULL if the product or its package is not known."""
    if products is None:
        return bought.withColumn("units", F.lit(None).cast(_SUM))
    fields = ("valid_from", "snapshot_date", "units_per_package")
    latest = greatest_of_groups(products, ["ndc11"], fields, into="latest")
    packages = latest.select(F.col("ndc11").alias("product_ndc11"), F.col("latest.units_per_package"))
    joined = bought.join(F.broadcast(packages), on=F.col("ndc11") == F.col("product_ndc11"), how="left")
    return joined.withColumn("units", (F.col("packages") * F.col("units_per_package")).cast(_SUM))


def _sum_if_all_known(column: str) -> Column:
    return F.when(F.count(column) == F.count(F.lit(1)), F.sum(column))


def _units_billed(claims: DataFrame) -> DataFrame:
    """billed_row_id and units_billed: the units of all claims that a 340B rule may dispute.

    A dispense was bought once, even if several rebates or payers bill it: its largest quantity counts. Rows without an
    entity are not added to any other row.
    """
    is_listed = (F.col("program") == Program.MDRP_FFS.value) & F.col("mef_entity_id").isNotNull()
    is_listed = is_listed & F.coalesce(array_contains(F.split("state_340b_method", r"\|"), F.lit("MEF")), F.lit(True))
    by_contract_only = F.col("program").isin(Program.COMMERCIAL.value, Program.PARTD.value)
    is_refund = F.col("program") == Program.MFP.value
    may_be_disputed = (
        F.when(by_contract_only, F.coalesce("contract_excludes_340b", F.lit(False)))
        .when(is_refund, is_refund_request() & F.col("price_ceiling").isNotNull() & F.col("price_mfp").isNotNull())
        .otherwise(F.lit(True))
    )
    is_linked = F.col("link_tier").isNotNull() & may_be_disputed
    units = F.when(is_linked | is_listed, F.col("ndc_units"))
    entity = F.coalesce("parent_entity_id", "source_row_id")
    largest_first = Window.partitionBy(entity, "ndc9", *_dispense()).orderBy(
        F.col("billed_units").desc_nulls_last(), "source_row_id"
    )
    four_quarters = Window.partitionBy(entity, "ndc9").orderBy(SERVICE_QUARTER).rangeBetween(1 - QUARTERS_ADDED_UP, 0)
    rows = claims.withColumn("billed_units", units)
    rows = rows.withColumn("counted", F.when(F.row_number().over(largest_first) == 1, F.col("billed_units")))
    return rows.select(
        F.col("source_row_id").alias("billed_row_id"),
        F.coalesce(F.sum("counted").over(four_quarters), F.lit(0)).alias("units_billed"),
    )


def _dispense() -> list[Column]:
    """Parts of the natural key (contract part 3); a row without a prescription number is a dispense of its own."""
    is_rx = F.col("claim_type") == ClaimType.RX.value
    return [
        *(F.col(name) for name in ("pharmacy_key", "claim_type", "date_of_service", "ndc11")),
        F.coalesce("script_key", F.concat(F.lit("row "), F.col("source_row_id"))),
        F.when(is_rx, F.col("fill_number")),
        F.when(~is_rx, F.col("claim_line")),
        F.when(~is_rx, F.col("hcpcs_code")),
    ]
