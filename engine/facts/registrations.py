"""Whether a pharmacy was registered for an entity at the date of service: under contract, or as its own."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.entity_families import SPAN, at_parent, covers_day
from engine.facts.families import absent
from engine.facts.pharmacies import MATCH_CONFIDENCE
from engine.intervals import covers
from engine.runtime.column_names import column_names
from engine.runtime.expressions import collect_distinct, greatest_of, least_of

REGISTRATION_FACTS = (
    T.StructField("contract_holds", T.BooleanType()),
    T.StructField("contract_begin_date", T.DateType()),
    T.StructField("contract_termination_date", T.DateType()),
    T.StructField("contracts_of_entity", T.LongType()),
    T.StructField("contracts_least_confidence", T.DoubleType()),
    T.StructField("contract_other_npi", T.StringType()),
)
_SPAN = ("begin_date", "termination_date", "valid_from", "valid_to")


def with_registration(
    rows: DataFrame,
    contract_pharmacies: DataFrame | None,
    families: DataFrame | None,
    pharmacies: DataFrame | None,
) -> DataFrame:
    """Add `registration`, a struct of REGISTRATION_FACTS, to `rows` (parent_entity_id, pharmacy_npi).

    Contracts count for the complete system of an entity: for its parent as of the date of service. A pharmacy that
    moved or was sold continues under another NPI: a contract with that NPI is reported separately in
    contract_other_npi.
    """
    if contract_pharmacies is None:
        return rows.withColumn("registration", absent(REGISTRATION_FACTS))
    has_confidence = MATCH_CONFIDENCE in column_names(contract_pharmacies)
    sure = F.col(MATCH_CONFIDENCE) if has_confidence else F.lit(1.0)
    confidence = F.when(F.col("pharmacy_npi").isNull(), F.lit(0.0)).otherwise(F.coalesce(sure, F.lit(1.0)))
    contracts = contract_pharmacies.select("entity_id", "pharmacy_npi", *_SPAN, confidence.alias("confidence"))
    contracts = at_parent(contracts, "entity_id", families)
    spans = [F.col(name).alias(f"of_entity_{name}") for name in SPAN]
    of_entity = contracts.groupBy(F.col("entity_id").alias("holder"), *spans).agg(
        F.count(F.lit(1)).alias("contracts"), F.min("confidence").alias("least_confidence")
    )
    of_pharmacy = _spans(contracts, "of_pharmacy", F.struct(*_SPAN))
    joined = rows.join(F.broadcast(of_pharmacy), on=_same("of_pharmacy"), how="left").join(
        F.broadcast(of_entity),
        on=[F.col("parent_entity_id") == F.col("holder"), covers_day(F.col("date_of_service"), "of_entity_")],
        how="left",
    )  # one row per entity and pharmacy on a day, one per entity
    moved = _moved(contracts, pharmacies)
    if moved is not None:
        of_other = _spans(moved, "of_other", F.struct("other_npi", *_SPAN))
        joined = joined.join(F.broadcast(of_other), on=_same("of_other"), how="left")
        other = least_of(F.transform(F.filter("of_other", _holds), lambda each: each["other_npi"]))
    else:
        other = F.lit(None).cast("string")
    latest = greatest_of(F.col("of_pharmacy"))
    facts = F.struct(
        F.coalesce(F.exists("of_pharmacy", _holds), F.lit(False)).alias("contract_holds"),
        latest["begin_date"].alias("contract_begin_date"),
        latest["termination_date"].alias("contract_termination_date"),
        F.coalesce("contracts", F.lit(0)).alias("contracts_of_entity"),
        F.col("least_confidence").alias("contracts_least_confidence"),
        other.alias("contract_other_npi"),
    )
    return joined.select(*column_names(rows), facts.alias("registration"))


def _spans(contracts: DataFrame, into: str, entry: Column) -> DataFrame:
    """One row per entity and pharmacy: `<into>_entity`, `<into>_npi` and the entries of its contracts."""
    return contracts.groupBy(
        F.col("entity_id").alias(f"{into}_entity"),
        F.col("pharmacy_npi").alias(f"{into}_npi"),
        *(F.col(name).alias(f"{into}_{name}") for name in SPAN),
    ).agg(collect_distinct(entry).alias(into))


def _same(into: str) -> list[Column]:
    return [
        F.col("parent_entity_id") == F.col(f"{into}_entity"),
        F.col("pharmacy_npi") == F.col(f"{into}_npi"),
        covers_day(F.col("date_of_service"), f"{into}_"),
    ]


def _holds(contract: Column) -> Column:
    day = F.col("date_of_service")
    return covers(day, contract["begin_date"], contract["termination_date"]) & covers(
        day, contract["valid_from"], contract["valid_to"]
    )


def _moved(contracts: DataFrame, pharmacies: DataFrame | None) -> DataFrame | None:
    """Contracts under the preceding or succeeding NPI of the one they name, which is `other_npi`."""
    if pharmacies is None:
        return None
    steps = pharmacies.where(F.col("successor_npi").isNotNull()).select("npi", "successor_npi")
    both = steps.union(steps.select("successor_npi", "npi")).toDF("moved_npi", "other_npi").distinct()
    # Few pharmacies move; one that succeeds several has a row for each.
    moved = contracts.join(F.broadcast(both), on=F.col("pharmacy_npi") == F.col("other_npi"), how="inner")
    return moved.withColumn("pharmacy_npi", F.col("moved_npi")).drop("moved_npi")


def with_own_pharmacy(rows: DataFrame, entity_npis: DataFrame | None, families: DataFrame | None) -> DataFrame:
    """Add pharmacy_is_entity_owned to `rows` (parent_entity_id, pharmacy_npi).

    True if the NPI belongs to the entity, its parent or the parent's sites at the date of service; NULL if the table is
    missing.
    """
    if entity_npis is None:
        return rows.withColumn("pharmacy_is_entity_owned", F.lit(None).cast("boolean"))
    owned = at_parent(entity_npis, "entity_id", families).withColumn("pharmacy_npi", F.col("npi"))
    by_npi = _spans(owned, "own_spans", F.struct("valid_from", "valid_to"))
    same = _same("own_spans")
    joined = rows.join(F.broadcast(by_npi), on=same, how="left")  # one row per entity and NPI on a day
    day = F.col("date_of_service")
    is_own = F.exists("own_spans", lambda span: covers(day, span["valid_from"], span["valid_to"]))
    return joined.select(*column_names(rows), F.coalesce(is_own, F.lit(False)).alias("pharmacy_is_entity_owned"))
