"""Drift of features from the rows that a model was trained on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from pyspark.sql import DataFrame

from engine.contracts.codes import Subject
from engine.models.inputs import Z, can_be_scored, model_input
from engine.models.sample import drawn

_BINS = 10
_SALT = "drift sample"


@dataclass(frozen=True)
class Distribution:
    """Distribution of a feature's values.

    The edges are the distinct deciles, so a value that many rows share is one bin. The counts are the rows up to each
    edge, and those above the last.
    """

    edges: tuple[float, ...]
    rows: tuple[int, ...]

    @classmethod
    def of(cls, values: npt.NDArray[Any]) -> Distribution:
        """Counts of values between their own quantiles; equal quantiles are one edge."""
        edges = np.unique(np.quantile(values, np.linspace(0.0, 1.0, _BINS + 1)[1:-1]))
        return cls(tuple(edges.tolist()), tuple(_counted(values, edges).tolist()))

    def stability(self, values: npt.NDArray[Any]) -> float:
        """Population stability index of other values: the sum over bins of (q - p) ln(q / p), with p and q the shares
        of rows. Half a row is added to each bin, so the index stays finite if a bin is empty.
        """
        was, now = np.array(self.rows) + 0.5, _counted(values, np.array(self.edges)) + 0.5
        p, q = was / was.sum(), now / now.sum()
        return float(((q - p) * np.log(q / p)).sum())


def population_stability(
    before: Mapping[str, Distribution], after: Mapping[str, npt.NDArray[Any]], minimum_rows: int
) -> dict[str, float]:
    """Population stability index by feature.

    Features with fewer than `minimum_rows` values on either side are omitted, because chance alone gives an index of
    about bins / rows.
    """
    return {
        name: distribution.stability(after[name])
        for name, distribution in before.items()
        if min(sum(distribution.rows), len(after[name])) >= minimum_rows
    }


def feature_drift(
    facts: DataFrame,
    trained_on: Mapping[str, Distribution],
    subject: Subject,
    share: float,
    minimum_rows: int,
    inputs: str = Z,
) -> dict[str, float]:
    """Population stability index by feature, against the rows that the model was trained on. Computed on a share, drawn
    by hash, of the rows of `facts` that a model can score. Runs a Spark job.
    """
    features = list(trained_on)
    columns = [model_input(name, inputs).cast("double").alias(name) for name in features]
    judged = facts.where(drawn(_SALT, share) & can_be_scored(features, subject, inputs))
    sample = judged.select(*columns).toArrow()
    return population_stability(trained_on, {name: sample.column(name).to_numpy() for name in features}, minimum_rows)


def _counted(values: npt.NDArray[Any], edges: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    return np.bincount(np.searchsorted(edges, values, side="left"), minlength=len(edges) + 1)
