"""Detectors whose score is a sum of one term per feature: ECOD, COPOD and HBOS."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .base import Scorer, expect


@dataclass(frozen=True)
class FeatureSteps(Scorer):
    """Each feature's term is a step function of its value.

    edges: features x steps, ascending, the values at which terms change; padded with infinity for features with fewer.
    terms: features x (2 x steps + 1): below the first edge, at it, between it and the second, at the second...
    """

    edges: npt.NDArray[np.float64]
    terms: npt.NDArray[np.float64]
    features: int

    def check(self) -> None:
        """Raise ValueError unless each feature has its edges and terms."""
        super().check()
        expect(self.edges.ndim == 2 and len(self.edges) == self.features and self.edges.shape[1] > 0, "the edges")
        expect(self.terms.shape == (self.features, 2 * self.edges.shape[1] + 1), "the terms")

    def scores(self, rows: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Sum of the terms."""
        total = np.zeros(len(rows))
        for feature, column in enumerate(self.columns(rows)):
            total += self._terms_of(feature, column)
        return total

    def contributions(self, rows: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """The terms themselves: they add up to the score."""
        columns = self.columns(rows)
        return np.stack([self._terms_of(feature, column) for feature, column in enumerate(columns)], axis=1)

    def _terms_of(self, feature: int, column: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        edges = self.edges[feature]
        below = np.searchsorted(edges, column, side="left")
        is_edge = edges[np.minimum(below, len(edges) - 1)] == column
        return self.terms[feature, 2 * below + is_edge]
