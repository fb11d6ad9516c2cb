"""Links of rebate claims to the 340B claims for the same dispense.

Linking has three passes; claims linked in an earlier pass are excluded from later ones (docs/decisions/0002, 0005). The
blocking rules: prescription and pharmacy, under any NPI that the pharmacy has had; prescription and place of service;
and, if Rx numbers cannot be compared, all other attributes of a dispense.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from engine.contracts.links import LINKS_340B
from engine.link import fill_offsets, keys
from engine.link.agreement import LEVELS, compared, with_levels, with_tier
from engine.link.choices import links_of, pairs_to_choose_from
from engine.link.fill_offsets import FillOffsets
from engine.link.keys import Block
from engine.link.learned import Learned
from engine.link.pairs import not_yet_linked, only_pairs, pairs_by_chance, pairs_of_key, pairs_of_tuple, tuple_sides
from engine.link.weights import Counts, LinkWeights, estimated_weights, probability, score, with_prior_of
from engine.runtime.keep import Keep
from engine.settings import LinkSettings


@dataclass(frozen=True)
class Links340b:
    """LINKS_340B, at most one row per rebate claim, and the estimated parameters.

    set_aside: rows in oversized blocks by table, excluded from linking; a row in two such blocks counts in each.
    """

    links: DataFrame
    weights: LinkWeights
    offsets: FillOffsets
    set_aside: Mapping[str, int]

    @property
    def learned(self) -> Learned:
        """What was estimated from these claims, for `linking.json`."""
        return Learned(self.weights, self.offsets)


def link_340b(
    rebate_claims: DataFrame,
    entity_claims: DataFrame,
    settings: LinkSettings,
    keep: Keep,
    pharmacies: DataFrame | None = None,
    products: DataFrame | None = None,
) -> Links340b:
    """Link each rebate claim to the 340B claim for the same dispense, if there is one.

    Tiers T1 to T6 of domain part 4.3, one to one within program, payer and rebate type. `link_score` is in log2 units;
    `link_candidates` counts the entity rows that reach a tier, linked or not.

    Args:
        rebate_claims: live PREPARED_REBATE_CLAIMS.
        entity_claims: live PREPARED_ENTITY_CLAIMS.
        settings: thresholds and priors.
        keep: writes an intermediate result under a name and returns it.
        pharmacies: conformed table; without it NPI successions are unknown.
        products: conformed table; without it package sizes are unknown.
    """
    lineage = keys.lineage_table(rebate_claims.sparkSession, pharmacies)
    rebate_rows = keys.rebate_side(rebate_claims, lineage)
    entity_rows = keep("entity_side", keys.entity_side(entity_claims, lineage, products))
    special = keep("rebate_odd", rebate_rows.where(keys.is_dispensed_elsewhere() | keys.has_no_plain_rx("rx_kind")))

    scripted = keep("rebate_scripted", _of_keys(rebate_rows, entity_rows))
    tuple_rebate_rows, tuple_entity_rows = tuple_sides(rebate_rows, special, entity_rows)
    oversized = keys.oversized_blocks(scripted, entity_rows, settings.most_pairs_per_key)
    oversized_tuples = keys.oversized_blocks(tuple_rebate_rows, tuple_entity_rows, settings.most_pairs_per_key)
    oversized = keep("crowded", oversized.unionByName(oversized_tuples))
    scripted, scripted_entity_rows = keys.without(scripted, oversized), keys.without(entity_rows, oversized)
    pairs = pairs_of_key(keys.with_whole_fill_units(scripted), scripted_entity_rows, settings)
    pairs = keep("pairs", compared(pairs, settings))
    tuples = compared(pairs_of_tuple(tuple_rebate_rows, tuple_entity_rows, oversized, settings), settings)
    tuples = keep("pairs_tuple", only_pairs(tuples))
    offsets = _fill_offsets(pairs, tuples, settings)
    pairs = with_levels(pairs, offsets).withColumn("block", block_by_pharmacy())
    non_matches = with_levels(compared(pairs_by_chance(scripted, scripted_entity_rows, settings), settings), offsets)
    weights = estimated_weights(_patterns(pairs), _all_patterns(non_matches), settings)
    links = _links(weighed(pairs, weights, Block.PRESCRIPTION, settings), "by_pharmacy", settings, keep)

    by_place = _of_keys(keys.under_place_of_service(special, lineage), scripted_entity_rows)
    placed = compared(pairs_of_key(keys.with_whole_fill_units(by_place), scripted_entity_rows, settings), settings)
    placed = keep("pairs_place_of_service", placed)
    for block, candidates in ((Block.PLACE_OF_SERVICE, placed), (Block.TUPLE, tuples)):
        open_pairs = with_levels(not_yet_linked(candidates, links), offsets).withColumn("block", F.lit(block.value))
        if patterns := _patterns(open_pairs):
            weights = with_prior_of(block, patterns[block], weights, settings)
            more = _links(weighed(open_pairs, weights, block, settings), block.lower(), settings, keep)
            links = links.unionByName(more)
    return Links340b(links.select(*LINKS_340B.names), weights, offsets, _oversized_rows(oversized))


def _of_keys(rebate: DataFrame, entity: DataFrame) -> DataFrame:
    """Rebate rows with a key that an entity reports; only these are shuffled."""
    return rebate.join(entity.select("key_hash"), on="key_hash", how="left_semi")


def _fill_offsets(pairs: DataFrame, tuples: DataFrame, settings: LinkSettings) -> FillOffsets:
    """Estimate fill offsets; for an entity that hashes all its Rx numbers, only tuple pairs show how it counts."""
    names = fill_offsets.COMPARED
    steps = fill_offsets.fill_steps(pairs.select(*names).unionByName(tuples.select(*names)))
    return fill_offsets.learn([tuple(step) for step in steps.collect()], settings)


def _links(pairs: DataFrame, name: str, settings: LinkSettings, keep: Keep) -> DataFrame:
    """The links chosen among the weighed pairs that reach a tier and the minimum probability.

    The pairs are kept first: planned together with the weights, these conditions would repeat them several times.
    """
    pairs = keep(f"pairs_weighed_{name}", pairs_to_choose_from(pairs))
    likely = pairs.where(F.col("tier").isNotNull() & (probability(F.col("score")) >= settings.least_probability))
    return keep(f"links_{name}", links_of(likely))


def weighed(pairs: DataFrame, weights: LinkWeights, stage: Block, settings: LinkSettings) -> DataFrame:
    """Add tier, fields_differ, contributions and score to pairs with block and levels."""
    return (
        with_tier(pairs, stage, settings)
        .withColumn("contributions", weights.contributions(stage))
        .withColumn("score", score(F.col("contributions")))
    )


def block_by_pharmacy() -> Column:
    """Blocking rule of a pair of one prescription: the same NPI, or two NPIs that the pharmacy has had."""
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


def _oversized_rows(oversized: DataFrame) -> dict[str, int]:
    sums = F.sum("rebate_rows").alias("rebate_claims"), F.sum("entity_rows").alias("entity_claims")
    rows = oversized.agg(*sums).first()
    return {name: rows[name] for name in rows.asDict() if rows[name]} if rows is not None else {}
