"""Surprises among peers, against plain counting."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from engine.models.peer_grid import CAP, OUTSIDE, PeerGrid

PRODUCT = (("ndc11", "program"), ("ndc9",))
KEYS = ("ndc11", "program", "ndc9")


def grid_of(
    values: list[Any] | npt.NDArray[Any],
    groups: list[str] | None = None,
    minimum: int = 20,
    least_scale: float = 0.1,
    weights: list[float] | None = None,
) -> PeerGrid:
    """One measure. `groups`: NDC-11 of each value; all have one NDC-9."""
    values = np.asarray(values, dtype=float)[:, np.newaxis]
    names = np.array(["A"] * len(values) if groups is None else groups, dtype=object)
    same = np.array(["X"] * len(values), dtype=object)
    own = np.ones(values.shape) if weights is None else np.asarray(weights, dtype=float)[:, np.newaxis]
    keys = [names, same, same]
    return PeerGrid.of(["price"], KEYS, [PRODUCT], [least_scale], keys, values, own, minimum)


def surprise(grid: PeerGrid, value: float, group: str = "A") -> float:
    groups = grid.groups_of([(group, "X", "X")])
    return float(grid.surprises(np.array([[value]]), groups)[0, 0])


def test_within_the_peers_a_surprise_is_the_counted_two_sided_tail() -> None:
    values = [10] * 60 + [20] * 30 + [30] * 10
    grid = grid_of(values)
    for value in (10, 20, 30):
        tails = [np.mean([v >= value for v in values]), np.mean([v <= value for v in values])]
        assert surprise(grid, value) == pytest.approx(-np.log(min(1.0, 2 * min(tails))), abs=1e-9)
    # between two values: that of a value with nobody at it
    assert surprise(grid, 15) == pytest.approx(-np.log(2 * 0.4))


def test_a_value_that_many_share_is_never_surprising() -> None:
    grid = grid_of([30] * 95 + [90] * 5)
    assert surprise(grid, 30) == 0
    assert surprise(grid, 90) == pytest.approx(-np.log(2 * 0.05))


@pytest.mark.parametrize("factor", [0.05, 0.4, 2.5, 8])
def test_several_bad_values_of_a_product_do_not_hide_each_other(factor: float | int) -> None:
    usual = np.exp(np.random.default_rng(1).normal(2.0, 0.05, 300))
    alone, among_others = grid_of([*usual, 7.39 * factor]), grid_of([*usual, *[7.39 * factor] * 5])
    assert surprise(among_others, 7.39 * factor) > 0.9 * surprise(alone, 7.39 * factor) > 6
    assert surprise(among_others, 7.39 * factor) <= CAP


def test_of_few_peers_the_two_outermost_do_not_count() -> None:
    usual = np.exp(np.random.default_rng(2).normal(2.0, 0.05, 30))
    assert surprise(grid_of([*usual, 30.0, 30.0]), 30.0) > 10


def test_the_farther_out_the_more_surprising_in_both_directions() -> None:
    grid = grid_of(np.exp(np.random.default_rng(3).normal(0.0, 0.3, 400)))
    for values in (np.geomspace(1.0, 20.0, 40), np.geomspace(1.0, 0.05, 40)):
        surprises = [surprise(grid, value) for value in values]
        assert (np.diff(surprises) >= 0).all()
    assert surprise(grid, 1e9) == surprise(grid, 1e-9) == CAP


def test_a_small_difference_from_peers_that_are_all_alike_is_no_surprise() -> None:
    grid = grid_of([10.0] * 200, least_scale=0.1)
    assert surprise(grid, 10.0) == 0
    assert surprise(grid, 10.1) == pytest.approx(-np.log(2 * 0.02) + np.log(1.01) / 0.1, abs=1e-6)


def test_unknown_and_zero_values_and_too_few_peers_give_no_evidence() -> None:
    grid = grid_of([10.0] * 19)
    assert np.isnan(surprise(grid, 10.0))
    grid = grid_of([10.0] * 20 + [np.nan, 0.0, -5.0])
    assert [np.isnan(surprise(grid, value)) for value in (np.nan, 0.0, -5.0, 10.0)] == [True, True, True, False]
    assert grid.peers.tolist() == [20, 20]  # of the NDC-11 and of the NDC-9: those with a value


def test_peers_are_those_of_the_finest_level_that_has_enough() -> None:
    grid = grid_of([10.0] * 40 + [100.0] * 5, ["A"] * 40 + ["B"] * 5)
    assert surprise(grid, 100.0, "A") > 10
    assert surprise(grid, 100.0, "B") == pytest.approx(-np.log(2 * 5 / 45))  # of its NDC-9
    assert grid.groups_of([("C", "Y", "Y")]).tolist() == [[-1]]


def test_a_sampled_row_stands_for_others() -> None:
    whole = grid_of([10.0] * 80 + [20.0] * 20 + [30.0] * 20)
    sampled = grid_of([10.0] * 40 + [20.0] * 20 + [30.0] * 20, weights=[2.0] * 40 + [1.0] * 40)
    assert surprise(sampled, 30.0) == pytest.approx(surprise(whole, 30.0))
    assert sampled.peers.tolist() == whole.peers.tolist() == [120, 120]


def test_the_range_ends_where_a_tail_falls_below_half_a_percent() -> None:
    values = np.exp(np.random.default_rng(4).normal(1.0, 0.2, 1_000))
    grid = grid_of(values)
    groups = grid.groups_of([("A", "X", "X")])
    low, high, peers, inside = (float(of[0, 0]) for of in grid.ranges(groups))
    assert peers == 1_000
    assert inside == pytest.approx(np.mean((values >= low) & (values <= high)))
    assert inside >= 0.98
    for end, beyond in ((low, 0.999), (high, 1.001)):
        assert surprise(grid, end) == pytest.approx(-np.log(2 * OUTSIDE), abs=1e-6)
        assert grid.is_outside(np.array([[end * beyond]]), groups)[0, 0]
        assert not grid.is_outside(np.array([[end / beyond]]), groups)[0, 0]


def test_neither_order_nor_batch_changes_a_surprise() -> None:
    generator = np.random.default_rng(5)
    values = np.exp(generator.normal(1.0, 0.5, 500))
    order = generator.permutation(500)
    one, other = grid_of(values), grid_of(values[order])
    groups = one.groups_of([("A", "X", "X")] * 500)
    whole = one.surprises(values[:, np.newaxis], groups)
    assert np.array_equal(whole, other.surprises(values[:, np.newaxis], groups))
    assert [surprise(one, value) for value in values[:50]] == whole[:50, 0].tolist()


def test_an_empty_grid_knows_nothing() -> None:
    grid = grid_of([])
    groups = grid.groups_of([("A", "X", "X")])
    assert np.isnan(grid.surprises(np.array([[3.0]]), groups)).all()
    assert not grid.is_outside(np.array([[3.0]]), groups).any()
