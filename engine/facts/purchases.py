"""What the entity bought of the product at the 340B price near the time of service (`chargebacks`)."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.contracts.codes import Program
from engine.facts.families import absent

QUARTERS_APART = 2
QUARTERS_ADDED_UP = 4
_SUM = "decimal(38,6)"
PURCHASE_FACTS = (
    T.StructField("entity_bought_at_340b", T.BooleanType()),
    T.StructField("entity_units_asked_for", T.DoubleType()),
    T.StructField("entity_units_bought", T.DoubleType()),
)


def with_purchases(
    claims: DataFrame, chargebacks: DataFrame | None, entities: DataFrame | None, products: DataFrame | None
) -> DataFrame:
    """`claims` (flagged ones; `link` and `screen` with the entity in question) with `purchase`, a struct of
    PURCHASE_FACTS.

    entity_bought_at_340b: the parent entity's net 340B packages of the NDC-9 are above zero within two quarters of the
    quarter of service. entity_units_bought: its net NDC units over the four quarters up to that quarter, NULL where a
    package's units are not known. entity_units_asked_for: NDC units on claims for which it is in question, over the
    same four quarters. All NULL where the table is missing or no entity is known.
    """
    if chargebacks is None:
        return claims.withColumn("purchase", absent(PURCHASE_FACTS))
    entity = F.coalesce("link.link_parent_entity_id", "screen.mef_entity_id")
    parents = _parents(entities) if entities is not None else None
    bought = chargebacks.where(F.col("contract_type") == "340B").withColumn("ndc9", F.substring("ndc11", 1, 9))
    keyed = claims.withColumn("buying_entity_id", entity)
    if parents is not None:
        bought = _at_parent(bought, "entity_id", parents)
        keyed = _at_parent(keyed, "buying_entity_id", parents)
    by_quarter = (
        _with_units(bought, products)
        .groupBy("entity_id", "ndc9", _quarter_number(F.col("invoice_date")).alias("quarter_number"))
        .agg(F.sum("packages").alias("packages"), _sum_if_all_known("units").alias("units"))
        .groupBy(F.col("entity_id").alias("bought_entity_id"), F.col("ndc9").alias("bought_ndc9"))
        .agg(F.sort_array(F.collect_list(F.struct("quarter_number", "packages", "units"))).alias("purchases"))
    )
    quarter = _quarter_number(F.col("date_of_service"))
    joined = _with_units_asked_for(keyed.withColumn("service_quarter", quarter)).join(
        F.broadcast(by_quarter),
        on=[F.col("buying_entity_id") == F.col("bought_entity_id"), F.col("ndc9") == F.col("bought_ndc9")],
        how="left",  # one row per entity and product
    )
    service = F.col("service_quarter")
    near = F.filter("purchases", lambda p: F.abs(p["quarter_number"] - service) <= QUARTERS_APART)
    of_four_quarters = F.filter(
        "purchases", lambda p: (service - p["quarter_number"]).between(0, QUARTERS_ADDED_UP - 1)
    )
    units = F.when(F.col("purchases").isNull(), F.lit(0)).otherwise(_added_up(of_four_quarters, "units"))
    facts = F.struct(
        F.coalesce(_added_up(near, "packages") > 0, F.lit(False)).alias("entity_bought_at_340b"),
        F.col("units_asked_for").cast("double").alias("entity_units_asked_for"),
        units.cast("double").alias("entity_units_bought"),
    )
    return joined.select(*claims.columns, F.when(F.col("buying_entity_id").isNotNull(), facts).alias("purchase"))


def _added_up(purchases: Column, name: str) -> Column:
    """Sum over an array of purchases; NULL where one is not known. In decimals: no order of rows changes it."""
    return F.aggregate(purchases, F.lit(0).cast(_SUM), lambda total, p: (total + p[name]).cast(_SUM))


def _with_units(bought: DataFrame, products: DataFrame | None) -> DataFrame:
    """`bought` with NDC units; NULL where the product or its package is not known."""
    if products is None:
        return bought.withColumn("units", F.lit(None).cast(_SUM))
    latest = F.max(F.struct("valid_from", "snapshot_date", "units_per_package"))["units_per_package"]
    packages = products.groupBy(F.col("ndc11").alias("product_ndc11")).agg(latest.alias("units_per_package"))
    joined = bought.join(F.broadcast(packages), on=F.col("ndc11") == F.col("product_ndc11"), how="left")
    return joined.withColumn("units", (F.col("packages") * F.col("units_per_package")).cast(_SUM))


def _sum_if_all_known(column: str) -> Column:
    return F.when(F.count(column) == F.count(F.lit(1)), F.sum(column))


def _with_units_asked_for(claims: DataFrame) -> DataFrame:
    """`claims` with the units on all claims that a 340B rule may dispute; rows without an entity meet nobody."""
    is_listed = (F.col("program") == Program.MDRP_FFS.value) & F.col("screen.mef_entity_id").isNotNull()
    by_contract_only = F.col("program").isin(Program.COMMERCIAL.value, Program.PARTD.value)
    may_be_disputed = ~by_contract_only | F.coalesce("screen.contract_excludes_340b", F.lit(False))
    is_linked = F.col("screen.link_tier").isNotNull() & may_be_disputed
    units = F.when(is_linked | is_listed, F.col("screen.ndc_units"))
    four_quarters = (
        Window.partitionBy(F.coalesce("buying_entity_id", "source_row_id"), "ndc9")
        .orderBy("service_quarter")
        .rangeBetween(1 - QUARTERS_ADDED_UP, 0)
    )
    return claims.withColumn("units_asked_for", F.coalesce(F.sum(units).over(four_quarters), F.lit(0)))


def _parents(entities: DataFrame) -> DataFrame:
    """One row per entity that has a parent; of several, the smallest."""
    return (
        entities.where(F.col("parent_entity_id").isNotNull())
        .groupBy(F.col("entity_id").alias("child_entity_id"))
        .agg(F.min("parent_entity_id").alias("parent_of_child"))
    )


def _at_parent(rows: DataFrame, entity: str, parents: DataFrame) -> DataFrame:
    joined = rows.join(F.broadcast(parents), on=F.col(entity) == F.col("child_entity_id"), how="left")
    return joined.withColumn(entity, F.coalesce("parent_of_child", entity)).drop("child_entity_id", "parent_of_child")


def _quarter_number(day: Column) -> Column:
    return F.year(day) * 4 + F.quarter(day)
