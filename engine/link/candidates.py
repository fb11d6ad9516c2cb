"""Every pair that a few claims could have been linked by: how it scores, whether it is a link, and if not, why not."""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from engine.contracts.codes import NotLinked
from engine.contracts.links import CANDIDATE_PAIRS
from engine.link import keys
from engine.link.agreement import compared, tier_name, with_levels
from engine.link.claims_340b import Keep, block_by_pharmacy, link_340b, weighed
from engine.link.keys import Block
from engine.link.learned import Learned
from engine.link.pairs import is_comparable, only_pairs, pairs_of_key, pairs_of_tuple, tuple_sides
from engine.link.weights import probability
from engine.runtime.expressions import array_contains, union_all
from engine.settings import LinkSettings

# A link may hang on what the 340B claim was linked to before, and that on what its rivals were: each stage asks for
# the claims that share a key with those of the one before.
_STAGES = 3


@dataclass(frozen=True)
class Asked:
    """source_row_ids of the claims whose pairs are wanted."""

    rebate_claims: tuple[str, ...] = ()
    entity_claims: tuple[str, ...] = ()


def candidate_pairs(
    rebate_claims: DataFrame,
    entity_claims: DataFrame,
    asked: Asked,
    learned: Learned,
    settings: LinkSettings,
    keep: Keep,
    pharmacies: DataFrame | None = None,
    products: DataFrame | None = None,
) -> DataFrame:
    """CANDIDATE_PAIRS of the asked claims: one row per rebate row and entity row that met.

    Inputs as for `link_340b`, which says which pairs are links: here it sees no more claims than could bear on the
    answer, and weighs them with what the run learned. Claims of other prescriptions, and dates of service too far apart
    to compare, are no candidates.
    """
    settings = learned.in_settings(settings)
    lineage = keys.lineage_table(rebate_claims.sparkSession, pharmacies)
    mine, theirs = _around(rebate_claims, entity_claims, asked, lineage, keep)
    links = link_340b(mine, theirs, settings, keep, pharmacies, products).links

    claimed = keys.rebate_side(mine, lineage)
    given = keep("candidates_given", keys.entity_side(theirs, lineage, products))
    crowded = keys.crowded_keys(claimed, given, settings.most_pairs_per_key).select("key_hash")
    odd = claimed.where(keys.is_elsewhere() | keys.is_odd("rx_kind"))
    tuples_claimed, tuples_given = tuple_sides(claimed, odd, given)
    oversized = keys.crowded_keys(tuples_claimed, tuples_given, settings.most_pairs_per_key)
    elsewhere = keys.under_place_of_service(odd, lineage)
    is_claim_asked = F.col("source_row_id").isin(*asked.rebate_claims)
    is_given_asked = F.col("entity_row_id").isin(*asked.entity_claims)

    def met(claims: DataFrame, name: str, block: Column) -> DataFrame:
        # asked before they meet: under a crowded key all pairs would be too many
        claims = keys.with_whole_fill_units(claims)
        pairs = pairs_of_key(claims.where(is_claim_asked), given, settings)
        of_given = pairs_of_key(claims.where(~is_claim_asked), given.where(is_given_asked), settings)
        pairs = keep(f"candidates_{name}", compared(pairs.unionByName(of_given), settings))
        pairs = with_levels(pairs, learned.offsets).withColumn("block", block)
        return weighed(pairs, learned.weights, Block.PRESCRIPTION, settings).withColumn("is_only", F.lit(True))

    tuples = pairs_of_tuple(tuples_claimed, tuples_given, oversized, settings)
    tuples = keep("candidates_tuple", compared(tuples, settings))
    tuples = with_levels(tuples, learned.offsets)
    only = only_pairs(tuples).select("source_row_id", "entity_row_id", F.lit(True).alias("is_only"))
    tuples = tuples.where((is_claim_asked | is_given_asked) & ~is_comparable()).withColumn(
        "block", F.lit(Block.TUPLE.value)
    )
    tuples = weighed(tuples, learned.weights, Block.TUPLE, settings)
    tuples = tuples.join(only, on=["source_row_id", "entity_row_id"], how="left")  # at most one row per pair

    shown = [
        _shown(pairs)
        for pairs in (
            met(claimed, "by_pharmacy", block_by_pharmacy()),
            met(elsewhere, "elsewhere", F.lit(Block.PLACE_OF_SERVICE.value)),
            tuples.withColumn("tier", F.when(F.col("is_only"), F.col("tier"))),
        )
    ]
    return _told(union_all(shown), links, crowded, settings)


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
        # tuples of an oversized block are no pairs at all
        F.when(F.col("block") != Block.TUPLE.value, F.col("key_hash")).alias("key_hash"),
        is_one_of_several.alias("is_one_of_several"),
    )


def _told(pairs: DataFrame, links: DataFrame, crowded: DataFrame, settings: LinkSettings) -> DataFrame:
    """CANDIDATE_PAIRS: the pairs with what became of them."""
    linked = links.select("source_row_id", "link_source_row_ids", F.col("link_is_ambiguous").alias("is_ambiguous"))
    pairs = pairs.join(linked, on="source_row_id", how="left")  # at most one link per rebate row
    pairs = pairs.join(crowded.withColumn("is_crowded", F.lit(True)), on="key_hash", how="left")  # one row per key
    is_linked = F.col("link_source_row_ids").isNotNull()
    is_chosen = array_contains(F.col("link_source_row_ids"), F.col("link_source_row_id"))
    is_chosen = F.coalesce(is_chosen, F.lit(False))
    # Links are as many as can be: a pair that is left out though nothing speaks against it had a rival.
    why_not = (
        F.when(is_chosen, F.lit(None))
        .when(F.col("is_crowded"), NotLinked.CROWDED_KEY.value)
        .when(F.col("is_one_of_several"), NotLinked.NOT_THE_ONLY_ONE.value)
        .when(F.col("link_tier").isNull(), NotLinked.NO_TIER.value)
        .when(F.col("link_probability") < settings.least_probability, NotLinked.TOO_UNLIKELY.value)
        .when(is_linked, NotLinked.CLAIM_HAS_BETTER.value)
        .otherwise(NotLinked.CLAIM_340B_HAS_BETTER.value)
    )
    told = pairs.withColumns(
        {
            "link_is_chosen": is_chosen,
            "link_is_ambiguous": is_chosen & F.col("is_ambiguous"),
            "why_not": why_not,
        }
    )
    return told.select(*CANDIDATE_PAIRS.names)


def _around(
    rebate_claims: DataFrame, entity_claims: DataFrame, asked: Asked, lineage: DataFrame, keep: Keep
) -> tuple[DataFrame, DataFrame]:
    """The claims of both sides that could bear on the links of the asked ones: those that share a key with them, those
    that share a key with those, and once more."""
    claimed = keys.rebate_side(rebate_claims, lineage)
    given = keys.entity_side(entity_claims, lineage, None)
    claims_keys = [claimed, keys.under_place_of_service(claimed, lineage), keys.with_tuple_key(claimed)]
    keys_claimed = keep("candidates_keys_claimed", _keys_by_row(claims_keys, "source_row_id"))
    keys_given = keep(
        "candidates_keys_given", _keys_by_row([given, keys.with_tuple_key(given, "entity_")], "entity_row_id")
    )
    rows_claimed = keys_claimed.where(F.col("row_id").isin(*asked.rebate_claims)).select("row_id")
    rows_given = keys_given.where(F.col("row_id").isin(*asked.entity_claims)).select("row_id")
    for stage in range(_STAGES):
        of_claimed = keys_claimed.join(F.broadcast(rows_claimed), on="row_id", how="left_semi")
        of_given = keys_given.join(F.broadcast(rows_given), on="row_id", how="left_semi")
        found = of_claimed.select("key_hash").unionByName(of_given.select("key_hash")).distinct()
        found = F.broadcast(keep(f"candidates_found_{stage}", found))
        rows_claimed = keys_claimed.join(found, on="key_hash", how="left_semi").select("row_id").distinct()
        rows_given = keys_given.join(found, on="key_hash", how="left_semi").select("row_id").distinct()
    # written, since both are read many times
    mine = keep("candidates_claims", _of_rows(rebate_claims, rows_claimed))
    return mine, keep("candidates_340b", _of_rows(entity_claims, rows_given))


def _keys_by_row(sides: list[DataFrame], row_id: str) -> DataFrame:
    """row_id and each key_hash under which the row may meet another."""
    keyed = [side.select(F.col(row_id).alias("row_id"), "key_hash") for side in sides]
    return union_all(keyed).where(F.col("key_hash").isNotNull())


def _of_rows(claims: DataFrame, rows: DataFrame) -> DataFrame:
    wanted = F.broadcast(rows.withColumnRenamed("row_id", "source_row_id"))
    return claims.join(wanted, on="source_row_id", how="left_semi")
