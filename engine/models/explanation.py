"""Explains why the model flags a row as unusual."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T
from pyspark.sql.pandas.functions import arrow_udf

from engine.contracts.codes import Subject
from engine.contracts.findings import FEATURE_REASON
from engine.models.anomaly_model import AnomalyModel
from engine.models.batches import contributions_column
from engine.models.inputs import SURPRISE, is_known, model_inputs
from engine.models.peer_grid import PeerGrid
from engine.models.reason_words import reason_in_words
from engine.models.surprises import ranges_column
from engine.settings import ModelSettings

REASONS = 3
_ROWS_IN_WORDS = {Subject.REBATE_CLAIM: "comparable claims", Subject.INVOICE: "comparable lines"}
_WORDED = ("feature", "value", "typical_low", "typical_high", "peers")


def explain(
    flagged: DataFrame,
    model: AnomalyModel,
    peers: DataFrame,
    settings: ModelSettings,
    grid: PeerGrid | None = None,
    peer_keys: Sequence[str] = ("ndc11", "program"),
) -> DataFrame:
    """source_row_id, reasons (array of FEATURE_REASON): what made each row unusual, largest contribution first; and
    reason_words, the same reasons in words.

    One row per row of `flagged`, the facts of flagged rows with the model's inputs. A row has at most three reasons,
    each with a value outside the range of its peers (0.5 to 99.5 %) and a positive contribution. The contribution is in
    the unit of the model's kind (`contribution_unit`), all else in the unit of the feature or measure.

    For surprises, ranges and peers come from `grid`. For z-scores, `peers` has at most one row per peer group, with
    peer keys, peers, `<feature>_low` and `<feature>_high`; a feature without a range there is never a reason.
    """
    contributions = contributions_column(
        flagged.sparkSession, model.scorer, model_inputs(model.features, model.inputs), settings.batch_rows
    ).alias("contributions")
    if model.inputs == SURPRISE:
        assert grid is not None
        ranges = ranges_column(flagged, grid, model.subject).alias("ranges")
        measured = flagged.select("source_row_id", contributions, ranges)
        return _reasons(measured, model, [_of_grid(place) for place in range(len(model.features))])
    contributed = flagged.select(
        "source_row_id",
        *peer_keys,
        *model.features,
        *[is_known(feature).alias(_known_name(feature)) for feature in model.features],
        contributions,
    )
    ranges_of_peers = peers.select(
        *peer_keys,
        *[_range_end(peers, feature, end) for feature in model.features for end in ("low", "high")],
        *[_peers(peers, feature) for feature in model.features],
    )
    # one row per product and program: small enough to broadcast
    with_ranges = contributed.join(F.broadcast(ranges_of_peers), on=list(peer_keys), how="left")
    return _reasons(with_ranges, model, [_of_peers(feature) for feature in model.features])


def _reasons(rows: DataFrame, model: AnomalyModel, ranged: Sequence[_Ranged]) -> DataFrame:
    named = rows.select("source_row_id", _strongest(ranged, model.features).alias("strongest"))
    parts = [F.transform("strongest", _part(name)) for name in _WORDED]
    shares = F.transform("strongest", lambda item: item["inside"])
    in_words = partial(reason_in_words, _ROWS_IN_WORDS[model.subject])

    def worded(*columns: pa.Array) -> pa.Array:
        rows_of_parts = zip(*(column.to_pylist() for column in columns), strict=True)
        texts = [[in_words(*reason) for reason in zip(*row, strict=True)] for row in rows_of_parts]
        return pa.array(texts, pa.list_(pa.string()))

    # Spark takes the kind of function from the annotations; its type stubs require it as an argument
    words = arrow_udf(worded, T.ArrayType(T.StringType()))(*parts, shares)  # type: ignore[call-overload]
    reasons = F.transform("strongest", lambda item: item["reason"]).cast(T.ArrayType(FEATURE_REASON))
    return named.select("source_row_id", reasons.alias("reasons"), words.alias("reason_words"))


def _part(name: str) -> Callable[[Column], Column]:
    return lambda item: item["reason"][name]


class _Ranged(NamedTuple):
    """A value, the ends of its peers' range, the number of peers with a value, and their share within the range; NULL
    if unknown.
    """

    value: Column
    low: Column
    high: Column
    peers: Column
    inside: Column


def _of_grid(place: int) -> _Ranged:
    ranges = F.col("ranges")
    names = ("value", "low", "high", "peers", "inside")
    value, low, high, peers, inside = (F.get(ranges[name], F.lit(place)) for name in names)
    return _Ranged(value, low, high, peers.cast(T.LongType()), inside)


def _of_peers(feature: str) -> _Ranged:
    value = F.when(F.col(_known_name(feature)), F.col(feature))
    return _Ranged(value, F.col(f"{feature}_low"), F.col(f"{feature}_high"), F.col(f"{feature}_peers"), F.lit(0.99))


def _range_end(peers: DataFrame, feature: str, end: str) -> Column:
    name = f"{feature}_{end}"
    value = F.col(name).cast(T.DoubleType()) if name in peers.columns else F.lit(None).cast(T.DoubleType())
    return value.alias(name)


def _peers(peers: DataFrame, feature: str) -> Column:
    """Number of peers behind the feature's range: the feature's own peers if they differ from the row's."""
    name = f"{feature}_peers"
    return F.col(name if name in peers.columns else "peers").cast(T.LongType()).alias(name)


def _strongest(ranged: Sequence[_Ranged], features: Sequence[str]) -> Column:
    """Structs with the reasons of all features and the shares of peers within the range, ordered by contribution,
    highest first, then by the order of features.
    """
    candidates = F.array_compact(
        F.array(*[_candidate(feature, place, ranged[place]) for place, feature in enumerate(features)])
    )
    return F.slice(F.sort_array(candidates), 1, REASONS)


def _candidate(feature: str, place: int, of: _Ranged) -> Column:
    """Struct of the sort key and the reason; NULL if the feature is not a reason."""
    contribution = F.get(F.col("contributions"), F.lit(place))
    is_outside = (of.value < of.low) | (of.value > of.high)
    reason = F.struct(
        F.lit(feature).alias("feature"),
        of.value.alias("value"),
        of.low.alias("typical_low"),
        of.high.alias("typical_high"),
        of.peers.alias("peers"),
        contribution.alias("contribution"),
    )
    return F.when(
        is_outside & (contribution > 0),
        F.struct(
            (-contribution).alias("first"),
            F.lit(place).alias("then"),
            reason.alias("reason"),
            of.inside.alias("inside"),
        ),
    )


def _known_name(feature: str) -> str:
    return f"{feature}_is_known"
