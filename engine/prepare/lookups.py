"""Lookup tables that resolve identifiers: one row per key, so joins never multiply rows."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from engine.prepare import identifiers


def ndc10_lookup(product_ndc11: DataFrame) -> DataFrame:
    """One row per ten-digit spelling of a product's NDC: `lookup_ndc10`, and `lookup_ndc10_is`, NULL if several fit.

    `product_ndc11` has one column, `ndc11`; several rows of one product are one candidate.
    """
    return (
        product_ndc11.filter(F.col("ndc11").isNotNull())
        .select("ndc11", F.explode(identifiers.ndc10_spellings(F.col("ndc11"))).alias("lookup_ndc10"))
        .groupBy("lookup_ndc10")
        .agg(_only_value(F.col("ndc11")).alias("lookup_ndc10_is"))
    )


def ncpdp_lookup(pharmacies: DataFrame) -> DataFrame:
    """One row per NCPDP id of conformed `pharmacies`: `lookup_ncpdp`, and `lookup_npi`, NULL if it has several."""
    return (
        pharmacies.filter(F.col("ncpdp_id").isNotNull() & F.col("npi").isNotNull())
        .groupBy(F.col("ncpdp_id").alias("lookup_ncpdp"))
        .agg(_only_value(F.col("npi")).alias("lookup_npi"))
    )


def _only_value(column: Column) -> Column:
    return F.when(F.min(column) == F.max(column), F.min(column))
