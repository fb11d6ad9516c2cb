"""All candidate pairs of a few claims: score, whether the pair is a link, and if not, why."""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from engine.contracts.codes import NotLinked
from engine.contracts.links import CANDIDATE_PAIRS
from engine.link import keys
from engine.link.agreement import compared, tier_name, with_levels
from engine.link.claims_340b import block_by_pharmacy, link_340b, weighed
from engine.link.keys import Block
from engine.link.learned import Learned
from engine.link.pairs import is_comparable, only_pairs, pairs_of_key, pairs_of_tuple, tuple_sides
from engine.link.weights import probability
from engine.runtime.expressions import array_contains, union_all
from engine.runtime.keep import Keep
from engine.settings import LinkSettings

# A link may depend on an earlier link of the 340B claim, and that on competing claims: each stage adds the claims that
# share a key with those of the previous stage.
_STAGES = 3


@dataclass(frozen=True)
class PairRequest:
    """source_row_ids of the requested claims."""

    rebate_claims: tuple[str, ...] = ()
    entity_claims: tuple[str, ...] = ()


def candidate_pairs(
    rebate_claims: DataFrame,
    entity_claims: DataFrame,
    requested: PairRequest,
    learned: Learned,
    settings: LinkSettings,
    keep: Keep,
    pharmacies: DataFrame | None = None,
    products: DataFrame | None = None,
) -> DataFrame:
    """CANDIDATE_PAIRS of the requested claims: one row per rebate row and entity row with a common block.

    Inputs are those of `link_340b`, which decides which pairs are links. It runs here on the claims that can affect the
    result, with the parameters estimated by the run. Claims of other prescriptions, or with dates of service too far
    apart to compare, are not candidates.
    """
    settings = learned.in_settings(settings)
    lineage = keys.lineage_table(rebate_claims.sparkSession, pharmacies)
    near_rebate, near_entity = _around(rebate_claims, entity_claims, requested, lineage, keep)
    links = link_340b(near_rebate, near_entity, settings, keep, pharmacies, products).links

    rebate_rows = keys.rebate_side(near_rebate, lineage)
    entity_rows = keep("candidates_given", keys.entity_side(near_entity, lineage, products))
    oversized = keys.oversized_blocks(rebate_rows, entity_rows, settings.most_pairs_per_key).select("key_hash")
    special = rebate_rows.where(keys.is_dispensed_elsewhere() | keys.has_no_plain_rx("rx_kind"))
    tuple_rebate_rows, tuple_entity_rows = tuple_sides(rebate_rows, special, entity_rows)
    oversized_tuples = keys.oversized_blocks(tuple_rebate_rows, tuple_entity_rows, settings.most_pairs_per_key)
    by_place = keys.under_place_of_service(special, lineage)
    is_requested_rebate = F.col("source_row_id").isin(*requested.rebate_claims)
    is_requested_entity = F.col("entity_row_id").isin(*requested.entity_claims)

    def blocked(claims: DataFrame, name: str, block: Column) -> DataFrame:
        # filtered before the join: an oversized block has too many pairs
        claims = keys.with_whole_fill_units(claims)
        pairs = pairs_of_key(claims.where(is_requested_rebate), entity_rows, settings)
        of_entity = pairs_of_key(claims.where(~is_requested_rebate), entity_rows.where(is_requested_entity), settings)
        pairs = keep(f"candidates_{name}", compared(pairs.unionByName(of_entity), settings))
        pairs = with_levels(pairs, learned.offsets).withColumn("block", block)
        return weighed(pairs, learned.weights, Block.PRESCRIPTION, settings).withColumn("is_only", F.lit(True))

    tuples = pairs_of_tuple(tuple_rebate_rows, tuple_entity_rows, oversized_tuples, settings)
    tuples = keep("candidates_tuple", compared(tuples, settings))
    tuples = with_levels(tuples, learned.offsets)
    only = only_pairs(tuples).select("source_row_id", "entity_row_id", F.lit(True).alias("is_only"))
    tuples = tuples.where((is_requested_rebate | is_requested_entity) & ~is_comparable()).withColumn(
        "block", F.lit(Block.TUPLE.value)
    )
    tuples = weighed(tuples, learned.weights, Block.TUPLE, settings)
    tuples = tuples.join(only, on=["source_row_id", "entity_row_id"], how="left")  # at most one row per pair

    shown = [
        _shown(pairs)
        for pairs in (
            blocked(rebate_rows, "by_pharmacy", block_by_pharmacy()),
            blocked(by_place, "elsewhere", F.lit(Block.PLACE_OF_SERVICE.value)),
            tuples.withColumn("tier", F.when(F.col("is_only"), F.col("tier"))),
        )
    ]
    return _with_outcome(union_all(shown), links, oversized, settings)


def _shown(pairs: DataFrame) -> DataFrame:
    same_quantity = F.coalesce(F.col("quantity").isin("EXACT", "CONVERTED"), F.lit(False))
    is_one_of_several = (F.col("block") == Block.TUPLE.value) & same_quantity & F.col("is_only").isNull()
    return pairs.select(
        "source_row_id",
        F.col("entity_row_id").alias("link_source_row_id"),
        F.col("entity_id").alias("link_entity_id"),
        tier_name(F.col("tier")).alias("link_tier"),
        F.col("score").alias("link_score"),
        probability(F.col("score")).alias("link_probability"),
        F.col("fields_differ").alias("link_fields_differ"),
        F.col("contributions").alias("link_contributions"),
        # tuples of an oversized block are not paired
        F.when(F.col("block") != Block.TUPLE.value, F.col("key_hash")).alias("key_hash"),
        is_one_of_several.alias("is_one_of_several"),
    )


def _with_outcome(pairs: DataFrame, links: DataFrame, oversized: DataFrame, settings: LinkSettings) -> DataFrame:
    """CANDIDATE_PAIRS: the pairs, each a link or with the reason why it is not."""
    linked = links.select("source_row_id", "link_source_row_ids", F.col("link_is_ambiguous").alias("is_ambiguous"))
    pairs = pairs.join(linked, on="source_row_id", how="left")  # at most one link per rebate row
    pairs = pairs.join(oversized.withColumn("is_oversized", F.lit(True)), on="key_hash", how="left")  # one row per key
    is_linked = F.col("link_source_row_ids").isNotNull()
    is_chosen = array_contains(F.col("link_source_row_ids"), F.col("link_source_row_id"))
    is_chosen = F.coalesce(is_chosen, F.lit(False))
    # The assignment links as many claims as possible: an otherwise good pair that is not chosen has a better rival.
    why_not = (
        F.when(is_chosen, F.lit(None))
        .when(F.col("is_oversized"), NotLinked.OVERSIZED_BLOCK.value)
        .when(F.col("is_one_of_several"), NotLinked.NOT_THE_ONLY_ONE.value)
        .when(F.col("link_tier").isNull(), NotLinked.NO_TIER.value)
        .when(F.col("link_probability") < settings.least_probability, NotLinked.TOO_UNLIKELY.value)
        .when(is_linked, NotLinked.CLAIM_HAS_BETTER.value)
        .otherwise(NotLinked.CLAIM_340B_HAS_BETTER.value)
    )
    outcomes = pairs.withColumns(
        {
            "link_is_chosen": is_chosen,
            "link_is_ambiguous": is_chosen & F.col("is_ambiguous"),
            "why_not": why_not,
        }
    )
    return outcomes.select(*CANDIDATE_PAIRS.names)


def _around(
    rebate_claims: DataFrame, entity_claims: DataFrame, requested: PairRequest, lineage: DataFrame, keep: Keep
) -> tuple[DataFrame, DataFrame]:
    """The claims of both sides that can affect the links of the requested claims: those that share a key with them,
    with those claims in turn, and once more.
    """
    rebate_rows = keys.rebate_side(rebate_claims, lineage)
    entity_rows = keys.entity_side(entity_claims, lineage, None)
    claims_keys = [rebate_rows, keys.under_place_of_service(rebate_rows, lineage), keys.with_tuple_key(rebate_rows)]
    rebate_keys = keep("candidates_keys_claimed", _keys_by_row(claims_keys, "source_row_id"))
    entity_keys = keep(
        "candidates_keys_given",
        _keys_by_row([entity_rows, keys.with_tuple_key(entity_rows, "entity_")], "entity_row_id"),
    )
    rebate_ids = rebate_keys.where(F.col("row_id").isin(*requested.rebate_claims)).select("row_id")
    entity_ids = entity_keys.where(F.col("row_id").isin(*requested.entity_claims)).select("row_id")
    for stage in range(_STAGES):
        of_rebate = rebate_keys.join(F.broadcast(rebate_ids), on="row_id", how="left_semi")
        of_entity = entity_keys.join(F.broadcast(entity_ids), on="row_id", how="left_semi")
        shared_keys = of_rebate.select("key_hash").unionByName(of_entity.select("key_hash")).distinct()
        shared_keys = F.broadcast(keep(f"candidates_found_{stage}", shared_keys))
        rebate_ids = rebate_keys.join(shared_keys, on="key_hash", how="left_semi").select("row_id").distinct()
        entity_ids = entity_keys.join(shared_keys, on="key_hash", how="left_semi").select("row_id").distinct()
    # written, since both are read many times
    near_claims = keep("candidates_claims", _of_rows(rebate_claims, rebate_ids))
    return near_claims, keep("candidates_340b", _of_rows(entity_claims, entity_ids))


def _keys_by_row(sides: list[DataFrame], row_id: str) -> DataFrame:
    """row_id and each key_hash of the row: one row per block it belongs to."""
    keyed = [side.select(F.col(row_id).alias("row_id"), "key_hash") for side in sides]
    return union_all(keyed).where(F.col("key_hash").isNotNull())


def _of_rows(claims: DataFrame, rows: DataFrame) -> DataFrame:
    wanted = F.broadcast(rows.withColumnRenamed("row_id", "source_row_id"))
    return claims.join(wanted, on="source_row_id", how="left_semi")
