"""Power sums of surprises: how extreme a row is in all its measures together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .base import Scorer, expect


@dataclass(frozen=True)
class PowerSum(Scorer):
    """(Sum of the inputs to the power of `exponent`) to the power of 1 / `exponent`: a norm of the surprises.

    With exponent 1 it is Fisher's method of combining p-values; with a larger exponent, one extreme value counts more
    relative to several small deviations. An input below 0 counts as 0.
    """

    exponent: float
    features: int

    def check(self) -> None:
        """Raise ValueError if the exponent makes no norm."""
        super().check()
        expect(self.exponent >= 1, "the exponent")

    def scores(self, rows: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """In the unit of the inputs; 0 for a row that is typical in everything."""
        return self._norm(self._powers(rows))

    def contributions(self, rows: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Each input's share of the sum of powers, times the score; they add up to the score."""
        powers = self._powers(rows)
        total = sum(powers)
        parts = np.stack(powers, axis=1) / np.where(total > 0, total, 1.0)[:, np.newaxis]
        return parts * self._norm(powers)[:, np.newaxis]

    def _powers(self, rows: npt.NDArray[Any]) -> list[npt.NDArray[np.float64]]:
        return [np.maximum(column, 0.0) ** self.exponent for column in self.columns(rows)]

    def _norm(self, powers: list[npt.NDArray[np.float64]]) -> npt.NDArray[np.float64]:
        # added input by input, so a row's sum does not depend on other rows of its batch
        total = np.zeros(len(powers[0]))
        for power in powers:
            total += power
        return np.asarray(total ** (1.0 / self.exponent))
