"""Small tables that settle an identifier or a factor: one row per key, so that joining them never multiplies rows.

A record of a reference table is in force on a day in `[start, end)`, NULL being open. Of several records in force the
latest snapshot counts; where its records disagree there is no answer: nothing is guessed.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

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
    """One row per entity with a parent in conformed `covered_entities`: its `lookup_parents`, read by `parent_on`."""
    named = covered_entities.filter(F.col("entity_id").isNotNull() & F.col("parent_entity_id").isNotNull())
    record = _record("parent_entity_id", ("valid_from", "valid_to"))
    return named.groupBy(F.col("entity_id").alias("lookup_entity")).agg(
        F.collect_set(record).alias("lookup_parents"), _only_value(F.col("parent_entity_id")).alias("lookup_parent")
    )


def parent_on(day: Column) -> Column:
    """The parent that `parent_lookup` knows on a day; where it does not change, on any day."""
    return F.coalesce("lookup_parent", F.when(F.col("lookup_parents").isNotNull(), _in_force("lookup_parents", day)))


def factor_lookup(factors: DataFrame) -> DataFrame:
    """One row per (NDC-11, HCPCS) of a conformed table with `ndc_units_per_hcpcs_unit`, read by `factor_on`."""
    intervals = ("begin_date", "end_date") if "begin_date" in factors.columns else ("valid_from", "valid_to")
    usable = (F.col(name).isNotNull() for name in ("ndc11", "hcpcs_code", "ndc_units_per_hcpcs_unit"))
    known = factors
    for condition in usable:
        known = known.filter(condition)
    record = _record("ndc_units_per_hcpcs_unit", ("valid_from", "valid_to", *intervals))
    return known.groupBy(F.col("ndc11").alias("lookup_ndc11"), F.col("hcpcs_code").alias("lookup_hcpcs")).agg(
        F.collect_set(record).alias("lookup_factors")
    )


def factor_on(day: Column) -> Column:
    """NDC units per HCPCS unit on a day, of what `factor_lookup` gave."""
    return F.when(F.col("lookup_factors").isNotNull(), _in_force("lookup_factors", day))


def _record(value: str, bounds: tuple[str, ...]) -> Column:
    starts, ends = bounds[0::2], bounds[1::2]
    # greatest and least skip NULL: the interval in which all the record's intervals hold
    start = F.greatest(*starts) if len(starts) > 1 else F.col(starts[0])
    end = F.least(*ends) if len(ends) > 1 else F.col(ends[0])
    return F.struct(F.col(value).alias("value"), start.alias("start"), end.alias("end"), F.col("snapshot_date"))


def _in_force(records: str, day: Column) -> Column:
    def holds(record: Column) -> Column:
        has_begun = F.coalesce(record["start"] <= day, F.lit(True))
        return has_begun & F.coalesce(day < record["end"], F.lit(True))

    standing = F.filter(records, holds)
    latest = F.array_max(F.transform(standing, lambda record: record["snapshot_date"]))
    values = F.transform(
        F.filter(standing, lambda record: record["snapshot_date"].eqNullSafe(latest)), lambda record: record["value"]
    )
    return F.when(F.array_min(values) == F.array_max(values), F.array_min(values))


def _only_value(column: Column) -> Column:
    return F.when(F.min(column) == F.max(column), F.min(column))
