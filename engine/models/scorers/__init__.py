"""Fitted detectors as plain arrays, which score rows on executors and, without this engine, in a served model.

The modules of this package use relative imports and otherwise import only numpy, and numba when the first rows are
scored, because MLflow stores a copy of them with each model, as a package `scorers`.
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
    """Module and class of a detector's scorer, and the unit of its feature contributions."""

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
    """The scorer class of a kind of detector. Raises ValueError if the kind does not exist."""
    if kind not in KINDS:
        raise ValueError(f"a detector of unknown kind: {kind}")
    scorer: type[Scorer] = getattr(import_module(f".{KINDS[kind].module}", __name__), KINDS[kind].scorer)
    return scorer


def save_scorer(scorer: Scorer, folder: Path) -> None:
    """Write the arrays; the file contains no code."""
    np.savez_compressed(folder / SCORER_FILE, allow_pickle=False, **scorer.arrays)


def load_scorer(kind: str, folder: Path) -> Scorer:
    """Read a scorer that `save_scorer` wrote. Raises ValueError or KeyError if the arrays do not match the kind."""
    # opened here: numpy leaves a file open that is no archive
    with (folder / SCORER_FILE).open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        return scorer_class(kind).of_arrays(dict(arrays))
