"""How far a feature has moved between two sets of rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

_BINS = 10


def population_stability(before: npt.NDArray[Any], after: npt.NDArray[Any], minimum_rows: int) -> float | None:
    """Population stability index of a feature: the sum over bins of (q - p) ln(q / p), p and q the shares of rows.

    Bins are the deciles of `before`, equal ones taken once, so that a value which many rows share is one bin. Half a
    row is added to each bin, so that an empty one counts without being infinitely far. None where either side has
    fewer than `minimum_rows`: chance alone moves the index by about bins / rows.
    """
    if min(len(before), len(after)) < minimum_rows:
        return None
    edges = np.unique(np.quantile(before, np.linspace(0.0, 1.0, _BINS + 1)[1:-1]))
    was, now = (_shares(values, edges) for values in (before, after))
    return float(((now - was) * np.log(now / was)).sum())


def _shares(values: npt.NDArray[Any], edges: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Share of the values up to each edge, and above the last."""
    counts = np.bincount(np.searchsorted(edges, values, side="left"), minlength=len(edges) + 1) + 0.5
    return counts / counts.sum()
