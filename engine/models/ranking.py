"""Quality of an order of rows: the metrics of a queue that people review from the top."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Order:
    """Rows sorted once by a score, highest first, to be measured with any number of weights.

    `rows`: row numbers in that order; `ends`: position of the last row of each run of equal scores; `runs`: the number
    of each row's run.
    """

    rows: npt.NDArray[np.int64]
    ends: npt.NDArray[np.int64]
    runs: npt.NDArray[np.int64]

    @classmethod
    def by(cls, scores: npt.NDArray[Any]) -> Order:
        """The order of scores, one per row, highest first; equal scores share a run."""
        rows = np.argsort(-np.asarray(scores, dtype=np.float64), kind="stable")
        ordered = scores[rows]
        is_new = np.append(False, ordered[1:] != ordered[:-1])
        runs = np.empty(len(rows), dtype=np.int64)
        runs[rows] = np.cumsum(is_new)
        return cls(rows, np.append(np.flatnonzero(is_new) - 1, len(rows) - 1), runs)

    def ranking(self, worth: npt.NDArray[Any], weights: npt.NDArray[Any]) -> Ranking:
        """`worth`: 1 for a hit and 0 for any other row, or the value of a hit; `weights`: number of rows that each row
        represents (sampled rows also represent rows outside the sample; 0: the row is excluded).
        """
        rows = np.cumsum(weights[self.rows])[self.ends]
        hit = np.flatnonzero(worth)  # few
        hits = np.bincount(self.runs[hit], weights=weights[hit] * worth[hit], minlength=len(self.ends))
        return Ranking(np.concatenate([[0.0], rows]), np.concatenate([[0.0], np.cumsum(hits)]))


@dataclass(frozen=True)
class Ranking:
    """Rows in the order of a score, highest first, by ends of runs of equal scores.

    `rows` and `hits` count from the top. Within a run of equal scores both grow evenly, which is the expectation over
    all orders of the run, so no metric depends on how ties are broken.
    """

    rows: npt.NDArray[np.float64]
    hits: npt.NDArray[np.float64]

    @classmethod
    def by(cls, scores: npt.NDArray[Any], is_hit: npt.NDArray[Any], weights: npt.NDArray[Any]) -> Ranking:
        """The ranking of hits by a score. Arrays have one entry per row."""
        return Order.by(scores).ranking(is_hit, weights)

    def hits_within(self, capacity: npt.NDArray[Any] | float) -> npt.NDArray[np.float64]:
        """Hits among the first `capacity` rows."""
        return np.asarray(np.interp(capacity, self.rows, self.hits))

    def precision_at(self, capacity: npt.NDArray[Any] | float) -> npt.NDArray[np.float64]:
        """Share of hits among the first `capacity` rows (all rows, if there are fewer)."""
        return self.hits_within(capacity) / np.minimum(capacity, self.rows[-1])

    def recall_at(self, capacity: npt.NDArray[Any] | float) -> npt.NDArray[np.float64]:
        """Share of all hits that are among the first `capacity` rows; NaN without a hit."""
        return self.hits_within(capacity) / (self.hits[-1] or np.nan)

    @property
    def average_precision(self) -> float:
        """Area under the precision-recall curve, as scikit-learn's average_precision_score; NaN without a hit."""
        if not self.hits[-1]:
            return float("nan")
        gained = np.diff(self.hits)
        run = np.flatnonzero(gained)
        return float((gained[run] * self.hits[run + 1] / self.rows[run + 1]).sum() / self.hits[-1])


def overlap_at(capacity: int, scores: npt.NDArray[Any], other: npt.NDArray[Any], weights: npt.NDArray[Any]) -> float:
    """Share of the first `capacity` rows by one score that are also among the first by the other score."""
    in_both = _share_in_top(capacity, scores, weights) * _share_in_top(capacity, other, weights)
    return float((in_both * weights).sum() / min(capacity, weights.sum()))


def _share_in_top(capacity: int, scores: npt.NDArray[Any], weights: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """1 for rows within the capacity, 0 for rows beyond it; for a run of equal scores at the limit, the share that
    fits.
    """
    values, run = np.unique(-np.asarray(scores, dtype=np.float64), return_inverse=True)
    size = np.bincount(run, weights=weights, minlength=len(values))
    end = np.cumsum(size)
    return np.clip((capacity - (end - size)) / size, 0.0, 1.0)[run]
