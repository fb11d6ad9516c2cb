"""Pairs of a rebate claim and a 340B claim that meet by a key: counted before they are made."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from engine.contracts.codes import ClaimType
from engine.link.agreement import days_between
from engine.link.keys import KEY, STREAM, is_odd, no_units, with_tuple_key
from engine.runtime.expressions import collect_set_over
from engine.settings import LinkSettings


def pairs_of_key(rebate: DataFrame, entity: DataFrame, settings: LinkSettings) -> DataFrame:
    """One row per pair of equal KEY with dates of service near enough to compare; a NULL key meets nothing."""
    given = entity.withColumnsRenamed({name: f"entity_{name}" for name in KEY})
    same_key = [F.col(name) == F.col(f"entity_{name}") for name in KEY]
    pairs = rebate.join(given, on=[*same_key, _is_near(settings)], how="inner")
    return pairs.drop(*(f"entity_{name}" for name in KEY))


def pairs_by_chance(rebate: DataFrame, entity: DataFrame, settings: LinkSettings) -> DataFrame:
    """Pairs that are not one dispense: RX claims of one pharmacy and time, of different prescriptions.

    Of the entity's rows a sample, the smallest by hash.
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


def pairs_of_tuple(rebate: DataFrame, odd: DataFrame, entity: DataFrame, settings: LinkSettings) -> DataFrame:
    """Pairs of equal pharmacy, NDC-11, day and prescriber, as `pairs_of_key`, where a side's Rx number is no key or is
    hashed. `odd`: the rebate rows of which that is true, or more of them. Parts of a fill are not added up.
    """
    odd_tuples = with_tuple_key(odd.where(is_odd("rx_kind"))).select("key_hash")
    odd_given = with_tuple_key(entity.where(is_odd("entity_rx_kind")), "entity_").select("key_hash")
    wanted = odd_tuples.unionByName(odd_given)
    claimed = with_tuple_key(rebate).join(wanted, on="key_hash", how="left_semi")
    given = with_tuple_key(entity, "entity_").join(wanted, on="key_hash", how="left_semi")
    return pairs_of_key(claimed.withColumn("whole_fill_units", no_units()), given, settings)


def only_pairs(pairs: DataFrame) -> DataFrame:
    """Tuple pairs with levels of which each side has no other: neither claim could mean another dispense.

    Repeated rows of one prescription are one. Claims with comparable Rx numbers count as rivals, and are no pairs.
    """
    same_quantity = F.col("quantity").isin("EXACT", "CONVERTED")

    def rivals(script: str, row: str) -> Column:
        return F.size(collect_set_over(F.col(script), Window.partitionBy("key_hash", row)))

    counted = pairs.where(same_quantity).withColumns(
        {
            "dispenses_given": rivals("entity_own_script", "source_row_id"),
            "dispenses_claimed": rivals("own_script", "entity_row_id"),
        }
    )
    is_only = (F.col("dispenses_given") == 1) & (F.col("dispenses_claimed") == 1)
    return counted.where(is_only & ~is_comparable()).drop("dispenses_given", "dispenses_claimed")


def is_comparable() -> Column:
    """Both Rx numbers are written in one way, so that they would have met by them."""
    return F.coalesce(F.col("rx_kind") == F.col("entity_rx_kind"), F.lit(False))


def not_yet_linked(pairs: DataFrame, links: DataFrame) -> DataFrame:
    """Pairs of which neither claim is linked, in the stream of the rebate claim."""
    linked = F.broadcast(links.select(F.col("source_row_id").alias("linked_row_id")).distinct())
    used = links.select(*(F.col(name).alias(f"used_{name}") for name in (*STREAM, "entity_claim"))).distinct()
    is_used = [F.col(name).eqNullSafe(F.col(f"used_{name}")) for name in (*STREAM, "entity_claim")]
    return pairs.join(linked, on=F.col("source_row_id") == F.col("linked_row_id"), how="left_anti").join(
        F.broadcast(used), on=is_used, how="left_anti"
    )


def _is_near(settings: LinkSettings) -> Column:
    return days_between() <= max(settings.days_apart, settings.days_apart_by_mail)
