"""Match weights: log-odds of agreement on a field (Fellegi and Sunter 1969), estimated from the input.

The m and u probabilities of a field (how often it agrees on matches and on non-matches) and the share of matches in
each block are estimated by expectation maximization over counted comparison patterns (Winkler 1988). Priors enter as
pseudo-counts: for m the configured ones, for u the counts on pairs known to be non-matches. Fields are assumed to be
conditionally independent; a field that a side lacks is no evidence.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from pyspark.sql import Column
from pyspark.sql import functions as F

from engine.contracts.links import LINK_CONTRIBUTIONS
from engine.link.agreement import LEVELS
from engine.link.keys import Block
from engine.runtime.expressions import nullable, round_bounded
from engine.settings import LinkSettings

# Level by field, in the order of LEVELS; None if unknown.
Pattern = tuple[str | None, ...]
Counts = Mapping[Pattern, int]

# Fields that every pair of the block agrees on, because they are part of its blocking key.
_BLOCKED_BY = {Block.TUPLE: frozenset({"date_of_service", "product_and_quantity", "prescriber_npi"})}
_CELLS = [(field, level) for field, levels in LEVELS.items() for level in levels]
_FIELD_OF_CELL = np.array([list(LEVELS).index(field) for field, _ in _CELLS])
_DECIMALS = 6
_ROUNDS = 500
_CONVERGED = 1e-10


@dataclass(frozen=True)
class LinkWeights:
    """priors: log2 odds of a match among the pairs of a block. m, u: probability of each level of a field among matches
    and among non-matches.
    """

    priors: Mapping[str, float]
    m: Mapping[str, Mapping[str, float]]
    u: Mapping[str, Mapping[str, float]]

    def weight(self, field: str, level: str) -> float:
        """Match weight log2(m / u), rounded so sums are the same on every platform."""
        return round(float(np.log2(self.m[field][level] / self.u[field][level])), _DECIMALS)

    def contributions(self, stage: Block) -> Column:
        """array<struct<field, level, weight>> of a pair with block and levels: the block's prior, then each known field
        that is not part of the blocking key.
        """
        parts = [_contribution("met_by", F.col("block"), self.priors)]
        for field, levels in LEVELS.items():
            if field not in _BLOCKED_BY.get(stage, ()):
                level = F.col("levels")[field]
                part = _contribution(field, level, {name: self.weight(field, name) for name in levels})
                parts.append(F.when(level.isNotNull(), part))
        return F.array_compact(F.array(*parts))


def score(contributions: Column) -> Column:
    """Sum of the match weights: log2 odds that the pair is one dispense."""
    total = F.aggregate(contributions, F.lit(0.0), lambda before, part: before + part["weight"])
    return round_bounded(total, _DECIMALS)


def probability(log2_odds: Column) -> Column:
    """The probability of odds in base 2, rounded so that it is equal on every engine."""
    return round_bounded(1 / (1 + F.pow(F.lit(2.0), -log2_odds)), _DECIMALS)


def configured_weights(settings: LinkSettings) -> LinkWeights:
    """The priors from the settings, without estimation."""
    m, u = _configured(settings)
    priors = {block.value: _log2_odds(settings.block_priors[block.value]) for block in Block}
    return LinkWeights(priors, _by_field(m), _by_field(u))


def estimated_weights(patterns: Mapping[Block, Counts], by_chance: Counts, settings: LinkSettings) -> LinkWeights:
    """Estimate weights from counts of comparison patterns: of the pairs of each block, and of known non-matches."""
    if not settings.learn_weights:
        return configured_weights(settings)
    prior_m, prior_u = _configured(settings)
    chance_levels, chance_counts = _matrix(by_chance)
    u = prior_u = _shares(chance_counts @ chance_levels, prior_u, settings.prior_pairs)
    blocks = [(block, *_matrix(patterns[block])) for block in Block if patterns.get(block)]
    m, shares = prior_m, {block: settings.block_priors[block.value] for block in Block}
    for _ in range(_ROUNDS):
        of_matches, of_others = np.zeros(len(_CELLS)), np.zeros(len(_CELLS))
        for block, levels, counts in blocks:
            matches = counts * _probability(levels, shares[block], m, u)
            of_matches += matches @ levels
            of_others += (counts - matches) @ levels
            shares[block] = _share(matches, counts, block, settings)
        before = np.concatenate([m, u])
        m, u = _shares(of_matches, prior_m, settings.prior_pairs), _shares(of_others, prior_u, settings.prior_pairs)
        if np.abs(np.concatenate([m, u]) - before).max() < _CONVERGED:
            break
    return LinkWeights({block.value: _log2_odds(share) for block, share in shares.items()}, _by_field(m), _by_field(u))


def with_prior_of(block: Block, patterns: Counts, weights: LinkWeights, settings: LinkSettings) -> LinkWeights:
    """Keep the weights of the fields and estimate the prior of a block of a later pass."""
    if not settings.learn_weights or not patterns:
        return weights
    levels, counts = _matrix(patterns)
    levels = levels * np.array([field not in _BLOCKED_BY.get(block, ()) for field, _ in _CELLS])
    m, u = (np.array([shares[field][level] for field, level in _CELLS]) for shares in (weights.m, weights.u))
    share = settings.block_priors[block.value]
    for _ in range(_ROUNDS):
        before, share = share, _share(counts * _probability(levels, share, m, u), counts, block, settings)
        if abs(share - before) < _CONVERGED:
            break
    return LinkWeights({**weights.priors, block.value: _log2_odds(share)}, weights.m, weights.u)


def _contribution(field: str, level: Column, weights: Mapping[str, float]) -> Column:
    weight = F.coalesce(*(F.when(level == name, F.lit(weight)) for name, weight in sorted(weights.items())))
    part = F.struct(F.lit(field).alias("field"), level.alias("level"), weight.alias("weight"))
    return nullable(part, LINK_CONTRIBUTIONS.elementType)


def _matrix(patterns: Counts) -> tuple[np.ndarray, np.ndarray]:
    """Patterns as rows of 0 and 1 over _CELLS, in a fixed order, and their counts."""
    ordered = sorted(patterns.items(), key=lambda item: [level or "" for level in item[0]])
    rows = [
        [dict(zip(LEVELS, pattern, strict=True))[field] == level for field, level in _CELLS] for pattern, _ in ordered
    ]
    return np.array(rows, dtype=float).reshape(-1, len(_CELLS)), np.array([count for _, count in ordered], dtype=float)


def _probability(levels: np.ndarray, share: float, m: np.ndarray, u: np.ndarray) -> np.ndarray:
    return 1 / (1 + (1 - share) / share * np.exp(-(levels @ np.log(m / u))))


def _shares(counts: np.ndarray, prior: np.ndarray, prior_pairs: int) -> np.ndarray:
    """Share of each level among the known values of its field; the prior counts as `prior_pairs` pairs."""
    counts = counts + prior * prior_pairs
    return counts / np.bincount(_FIELD_OF_CELL, counts)[_FIELD_OF_CELL]


def _share(matches: np.ndarray, counts: np.ndarray, block: Block, settings: LinkSettings) -> float:
    prior, pairs = settings.block_priors[block.value], settings.prior_pairs
    return float((matches.sum() + prior * pairs) / (counts.sum() + pairs))


def _log2_odds(share: float) -> float:
    return round(float(np.log2(share / (1 - share))), _DECIMALS)


def _configured(settings: LinkSettings) -> tuple[np.ndarray, np.ndarray]:
    priors = [settings.level_priors[field][level] for field, level in _CELLS]
    m, u = np.array([p.of_matches for p in priors]), np.array([p.of_others for p in priors])
    return _shares(m, m, 0), _shares(u, u, 0)


def _by_field(shares: np.ndarray) -> dict[str, dict[str, float]]:
    by_field: dict[str, dict[str, float]] = {field: {} for field in LEVELS}
    for (field, level), share in zip(_CELLS, shares, strict=True):
        by_field[field][level] = float(share)
    return by_field
