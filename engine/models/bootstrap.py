"""How sure a figure is: intervals from resamples of whole clusters."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt


def cluster_draws(clusters: npt.NDArray[np.int64], resamples: int, seed: int) -> Iterator[npt.NDArray[np.float64]]:
    """Per resample how often each row is in it: as many clusters as there are, drawn with replacement.

    Rows of one cluster (a pharmacy, a state) come and go together, since they are not independent of each other.
    `clusters`: the number of each row's cluster, from 0 on. One seed gives one series of draws.
    """
    number = int(clusters.max()) + 1
    generator = np.random.default_rng(seed)
    for _ in range(resamples):
        drawn = np.bincount(generator.integers(0, number, number), minlength=number)
        yield drawn.astype(np.float64)[clusters]


def interval(resampled: npt.NDArray[Any], level: float) -> tuple[Any, Any]:
    """Low and high end of what holds `level` of the resampled figures (percentile method), along the first axis.

    Resamples without the figure (NaN, such as recall where no hit was drawn) are left out; NaN where all are.
    """
    if np.isnan(resampled).all():
        return float("nan"), float("nan")
    tail = (1.0 - level) / 2.0
    low, high = np.nanquantile(resampled, [tail, 1.0 - tail], axis=0)
    return low, high
