"""Made-up rows for the detectors' tests, and what the libraries themselves say of rows."""

from __future__ import annotations

import numpy as np

from engine.models.fitting import fit_scorer
from engine.models.scorers.base import Scorer
from engine.settings import SHIPPED_DETECTORS, IsolationForestSettings, LodaSettings

# one of each kind
KINDS = tuple(name for name, settings in SHIPPED_DETECTORS.items() if name == settings.kind)
# fewer trees and cuts than shipped: the tests compare, they do not judge
DETECTORS = {
    **SHIPPED_DETECTORS,
    "isolation_forest": IsolationForestSettings(trees=50),
    "loda": LodaSettings(cuts=40),
}


def skewed_rows(rows: int, features: int = 5, seed: int = 0) -> np.ndarray:
    """Like robust z-scores: skewed to the right, to the left and not at all, capped at 10, a fifth of them 0."""
    generator = np.random.default_rng(seed)
    values = np.expm1(generator.normal(size=(rows, features))) * np.resize([1.0, -1.0, 1.0], features)
    values[generator.random(values.shape) < 0.2] = 0.0
    return np.clip(values, -10, 10)


def fitted(kind: str, rows: np.ndarray) -> Scorer:
    return fit_scorer(rows, DETECTORS[kind], DETECTORS)


def library_scores(kind: str, training: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """The library's own answer, `rows` being one batch."""
    from pyod.models.copod import COPOD
    from pyod.models.ecod import ECOD
    from pyod.models.hbos import HBOS
    from pyod.models.loda import LODA
    from scipy.stats import rankdata
    from sklearn.ensemble import IsolationForest

    parameters = DETECTORS[kind]
    if kind == "isolation_forest":
        rows_per_tree = min(256, len(training))
        forest = IsolationForest(n_estimators=parameters.trees, max_samples=rows_per_tree, random_state=parameters.seed)
        return -forest.fit(training).score_samples(rows)
    if kind == "power_sum":  # of no library
        return np.linalg.norm(np.maximum(rows, 0.0), parameters.exponent, axis=1)
    if kind == "rank_combination":
        ranks = [rankdata(library_scores(name, training, rows), "max") for name in parameters.members]
        return np.max(ranks, axis=0) + np.mean(ranks, axis=0) / (len(rows) + 1)
    detector = {
        "ecod": lambda: ECOD(),
        "copod": lambda: COPOD(),
        "hbos": lambda: HBOS(n_bins=parameters.bins),
        "loda": lambda: LODA(n_random_cuts=parameters.cuts, n_bins=parameters.bins, random_state=parameters.seed),
    }[kind]()
    return detector.fit(training).decision_function(rows)
