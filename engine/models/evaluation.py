"""Evaluation of models: a few stable metrics and plots, always with baselines (docs/models.md lists them)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from engine.contracts.codes import Subject
from engine.models.anomaly_model import AnomalyModel
from engine.models.drift import Distribution, population_stability
from engine.models.inputs import Z, model_input
from engine.models.measures import Resampled, Truth, measured
from engine.models.ranking import overlap_at
from engine.models.sample import drawn
from engine.models.scoring import anomaly_scores
from engine.settings import ModelSettings

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SALT = "evaluation sample"
_QUANTILES = {"median": 0.5, "p99": 0.99}


class Judge(StrEnum):
    """The source of labels. QUEUE is biased: those rows were decided because a model ranked them first; RANDOM rows
    were drawn at random.
    """

    PLANTED = "PLANTED"
    RANDOM = "RANDOM"
    QUEUE = "QUEUE"


@dataclass(frozen=True)
class Evaluation:
    """Metrics by name, and matplotlib figures by name. Neither contains any row of data.

    compared_by: the source of the labels of `against_champion_auprc`; None if the champion was not compared.
    resampled: average precision by labels that may be used to compare models (not QUEUE); None without such labels.
    """

    metrics: dict[str, float]
    figures: dict[str, Figure] = field(default_factory=dict)
    compared_by: Judge | None = None
    resampled: Resampled | None = None


@dataclass(frozen=True)
class Known:
    """Labels of rows; each may be missing (None).

    planted: source_row_id of rows that should rank first. decisions: one row per decided row, with source_row_id,
    is_valid (disputed, not dismissed) and is_random. flagged_by_rules: source_row_id of rows that a rule flags.
    """

    planted: DataFrame | None = None
    decisions: DataFrame | None = None
    flagged_by_rules: DataFrame | None = None


@dataclass(frozen=True)
class _Rows:
    """Evaluation rows, one array per column; `share`: share of unlabeled rows in the sample."""

    columns: dict[str, npt.NDArray[Any]]
    features: tuple[str, ...]
    share: float

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        return self.columns[name]

    def __contains__(self, name: str) -> bool:
        return name in self.columns

    @property
    def weights(self) -> npt.NDArray[np.float64]:
        """Sampling weights if planted rows are the labels: all planted rows are included, the others are sampled."""
        return np.where(self["is_planted"], 1.0, np.where(self["is_sampled"], 1.0 / self.share, 0.0))


def evaluate(
    scores: DataFrame,
    facts: DataFrame,
    settings: ModelSettings,
    subject: Subject,
    known: Known | None = None,
    champion: AnomalyModel | None = None,
    trained_on: Mapping[str, Distribution] | None = None,
    inputs: str = Z,
) -> Evaluation:
    """Metrics and plots of a scored feed; runs Spark jobs and holds at most `evaluation_rows` unlabeled rows.

    `scores`: SCORES; `facts`: the facts of the same rows. The champion scores the same rows and is compared on the same
    resamples. `trained_on`: distributions of the inputs in the training sample, for drift; `inputs`: the kind of
    inputs. Baselines: `feature`, the absolute robust z-score of the configured feature, 0 if unknown; and `rules`, rows
    flagged by rules first, if these are known.

    Planted rows and decisions of analysts are measured separately; decisions on rows drawn at random take precedence
    over those of the queue. Without labels, the metrics are rows scored, quantiles of scores, overlaps with the
    baselines, and drift.
    """
    total = scores.count()
    counted = {"rows_scored": float(total)}
    if not total:
        return Evaluation(counted)
    rows = _evaluation_rows(scores, facts, known or Known(), champion, settings, subject, total, inputs)
    return _evaluated(rows, counted, settings, settings.of(subject).baseline_feature, trained_on or {})


def _evaluation_rows(
    scores: DataFrame,
    facts: DataFrame,
    known: Known,
    champion: AnomalyModel | None,
    settings: ModelSettings,
    subject: Subject,
    total: int,
    inputs: str,
) -> _Rows:
    share = min(1.0, settings.evaluation_rows / total)
    rows = scores.select("source_row_id", "anomaly_score", "anomaly_p_value", drawn(_SALT, share).alias("is_sampled"))
    rows = _decided(_marked(rows, known.planted, "is_planted"), known.decisions)
    rows = rows.where(F.col("is_planted") | F.col("is_sampled") | F.col("is_disputed") | F.col("is_dismissed"))
    features = settings.features_of(subject, inputs)
    described = facts.select(
        "source_row_id",
        F.abs(model_input(settings.of(subject).baseline_feature)).alias("feature"),
        F.xxhash64(_cluster(subject)).alias("cluster"),
        F.coalesce(F.col("rebate_amount").cast("double"), F.lit(0.0)).alias("dollars"),
        *[model_input(feature, inputs).cast("double").alias(_z_of(feature)) for feature in features],
    )
    rows = rows.join(described, on="source_row_id", how="inner")
    rows = _marked(rows, known.flagged_by_rules, "is_flagged")
    if known.flagged_by_rules is not None:
        rows = rows.withColumn("rules", F.col("is_flagged"))
    if champion is not None:
        of_rows = facts.join(rows.select("source_row_id"), on="source_row_id", how="left_semi")
        own = anomaly_scores(of_rows, champion, settings, subject).select("source_row_id", "anomaly_score")
        rows = rows.join(own.withColumnRenamed("anomaly_score", "champion"), on="source_row_id", how="left")
        rows = rows.fillna(float("-inf"), subset=["champion"])
    # sorted, so sums and resamples do not depend on the partitioning
    table = rows.toArrow().sort_by("source_row_id").drop_columns("source_row_id")
    return _Rows({name: table.column(name).to_numpy() for name in table.column_names}, features, share)


def _decided(rows: DataFrame, decisions: DataFrame | None) -> DataFrame:
    """The rows with is_disputed, is_dismissed and is_random; all false for undecided rows."""
    if decisions is None:
        return rows.withColumns({name: F.lit(False) for name in ("is_disputed", "is_dismissed", "is_random")})
    marks = decisions.select(
        "source_row_id",
        F.col("is_valid").alias("is_disputed"),
        (~F.col("is_valid")).alias("is_dismissed"),
        "is_random",
    )
    # at most one decision per row
    decided = rows.join(marks, on="source_row_id", how="left")
    return decided.fillna(False, subset=["is_disputed", "is_dismissed", "is_random"])


def _marked(rows: DataFrame, marked: DataFrame | None, name: str) -> DataFrame:
    """The rows with a column that is true if they are in `marked`."""
    if marked is None:
        return rows.withColumn(name, F.lit(False))
    ids = marked.select("source_row_id").distinct().withColumn(name, F.lit(True))
    return rows.join(ids, on="source_row_id", how="left").fillna(False, subset=[name])


def _cluster(subject: Subject) -> Column:
    """The cluster of rows that are not independent; a row without one is its own cluster."""
    shared = F.col("state") if subject is Subject.INVOICE else F.col("pharmacy_key")
    return F.coalesce(shared, F.concat(F.lit("row "), F.col("source_row_id")))


def _evaluated(
    rows: _Rows,
    counted: dict[str, float],
    settings: ModelSettings,
    feature: str,
    trained_on: Mapping[str, Distribution],
) -> Evaluation:
    from engine.models import figures

    scores, is_sampled = rows["anomaly_score"], rows["is_sampled"]
    baselines = {name: rows[name].astype(np.float64) for name in ("rules", "feature") if name in rows}
    metrics: dict[str, float] = {}
    plots: dict[str, Figure] = {}
    compared_by, resampled = None, None
    for judge, is_hit, weights in _truths(rows, settings.evaluation.minimum_decisions):
        there = weights > 0
        enough = judge is not Judge.PLANTED or is_hit.sum() >= settings.evaluation.minimum_planted
        is_fair = judge is not Judge.QUEUE and enough
        may_compare = "champion" in rows and compared_by is None and is_fair
        results = measured(
            scores[there],
            {name: values[there] for name, values in baselines.items()},
            rows["champion"][there] if may_compare else None,
            Truth(is_hit[there], rows["dollars"][there], weights[there], _numbered(rows["cluster"][there])),
            settings.review_capacity,
            settings.evaluation,
        )
        metrics |= _named(results.metrics, judge) | {f"{judge.lower()}_rows": float(_labelled(rows, judge).sum())}
        compared_by = judge if may_compare else compared_by
        resampled = results.resampled if is_fair and resampled is None else resampled
        if judge is Judge.PLANTED:
            plots["precision_against_capacity"] = figures.precision_against_capacity(
                results, {"rules": "rows that a rule flags", "feature": f"robust z-score of {feature}"}, settings
            )
    scored = {name: rows[_z_of(name)][is_sampled] for name in trained_on}
    drift = population_stability(trained_on, scored, settings.evaluation.drift_minimum_rows)
    sampled_scores = scores[is_sampled]
    if len(sampled_scores):
        plots["score_distribution"] = figures.score_distribution(sampled_scores, scores[rows["is_planted"]])
        metrics |= {f"score_{name}": float(np.quantile(sampled_scores, at)) for name, at in _QUANTILES.items()}
    there = rows.weights > 0
    for name, values in baselines.items() if there.any() else ():
        overlap = overlap_at(settings.review_capacity, scores[there], values[there], rows.weights[there])
        metrics[f"{name}_overlap_at_capacity"] = overlap
    if drift:
        plots["feature_drift"] = figures.feature_drift(drift)
        metrics["psi_max"] = max(drift.values())
    ordinary = rows["anomaly_p_value"][is_sampled & ~rows["is_planted"] & ~rows["is_flagged"]]
    ordinary = ordinary[~np.isnan(ordinary)]
    if len(ordinary):
        plots["p_value_reliability"] = figures.p_value_reliability(ordinary, settings.evaluation.level)
    return Evaluation(metrics | counted, plots, compared_by, resampled)


def _truths(rows: _Rows, minimum: int) -> list[tuple[Judge, npt.NDArray[Any], npt.NDArray[Any]]]:
    """For each source of labels: the judge, which rows should rank first, and the sampling weights (0: no label)."""
    results = []
    if rows["is_planted"].any():
        results.append((Judge.PLANTED, rows["is_planted"], rows.weights))
    for judge in (Judge.RANDOM, Judge.QUEUE):
        decided = _labelled(rows, judge)
        disputed = int((decided & rows["is_disputed"]).sum())
        if min(disputed, int(decided.sum()) - disputed) >= minimum:
            results.append((judge, rows["is_disputed"], decided.astype(np.float64)))
            break
    return results


def _labelled(rows: _Rows, judge: Judge) -> npt.NDArray[Any]:
    if judge is Judge.PLANTED:
        return rows["is_planted"]
    is_decided = rows["is_disputed"] | rows["is_dismissed"]
    return is_decided & (rows["is_random"] == (judge is Judge.RANDOM))


def _named(metrics: dict[str, float], judge: Judge) -> dict[str, float]:
    """The metrics under their final names: metrics by decisions have the judge in their names. A capacity counts rows
    of the complete feed, of which decisions cover only a part.
    """
    if judge is Judge.PLANTED:
        return metrics
    return {
        name if name.startswith("against_champion") else f"{judge.lower()}_{name}": value
        for name, value in metrics.items()
        if "_at_capacity" not in name
    }


def _numbered(clusters: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    return np.unique(clusters, return_inverse=True)[1]


def _z_of(feature: str) -> str:
    return f"{feature} z"
