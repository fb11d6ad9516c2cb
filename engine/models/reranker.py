"""p(valid) of findings, trained on reviewed findings: a small regression, calibrated on a random sample."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pyspark.sql import Column, SparkSession

from engine.models.batches import score_column
from engine.models.finding_inputs import input_columns
from engine.models.model_folder import check_features, read_model, reading, versions, write_model
from engine.models.scorers.logistic import CalibratedLogistic
from engine.settings import RerankerSettings

KIND = "calibrated_logistic"

# Columns of reviewed findings with labels and context; all others are inputs.
ABOUT = ("finding_id", "is_valid", "is_random", "settings_probability", "least_probability", "dollars", "cluster")


@dataclass(frozen=True)
class Reranker:
    """A calibrated regression over `inputs` of findings: those of `features` that varied among the training rows.

    `reviewed`: number of training findings: random_valid, random_not_valid, answered (not drawn at random).
    """

    scorer: CalibratedLogistic
    features: tuple[str, ...]
    inputs: tuple[str, ...]
    parameters: Mapping[str, Any]
    reviewed: Mapping[str, int]
    versions: Mapping[str, str] = field(default_factory=versions)

    @property
    def description(self) -> dict[str, Any]:
        """The content of `model.json`."""
        return {
            "kind": KIND,
            "output": "probability_valid",
            "features": list(self.features),
            "inputs": list(self.inputs),
            "parameters": dict(self.parameters),
            "reviewed": dict(self.reviewed),
            "versions": dict(self.versions),
        }

    def check_features(self, configured: Sequence[str]) -> None:
        """Raise ConfigurationError unless it was trained on exactly the configured features, in their order."""
        check_features(
            self.features,
            configured,
            what="re-ranker",
            where="model.reranker.features",
            to_do="train one with this configuration, name a version that fits with --model, or set "
            "model.reranker.enabled: false",
        )

    def probability_valid(self, rows: pd.DataFrame) -> npt.NDArray[np.float64]:
        """p(valid) of rows with the inputs as columns; a missing input counts as 0."""
        return self.scorer.scores(rows.reindex(columns=list(self.inputs), fill_value=0.0).to_numpy(dtype=np.float64))

    def probability_column(self, spark: SparkSession, batch_rows: int) -> Column:
        """p(valid) as a column over rows with the columns of FINDINGS that the inputs need."""
        return score_column(spark, self.scorer, input_columns(self.inputs), batch_rows)

    def save(self, folder: str | Path) -> None:
        """Write the scorer and its description into a folder."""
        write_model(folder, self.scorer, self.description)

    @classmethod
    def load(cls, folder: str | Path) -> Reranker:
        """Read a re-ranker that `save` wrote. Raises ConfigurationError unless it is complete."""
        with reading(folder, "a re-ranker of findings"):
            scorer, description = read_model(folder)
            if not isinstance(scorer, CalibratedLogistic):
                raise TypeError(f"a model of kind {description['kind']}")
            return cls(
                scorer=scorer,
                features=tuple(description["features"]),
                inputs=tuple(description["inputs"]),
                parameters=description["parameters"],
                reviewed=description["reviewed"],
                versions=description["versions"],
            )


def review_counts(reviewed: pd.DataFrame) -> dict[str, int]:
    """Number of reviewed findings by kind, see `Reranker.reviewed`."""
    drawn, valid = reviewed["is_random"].to_numpy(bool), reviewed["is_valid"].to_numpy(bool)
    return {
        "random_valid": int((drawn & valid).sum()),
        "random_not_valid": int((drawn & ~valid).sum()),
        "answered": int((~drawn).sum()),
    }


def fit_reranker(reviewed: pd.DataFrame, settings: RerankerSettings) -> Reranker | None:
    """Train on reviewed findings; equal rows in any order give equal re-rankers.

    `reviewed`: the columns of ABOUT, including finding_id, is_valid and is_random (drawn at random), and the inputs as
    doubles without NaN. The regressions are trained on all rows. Calibrations use only rows that were drawn at random
    and held out from their regression: answers exist only for findings that somebody chose to dispute, so the share of
    valid ones among them is not that of all findings.

    None if fewer than `minimum_of_each` valid or not valid findings were drawn at random.
    """
    reviewed = in_order(reviewed)
    counts = review_counts(reviewed)
    if min(counts["random_valid"], counts["random_not_valid"]) < settings.minimum_of_each:
        return None
    return _fitted(reviewed, settings)


def out_of_fold(reviewed: pd.DataFrame, settings: RerankerSettings) -> npt.NDArray[np.float64]:
    """p(valid) of each row of `reviewed` drawn at random, by a re-ranker not trained on it; NaN for other rows.

    `reviewed`: in order, with enough rows for `fit_reranker`.
    """
    probabilities = np.full(len(reviewed), np.nan)
    for learned, tested in _folds(reviewed, settings):
        probabilities[tested] = _fitted(reviewed.iloc[learned], settings).probability_valid(reviewed.iloc[tested])
    return probabilities


def in_order(reviewed: pd.DataFrame) -> pd.DataFrame:
    """The rows sorted by finding, so the fit does not depend on their order."""
    return reviewed.sort_values("finding_id", ignore_index=True)


def _fitted(reviewed: pd.DataFrame, settings: RerankerSettings) -> Reranker:
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.linear_model import LogisticRegression

    rows = reviewed.drop(columns=list(ABOUT), errors="ignore")
    inputs = tuple(name for name in rows.columns if rows[name].nunique() > 1) or tuple(rows.columns)
    matrix, is_valid = rows[list(inputs)].to_numpy(dtype=np.float64), reviewed["is_valid"].to_numpy(bool)
    method = "isotonic" if int(reviewed["is_random"].sum()) >= settings.isotonic_rows else "sigmoid"
    fitted = CalibratedClassifierCV(
        LogisticRegression(C=settings.inverse_penalty, max_iter=10_000),
        method=method,
        cv=_folds(reviewed, settings),
    ).fit(matrix, is_valid)
    return Reranker(
        scorer=_as_arrays(fitted.calibrated_classifiers_, method, len(inputs)),
        features=tuple(settings.features),
        inputs=inputs,
        parameters={**settings.model_dump(mode="json", exclude={"enabled", "features"}), "calibration": method},
        reviewed=review_counts(reviewed),
    )


def _folds(
    reviewed: pd.DataFrame, settings: RerankerSettings
) -> list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
    """Row numbers of the training and test part of each fold: each row drawn at random is tested once, others never."""
    from sklearn.model_selection import StratifiedKFold

    drawn = np.flatnonzero(reviewed["is_random"].to_numpy(bool))
    is_valid = reviewed["is_valid"].to_numpy(bool)[drawn]
    splits = StratifiedKFold(settings.folds, shuffle=True, random_state=settings.seed).split(drawn, is_valid)
    return [(np.setdiff1d(np.arange(len(reviewed)), drawn[tested]), drawn[tested]) for _, tested in splits]


def _as_arrays(calibrated: Sequence[Any], method: str, features: int) -> CalibratedLogistic:
    regressions = [fitted.estimator for fitted in calibrated]
    maps = [fitted.calibrators[0] for fitted in calibrated]
    is_sigmoid = method == "sigmoid"
    none = np.zeros(len(maps))
    return CalibratedLogistic(
        coefficients=np.array([fitted.coef_[0] for fitted in regressions]),
        intercepts=np.array([fitted.intercept_[0] for fitted in regressions]),
        slopes=np.array([fitted.a_ for fitted in maps]) if is_sigmoid else none,
        offsets=np.array([fitted.b_ for fitted in maps]) if is_sigmoid else none,
        knots=_filled([[] if is_sigmoid else fitted.X_thresholds_ for fitted in maps]),
        values=_filled([[] if is_sigmoid else fitted.y_thresholds_ for fitted in maps]),
        features=features,
    )


def _filled(rows: Sequence[npt.ArrayLike]) -> npt.NDArray[np.float64]:
    """Rows of unequal lengths as a matrix, each padded with its last number."""
    arrays = [np.asarray(row, dtype=np.float64) for row in rows]
    longest = max(len(row) for row in arrays)
    return np.array([np.pad(row, (0, longest - len(row)), mode="edge") if longest else row for row in arrays])
