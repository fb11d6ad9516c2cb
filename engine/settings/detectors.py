"""Settings of the detectors of the anomaly models (`engine.models`)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from engine.settings.base import SEED, PositiveInt, Section

Inputs = Literal["surprise", "z"]
_INPUTS: Any = Field(
    "surprise",
    description="surprise: how far out each of the subject's `measures` is among its peers, in natural log units of "
    "probability; z: robust z-scores of the subject's `features`",
)


class PowerSumSettings(Section):
    """How far out the measures of a row lie together: (sum of surprises to the power of the exponent)^(1/exponent)."""

    kind: Literal["power_sum"] = "power_sum"
    inputs: Literal["surprise"] = _INPUTS
    exponent: Annotated[float, Field(ge=1)] = Field(
        2.0, description="1: the sum; the larger, the more one extreme value counts against several small deviations"
    )


class IsolationForestSettings(Section):
    """Arguments of scikit-learn's IsolationForest."""

    kind: Literal["isolation_forest"] = "isolation_forest"
    inputs: Inputs = _INPUTS
    trees: PositiveInt = Field(200, description="n_estimators")
    rows_per_tree: PositiveInt = Field(256, description="max_samples")
    seed: int = Field(SEED, description="of its random numbers")


class EcodSettings(Section):
    """PyOD's ECOD: tails of each feature's distribution."""

    kind: Literal["ecod"] = "ecod"
    inputs: Inputs = _INPUTS
    rows: PositiveInt = Field(20_000, description="of the training sample, chosen by the seed: kept with the model")
    seed: int = Field(SEED, description="of its random numbers")


class CopodSettings(Section):
    """PyOD's COPOD: tails of each feature's distribution, the two sides averaged."""

    kind: Literal["copod"] = "copod"
    inputs: Inputs = _INPUTS
    rows: PositiveInt = Field(20_000, description="of the training sample, chosen by the seed: kept with the model")
    seed: int = Field(SEED, description="of its random numbers")


class HbosSettings(Section):
    """PyOD's HBOS: a histogram of each feature."""

    kind: Literal["hbos"] = "hbos"
    inputs: Inputs = _INPUTS
    bins: Annotated[int, Field(ge=2)] = Field(10, description="per histogram")
    alpha: Annotated[float, Field(gt=0, lt=1)] = Field(0.1, description="added to densities")
    tolerance: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.5, description="part of a bin's width by which a value may lie outside and still be in the outermost bin"
    )


class LodaSettings(Section):
    """PyOD's LODA: histograms of random projections."""

    kind: Literal["loda"] = "loda"
    inputs: Inputs = _INPUTS
    cuts: PositiveInt = Field(100, description="random projections")
    bins: Annotated[int, Field(ge=2)] = Field(10, description="per histogram")
    seed: int = Field(SEED, description="of its random numbers")


class RankCombinationSettings(Section):
    """Highest rank that other detectors give among the training rows."""

    kind: Literal["rank_combination"] = "rank_combination"
    inputs: Inputs = _INPUTS
    members: tuple[str, ...] = Field(
        ("isolation_forest", "power_sum"),
        min_length=2,
        description="names of other `detectors` with the same inputs, no combinations",
    )
    rows: PositiveInt = Field(20_000, description="of the training sample, chosen by the seed: ranked against")
    seed: int = Field(SEED, description="of its random numbers")


DetectorSettings = Annotated[
    PowerSumSettings
    | IsolationForestSettings
    | EcodSettings
    | CopodSettings
    | HbosSettings
    | LodaSettings
    | RankCombinationSettings,
    Field(discriminator="kind"),
]
SHIPPED_DETECTORS: dict[str, DetectorSettings] = {
    "power_sum": PowerSumSettings(),
    "isolation_forest": IsolationForestSettings(),
    "isolation_forest_z": IsolationForestSettings(inputs="z"),
    "ecod": EcodSettings(),
    "copod": CopodSettings(),
    "hbos": HbosSettings(),
    "loda": LodaSettings(),
    "rank_combination": RankCombinationSettings(),
}
# Kinds that earlier versions offered; a model of theirs consists of training rows.
REMOVED_KINDS = ("knn", "lof")
