"""Why the model finds a flagged row unusual."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.contracts.findings import FEATURE_REASON
from engine.models.anomaly_model import AnomalyModel
from engine.models.batches import contributions_column
from engine.models.inputs import is_known, model_inputs
from engine.settings import ModelSettings

REASONS = 3


def explain(
    flagged: DataFrame,
    model: AnomalyModel,
    peers: DataFrame,
    settings: ModelSettings,
    peer_keys: Sequence[str] = ("ndc11", "program"),
) -> DataFrame:
    """source_row_id and reasons (array of FEATURE_REASON): the features that made each row unusual, strongest first.

    One row per row of `flagged`, which is facts of flagged rows only: it needs the peer keys, the model's features and
    their z-scores. `peers` holds at most one row per peer group: peer keys, peers, `<feature>_low`, `<feature>_high`;
    a range that it does not hold is NULL. At most three reasons, each a feature with a value that makes the row
    unusual. Contribution is in the unit of the model's kind (`contribution_unit`), the rest in the feature's unit.
    """
    contributed = flagged.select(
        "source_row_id",
        *peer_keys,
        *model.features,
        *[is_known(feature).alias(_known_name(feature)) for feature in model.features],
        contributions_column(
            flagged.sparkSession, model.scorer, model_inputs(model.features), settings.batch_rows
        ).alias("contributions"),
    )
    ranges = peers.select(
        *peer_keys,
        *[_range_end(peers, feature, end) for feature in model.features for end in ("low", "high")],
        *[_peers(peers, feature) for feature in model.features],
    )
    # one row per product and program: small beside any work that it saves
    with_ranges = contributed.join(F.broadcast(ranges), on=list(peer_keys), how="left")
    return with_ranges.select("source_row_id", _strongest(model.features).alias("reasons"))


def _range_end(peers: DataFrame, feature: str, end: str) -> Column:
    name = f"{feature}_{end}"
    value = F.col(name).cast(T.DoubleType()) if name in peers.columns else F.lit(None).cast(T.DoubleType())
    return value.alias(name)


def _peers(peers: DataFrame, feature: str) -> Column:
    """Rows that the feature's range rests on: the feature's own peers where it has others than the row."""
    name = f"{feature}_peers"
    return F.col(name if name in peers.columns else "peers").cast(T.LongType()).alias(name)


def _strongest(features: Sequence[str]) -> Column:
    """The reasons of all features, sorted by contribution, highest first, then by the features' order."""
    candidates = F.array_compact(F.array(*[_candidate(feature, place) for place, feature in enumerate(features)]))
    strongest = F.slice(F.sort_array(candidates), 1, REASONS)
    return F.transform(strongest, lambda candidate: candidate["reason"]).cast(T.ArrayType(FEATURE_REASON))


def _candidate(feature: str, place: int) -> Column:
    """What sorts before a reason, and the reason; NULL where the feature is none."""
    contribution = F.get(F.col("contributions"), F.lit(place))
    is_reason = F.col(_known_name(feature)) & F.col(feature).isNotNull() & (contribution > 0)
    reason = F.struct(
        F.lit(feature).alias("feature"),
        F.col(feature).alias("value"),
        F.col(f"{feature}_low").alias("typical_low"),
        F.col(f"{feature}_high").alias("typical_high"),
        F.col(f"{feature}_peers").alias("peers"),
        contribution.alias("contribution"),
    )
    return F.when(
        is_reason, F.struct((-contribution).alias("first"), F.lit(place).alias("then"), reason.alias("reason"))
    )


def _known_name(feature: str) -> str:
    return f"{feature}_is_known"
