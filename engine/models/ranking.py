"""How good an order of rows is: the measures of a queue that people work off from the top."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Ranking:
    """Rows in the order of a score, highest first, by ends of runs of equal scores.

    `rows` and `hits` count from the top; within a run of equal scores both grow evenly, which is the expectation over
    all orders of the run: no measure depends on how ties are broken.
    """

    rows: npt.NDArray[np.float64]
    hits: npt.NDArray[np.float64]

    @classmethod
    def by(cls, scores: npt.NDArray[Any], is_hit: npt.NDArray[Any], weights: npt.NDArray[Any]) -> Ranking:
        """`weights`: how many rows each row stands for (sampled rows stand for those left out)."""
        values, run = np.unique(-np.asarray(scores, dtype=np.float64), return_inverse=True)
        rows = np.bincount(run, weights=weights, minlength=len(values))
        hits = np.bincount(run, weights=np.where(is_hit, weights, 0.0), minlength=len(values))
        return cls(np.concatenate([[0.0], np.cumsum(rows)]), np.concatenate([[0.0], np.cumsum(hits)]))

    def hits_within(self, capacity: npt.NDArray[Any] | float) -> npt.NDArray[np.float64]:
        """Hits among the first `capacity` rows."""
        return np.asarray(np.interp(capacity, self.rows, self.hits))

    def precision_at(self, capacity: npt.NDArray[Any] | float) -> npt.NDArray[np.float64]:
        """Share of hits among the first `capacity` rows (all rows, where there are fewer)."""
        return self.hits_within(capacity) / np.minimum(capacity, self.rows[-1])

    def recall_at(self, capacity: npt.NDArray[Any] | float) -> npt.NDArray[np.float64]:
        """Share of all hits that are among the first `capacity` rows."""
        return self.hits_within(capacity) / self.hits[-1]

    @property
    def average_precision(self) -> float:
        """Area under the precision-recall curve, as scikit-learn's average_precision_score."""
        return float((np.diff(self.hits) * (self.hits[1:] / self.rows[1:])).sum() / self.hits[-1])


def overlap_at(capacity: int, one: npt.NDArray[Any], other: npt.NDArray[Any], weights: npt.NDArray[Any]) -> float:
    """Share of the first `capacity` rows by `one` score that are among the first by the `other` too."""
    in_both = _share_in_top(capacity, one, weights) * _share_in_top(capacity, other, weights)
    return float((in_both * weights).sum() / min(capacity, weights.sum()))


def _share_in_top(capacity: int, scores: npt.NDArray[Any], weights: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """1 for rows within capacity, 0 beyond, and the share of the run that fits in for the run at the edge."""
    values, run = np.unique(-np.asarray(scores, dtype=np.float64), return_inverse=True)
    size = np.bincount(run, weights=weights, minlength=len(values))
    end = np.cumsum(size)
    return np.clip((capacity - (end - size)) / size, 0.0, 1.0)[run]
