"""Plots of an evaluation, drawn without pyplot: no global state, no display."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.stats import binom

from engine.errors import counted
from engine.models.measures import Estimate, Measured
from engine.settings import ModelSettings

# Customary limits of a moderate and a large shift.
_NOTABLE_DRIFT = (0.1, 0.25)
# Colors (distinct for color-blind readers; Okabe and Ito 2008) and markers of detectors in a comparison.
_OF_ROLE = {"champion": ("#000000", "D"), "better": ("#0072B2", "o"), "": ("#E69F00", "s")}
_NOT_BETTER = "not shown to be better"


def score_distribution(scores: npt.NDArray[Any], planted: npt.NDArray[Any] | None) -> Figure:
    """Histogram of the scores of a sample of rows and, if available, of the planted rows; log axis.

    Scores may have any range; those beyond the 0.9999 quantile are counted in the last bar.
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
    axes.legend()
    return figure


def precision_against_capacity(measured: Measured, baselines: Mapping[str, str], settings: ModelSettings) -> Figure:
    """Precision among the first N rows: of the model with its band, of the named baselines, and by chance."""
    figure, axes = _figure()
    axes.plot(measured.capacities, measured.precision, label="model")
    band = f"{settings.evaluation.level:.0%} of resamples"
    axes.fill_between(measured.capacities, measured.low, measured.high, alpha=0.2, label=band)
    for name, precision in measured.baselines.items():
        axes.plot(measured.capacities, precision, label=baselines[name])
    axes.axhline(measured.by_chance, color="gray", linestyle=":", label="by chance")
    capacity = settings.review_capacity
    axes.axvline(
        capacity, color="gray", linewidth=0.8, linestyle="--", label=f"capacity, {counted(capacity, 'row', 'rows')}"
    )
    highest = max(
        float(np.nanmax(values)) for values in (measured.high, measured.precision, *measured.baselines.values())
    )
    top = 1.05 * highest if highest > 0 else 1.0
    axes.set(xlabel="rows reviewed", ylabel="precision", xscale="log", ylim=(0, top), title="Precision at capacity")
    # within the axes, the legend would cover the curves, which may peak anywhere
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    return figure


def feature_drift(drift: Mapping[str, float]) -> Figure:
    """Population stability index of each feature, the largest on top."""
    figure, axes = _figure()
    ordered = sorted(drift.items(), key=lambda entry: entry[1])
    axes.barh([name for name, _ in ordered], [index for _, index in ordered])
    for notable, (name, style) in zip(_NOTABLE_DRIFT, (("moderate", ":"), ("large", "--")), strict=True):
        axes.axvline(notable, color="gray", linestyle=style, label=f"{name}: {notable}")
    right = max(1.2 * _NOTABLE_DRIFT[-1], 1.05 * max(drift.values()))
    axes.set(xlabel="population stability index", title="Scored rows against the training sample", xlim=(0, right))
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    return figure


def p_value_reliability(p_values: npt.NDArray[Any], level: float) -> Figure:
    """Share of ordinary rows with p <= a, against a, with the band expected by chance if p-values are valid.

    Above the band, p-values of ordinary rows are too small; below it, too large.
    """
    figure, axes = _figure()
    rows, tail = len(p_values), (1.0 - level) / 2.0
    at = np.geomspace(max(1e-4, 1.0 / rows), 1.0, 100)
    observed = np.searchsorted(np.sort(p_values), at, side="right") / rows
    axes.fill_between(
        at, binom.ppf(tail, rows, at) / rows, binom.ppf(1.0 - tail, rows, at) / rows, alpha=0.2, label="chance"
    )
    axes.plot(at, at, color="gray", linestyle=":", label="as it should be")
    axes.plot(at, observed, label=f"observed in {counted(rows, 'row', 'rows')}")
    axes.set(xlabel="a", ylabel="share of ordinary rows with p <= a", title="Reliability of p-values", xscale="log")
    axes.set_yscale("symlog", linthresh=float(at[0]))
    axes.set_ylim(0.0, 1.1)
    axes.legend()
    return figure


def probability_reliability(
    probabilities: npt.NDArray[Any], is_valid: npt.NDArray[Any], rows_per_point: int, level: float
) -> Figure:
    """Share of valid findings against their predicted probability, in groups of equal size by probability.

    The band of each group is what chance allows if the probabilities are calibrated.
    """
    figure, axes = _figure()
    groups = np.array_split(np.argsort(probabilities, kind="stable"), max(1, len(probabilities) // rows_per_point))
    predicted = np.array([probabilities[group].mean() for group in groups])
    observed = np.array([is_valid[group].mean() for group in groups])
    sizes, tail = np.array([len(group) for group in groups]), (1.0 - level) / 2.0
    low, high = (binom.ppf(end, sizes, predicted) / sizes for end in (tail, 1.0 - tail))
    axes.vlines(predicted, low, high, alpha=0.4, linewidth=4, label="chance")
    axes.plot([0, 1], [0, 1], color="gray", linestyle=":", label="as it should be")
    axes.plot(
        predicted, observed, marker="o", label=f"observed, about {counted(int(sizes[0]), 'finding', 'findings')} each"
    )
    axes.set(xlabel="p(valid) given", ylabel="share found valid", title="Reliability of p(valid)", xlim=(0, 1))
    axes.legend()
    return figure


def detectors_compared(
    names: Sequence[str],
    areas: Sequence[Estimate | None],
    differences: Sequence[Estimate | None],
    roles: Sequence[str],
    title: str,
) -> Figure:
    """Detectors, best on top: the difference to the champion, which decides, and average precision, each with its
    interval (middle, low, high; None: unknown). `roles`: champion, better, or empty.
    """
    figure = Figure(figsize=(10, 1.8 + 0.4 * len(names)), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    places = np.arange(len(names))[::-1]
    shown = set()
    for axes, figures in ((left, differences), (right, areas)):
        for place, estimate, role in zip(places, figures, roles, strict=True):
            if estimate is None:
                continue
            color, marker = _OF_ROLE[role]
            middle, low, high = estimate
            label = role or _NOT_BETTER
            axes.errorbar(
                middle,
                place,
                xerr=[[max(0.0, middle - low)], [max(0.0, high - middle)]],
                fmt=marker,
                color=color,
                capsize=4,
                label=None if label in shown else label,
            )
            shown.add(label)
    left.axvline(0, color="black", linewidth=0.8)
    left.set(xlabel="average precision less the champion's (decides)")
    right.set(xlabel="average precision", xlim=(-0.02, 1.02))
    left.set_yticks(places, names)
    left.set_ylim(-0.6, len(names) - 0.4)
    for axes in (left, right):
        axes.grid(axis="y", color="0.9")
    figure.suptitle(title)
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    return figure


def _figure() -> tuple[Figure, Axes]:
    figure = Figure(figsize=(7, 4), layout="constrained")
    return figure, figure.subplots()
