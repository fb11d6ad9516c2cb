"""What a model is worth: few, stable figures and plots, always beside a baseline."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from engine.contracts.codes import Subject
from engine.models.inputs import model_input
from engine.models.ranking import Ranking, overlap_at
from engine.settings import ModelSettings

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SALT = "evaluation sample"
_BUCKETS = 1_000_000


@dataclass(frozen=True)
class Evaluation:
    """Metrics by name, and matplotlib figures by name. No row of data is in either."""

    metrics: dict[str, float]
    figures: dict[str, Figure] = field(default_factory=dict)


@dataclass(frozen=True)
class _Rows:
    """What the figures are made of; `weights`: how many rows each one stands for."""

    scores: npt.NDArray[Any]
    baseline: npt.NDArray[Any]
    is_planted: npt.NDArray[Any]
    is_sampled: npt.NDArray[Any]
    weights: npt.NDArray[Any]


def evaluate(
    scores: DataFrame,
    facts: DataFrame,
    settings: ModelSettings,
    subject: Subject,
    p_threshold: float,
    truth: DataFrame | None = None,
) -> Evaluation:
    """Metrics and plots of a scored feed; runs Spark jobs and holds at most `evaluation_rows` unlabelled rows.

    `scores`: SCORES; `facts`: the same rows' facts; `truth`: source_row_id of the rows that should come first, where
    known. The baseline is the absolute robust z-score of the configured feature, 0 where it is unknown.

    Always: rows_scored, rows_flagged (p <= `p_threshold` in a stratum that is large enough), score_median, score_p99,
    baseline_overlap_at_capacity (share of the first `review_capacity` rows that the baseline puts first too).
    With truth: planted_rows (of those that were scored), and for the model and the baseline auprc and precision and
    recall at capacity, with auprc_gain and precision_gain_at_capacity, the model's less the baseline's.
    """
    flagged = (F.col("anomaly_p_value") <= p_threshold) & (F.col("anomaly_rows") >= settings.stratum_minimum)
    counts = scores.agg(
        F.count(F.lit(1)).alias("rows_scored"), F.coalesce(F.count_if(flagged), F.lit(0)).alias("rows_flagged")
    ).toArrow()
    metrics = {name: float(counts.column(name)[0].as_py()) for name in ("rows_scored", "rows_flagged")}
    if not metrics["rows_scored"]:
        return Evaluation(metrics)
    baseline_feature = settings.of(subject).baseline_feature
    rows = _evaluation_rows(scores, facts, baseline_feature, truth, settings, metrics["rows_scored"])
    return _measured(rows, metrics, baseline_feature, settings.review_capacity)


def _evaluation_rows(
    scores: DataFrame,
    facts: DataFrame,
    baseline_feature: str,
    truth: DataFrame | None,
    settings: ModelSettings,
    total: float,
) -> _Rows:
    share = min(1.0, settings.evaluation_rows / total)
    in_sample = F.pmod(F.xxhash64(F.lit(_SALT), F.col("source_row_id")), F.lit(_BUCKETS)) < round(share * _BUCKETS)
    labelled = scores.select("source_row_id", "anomaly_score", in_sample.alias("is_sampled"))
    if truth is None:
        labelled = labelled.withColumn("is_planted", F.lit(False))
    else:
        planted = truth.select("source_row_id").distinct().withColumn("is_planted", F.lit(True))
        labelled = labelled.join(planted, on="source_row_id", how="left").fillna(False, subset=["is_planted"])
    baseline = facts.select("source_row_id", _baseline(baseline_feature).alias("baseline"))
    table = (
        labelled.where(F.col("is_planted") | F.col("is_sampled"))
        .join(baseline, on="source_row_id", how="left")
        .select("anomaly_score", "baseline", "is_planted", "is_sampled")
        .toArrow()
    )
    columns = {name: table.column(name).to_numpy() for name in table.column_names}
    return _Rows(
        scores=columns["anomaly_score"],
        baseline=columns["baseline"],
        is_planted=columns["is_planted"],
        is_sampled=columns["is_sampled"],
        weights=np.where(columns["is_planted"], 1.0, 1.0 / share),
    )


def _baseline(feature: str) -> Column:
    return F.abs(model_input(feature))


def _measured(rows: _Rows, metrics: dict[str, float], baseline_name: str, capacity: int) -> Evaluation:
    from engine.models import figures

    sampled_scores = rows.scores[rows.is_sampled]
    measured = {
        **metrics,
        "score_median": float(np.quantile(sampled_scores, 0.5)) if len(sampled_scores) else float("nan"),
        "score_p99": float(np.quantile(sampled_scores, 0.99)) if len(sampled_scores) else float("nan"),
        "baseline_overlap_at_capacity": overlap_at(capacity, rows.scores, rows.baseline, rows.weights),
        "planted_rows": float(rows.is_planted.sum()),
    }
    planted_scores = rows.scores[rows.is_planted]
    plots = {"score_distribution": figures.score_distribution(sampled_scores, planted_scores)}
    if not len(planted_scores):
        return Evaluation(measured, plots)
    model = Ranking.by(rows.scores, rows.is_planted, rows.weights)
    baseline = Ranking.by(rows.baseline, rows.is_planted, rows.weights)
    measured |= _beside_baseline(model, baseline, capacity)
    plots["precision_against_capacity"] = figures.precision_against_capacity(model, baseline, baseline_name, capacity)
    return Evaluation(measured, plots)


def _beside_baseline(model: Ranking, baseline: Ranking, capacity: int) -> dict[str, float]:
    found = {}
    for prefix, ranking in (("", model), ("baseline_", baseline)):
        found[f"{prefix}auprc"] = ranking.average_precision
        found[f"{prefix}precision_at_capacity"] = float(ranking.precision_at(capacity))
        found[f"{prefix}recall_at_capacity"] = float(ranking.recall_at(capacity))
    found["auprc_gain"] = found["auprc"] - found["baseline_auprc"]
    found["precision_gain_at_capacity"] = found["precision_at_capacity"] - found["baseline_precision_at_capacity"]
    return found
