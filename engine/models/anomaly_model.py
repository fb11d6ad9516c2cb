"""A fitted detector with what is needed to use it again: features, parameters, versions."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib import metadata, resources
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from engine.contracts.codes import Subject
from engine.errors import ConfigurationError, Problem
from engine.models.drift import Distribution
from engine.models.inputs import z_name
from engine.models.scorers import KINDS, SCORER_FILE, load_scorer, save_scorer
from engine.models.scorers.base import Scorer
from engine.settings import DetectorSettings, ModelSettings, RankCombinationSettings

DESCRIPTION_FILE = "model.json"
SCORERS_FOLDER = "scorers"


@dataclass(frozen=True)
class AnomalyModel:
    """A detector over the z-scores of `features`. `detector` is its name in the settings, `kind` what it is.

    `training_means` are the features' mean z-scores in the training sample, unknown ones counted as typical (0);
    `trained_on` says how they were spread.
    """

    scorer: Scorer
    subject: Subject
    detector: str
    kind: str
    features: tuple[str, ...]
    parameters: Mapping[str, Any]
    training_rows: int
    training_means: Mapping[str, float]
    trained_on: Mapping[str, Distribution]
    versions: Mapping[str, str] = field(default_factory=lambda: _versions())

    @property
    def contribution_unit(self) -> str:
        """In which unit the detector says what a feature contributes."""
        return KINDS[self.kind].contribution_unit

    @property
    def description(self) -> dict[str, Any]:
        """What `model.json` holds."""
        return {
            "detector": self.detector,
            "kind": self.kind,
            "contribution_unit": self.contribution_unit,
            "subject": self.subject.value,
            "features": list(self.features),
            "inputs": [z_name(feature) for feature in self.features],
            "parameters": dict(self.parameters),
            "training_rows": self.training_rows,
            "training_means": dict(self.training_means),
            "trained_on": {name: asdict(distribution) for name, distribution in self.trained_on.items()},
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
        """Write the detector's arrays, its description, and the Python that scores with them where no engine is."""
        target = Path(folder)
        target.mkdir(parents=True, exist_ok=True)
        save_scorer(self.scorer, target)
        text = json.dumps(self.description, indent=2, sort_keys=True)
        (target / DESCRIPTION_FILE).write_text(text + "\n", encoding="utf-8")
        (target / SCORERS_FOLDER).mkdir(exist_ok=True)
        for file in resources.files("engine.models.scorers").iterdir():
            if file.name.endswith(".py"):
                (target / SCORERS_FOLDER / file.name).write_bytes(file.read_bytes())

    @classmethod
    def load(cls, folder: str | Path) -> AnomalyModel:
        """Read what `save` wrote. Raises ConfigurationError where it is not a whole model."""
        source = Path(folder)
        try:
            description = json.loads((source / DESCRIPTION_FILE).read_text(encoding="utf-8"))
            scorer = load_scorer(description["kind"], source)
            if (scorer.digest, scorer.features) != (description["digest"], len(description["features"])):
                raise ValueError(f"the arrays are not those that {DESCRIPTION_FILE} describes")
            return cls(
                scorer=scorer,
                subject=Subject(description["subject"]),
                detector=description["detector"],
                kind=description["kind"],
                features=tuple(description["features"]),
                parameters=description["parameters"],
                training_rows=description["training_rows"],
                training_means=description["training_means"],
                trained_on={
                    name: Distribution(tuple(one["edges"]), tuple(one["rows"]))
                    for name, one in description["trained_on"].items()
                },
                versions=description["versions"],
            )
        # numpy and zipfile raise many kinds of errors on a file that is not theirs
        except Exception as error:
            raise ConfigurationError(
                Problem(
                    "the model cannot be read",
                    str(source),
                    f"{type(error).__name__}: {error}",
                    f"{SCORER_FILE} and {DESCRIPTION_FILE} of an anomaly model",
                    "train a new model, or name another version with --model",
                )
            ) from error


def fit_model(sample: pd.DataFrame, settings: ModelSettings, subject: Subject) -> AnomalyModel | None:
    """Fit the subject's detector on a training sample (see `training_sample`); equal samples give equal models.

    None where the sample has fewer rows than `minimum_training_rows`.
    """
    from engine.models.fitting import fit_scorer

    of_subject = settings.of(subject)
    if len(sample) < of_subject.minimum_training_rows:
        return None
    features = tuple(name for name in sample.columns if name != "source_row_id")
    rows = sample[list(features)].to_numpy(dtype=np.float64)
    detector = settings.detectors[of_subject.detector]
    return AnomalyModel(
        scorer=fit_scorer(rows, detector, settings.detectors),
        subject=subject,
        detector=of_subject.detector,
        kind=detector.kind,
        features=features,
        parameters=_parameters(detector, settings.detectors),
        training_rows=len(rows),
        training_means=dict(zip(features, rows.mean(axis=0).tolist(), strict=True)),
        trained_on={name: Distribution.of(values) for name, values in zip(features, rows.T, strict=True)},
    )


def _parameters(detector: DetectorSettings, detectors: Mapping[str, DetectorSettings]) -> dict[str, Any]:
    """What the detector was configured with; of a combination, with all that its members were."""
    parameters = detector.model_dump(mode="json", exclude={"kind"})
    if isinstance(detector, RankCombinationSettings):
        parameters["members"] = {name: detectors[name].model_dump(mode="json") for name in detector.members}
    return parameters


def _versions() -> dict[str, str]:
    packages = {name: metadata.version(name) for name in ("scikit-learn", "pyod", "numpy")}
    try:
        engine = metadata.version("drug-discount-engine")
    except metadata.PackageNotFoundError:  # shipped as files, not installed
        engine = "unknown"
    return {"python": platform.python_version(), "engine": engine, **packages}
