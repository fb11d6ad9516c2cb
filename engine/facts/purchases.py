"""Whether the entity bought the product at the 340B price near the time of service (`chargebacks`)."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

QUARTERS_APART = 2


def with_purchases(claims: DataFrame, chargebacks: DataFrame | None, entities: DataFrame | None) -> DataFrame:
    """`claims` (`link` and `screen` with the entity in question) with entity_bought_at_340b.

    True where the parent entity's net 340B packages of the NDC-9 are above zero within two quarters of the quarter of
    service; NULL where the table is missing or no entity is known.
    """
    if chargebacks is None:
        return claims.withColumn("entity_bought_at_340b", F.lit(None).cast("boolean"))
    entity = F.coalesce("link.link_parent_entity_id", "screen.mef_entity_id")
    parents = _parents(entities) if entities is not None else None
    bought = chargebacks.where(F.col("contract_type") == "340B").withColumn("ndc9", F.substring("ndc11", 1, 9))
    keyed = claims.withColumn("buying_entity_id", entity)
    if parents is not None:
        bought = _at_parent(bought, "entity_id", parents)
        keyed = _at_parent(keyed, "buying_entity_id", parents)
    by_quarter = (
        bought.groupBy("entity_id", "ndc9", _quarter_number(F.col("invoice_date")).alias("quarter_number"))
        .agg(F.sum("packages").alias("packages"))
        .groupBy(F.col("entity_id").alias("bought_entity_id"), F.col("ndc9").alias("bought_ndc9"))
        .agg(F.sort_array(F.collect_list(F.struct("quarter_number", "packages"))).alias("purchases"))
    )
    joined = keyed.join(
        F.broadcast(by_quarter),
        on=[F.col("buying_entity_id") == F.col("bought_entity_id"), F.col("ndc9") == F.col("bought_ndc9")],
        how="left",  # one row per entity and product
    )
    quarter = _quarter_number(F.col("date_of_service"))
    near = F.filter("purchases", lambda p: F.abs(p["quarter_number"] - quarter) <= QUARTERS_APART)
    packages = F.aggregate(
        near, F.lit(0).cast("decimal(38,3)"), lambda total, p: (total + p["packages"]).cast("decimal(38,3)")
    )
    return joined.select(
        *claims.columns,
        F.when(F.col("buying_entity_id").isNotNull(), F.coalesce(packages > 0, F.lit(False))).alias(
            "entity_bought_at_340b"
        ),
    )


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
