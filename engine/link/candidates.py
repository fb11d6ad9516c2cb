"""Pairs of a rebate claim and a 340B claim that may be the same dispense."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from engine.contracts.codes import ClaimType
from engine.link.agreement import days_between, with_agreement
from engine.settings import LinkSettings

# One prescription at one pharmacy (MEDICAL: one claim number of one provider).
SCRIPT = ("dispense_hash", "pharmacy_key", "script_key", "claim_type")

# Whoever asks for money once: claims of one stream compete for a 340B claim, claims of different streams do not.
STREAM = ("program", "payer_id", "rebate_type")

# What makes a claim one dispense of the script; NULL equals NULL. The entity reports no claim line.
REBATE_CLAIM = ("fill_number", "date_of_service", "hcpcs_code", "ndc11")
ENTITY_CLAIM = tuple(f"entity_{name}" for name in REBATE_CLAIM)


def candidate_pairs(rebate_claims: DataFrame, entity_claims: DataFrame, settings: LinkSettings) -> DataFrame:
    """One row per pair that meets a tier: both sides' fields and what `with_agreement` says of them.

    Equal pharmacy, prescription and NDC-9, dates of service at most `days_apart` days apart. A NULL key meets nothing.
    Only rebate rows whose dispense_hash occurs among the entity's rows are shuffled.
    """
    entity = _entity_side(entity_claims)
    rebate = _with_whole_fill_units(_rebate_side(rebate_claims, entity_claims), rebate_claims, entity_claims)
    entity = entity.withColumnsRenamed({name: f"entity_script_{name}" for name in SCRIPT})
    same_script = [F.col(name) == F.col(f"entity_script_{name}") for name in SCRIPT]
    same_product = F.col("ndc9") == F.col("entity_ndc9")
    is_near = days_between() <= settings.days_apart
    pairs = rebate.join(entity, on=[*same_script, same_product, is_near], how="inner")
    return with_agreement(pairs, settings).select(
        "source_row_id",
        *SCRIPT,
        *STREAM,
        *REBATE_CLAIM,
        "entity_row_id",
        "entity_id",
        "parent_entity_id",
        *ENTITY_CLAIM,
        "entity_quantity",
        "is_340b_assumed",
        "days",
        "is_part",
        "tier",
        "score",
        "fields_differ",
    )


def _has_script() -> Column:
    return F.col("pharmacy_key").isNotNull() & F.col("script_key").isNotNull()


def _only_on(claim_type: ClaimType, field: str) -> Column:
    return F.when(F.col("claim_type") == claim_type.value, F.col(field))


def _rebate_side(rebate_claims: DataFrame, entity_claims: DataFrame) -> DataFrame:
    """Rebate rows of the prescriptions that entities report."""
    rows = rebate_claims.where(_has_script()).select(
        "source_row_id",
        *SCRIPT,
        *STREAM,
        _only_on(ClaimType.RX, "fill_number").alias("fill_number"),
        "date_of_service",
        _only_on(ClaimType.MEDICAL, "hcpcs_code").alias("hcpcs_code"),
        "ndc11",
        "ndc9",
        "ndc_units",
        "dispensing_status",
        "prescriber_npi",
    )
    return rows.join(entity_claims.select("dispense_hash"), on="dispense_hash", how="left_semi")


def _entity_side(entity_claims: DataFrame) -> DataFrame:
    return entity_claims.where(_has_script()).select(
        F.col("source_row_id").alias("entity_row_id"),
        *SCRIPT,
        "entity_id",
        "parent_entity_id",
        _only_on(ClaimType.RX, "fill_number").alias("entity_fill_number"),
        F.col("date_of_service").alias("entity_date_of_service"),
        _only_on(ClaimType.MEDICAL, "hcpcs_code").alias("entity_hcpcs_code"),
        F.col("ndc11").alias("entity_ndc11"),
        F.col("ndc9").alias("entity_ndc9"),
        F.col("quantity").alias("entity_quantity"),
        F.col("prescriber_npi").alias("entity_prescriber_npi"),
        "is_340b_assumed",
    )


def _with_whole_fill_units(rebate: DataFrame, rebate_claims: DataFrame, entity_claims: DataFrame) -> DataFrame:
    """Adds `whole_fill_units` to P and C rows: the sum over the parts of the same fill in the same stream.

    Parts that were delivered twice (equal but for row id, period or the like) count once.
    """
    is_part = F.col("dispensing_status").isNotNull() & (F.col("claim_type") == ClaimType.RX.value)
    parts = _rebate_side(rebate_claims.where(is_part), entity_claims)
    fill = [*SCRIPT, *STREAM, "fill_number", "ndc9"]
    equals = Window.partitionBy(*fill, "dispensing_status", "date_of_service", "ndc11")
    first_of_equals = equals.orderBy(F.col("ndc_units").desc_nulls_last(), "source_row_id")
    units_once = F.when(F.row_number().over(first_of_equals) == 1, F.col("ndc_units"))
    sums = parts.withColumn("ndc_units", units_once).select(
        F.col("dispense_hash").alias("part_dispense_hash"),
        F.col("source_row_id").alias("part_source_row_id"),
        F.sum("ndc_units").over(Window.partitionBy(*fill)).cast("decimal(15,3)").alias("whole_fill_units"),
    )
    same_row = [
        F.col("dispense_hash") == F.col("part_dispense_hash"),
        F.col("source_row_id") == F.col("part_source_row_id"),
    ]
    return rebate.join(sums, on=same_row, how="left")
