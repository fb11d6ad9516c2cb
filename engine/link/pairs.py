"""Candidate pairs of rebate claims and 340B claims within a block; oversized blocks are excluded first."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from engine.contracts.codes import ClaimType
from engine.link.agreement import days_between
from engine.link.keys import KEY, STREAM, has_no_plain_rx, no_units, with_tuple_key, without
from engine.runtime.expressions import collect_set_over
from engine.settings import LinkSettings


def pairs_of_key(rebate: DataFrame, entity: DataFrame, settings: LinkSettings) -> DataFrame:
    """One row per pair of equal KEY with dates of service near enough to compare; a NULL key matches nothing."""
    renamed = entity.withColumnsRenamed({name: f"entity_{name}" for name in KEY})
    same_key = [F.col(name) == F.col(f"entity_{name}") for name in KEY]
    pairs = rebate.join(renamed, on=[*same_key, _is_near(settings)], how="inner")
    return pairs.drop(*(f"entity_{name}" for name in KEY))


def pairs_by_chance(rebate: DataFrame, entity: DataFrame, settings: LinkSettings) -> DataFrame:
    """Pairs that are not one dispense: RX claims of one pharmacy and time, of different prescriptions.

    Uses a sample of the entities' rows: those with the smallest hashes.
    """
    is_rx = F.col("claim_type") == ClaimType.RX.value
    sample = (
        entity.where(is_rx & F.col("key_hash").isNotNull())
        .orderBy(F.xxhash64("entity_row_id"), "entity_row_id")
        .limit(settings.most_sampled_claims)
        .withColumnsRenamed({name: f"entity_{name}" for name in KEY})
    )
    same_pharmacy = F.col("key_pharmacy") == F.col("entity_key_pharmacy")
    other_script = F.col("script_key") != F.col("entity_script_key")
    near = [same_pharmacy, other_script, _is_near(settings)]
    pairs = rebate.where(is_rx).join(F.broadcast(sample), on=near, how="inner")  # claims of a pharmacy in days
    pairs = pairs.withColumn("whole_fill_units", no_units())
    return pairs.drop(*(f"entity_{name}" for name in KEY))


def tuple_sides(rebate: DataFrame, special: DataFrame, entity: DataFrame) -> tuple[DataFrame, DataFrame]:
    """Rows of both sides keyed by pharmacy, NDC-11, day and prescriber, if a side's Rx number is unusable or hashed.

    `special`: a superset of the rebate rows with such an Rx number.
    """
    special_rebate = with_tuple_key(special.where(has_no_plain_rx("rx_kind"))).select("key_hash")
    special_entity = with_tuple_key(entity.where(has_no_plain_rx("entity_rx_kind")), "entity_").select("key_hash")
    wanted = special_rebate.unionByName(special_entity)
    rebate_rows = with_tuple_key(rebate).join(wanted, on="key_hash", how="left_semi")
    entity_rows = with_tuple_key(entity, "entity_").join(wanted, on="key_hash", how="left_semi")
    return rebate_rows, entity_rows


def pairs_of_tuple(
    rebate_rows: DataFrame, entity_rows: DataFrame, oversized: DataFrame, settings: LinkSettings
) -> DataFrame:
    """Pairs of `tuple_sides`, as `pairs_of_key`, without oversized blocks. Parts of a fill are not summed."""
    rebate_rows = without(rebate_rows, oversized).withColumn("whole_fill_units", no_units())
    return pairs_of_key(rebate_rows, without(entity_rows, oversized), settings)


def only_pairs(pairs: DataFrame) -> DataFrame:
    """Unique tuple pairs with levels: neither claim has another candidate, so neither can mean another dispense.

    Repeated rows of one prescription count once. Claims with comparable Rx numbers count as rivals but are not paired.
    """
    same_quantity = F.col("quantity").isin("EXACT", "CONVERTED")

    def rivals(script: str, row: str) -> Column:
        return F.size(collect_set_over(F.col(script), Window.partitionBy("key_hash", row)))

    counted = pairs.where(same_quantity).withColumns(
        {
            "entity_dispenses": rivals("entity_own_script", "source_row_id"),
            "rebate_dispenses": rivals("own_script", "entity_row_id"),
        }
    )
    is_only = (F.col("entity_dispenses") == 1) & (F.col("rebate_dispenses") == 1)
    return counted.where(is_only & ~is_comparable()).drop("entity_dispenses", "rebate_dispenses")


def is_comparable() -> Column:
    """True if both Rx numbers have the same form, so an equal number would have put them in one block."""
    return F.coalesce(F.col("rx_kind") == F.col("entity_rx_kind"), F.lit(False))


def not_yet_linked(pairs: DataFrame, links: DataFrame) -> DataFrame:
    """Pairs without a linked claim, in the stream of the rebate claim."""
    linked = F.broadcast(links.select(F.col("source_row_id").alias("linked_row_id")).distinct())
    used = links.select(*(F.col(name).alias(f"used_{name}") for name in (*STREAM, "entity_claim"))).distinct()
    is_used = [F.col(name).eqNullSafe(F.col(f"used_{name}")) for name in (*STREAM, "entity_claim")]
    return pairs.join(linked, on=F.col("source_row_id") == F.col("linked_row_id"), how="left_anti").join(
        F.broadcast(used), on=is_used, how="left_anti"
    )


def _is_near(settings: LinkSettings) -> Column:
    return days_between() <= max(settings.days_apart, settings.days_apart_by_mail)
