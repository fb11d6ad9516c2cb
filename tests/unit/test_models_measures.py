"""Intervals, drift and measures on arrays: known cases, weights, clusters."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy.stats import binom

from engine.models.bootstrap import cluster_draws, interval
from engine.models.drift import Distribution, population_stability
from engine.models.figures import p_value_reliability
from engine.models.measures import Truth, measured
from engine.models.ranking import Ranking
from engine.settings import EvaluationSettings

SETTINGS = EvaluationSettings(resamples=400)


def truth(
    is_hit: npt.NDArray[Any],
    weights: npt.NDArray[Any] | None = None,
    clusters: npt.NDArray[Any] | None = None,
    dollars: npt.NDArray[Any] | None = None,
) -> Truth:
    hit = np.asarray(is_hit, dtype=bool)
    rows = len(hit)
    return Truth(
        hit,
        np.ones(rows) if dollars is None else np.asarray(dollars, dtype=float),
        np.ones(rows) if weights is None else np.asarray(weights, dtype=float),
        np.arange(rows) if clusters is None else np.asarray(clusters),
    )


def test_a_resample_draws_whole_clusters_as_many_as_there_are() -> None:
    clusters = np.array([0, 0, 0, 1, 2, 2])
    for drawn in cluster_draws(clusters, 50, seed=3):
        assert drawn[0] == drawn[1] == drawn[2]
        assert drawn[4] == drawn[5]
        assert drawn[0] + drawn[3] + drawn[4] == 3
    one, same = (np.array(list(cluster_draws(clusters, 5, seed=3))) for _ in range(2))
    assert (one == same).all()


def test_the_interval_of_a_share_is_the_binomial_one() -> None:
    """400 rows, each its own pharmacy, a quarter of them hits: precision over all rows is a binomial share."""
    hit = np.arange(400) % 4 == 0
    found = measured(np.zeros(400), {"feature": np.zeros(400)}, None, truth(hit), 400, SETTINGS).metrics
    assert found["precision_at_capacity"] == 0.25
    low, high = binom.ppf([0.025, 0.975], 400, 0.25) / 400
    assert found["precision_at_capacity_low"] == pytest.approx(low, abs=0.01)
    assert found["precision_at_capacity_high"] == pytest.approx(high, abs=0.01)


def test_rows_of_one_pharmacy_are_no_independent_witnesses() -> None:
    """The same rows in 20 pharmacies of 20 rows that are alike: 400 rows say no more than 20."""
    hit = np.arange(400) < 100
    widths = {}
    for pharmacies in (400, 20):
        clusters = np.arange(400) * pharmacies // 400
        found = measured(np.zeros(400), {"feature": np.zeros(400)}, None, truth(hit, clusters=clusters), 400, SETTINGS)
        widths[pharmacies] = found.metrics["precision_at_capacity_high"] - found.metrics["precision_at_capacity_low"]
    assert widths[20] / widths[400] == pytest.approx(np.sqrt(20), rel=0.25)


def test_a_weighted_sample_measures_what_the_whole_feed_would() -> None:
    """Every unlabeled row written down four times, or once with weight 4."""
    generator = np.random.default_rng(5)
    hit = np.arange(300) < 30
    scores, dollars = generator.normal(size=300) + hit, generator.integers(0, 9, 300)
    feature, champion = generator.normal(size=300), generator.normal(size=300)
    times = np.where(hit, 1, 4)
    sampled = measured(
        scores, {"feature": feature}, champion, truth(hit, times, np.arange(300), dollars), 50, SETTINGS
    ).metrics
    whole = measured(
        np.repeat(scores, times),
        {"feature": np.repeat(feature, times)},
        np.repeat(champion, times),
        truth(np.repeat(hit, times), None, np.repeat(np.arange(300), times), np.repeat(dollars, times)),
        50,
        SETTINGS,
    ).metrics
    assert sampled == pytest.approx(whole)
    assert sampled["against_champion_auprc"] == pytest.approx(
        Ranking.by(scores, hit, times).average_precision - Ranking.by(champion, hit, times).average_precision
    )


def test_a_difference_is_taken_within_each_resample() -> None:
    """Champion and model err alike: each alone is uncertain, the difference is not."""
    generator = np.random.default_rng(8)
    hit = np.arange(2_000) < 60
    champion = generator.normal(size=2_000) + hit
    found = measured(champion + 0.2 * hit, {"feature": champion}, champion, truth(hit), 100, SETTINGS).metrics
    alone = found["auprc_high"] - found["auprc_low"]
    assert found["against_champion_auprc_low"] > 0
    assert found["against_champion_auprc_high"] - found["against_champion_auprc_low"] < alone / 2
    assert found["gain_auprc"] == found["against_champion_auprc"]


def test_the_gain_is_over_the_better_baseline_and_rules_rank_by_expectation() -> None:
    hit = np.array([True, True, False, False, False, False])
    by_rules = np.array([1.0, 1.0, 1.0, 0, 0, 0])
    scores = np.array([6.0, 5, 4, 3, 2, 1])
    found = measured(scores, {"rules": by_rules, "feature": -scores}, None, truth(hit), 2, SETTINGS)
    assert found.metrics["rules_auprc"] == pytest.approx(2 / 3)
    assert found.metrics["gain_auprc"] == pytest.approx(1 / 3)
    assert found.baselines["rules"][0] == pytest.approx(2 / 3)


def test_resamples_without_a_hit_are_left_out_of_the_interval() -> None:
    hit = np.array([True, False, False])
    found = measured(np.array([3.0, 2, 1]), {"feature": np.zeros(3)}, None, truth(hit), 1, SETTINGS).metrics
    assert (found["auprc_low"], found["auprc_high"]) == (1.0, 1.0)
    assert interval(np.full(4, np.nan), 0.95) == pytest.approx((np.nan, np.nan), nan_ok=True)


def index(before: npt.NDArray[Any], after: npt.NDArray[Any]) -> float:
    return Distribution.of(before).stability(after)


def test_population_stability() -> None:
    before = np.arange(10_000) / 10_000
    assert index(before, before) == pytest.approx(0.0, abs=1e-9)
    # the half of the values gone: five deciles doubled, five empty but for half a row
    p, q, empty = 0.1, 0.2, 0.5 / 5_005
    expected = 5 * (q - p) * np.log(q / p) + 5 * (empty - p) * np.log(empty / p)
    assert index(before, before[:5_000]) == pytest.approx(expected, rel=0.01)
    # most rows share one value: one bin, and no drift between equals
    tied = np.where(np.arange(2_000) < 1_600, 0.0, np.arange(2_000))
    assert index(tied, tied[::-1]) == 0.0


def test_few_rows_say_nothing_of_drift() -> None:
    before = np.arange(1_000)
    trained_on = {"f20": Distribution.of(before), "f24": Distribution.of(before[:999])}
    assert population_stability(trained_on, {"f20": before, "f24": before}, 1_000) == {"f20": 0.0}
    assert population_stability(trained_on, {"f20": before[:999], "f24": before}, 1_000) == {}


def test_reliability_shows_the_share_of_ordinary_rows_up_to_each_p() -> None:
    p_values = np.concatenate([np.full(100, 0.01), np.linspace(0.02, 1.0, 900)])
    axes = p_value_reliability(p_values, 0.95).axes[0]
    observed = axes.lines[1]
    share_at: dict[Any, Any] = dict(zip(observed.get_xdata(), observed.get_ydata(), strict=True))
    assert share_at[max(a for a in share_at if a < 0.01)] == 0.0
    assert share_at[min(a for a in share_at if a >= 0.01)] == pytest.approx(0.1)
    assert max(share_at.values()) == 1.0
    band: Any = axes.collections[0].get_paths()[0].vertices
    near = band[np.isclose(band[:, 0], min(a for a in share_at if a >= 0.1))]
    a = near[0, 0]
    assert sorted(near[:, 1])[0] == pytest.approx(binom.ppf(0.025, 1_000, a) / 1_000)
    assert sorted(near[:, 1])[-1] == pytest.approx(binom.ppf(0.975, 1_000, a) / 1_000)
