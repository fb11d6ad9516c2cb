"""Weights of agreement: estimated from counted patterns, and what they must come to where the truth is known."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest

from engine.link.agreement import LEVELS
from engine.link.keys import Block
from engine.link.weights import configured_weights, estimated_weights, with_prior_of
from engine.settings import LinkSettings

SETTINGS = LinkSettings()
# What the claims below are made by: of matches and of others, levels in the order of LEVELS.
M = {
    "date_of_service": (0.8, 0.19, 0.01),
    "product_and_quantity": (0.8, 0.05, 0.03, 0.02, 0.01, 0.05, 0.01, 0.01, 0.01, 0.005, 0.005),
    "fill_number": (0.9, 0.1),
    "prescriber_npi": (0.95, 0.05),
    "bin": (0.97, 0.03),
}
U = {
    "date_of_service": (0.1, 0.5, 0.4),
    "product_and_quantity": (0.1, 0.01, 0.01, 0.02, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01, 0.8),
    "fill_number": (0.5, 0.5),
    "prescriber_npi": (0.1, 0.9),
    "bin": (0.2, 0.8),
}


def drawn(
    rng: np.random.Generator, pairs: int, shares: dict[str, tuple[float, ...]], unknown: float = 0.1
) -> Counter[tuple[str | None, ...]]:
    """Counted patterns of so many pairs; a tenth of the fill numbers, prescribers and BINs is unknown."""
    columns = []
    for name, levels in LEVELS.items():
        told = rng.choice(len(levels), pairs, p=shares[name])
        column = [levels[level] for level in told]
        if name in ("fill_number", "prescriber_npi", "bin"):
            column = [
                None if missing else level for level, missing in zip(column, rng.random(pairs) < unknown, strict=True)
            ]
        columns.append(column)
    return Counter(zip(*columns, strict=True))


@pytest.mark.parametrize("seed", range(5))
def test_what_the_pairs_were_made_by_is_found_again(seed: int) -> None:
    rng = np.random.default_rng(seed)
    pairs = drawn(rng, 18_000, M) + drawn(rng, 2_000, U)
    weights = estimated_weights({Block.PRESCRIPTION: pairs}, drawn(rng, 5_000, U), SETTINGS)
    for field, levels in LEVELS.items():
        assert [weights.m[field][level] for level in levels] == pytest.approx(M[field], abs=0.015)
        assert [weights.u[field][level] for level in levels] == pytest.approx(U[field], abs=0.06)
    assert weights.priors["PRESCRIPTION"] == pytest.approx(math.log2(0.9 / 0.1), abs=0.15)


def test_others_among_the_pairs_need_not_look_like_pairs_by_chance() -> None:
    """Strangers under one Rx number often get the same drug; pairs by chance never do."""
    rng = np.random.default_rng(1)
    strangers = U | {"product_and_quantity": (0.6, *[0.01] * 9, 0.31), "prescriber_npi": (0.01, 0.99)}
    pairs = drawn(rng, 19_000, M) + drawn(rng, 1_000, strangers)
    weights = estimated_weights({Block.PRESCRIPTION: pairs}, drawn(rng, 5_000, U), SETTINGS)
    assert weights.u["product_and_quantity"]["NDC11/EXACT"] == pytest.approx(0.6, abs=0.1)


def test_without_pairs_the_settings_hold() -> None:
    estimated, configured = estimated_weights({}, {}, SETTINGS), configured_weights(SETTINGS)
    assert estimated.priors == configured.priors
    for field, levels in LEVELS.items():
        for level in levels:
            assert estimated.weight(field, level) == pytest.approx(configured.weight(field, level))


def test_weights_are_not_learned_where_the_settings_say_so() -> None:
    pairs = drawn(np.random.default_rng(2), 1_000, M)
    fixed = SETTINGS.model_copy(update={"learn_weights": False})
    assert estimated_weights({Block.PRESCRIPTION: pairs}, {}, fixed) == configured_weights(fixed)
    assert with_prior_of(Block.TUPLE, pairs, configured_weights(fixed), fixed) == configured_weights(fixed)


def test_the_order_of_patterns_changes_nothing() -> None:
    pairs = drawn(np.random.default_rng(3), 2_000, M)
    backwards = dict(reversed(pairs.items()))
    assert estimated_weights({Block.PRESCRIPTION: pairs}, pairs, SETTINGS) == estimated_weights(
        {Block.PRESCRIPTION: backwards}, backwards, SETTINGS
    )


def test_a_later_block_learns_its_prior_and_leaves_the_fields_alone() -> None:
    weights = configured_weights(SETTINGS)
    rng = np.random.default_rng(4)
    good, bad = drawn(rng, 1_000, M), drawn(rng, 1_000, U)
    mostly_good = with_prior_of(Block.PLACE_OF_SERVICE, good, weights, SETTINGS)
    mostly_bad = with_prior_of(Block.PLACE_OF_SERVICE, bad, weights, SETTINGS)
    assert mostly_good.priors["PLACE_OF_SERVICE"] > 3 > 0 > mostly_bad.priors["PLACE_OF_SERVICE"]
    assert mostly_good.m == weights.m
    assert mostly_good.priors["PRESCRIPTION"] == weights.priors["PRESCRIPTION"]


def test_what_the_pairs_met_by_is_not_counted_twice() -> None:
    """Tuple pairs agree on day, product, quantity and prescriber by making; only fill and BIN tell."""
    weights = configured_weights(SETTINGS)
    agreeing = {("SAME", "NDC11/EXACT", None, "SAME", None): 1_000}
    learned = with_prior_of(Block.TUPLE, agreeing, weights, SETTINGS)
    assert learned.priors["TUPLE"] == pytest.approx(weights.priors["TUPLE"], abs=1e-3)
