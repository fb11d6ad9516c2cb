"""Confidence intervals of metrics, from bootstrap resamples of clusters."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt


def cluster_draws(clusters: npt.NDArray[np.int64], resamples: int, seed: int) -> Iterator[npt.NDArray[np.float64]]:
    """For each resample, how often each row is in it. Each resample draws as many clusters as exist, with replacement.

    All rows of a cluster (a pharmacy, a state) are drawn together, because they are not independent. `clusters`: the
    number of each row's cluster, starting at 0. Equal seeds give equal draws.
    """
    number = int(clusters.max()) + 1
    generator = np.random.default_rng(seed)
    for _ in range(resamples):
        drawn = np.bincount(generator.integers(0, number, number), minlength=number)
        yield drawn.astype(np.float64)[clusters]


def interval(resampled: npt.NDArray[Any], level: float) -> tuple[Any, Any]:
    """Low and high end of the central interval with `level` of the resampled values (percentile method), along the
    first axis.

    Resamples without a value (NaN, such as recall if no hit was drawn) are excluded; NaN if all are.
    """
    if np.isnan(resampled).all():
        return float("nan"), float("nan")
    tail = (1.0 - level) / 2.0
    low, high = np.nanquantile(resampled, [tail, 1.0 - tail], axis=0)
    return low, high
