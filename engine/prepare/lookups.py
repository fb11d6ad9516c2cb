"""Small tables that settle an identifier: one row per key, so that joining them never multiplies rows."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from engine.intervals import covers
from engine.prepare import identifiers


def ndc10_lookup(product_ndc11: DataFrame) -> DataFrame:
    """One row per ten-digit spelling of a product's NDC: `lookup_ndc10`, and `lookup_ndc10_is`, NULL where several fit.

    `product_ndc11` has one column, `ndc11`; several rows of one product are one candidate.
    """
    return (
        product_ndc11.filter(F.col("ndc11").isNotNull())
        .select("ndc11", F.explode(identifiers.ndc10_spellings(F.col("ndc11"))).alias("lookup_ndc10"))
        .groupBy("lookup_ndc10")
        .agg(_only_value(F.col("ndc11")).alias("lookup_ndc10_is"))
    )


def ncpdp_lookup(pharmacies: DataFrame) -> DataFrame:
    """One row per NCPDP id of conformed `pharmacies`: `lookup_ncpdp`, and `lookup_npi`, NULL where it has several."""
    return (
        pharmacies.filter(F.col("ncpdp_id").isNotNull() & F.col("npi").isNotNull())
        .groupBy(F.col("ncpdp_id").alias("lookup_ncpdp"))
        .agg(_only_value(F.col("npi")).alias("lookup_npi"))
    )


def parent_lookup(covered_entities: DataFrame) -> DataFrame:
    """One row per entity with a parent in conformed `covered_entities`: `lookup_entity`, and what `parent_on` reads."""
    parent = F.col("parent_entity_id")
    record = F.struct("valid_from", "valid_to", "snapshot_date", parent.alias("parent"))
    return (
        covered_entities.filter(F.col("entity_id").isNotNull() & parent.isNotNull())
        .groupBy(F.col("entity_id").alias("lookup_entity"))
        .agg(
            F.collect_set(record).alias("lookup_parents"),
            _only_value(parent).alias("lookup_only_parent"),
        )
    )


def parent_on(day: Column) -> Column:
    """The parent that `parent_lookup` knows on a day; on any day where it never changes.

    Of several records in force the latest snapshot counts; where its records disagree there is no answer.
    """
    in_force = F.filter("lookup_parents", lambda record: covers(day, record["valid_from"], record["valid_to"]))
    latest = F.array_max(F.transform(in_force, lambda record: record["snapshot_date"]))
    newest = F.filter(in_force, lambda record: record["snapshot_date"].eqNullSafe(latest))
    parents = F.transform(newest, lambda record: record["parent"])
    then = F.when(F.array_min(parents) == F.array_max(parents), F.array_min(parents))
    return F.coalesce("lookup_only_parent", F.when(F.col("lookup_parents").isNotNull(), then))


def _only_value(column: Column) -> Column:
    return F.when(F.min(column) == F.max(column), F.min(column))
