"""The link of each rebate claim to the 340B claim for the same dispense.

Claims meet in three stages, and what an earlier stage linked is gone for a later one (docs/decisions/0002, 0005): by
prescription and pharmacy, under any number that it has had; by prescription and place of service; and, where Rx numbers
cannot be compared, by all else that a dispense is known by.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from engine.contracts.links import LINKS_340B
from engine.link import fill_offsets, keys
from engine.link.agreement import LEVELS, compared, with_levels, with_tier
from engine.link.choices import links_of
from engine.link.fill_offsets import FillOffsets
from engine.link.keys import Block
from engine.link.learned import Learned
from engine.link.pairs import not_yet_linked, only_pairs, pairs_by_chance, pairs_of_key, pairs_of_tuple, tuple_sides
from engine.link.weights import Counts, LinkWeights, estimated_weights, probability, score, with_prior_of
from engine.settings import LinkSettings

Keep = Callable[[str, DataFrame], DataFrame]


@dataclass(frozen=True)
class Links340b:
    """LINKS_340B, at most one row per rebate claim, and what was learned on the way.

    set_aside: by table, rows whose key more rows share than a prescription can have; a row with two such keys counts
    under each.
    """

    links: DataFrame
    weights: LinkWeights
    offsets: FillOffsets
    set_aside: Mapping[str, int]

    @property
    def learned(self) -> Learned:
        return Learned(self.weights, self.offsets)


def link_340b(
    rebate_claims: DataFrame,
    entity_claims: DataFrame,
    settings: LinkSettings,
    keep: Keep,
    pharmacies: DataFrame | None = None,
    products: DataFrame | None = None,
) -> Links340b:
    """The 340B claim that each rebate claim duplicates, if any.

    `rebate_claims`: live PREPARED_REBATE_CLAIMS; `entity_claims`: live PREPARED_ENTITY_CLAIMS; `pharmacies` and
    `products`: conformed; without them successions and package sizes are unknown. Tiers T1 to T6 of domain part 4.3,
    one to one within program, payer and rebate type. `link_score` is in log2 units; `link_candidates` counts the entity
    rows that met a tier, used or not. `keep` writes an intermediate result out and gives it back.
    """
    lineage = keys.lineage_table(rebate_claims.sparkSession, pharmacies)
    claimed = keys.rebate_side(rebate_claims, lineage)
    given = keep("entity_side", keys.entity_side(entity_claims, lineage, products))
    odd = keep("rebate_odd", claimed.where(keys.is_elsewhere() | keys.is_odd("rx_kind")))

    scripted = keep("rebate_scripted", _of_keys(claimed, given))
    tuples_claimed, tuples_given = tuple_sides(claimed, odd, given)
    crowded = keys.crowded_keys(scripted, given, settings.most_pairs_per_key)
    crowded = crowded.unionByName(keys.crowded_keys(tuples_claimed, tuples_given, settings.most_pairs_per_key))
    crowded = keep("crowded", crowded)
    scripted, scripts_given = keys.without(scripted, crowded), keys.without(given, crowded)
    pairs = pairs_of_key(keys.with_whole_fill_units(scripted), scripts_given, settings)
    pairs = keep("pairs", compared(pairs, settings))
    tuples = compared(pairs_of_tuple(tuples_claimed, tuples_given, crowded, settings), settings)
    tuples = keep("pairs_tuple", only_pairs(tuples))
    offsets = _fill_offsets(pairs, tuples, settings)
    pairs = with_levels(pairs, offsets).withColumn("block", block_by_pharmacy())
    strangers = with_levels(compared(pairs_by_chance(scripted, scripts_given, settings), settings), offsets)
    weights = estimated_weights(_patterns(pairs), _all_patterns(strangers), settings)
    links = keep("links_by_pharmacy", links_of(_scored(pairs, weights, Block.PRESCRIPTION, settings)))

    elsewhere = _of_keys(keys.under_place_of_service(odd, lineage), scripts_given)
    placed = compared(pairs_of_key(keys.with_whole_fill_units(elsewhere), scripts_given, settings), settings)
    placed = keep("pairs_place_of_service", placed)
    for block, met in ((Block.PLACE_OF_SERVICE, placed), (Block.TUPLE, tuples)):
        open_pairs = with_levels(not_yet_linked(met, links), offsets).withColumn("block", F.lit(block.value))
        if patterns := _patterns(open_pairs):
            weights = with_prior_of(block, patterns[block], weights, settings)
            more = keep(f"links_{block.lower()}", links_of(_scored(open_pairs, weights, block, settings)))
            links = links.unionByName(more)
    return Links340b(links.select(*LINKS_340B.names), weights, offsets, _set_aside(crowded))


def _of_keys(rebate: DataFrame, entity: DataFrame) -> DataFrame:
    """Rebate rows under keys that entities report: the only ones that are shuffled."""
    return rebate.join(entity.select("key_hash"), on="key_hash", how="left_semi")


def _fill_offsets(pairs: DataFrame, tuples: DataFrame, settings: LinkSettings) -> FillOffsets:
    """An entity that hashes all its Rx numbers shows how it counts fills only among pairs that met without them."""
    names = fill_offsets.COMPARED
    steps = fill_offsets.fill_steps(pairs.select(*names).unionByName(tuples.select(*names)))
    return fill_offsets.learn([tuple(step) for step in steps.collect()], settings)


def _scored(pairs: DataFrame, weights: LinkWeights, stage: Block, settings: LinkSettings) -> DataFrame:
    """The pairs that meet a tier, and are not too unlikely."""
    scored = weighed(pairs, weights, stage, settings).where(F.col("tier").isNotNull())
    return scored.where(probability(F.col("score")) >= settings.least_probability)


def weighed(pairs: DataFrame, weights: LinkWeights, stage: Block, settings: LinkSettings) -> DataFrame:
    """Adds tier, fields_differ, contributions and score to pairs with block and levels."""
    return (
        with_tier(pairs, stage, settings)
        .withColumn("contributions", weights.contributions(stage))
        .withColumn("score", score(F.col("contributions")))
    )


def block_by_pharmacy() -> Column:
    """How a pair of one prescription met: under one number of the pharmacy, or under two that it has had."""
    same_pharmacy = F.col("pharmacy_key") == F.col("entity_pharmacy_key")
    return F.when(same_pharmacy, Block.PRESCRIPTION.value).otherwise(Block.PHARMACY_LINEAGE.value)


def _patterns(pairs: DataFrame) -> dict[Block, Counts]:
    counted: dict[Block, dict[tuple[str | None, ...], int]] = {}
    for row in pairs.groupBy("block", "levels").count().collect():
        counted.setdefault(Block(row["block"]), {})[tuple(row["levels"][name] for name in LEVELS)] = row["count"]
    return dict(counted)


def _all_patterns(pairs: DataFrame) -> Counts:
    return {
        tuple(row["levels"][name] for name in LEVELS): row["count"] for row in pairs.groupBy("levels").count().collect()
    }


def _set_aside(crowded: DataFrame) -> dict[str, int]:
    rows = crowded.agg(F.sum("rebate_rows").alias("rebate_claims"), F.sum("entity_rows").alias("entity_claims")).first()
    return {name: rows[name] for name in rows.asDict() if rows[name]} if rows is not None else {}
