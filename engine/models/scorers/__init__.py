"""Fitted detectors as plain arrays: what scores rows on executors and, without this engine, in a served model.

The modules of this package import one another by relative names and besides only numpy, numba when the first rows are
scored: MLflow keeps a copy of them with each model, as a package `scorers`.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import numpy as np

from .base import Scorer

SCORER_FILE = "scorer.npz"


@dataclass(frozen=True)
class Kind:
    """Where a kind of detector has its scorer, and in which unit it says what a feature contributes."""

    module: str
    scorer: str
    contribution_unit: str


_DROP = "drop of the score when the feature is set to its typical value 0"
_NATS = "natural log units of the probability of so extreme a value"

KINDS = {
    "power_sum": Kind("power_sum", "PowerSum", "part of the norm of the surprises"),
    "isolation_forest": Kind("flat_forest", "FlatForest", "splits by which the feature shortens the mean path"),
    "ecod": Kind("feature_steps", "FeatureSteps", _NATS),
    "copod": Kind("feature_steps", "FeatureSteps", _NATS),
    "hbos": Kind("feature_steps", "FeatureSteps", "log2 units below a density of 1 per unit of the z-score"),
    "loda": Kind("projections", "ProjectionHistograms", _DROP),
    "rank_combination": Kind("combination", "RankCombination", _DROP),
    "calibrated_logistic": Kind("logistic", "CalibratedLogistic", "natural log odds before calibration"),
}


def scorer_class(kind: str) -> type[Scorer]:
    """Raises ValueError where no detector is of that kind."""
    if kind not in KINDS:
        raise ValueError(f"a detector of unknown kind: {kind}")
    found: type[Scorer] = getattr(import_module(f".{KINDS[kind].module}", __name__), KINDS[kind].scorer)
    return found


def save_scorer(scorer: Scorer, folder: Path) -> None:
    """Write the arrays; nothing in the file is code."""
    np.savez_compressed(folder / SCORER_FILE, allow_pickle=False, **scorer.arrays)


def load_scorer(kind: str, folder: Path) -> Scorer:
    """Read what `save_scorer` wrote. Raises ValueError or KeyError where the arrays are not those of the kind."""
    with np.load(folder / SCORER_FILE, allow_pickle=False) as arrays:
        return scorer_class(kind).of_arrays(dict(arrays))
