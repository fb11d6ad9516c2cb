"""Small tables that settle an identifier: each has one row per key, so that joining it never multiplies rows."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from engine.prepare import identifiers


def ndc10_lookup(product_ndc11: DataFrame) -> DataFrame:
    """One row per ten-digit spelling of a product's NDC: `ndc10`, and `ndc10_is`, NULL where several products fit.

    `product_ndc11` has one column, `ndc11`; several rows of one product are one candidate.
    """
    return (
        product_ndc11.filter(F.col("ndc11").isNotNull())
        .select("ndc11", F.explode(identifiers.ndc10_spellings(F.col("ndc11"))).alias("lookup_ndc10"))
        .groupBy("lookup_ndc10")
        .agg(_only_value(F.col("ndc11")).alias("lookup_ndc10_is"))
    )


def ncpdp_lookup(pharmacies: DataFrame) -> DataFrame:
    """One row per NCPDP id of conformed `pharmacies`: `ncpdp_id`, and `ncpdp_npi`, NULL where it has several NPIs."""
    return (
        pharmacies.filter(F.col("ncpdp_id").isNotNull() & F.col("npi").isNotNull())
        .groupBy(F.col("ncpdp_id").alias("lookup_ncpdp"))
        .agg(_only_value(F.col("npi")).alias("lookup_npi"))
    )


def parent_lookup(covered_entities: DataFrame) -> DataFrame:
    """One row per entity that has a parent in conformed `covered_entities`.

    `parents` holds every record that names one as struct(snapshot_date, valid_from, valid_to, parent_entity_id);
    `only_parent` is the parent where all records agree.
    """
    record = F.struct("snapshot_date", "valid_from", "valid_to", "parent_entity_id")
    return (
        covered_entities.filter(F.col("entity_id").isNotNull() & F.col("parent_entity_id").isNotNull())
        .groupBy(F.col("entity_id").alias("lookup_entity"))
        .agg(
            F.sort_array(F.collect_set(record), asc=False).alias("lookup_parents"),
            _only_value(F.col("parent_entity_id")).alias("lookup_only_parent"),
        )
    )


def parent_on(day: Column) -> Column:
    """The parent on a day: of the records in force the one of the latest snapshot, else the only one ever named."""

    def in_force(record: Column) -> Column:
        return F.coalesce(record["valid_from"] <= day, F.lit(True)) & F.coalesce(day < record["valid_to"], F.lit(True))

    return F.when(
        F.col("lookup_parents").isNotNull(),
        F.coalesce(
            F.col("lookup_only_parent"), F.get(F.filter("lookup_parents", in_force), F.lit(0))["parent_entity_id"]
        ),
    )


def _only_value(column: Column) -> Column:
    return F.when(F.min(column) == F.max(column), F.min(column))
