"""Plots of an evaluation, drawn without pyplot: no global state, no display."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.stats import binom

from engine.models.measures import Measured
from engine.settings import ModelSettings

# What is customary to call a moderate and a large shift.
_NOTABLE_DRIFT = (0.1, 0.25)


def score_distribution(scores: npt.NDArray[Any], planted: npt.NDArray[Any] | None) -> Figure:
    """Histogram of the scores of a sample of rows and, where there are any, of the planted rows; log axis.

    Scores may have any range; the few beyond the 0.9999 quantile are counted in the last bar.
    """
    figure, axes = _figure()
    groups = {"all rows": scores, "planted anomalies": planted}
    shown = {label: values for label, values in groups.items() if values is not None and len(values)}
    pooled = np.concatenate(list(shown.values()))
    lowest, highest = float(pooled.min()), float(np.quantile(pooled, 0.9999, method="higher"))
    edges = np.linspace(lowest, highest if highest > lowest else lowest + 1.0, 101)
    for label, values in shown.items():
        within = np.minimum(values, edges[-1])
        axes.hist(within, bins=edges.tolist(), weights=np.full(len(values), 1 / len(values)), alpha=0.6, label=label)
    axes.set(xlabel="anomaly score", ylabel="share of rows", yscale="log", title="Scores")
    return figure


def precision_against_capacity(found: Measured, baselines: Mapping[str, str], settings: ModelSettings) -> Figure:
    """Precision among the first N rows: of the model with its band, of baselines (given with names), and by chance."""
    figure, axes = _figure()
    axes.plot(found.capacities, found.precision, label="model")
    band = f"{settings.evaluation.level:.0%} of resamples"
    axes.fill_between(found.capacities, found.low, found.high, alpha=0.2, label=band)
    for name, precision in found.baselines.items():
        axes.plot(found.capacities, precision, label=baselines[name])
    axes.axhline(found.by_chance, color="grey", linestyle=":", label="by chance")
    axes.axvline(settings.review_capacity, color="grey", linewidth=0.8)
    axes.set(xlabel="rows reviewed", ylabel="precision", xscale="log", ylim=(0, 1.02), title="Precision at capacity")
    axes.legend()
    return figure


def feature_drift(drift: Mapping[str, float]) -> Figure:
    """Population stability index of each feature, the largest on top."""
    figure, axes = _figure()
    ordered = sorted(drift.items(), key=lambda one: one[1])
    axes.barh([name for name, _ in ordered], [index for _, index in ordered])
    for notable in _NOTABLE_DRIFT:
        axes.axvline(notable, color="grey", linestyle=":")
    axes.set(xlabel="population stability index", title="Features: scored rows against the training sample")
    return figure


def p_value_reliability(p_values: npt.NDArray[Any], level: float) -> Figure:
    """Share of ordinary rows with p <= a, against a, with the band that chance allows if p-values say what they mean.

    Above the band ordinary rows are called rare too often; below it too seldom.
    """
    figure, axes = _figure()
    rows, tail = len(p_values), (1.0 - level) / 2.0
    at = np.geomspace(max(1e-4, 1.0 / rows), 1.0, 100)
    observed = np.searchsorted(np.sort(p_values), at, side="right") / rows
    axes.fill_between(
        at, binom.ppf(tail, rows, at) / rows, binom.ppf(1.0 - tail, rows, at) / rows, alpha=0.2, label="chance"
    )
    axes.plot(at, at, color="grey", linestyle=":", label="as it should be")
    axes.plot(at, observed, label=f"observed in {rows:,} rows")
    axes.set(xlabel="a", ylabel="share of ordinary rows with p <= a", title="Reliability of p-values", xscale="log")
    axes.set_yscale("symlog", linthresh=float(at[0]))
    axes.set_ylim(0.0, 1.1)
    axes.legend()
    return figure


def probability_reliability(
    probabilities: npt.NDArray[Any], is_valid: npt.NDArray[Any], rows_per_point: int, level: float
) -> Figure:
    """Share of valid findings against the probability that they were given, in groups of equal size by probability.

    The band of each group is what chance allows if probabilities say what they mean.
    """
    figure, axes = _figure()
    groups = np.array_split(np.argsort(probabilities, kind="stable"), max(1, len(probabilities) // rows_per_point))
    given = np.array([probabilities[group].mean() for group in groups])
    observed = np.array([is_valid[group].mean() for group in groups])
    sizes, tail = np.array([len(group) for group in groups]), (1.0 - level) / 2.0
    low, high = (binom.ppf(end, sizes, given) / sizes for end in (tail, 1.0 - tail))
    axes.vlines(given, low, high, alpha=0.4, linewidth=4, label="chance")
    axes.plot([0, 1], [0, 1], color="grey", linestyle=":", label="as it should be")
    axes.plot(given, observed, marker="o", label=f"observed, about {sizes[0]:,} findings each")
    axes.set(xlabel="p(valid) given", ylabel="share found valid", title="Reliability of p(valid)", xlim=(0, 1))
    axes.legend()
    return figure


def _figure() -> tuple[Figure, Axes]:
    figure = Figure(figsize=(7, 4), layout="constrained")
    return figure, figure.subplots()
