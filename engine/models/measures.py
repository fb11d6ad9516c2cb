"""Ranking metrics of several scores on the same rows, each with an interval. Arrays only, no Spark."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.models.bootstrap import cluster_draws, interval
from engine.models.ranking import Order, Ranking
from engine.settings import EvaluationSettings

_WITH_INTERVAL = (
    "gain_auprc",
    "against_champion_auprc",
    "auprc",
    "precision_at_capacity",
    "recall_at_capacity",
    "dollars_at_capacity",
)


@dataclass(frozen=True)
class Truth:
    """Labels of the rows.

    `is_hit`: rows that should rank first. `dollars`: value of each row in US dollars (0: unknown). `weights`: sampling
    weights. `clusters`: the number of each row's cluster, starting at 0.
    """

    is_hit: npt.NDArray[np.bool_]
    dollars: npt.NDArray[np.float64]
    weights: npt.NDArray[np.float64]
    clusters: npt.NDArray[np.int64]

    @property
    def digest(self) -> str:
        """A digest that is equal if hits, weights and clusters are equal, row by row."""
        together = sha256()
        for values in (self.is_hit, self.weights, self.clusters):
            together.update(np.ascontiguousarray(values).tobytes())
        return together.hexdigest()


# A metric with the ends of its interval: middle, low, high.
Estimate = tuple[float, float, float]


@dataclass(frozen=True)
class Resampled:
    """Average precision of one order of rows, on all rows and on each resample.

    Two with equal `rows` (a digest of hits, weights and clusters) have the same resamples and can be compared by
    resample.
    """

    rows: str
    auprc: float
    draws: npt.NDArray[np.float64]

    def less(self, other: Resampled, level: float) -> Estimate | None:
        """The difference of average precision with its interval; None if the rows are not the same."""
        if self.rows != other.rows or len(self.draws) != len(other.draws):
            return None
        low, high = interval(self.draws - other.draws, level)
        return self.auprc - other.auprc, float(low), float(high)


@dataclass(frozen=True)
class Measured:
    """Metrics by name, and precision among the first `capacities` rows: of the model (`low` and `high`: its band), of
    each baseline, and of a random order.
    """

    metrics: dict[str, float]
    capacities: npt.NDArray[np.float64]
    precision: npt.NDArray[np.float64]
    low: npt.NDArray[np.float64]
    high: npt.NDArray[np.float64]
    baselines: dict[str, npt.NDArray[np.float64]]
    by_chance: float
    resampled: Resampled


def measured(
    model: npt.NDArray[Any],
    baselines: Mapping[str, npt.NDArray[Any]],
    champion: npt.NDArray[Any] | None,
    truth: Truth,
    capacity: int,
    settings: EvaluationSettings,
) -> Measured:
    """Metrics of the scores of the model, the baselines and the champion; rows with higher scores rank first.

    auprc; precision, recall and dollars at `capacity`; `<baseline>_auprc`; gain_auprc, the model's less the best
    baseline's; against_champion_auprc, the model's less the champion's. `_low` and `_high` are the ends of a bootstrap
    interval. Differences are paired within each resample, so variation common to both orders cancels out.
    """
    orders = {"model": Order.by(model), **{name: Order.by(scores) for name, scores in baselines.items()}}
    if champion is not None:
        orders["champion"] = Order.by(champion)
    rows = float(truth.weights.sum())
    capacities = np.geomspace(1.0, max(2.0, min(10.0 * capacity, rows)), 100)
    of_all = _rankings(orders, truth, truth.weights)
    metrics = _metrics(of_all, orders["model"], truth, truth.weights, capacity)
    resampled, curves = [], []
    for drawn in cluster_draws(truth.clusters, settings.resamples, settings.seed):
        weights = truth.weights * drawn
        if not weights.any():
            continue
        rankings = _rankings(orders, truth, weights)
        resampled.append(_metrics(rankings, orders["model"], truth, weights, capacity))
        curves.append(rankings["model"].precision_at(capacities))
    with_intervals: dict[str, float] = {}
    for name in [
        *(name for name in _WITH_INTERVAL if name in metrics),
        *(n for n in metrics if n not in _WITH_INTERVAL),
    ]:
        with_intervals[name] = metrics[name]
        if name in _WITH_INTERVAL:
            low, high = interval(np.array([draw[name] for draw in resampled]), settings.level)
            with_intervals |= {f"{name}_low": float(low), f"{name}_high": float(high)}
    low, high = interval(np.array(curves), settings.level)
    return Measured(
        with_intervals,
        capacities,
        of_all["model"].precision_at(capacities),
        low,
        high,
        {name: of_all[name].precision_at(capacities) for name in baselines},
        by_chance=float((truth.weights * truth.is_hit).sum() / rows),
        resampled=Resampled(truth.digest, metrics["auprc"], np.array([draw["auprc"] for draw in resampled])),
    )


def _rankings(orders: Mapping[str, Order], truth: Truth, weights: npt.NDArray[Any]) -> dict[str, Ranking]:
    return {name: order.ranking(truth.is_hit, weights) for name, order in orders.items()}


def _metrics(
    rankings: Mapping[str, Ranking], by_model: Order, truth: Truth, weights: npt.NDArray[Any], capacity: int
) -> dict[str, float]:
    areas = {name: ranking.average_precision for name, ranking in rankings.items()}
    baselines = {name: area for name, area in areas.items() if name not in ("model", "champion")}
    in_dollars = by_model.ranking(truth.is_hit * truth.dollars, weights)
    results = {
        "auprc": areas["model"],
        "precision_at_capacity": float(rankings["model"].precision_at(capacity)),
        "recall_at_capacity": float(rankings["model"].recall_at(capacity)),
        "dollars_at_capacity": float(in_dollars.hits_within(capacity)),
        **{f"{name}_auprc": area for name, area in baselines.items()},
        "gain_auprc": areas["model"] - max(baselines.values()),
    }
    if "champion" in areas:
        results["against_champion_auprc"] = areas["model"] - areas["champion"]
    return results
