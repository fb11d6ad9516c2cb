"""A fitted detector with what is needed to use it again: features, parameters, versions."""

from __future__ import annotations

import json
import platform
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from engine.contracts.codes import Subject
from engine.errors import ConfigurationError, Problem
from engine.models.flat_forest import FlatForest, flatten
from engine.models.inputs import z_name
from engine.settings import DetectorSettings

DETECTOR_FILE = "detector.skops"
DESCRIPTION_FILE = "model.json"
ISOLATION_FOREST = "isolation_forest"

# The only type beyond scikit-learn's own that a saved forest may hold; skops refuses a file with any other.
_TRUSTED_TYPES = ["sklearn.tree._tree.Tree"]


@dataclass(frozen=True)
class AnomalyModel:
    """An isolation forest over the z-scores of `features` (Liu, Ting, Zhou 2008; scikit-learn's).

    `training_means` are the features' mean z-scores in the training sample, unknown ones counted as typical (0).
    """

    forest: Any
    subject: Subject
    features: tuple[str, ...]
    parameters: Mapping[str, int]
    training_rows: int
    training_means: Mapping[str, float]
    versions: Mapping[str, str] = field(default_factory=lambda: _versions())

    @cached_property
    def scorer(self) -> FlatForest:
        """What scores rows: plain arrays, small enough to be broadcast."""
        return flatten(self.forest)

    @property
    def description(self) -> dict[str, Any]:
        """What `model.json` holds. `score` tells any reader how the detector's own answer becomes the score."""
        return {
            "detector": ISOLATION_FOREST,
            "detector_file": DETECTOR_FILE,
            "score": {"method": "score_samples", "sign": -1},
            "subject": self.subject.value,
            "features": list(self.features),
            "inputs": [z_name(feature) for feature in self.features],
            "parameters": dict(self.parameters),
            "training_rows": self.training_rows,
            "training_means": dict(self.training_means),
            "versions": dict(self.versions),
            "digest": self.scorer.digest,
        }

    def check_features(self, configured: Sequence[str]) -> None:
        """Raise ConfigurationError unless the model was trained on exactly the configured features, in their order."""
        if tuple(configured) == self.features:
            return
        raise ConfigurationError(
            Problem(
                "the model was trained on other features than the configured ones",
                f"features of the {self.subject} model",
                ", ".join(self.features),
                ", ".join(configured),
                "train a model with this configuration, or name a model version that fits with --model",
            )
        )

    def save(self, folder: str | Path) -> None:
        """Write the detector (skops: no code is run on reading) and its description into a folder."""
        import skops.io

        target = Path(folder)
        target.mkdir(parents=True, exist_ok=True)
        skops.io.dump(self.forest, target / DETECTOR_FILE, compression=zipfile.ZIP_DEFLATED)
        text = json.dumps(self.description, indent=2, sort_keys=True)
        (target / DESCRIPTION_FILE).write_text(text + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: str | Path) -> AnomalyModel:
        """Read what `save` wrote. Raises ConfigurationError where it is not a whole model of this kind."""
        import skops.io
        from sklearn.ensemble import IsolationForest

        source = Path(folder)
        try:
            description = json.loads((source / DESCRIPTION_FILE).read_text(encoding="utf-8"))
            if description["detector"] != ISOLATION_FOREST:
                raise ValueError(f"a detector of unknown kind: {description['detector']}")
            forest = skops.io.load(source / DETECTOR_FILE, trusted=_TRUSTED_TYPES)
            if not isinstance(forest, IsolationForest):
                raise TypeError(f"no isolation forest but {type(forest).__name__}")
            return cls(
                forest=forest,
                subject=Subject(description["subject"]),
                features=tuple(description["features"]),
                parameters=description["parameters"],
                training_rows=description["training_rows"],
                training_means=description["training_means"],
                versions=description["versions"],
            )
        # skops and zipfile raise many kinds of errors on a file that is not theirs
        except Exception as error:
            raise ConfigurationError(
                Problem(
                    "the model cannot be read",
                    str(source),
                    f"{type(error).__name__}: {error}",
                    f"{DETECTOR_FILE} and {DESCRIPTION_FILE} of an anomaly model",
                    "train a new model, or name another version with --model",
                )
            ) from error


def fit_model(sample: pd.DataFrame, settings: DetectorSettings, subject: Subject) -> AnomalyModel | None:
    """Fit an isolation forest on a training sample (see `training_sample`); equal samples give equal models.

    None where the sample has fewer rows than `minimum_training_rows`.
    """
    from sklearn.ensemble import IsolationForest

    if len(sample) < settings.minimum_training_rows:
        return None
    features = tuple(name for name in sample.columns if name != "source_row_id")
    rows = sample[list(features)].to_numpy(dtype=np.float64)
    parameters = {
        "trees": settings.forest.trees,
        "rows_per_tree": min(settings.forest.rows_per_tree, len(rows)),
        "seed": settings.forest.seed,
    }
    forest = IsolationForest(
        n_estimators=parameters["trees"],
        max_samples=parameters["rows_per_tree"],
        random_state=parameters["seed"],
    ).fit(rows)
    return AnomalyModel(
        forest=forest,
        subject=subject,
        features=features,
        parameters=parameters,
        training_rows=len(rows),
        training_means=dict(zip(features, rows.mean(axis=0).tolist(), strict=True)),
    )


def _versions() -> dict[str, str]:
    packages = {name: metadata.version(name) for name in ("scikit-learn", "numpy", "skops")}
    try:
        engine = metadata.version("drug-discount-engine")
    except metadata.PackageNotFoundError:  # shipped as files, not installed
        engine = "unknown"
    return {"python": platform.python_version(), "engine": engine, **packages}
