"""Detectors that look at the nearest training rows, by Euclidean distance: KNN and LOF."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .base import Scorer, expect, occlusion, run_compiled

# What scikit-learn adds to a mean reachability distance, lest it be 0 among many equal rows.
_LEAST_REACH = 1e-10


@dataclass(frozen=True)
class NeighbourDistance(Scorer):
    """Distance to the k-th nearest training row (Ramaswamy, Rastogi, Shim 2000).

    training: features x rows, in `units`, one per feature.
    """

    training: npt.NDArray[np.float64]
    units: npt.NDArray[np.float64]
    neighbours: int
    features: int

    @property
    def keeps_rows(self) -> bool:
        return True

    def check(self) -> None:
        super().check()
        _check_training(self.training, self.neighbours, self.features)
        expect(self.units.shape == (self.features,), "the units")

    def scores(self, rows: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Distance to the k-th neighbour."""
        squares, _ = nearest(self._in_units(rows), self.training, self.neighbours)
        return np.sqrt(squares[:, -1])

    def contributions(self, rows: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Each feature's part of the squared distance to the k-th neighbour, times the score: they add up to it.

        Of training rows at one distance the first counts.
        """
        columns = self._in_units(rows)
        squares, places = nearest(columns, self.training, self.neighbours)
        distance = np.sqrt(squares[:, -1])
        parts = ((columns - self.training[:, places[:, -1]]) ** 2).T
        return parts / np.where(distance > 0, distance, 1.0)[:, np.newaxis]

    def _in_units(self, rows: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        return self.columns(rows) / self.units[:, np.newaxis]


@dataclass(frozen=True)
class LocalOutlierFactor(Scorer):
    """How much denser a row's neighbours lie than the row itself (Breunig, Kriegel, Ng, Sander 2000).

    training: features x rows. reach: each training row's distance to its k-th neighbour. density: its local
    reachability density.
    """

    training: npt.NDArray[np.float64]
    reach: npt.NDArray[np.float64]
    density: npt.NDArray[np.float64]
    neighbours: int
    features: int

    @property
    def keeps_rows(self) -> bool:
        return True

    def check(self) -> None:
        super().check()
        _check_training(self.training, self.neighbours, self.features)
        expect(self.reach.shape == self.density.shape == (self.training.shape[1],), "the densities")

    def scores(self, rows: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """The factor, about 1 for a row that lies as its neighbours do; the row is taken as new to the training."""
        squares, places = nearest(self.columns(rows), self.training, self.neighbours)
        reach, density = np.zeros(len(rows)), np.zeros(len(rows))
        for rank in range(self.neighbours):
            reach += np.maximum(np.sqrt(squares[:, rank]), self.reach[places[:, rank]])
            density += self.density[places[:, rank]]
        return (density / self.neighbours) * (reach / self.neighbours + _LEAST_REACH)

    def contributions(self, rows: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """See `occlusion`: a ratio of densities has no parts by feature."""
        return occlusion(self, rows)


def _check_training(training: npt.NDArray[Any], neighbours: int, features: int) -> None:
    expect(training.ndim == 2 and len(training) == features, "the training rows")
    expect(isinstance(neighbours, int) and 0 < neighbours <= training.shape[1], "the number of neighbours")


def nearest(
    columns: npt.NDArray[np.float64], training: npt.NDArray[np.float64], neighbours: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Squared distances to the nearest training rows and their places, rows x neighbours, nearest first."""
    shape = (columns.shape[1], neighbours)
    squares, places = np.full(shape, np.inf), np.zeros(shape, dtype=np.int64)
    run_compiled(_find_nearest, columns, training, squares, places)
    return squares, places


def _find_nearest(columns, training, squares, places):
    # Added up feature by feature over all training rows: in this order, whatever the batch, and in wide registers.
    features, rows = columns.shape
    neighbours = squares.shape[1]
    square = np.zeros(training.shape[1])
    for i in range(rows):
        square[:] = 0.0
        for j in range(features):
            value = columns[j, i]
            for place in range(square.size):
                difference = value - training[j, place]
                square[place] += difference * difference
        for place in range(square.size):
            if square[place] < squares[i, neighbours - 1]:
                rank = neighbours - 1
                while rank > 0 and square[place] < squares[i, rank - 1]:
                    squares[i, rank] = squares[i, rank - 1]
                    places[i, rank] = places[i, rank - 1]
                    rank -= 1
                squares[i, rank] = square[place]
                places[i, rank] = place
