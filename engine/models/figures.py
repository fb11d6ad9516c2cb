"""Plots of an evaluation, drawn without pyplot: no global state, no display."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from engine.models.ranking import Ranking


def score_distribution(scores: npt.NDArray[Any], planted: npt.NDArray[Any] | None) -> Figure:
    """Histogram of the scores of a sample of rows and, where there are any, of the planted rows; log axis."""
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    shown = {
        label: values
        for values, label in ((scores, "all rows"), (planted, "planted anomalies"))
        if values is not None and len(values)
    }
    if shown:
        edges = np.histogram_bin_edges(np.concatenate(list(shown.values())), bins=100).tolist()
        for label, values in shown.items():
            axes.hist(values, bins=edges, weights=np.full(len(values), 1 / len(values)), alpha=0.6, label=label)
        axes.legend()
    axes.set(xlabel="anomaly score", ylabel="share of rows", yscale="log", title="Scores")
    return figure


def precision_against_capacity(model: Ranking, baseline: Ranking, baseline_name: str, capacity: int) -> Figure:
    """Precision among the first N rows, for the model, the baseline and an order by chance."""
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    most = max(2.0, min(10.0 * capacity, float(model.rows[-1])))
    capacities = np.geomspace(1.0, most, 200)
    axes.plot(capacities, model.precision_at(capacities), label="model")
    axes.plot(capacities, baseline.precision_at(capacities), label=f"robust z-score of {baseline_name}")
    axes.axhline(model.hits[-1] / model.rows[-1], color="grey", linestyle=":", label="by chance")
    axes.axvline(capacity, color="grey", linewidth=0.8)
    axes.set(xlabel="rows reviewed", ylabel="precision", xscale="log", ylim=(0, 1.02), title="Precision at capacity")
    axes.legend()
    return figure
