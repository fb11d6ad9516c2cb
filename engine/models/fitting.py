"""Fits each kind of detector with its library on the driver, and stores it as arrays."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.models.scorers.base import Scorer
from engine.models.scorers.combination import RankCombination
from engine.models.scorers.feature_steps import FeatureSteps
from engine.models.scorers.flat_forest import flatten
from engine.models.scorers.power_sum import PowerSum
from engine.models.scorers.projections import ProjectionHistograms
from engine.settings import (
    CopodSettings,
    DetectorSettings,
    EcodSettings,
    HbosSettings,
    IsolationForestSettings,
    LodaSettings,
    PowerSumSettings,
    RankCombinationSettings,
)

Matrix = npt.NDArray[np.float64]

# Share of a bin's width: far above the rounding error of a sum, and far below any meaningful difference.
_ROUNDING = 1e-9


def fit_scorer(rows: Matrix, settings: DetectorSettings, detectors: Mapping[str, DetectorSettings]) -> Scorer:
    """Fit the detector on the training rows; equal rows in equal order give equal scorers.

    `detectors`: by name, the detectors that may be members of a combination.
    """
    if isinstance(settings, RankCombinationSettings):
        return _rank_combination(rows, settings, detectors)
    return _FITS[settings.kind](rows, settings)


def _power_sum(rows: Matrix, settings: PowerSumSettings) -> Scorer:
    """Needs no fitting, because surprises already compare a row with its peers."""
    return PowerSum(exponent=settings.exponent, features=rows.shape[1])


def _isolation_forest(rows: Matrix, settings: IsolationForestSettings) -> Scorer:
    from sklearn.ensemble import IsolationForest

    forest = IsolationForest(
        n_estimators=settings.trees,
        max_samples=min(settings.rows_per_tree, len(rows)),
        random_state=settings.seed,
    )
    return flatten(forest.fit(rows))


def _ecod(rows: Matrix, settings: EcodSettings) -> Scorer:
    return _tails(_subsample(rows, settings.rows, settings.seed), _larger_tail)


def _copod(rows: Matrix, settings: CopodSettings) -> Scorer:
    return _tails(_subsample(rows, settings.rows, settings.seed), _mean_tail)


def _larger_tail(left: Matrix, right: Matrix, by_skewness: Matrix) -> Matrix:
    return np.maximum(np.maximum(left, right), by_skewness)


def _mean_tail(left: Matrix, right: Matrix, by_skewness: Matrix) -> Matrix:
    return np.maximum((left + right) / 2, by_skewness)


def _tails(rows: Matrix, combined: Callable[[Matrix, Matrix, Matrix], Matrix]) -> Scorer:
    """The score that PyOD's ECOD or COPOD gives a single row added to the training rows, for every possible value.

    The library stores only the rows and ranks a scored batch together with them, so its scores depend on the batch. The
    skewness, whose sign selects a tail, is computed on the training rows only.
    """
    from pyod.models.ecod import skew

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a constant feature has no skewness, which counts as 0
        each_skewness = np.sign(skew(rows))
    steps = [_tail_steps(column, s, combined) for column, s in zip(rows.T, each_skewness, strict=True)]
    most = max(len(values) for values, _ in steps)
    edges = np.full((len(steps), most), np.inf)
    terms = np.zeros((len(steps), 2 * most + 1))
    for feature, (values, of_values) in enumerate(steps):
        edges[feature, : len(values)] = values
        terms[feature, : len(of_values)] = of_values
    return FeatureSteps(edges, terms, len(steps))


def _tail_steps(
    column: Matrix, skewness: float, combined: Callable[[Matrix, Matrix, Matrix], Matrix]
) -> tuple[Matrix, Matrix]:
    """The values of a feature, ascending, and the terms below, at, between and above them (see FeatureSteps)."""
    values, counts = np.unique(column, return_counts=True)
    rows_up_to = np.concatenate([[0], np.cumsum(counts)])
    step = np.arange(2 * len(values) + 1)
    at_most, at_least = rows_up_to[(step + 1) // 2], len(column) - rows_up_to[step // 2]
    left, right = (-np.log((tail + 1) / (len(column) + 1)) for tail in (at_most, at_least))
    by_skewness = left * -np.sign(skewness - 1) + right * np.sign(skewness + 1)
    return values, combined(left, right, by_skewness)


def _hbos(rows: Matrix, settings: HbosSettings) -> Scorer:
    from pyod.models.hbos import HBOS

    fitted = HBOS(n_bins=settings.bins, alpha=settings.alpha, tol=settings.tolerance).fit(rows)
    edges = fitted.bin_edges_.T.copy()
    margin = settings.tolerance * np.diff(edges)
    # a value on an edge belongs to the bin below; a value within the margin of an outermost bin, to that bin
    edges[:, 0] = np.nextafter(edges[:, 0] - margin[:, 0], -np.inf)
    edges[:, -1] += margin[:, -1]
    of_bins = -np.log2(fitted.hist_.T + settings.alpha)
    outside = of_bins.max(axis=1, keepdims=True)
    terms = np.repeat(np.concatenate([outside, of_bins, outside], axis=1), 2, axis=1)
    return FeatureSteps(edges, terms[:, :-1], rows.shape[1])


def _loda(rows: Matrix, settings: LodaSettings) -> Scorer:
    from pyod.models.loda import LODA

    fitted = LODA(n_bins=settings.bins, n_random_cuts=settings.cuts, random_state=settings.seed).fit(rows)
    # PyOD looks up a value by the lower ends of the bins, and its results are kept. The smallest training row is on the
    # first end and belongs below it, regardless of how its projection is rounded.
    width = np.diff(fitted.limits_, axis=1)[:, :1]
    return ProjectionHistograms(
        weights=fitted.projections_,
        edges=fitted.limits_[:, : settings.bins - 1] + _ROUNDING * width,
        terms=-np.log(fitted.histograms_) * fitted.weights[:, np.newaxis] / settings.cuts,
        features=rows.shape[1],
    )


def _rank_combination(
    rows: Matrix, settings: RankCombinationSettings, detectors: Mapping[str, DetectorSettings]
) -> Scorer:
    chosen = [detectors[name] for name in settings.members]
    members = tuple(fit_scorer(rows, member, detectors) for member in chosen)
    ranked = _subsample(rows, settings.rows, settings.seed)
    return RankCombination(
        members=members,
        kinds=tuple(member.kind for member in chosen),
        training_scores=np.sort([member.scores(ranked) for member in members], axis=1),
        features=rows.shape[1],
    )


def _subsample(rows: Matrix, most: int, seed: int) -> Matrix:
    """At most `most` of the rows, in their order; equal seeds give equal rows."""
    if len(rows) <= most:
        return rows
    return rows[np.sort(np.random.default_rng(seed).choice(len(rows), size=most, replace=False))]


_FITS: dict[str, Callable[[Matrix, Any], Scorer]] = {
    "power_sum": _power_sum,
    "isolation_forest": _isolation_forest,
    "ecod": _ecod,
    "copod": _copod,
    "hbos": _hbos,
    "loda": _loda,
}
