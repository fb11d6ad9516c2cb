"""LODA: histograms of random projections (Pevny 2016)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .base import Scorer, expect, occlusion, run_compiled


@dataclass(frozen=True)
class ProjectionHistograms(Scorer):
    """`weights` of each cut, cuts x features; `edges` of its bins, cuts x (bins - 1), and a term for each bin."""

    weights: npt.NDArray[np.float64]
    edges: npt.NDArray[np.float64]
    terms: npt.NDArray[np.float64]
    features: int

    def check(self) -> None:
        """Raise ValueError unless each projection has its weights, edges and terms."""
        super().check()
        cuts = len(self.weights)
        expect(self.weights.shape == (cuts, self.features) and cuts > 0, "the weights")
        expect(self.edges.ndim == self.terms.ndim == 2 and len(self.edges) == len(self.terms) == cuts, "the cuts")
        expect(self.terms.shape[1] == self.edges.shape[1] + 1, "the bins")

    def scores(self, rows: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Mean negative log frequency of the bins that a row's projections fall into, in PyOD's scale."""
        columns = self.columns(rows)
        total = np.zeros(columns.shape[1])
        run_compiled(_add_terms, columns, self.weights, self.edges, self.terms, total)
        return total

    def contributions(self, rows: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """See `occlusion`: the paper's t-test of cuts with and without a feature gives no additive contributions."""
        return occlusion(self, rows)


def _add_terms(columns: Any, weights: Any, edges: Any, terms: Any, total: Any) -> None:
    features, rows = columns.shape
    for i in range(rows):
        for cut in range(len(weights)):
            value = 0.0
            for j in range(features):
                value += weights[cut, j] * columns[j, i]
            total[i] += terms[cut, np.searchsorted(edges[cut], value)]
