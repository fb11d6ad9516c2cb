"""Calibrated logistic regression: the probability that a finding is valid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .base import Scorer, expect


@dataclass(frozen=True)
class CalibratedLogistic(Scorer):
    """The mean over several regressions, each fitted on a part of the rows and calibrated on the remaining rows.

    coefficients: regressions x features; intercepts: one per regression. A regression's log odds x become a probability
    by 1 / (1 + exp(slope x + offset)); or, if there are `knots`, by linear interpolation between its knots, ascending,
    and their `values`, constant beyond them (regressions with fewer knots are padded with their last one).
    """

    coefficients: npt.NDArray[np.float64]
    intercepts: npt.NDArray[np.float64]
    slopes: npt.NDArray[np.float64]
    offsets: npt.NDArray[np.float64]
    knots: npt.NDArray[np.float64]
    values: npt.NDArray[np.float64]
    features: int

    def check(self) -> None:
        """Raise ValueError unless coefficients and calibration fit together."""
        super().check()
        regressions = self.intercepts.size
        expect(self.coefficients.shape == (regressions, self.features) and regressions > 0, "the coefficients")
        if self.knots.size:
            expect(self.knots.shape == self.values.shape and len(self.knots) == regressions, "the knots")
        else:
            expect(self.slopes.shape == self.offsets.shape == (regressions,), "the slopes")

    def scores(self, rows: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """The calibrated probability, 0 to 1."""
        columns = self.columns(rows)
        total = np.zeros(len(rows))
        for regression in range(len(self.intercepts)):
            total += self._calibrated(regression, self._log_odds(regression, columns))
        return total / len(self.intercepts)

    def contributions(self, rows: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Log odds that each feature contributes before calibration, as the mean over the regressions."""
        return np.asarray(rows, dtype=np.float64) * self.coefficients.mean(axis=0)

    def _log_odds(self, regression: int, columns: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        # summed feature by feature, because rounding in a matrix product may depend on other rows of the batch
        total = np.full(columns.shape[1], self.intercepts[regression])
        for weight, column in zip(self.coefficients[regression], columns, strict=True):
            total += weight * column
        return total

    def _calibrated(self, regression: int, log_odds: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        if self.knots.size:
            return np.asarray(np.interp(log_odds, self.knots[regression], self.values[regression]))
        # bounded, so the exponential never overflows
        exponent = np.clip(self.slopes[regression] * log_odds + self.offsets[regression], -700.0, 700.0)
        return np.asarray(1.0 / (1.0 + np.exp(exponent)))
