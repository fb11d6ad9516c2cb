"""A fitted detector with everything needed to use it again: features, parameters, versions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from engine.contracts.codes import Subject
from engine.models.drift import Distribution
from engine.models.inputs import SURPRISE, Z, input_name
from engine.models.model_folder import check_features, read_model, reading, versions, write_model
from engine.models.scorers import KINDS
from engine.models.scorers.base import Scorer
from engine.settings import DetectorSettings, ModelSettings, RankCombinationSettings


@dataclass(frozen=True)
class AnomalyModel:
    """A detector over `features`: z-scores of features, or surprises of measures, depending on `inputs`.

    `detector` is its name in the settings, `kind` the kind of detector. `training_means` are the means of the inputs in
    the training sample, with unknown values counted as typical (0); `trained_on` contains their distributions.
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
    inputs: str = Z
    versions: Mapping[str, str] = field(default_factory=versions)

    @property
    def contribution_unit(self) -> str:
        """The unit of the detector's feature contributions."""
        return KINDS[self.kind].contribution_unit

    @property
    def description(self) -> dict[str, Any]:
        """The content of `model.json`."""
        return {
            "detector": self.detector,
            "kind": self.kind,
            "contribution_unit": self.contribution_unit,
            "subject": self.subject.value,
            "features": list(self.features),
            "inputs": [input_name(feature, self.inputs) for feature in self.features],
            "parameters": dict(self.parameters),
            "training_rows": self.training_rows,
            "training_means": dict(self.training_means),
            "trained_on": {name: asdict(distribution) for name, distribution in self.trained_on.items()},
            "versions": dict(self.versions),
        }

    def check_inputs(self, settings: ModelSettings) -> None:
        """`check_features`, against the configured features for the model's subject and inputs."""
        self.check_features(settings.features_of(self.subject, self.inputs))

    def check_features(self, configured: Sequence[str]) -> None:
        """Raise ConfigurationError unless the model was trained on exactly the configured features, in their order."""
        check_features(
            self.features,
            configured,
            what="model",
            where=f"{'features' if self.inputs == Z else 'measures'} of the {self.subject} model",
            to_do="train a model with this configuration, or name a model version that fits with --model",
        )

    def save(self, folder: str | Path) -> None:
        """Write the detector's arrays, its description, and the Python that scores with them without this engine."""
        write_model(folder, self.scorer, self.description)

    @classmethod
    def load(cls, folder: str | Path) -> AnomalyModel:
        """Read a model that `save` wrote. Raises ConfigurationError unless it is a complete model."""
        with reading(folder, "an anomaly model"):
            scorer, description = read_model(folder)
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
                    name: Distribution(tuple(distribution["edges"]), tuple(distribution["rows"]))
                    for name, distribution in description["trained_on"].items()
                },
                inputs=SURPRISE if description["inputs"] == _surprises_of(description["features"]) else Z,
                versions=description["versions"],
            )


def _surprises_of(features: Sequence[str]) -> list[str]:
    return [input_name(feature, SURPRISE) for feature in features]


def fit_model(sample: pd.DataFrame, settings: ModelSettings, subject: Subject) -> AnomalyModel | None:
    """Fit the subject's detector on a training sample (see `training_sample`); equal samples give equal models.

    None if the sample has fewer rows than `minimum_training_rows`.
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
        inputs=detector.inputs,
    )


def _parameters(detector: DetectorSettings, detectors: Mapping[str, DetectorSettings]) -> dict[str, Any]:
    """The parameters of the detector; for a combination, also those of its members."""
    parameters = detector.model_dump(mode="json", exclude={"kind", "inputs"})
    if isinstance(detector, RankCombinationSettings):
        parameters["members"] = {name: detectors[name].model_dump(mode="json") for name in detector.members}
    return parameters
