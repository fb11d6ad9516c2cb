"""What a model is worth: measures against scikit-learn and by hand, and an evaluation on Spark."""

from __future__ import annotations

import sys
from itertools import pairwise, permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyspark.sql import SparkSession
from sklearn.metrics import average_precision_score

from engine.contracts.codes import Subject
from engine.contracts.facts import z_name
from engine.models import figures
from engine.models.anomaly_model import fit_model
from engine.models.calibration import calibrate, p_values
from engine.models.evaluation import Known, evaluate
from engine.models.measures import Truth, measured
from engine.models.ranking import Ranking, overlap_at
from engine.models.scoring import anomaly_scores
from engine.settings import ClaimModelSettings, EvaluationSettings, IsolationForestSettings, ModelSettings
from tests.unit.models_rows import FEATURES, as_spark, claim_rows

CLAIM = Subject.REBATE_CLAIM
BASELINE = "f24_units_per_prescription"


@pytest.mark.parametrize("seed", range(5))
def test_average_precision_is_scikit_learns_with_ties_and_weights(seed: int) -> None:
    generator = np.random.default_rng(seed)
    scores = generator.integers(0, 20, 300) / 20
    labels = generator.random(300) < 0.1
    weights = np.where(labels, 1.0, 7.5)
    expected = average_precision_score(labels, scores, sample_weight=weights)
    assert Ranking.by(scores, labels, weights).average_precision == pytest.approx(expected, abs=1e-12)


def test_precision_at_capacity_is_the_expectation_over_the_orders_of_ties() -> None:
    scores, labels = [0.9, 0.7, 0.7, 0.7, 0.1], [True, True, False, False, True]
    ranking = Ranking.by(np.array(scores), np.array(labels), np.ones(5))
    for capacity in range(1, 6):
        by_order = [
            sum(labels[place] for place in order[:capacity]) / capacity
            for order in permutations(range(5))
            if all(scores[a] >= scores[b] for a, b in pairwise(order))
        ]
        assert ranking.precision_at(capacity) == pytest.approx(np.mean(by_order))
        assert ranking.recall_at(capacity) == pytest.approx(np.mean(by_order) * capacity / 3)


def test_capacity_beyond_all_rows_counts_the_rows_there_are() -> None:
    ranking = Ranking.by(np.array([0.9, 0.1]), np.array([True, False]), np.ones(2))
    assert (float(ranking.precision_at(100)), float(ranking.recall_at(100))) == (0.5, 1.0)


def test_overlap_of_two_orders() -> None:
    one, other = np.array([4.0, 3, 2, 1]), np.array([4.0, 1, 3, 2])
    assert overlap_at(2, one, other, np.ones(4)) == 0.5
    assert overlap_at(1, one, other, np.ones(4)) == 1.0
    assert overlap_at(9, one, other, np.ones(4)) == 1.0
    # the last place of the other's is a tie of two rows: each is in with one half
    assert overlap_at(2, one, np.array([4.0, 3, 3, 1]), np.ones(4)) == 0.75


@pytest.fixture(scope="module")
def world(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, ...]:
    """Claims with 30 planted rows that are odd in two features, one of them the baseline's, scored."""
    rows = claim_rows(1_501).iloc[:-1].copy()
    planted = rows.index[::50]
    rows.loc[planted, z_name(BASELINE)] = 2.5
    rows.loc[planted, z_name(FEATURES[6])] = 6.0
    settings = ModelSettings(
        claims=ClaimModelSettings(detector="isolation_forest"),
        detectors={"isolation_forest": IsolationForestSettings(inputs="z", trees=50)},
        review_capacity=40,
    )
    sample = rows[["source_row_id"]].assign(**{f: rows[z_name(f)].fillna(0.0) for f in FEATURES})
    model = fit_model(sample, settings, CLAIM)
    facts = as_spark(spark, rows)
    folder = str(tmp_path_factory.mktemp("scores"))
    scored = anomaly_scores(facts, model, settings, CLAIM)
    calibration = calibrate(scored, settings.strata, settings.stratum_minimum)
    p_values(scored, calibration).write.mode("overwrite").parquet(folder)
    truth = spark.createDataFrame(
        [(row_id, rule) for row_id in rows.loc[planted, "source_row_id"] for rule in ("R052", "R024")]
        + [("NOT THERE", "R052")],
        "source_row_id string, rule_id string",
    )
    return rows, planted, model, settings, facts, spark.read.parquet(folder), truth


def test_metrics_with_truth_are_those_of_all_rows(world: tuple[Any, ...]) -> None:
    rows, planted, model, settings, facts, scores, truth = world
    values = model.scorer.scores(rows[[z_name(f) for f in FEATURES]].fillna(0.0).to_numpy())
    baseline = rows[z_name(BASELINE)].fillna(0.0).abs().to_numpy()
    labels = rows.index.isin(planted)
    rules = rows.source_row_id[rows.index % 100 < 2]
    evaluation = evaluate(
        scores,
        facts,
        settings,
        CLAIM,
        known=Known(planted=truth, flagged_by_rules=truth.sparkSession.createDataFrame(rules.to_frame())),
        champion=model,
        trained_on=model.trained_on,
    )
    metrics = evaluation.metrics
    assert next(iter(metrics)) == "gain_auprc"
    assert metrics["rows_scored"] == 1_500
    assert metrics["planted_rows"] == 30
    assert metrics["auprc"] == pytest.approx(average_precision_score(labels, values))
    assert metrics["feature_auprc"] == pytest.approx(average_precision_score(labels, baseline))
    assert metrics["rules_auprc"] == pytest.approx(average_precision_score(labels, rows.index % 100 < 2))
    better = max(metrics["feature_auprc"], metrics["rules_auprc"])
    assert metrics["gain_auprc"] == pytest.approx(metrics["auprc"] - better)
    top = np.argsort(-values)[:40]
    assert metrics["precision_at_capacity"] == pytest.approx(labels[top].sum() / 40)
    assert metrics["recall_at_capacity"] == pytest.approx(labels[top].sum() / 30)
    assert metrics["dollars_at_capacity"] == pytest.approx(rows.rebate_amount.to_numpy()[top][labels[top]].sum())
    assert metrics["score_median"] == pytest.approx(np.median(values))
    assert metrics["gain_auprc_low"] > 0
    for name in ("gain_auprc", "auprc", "precision_at_capacity", "recall_at_capacity", "dollars_at_capacity"):
        assert metrics[f"{name}_low"] <= metrics[name] <= metrics[f"{name}_high"], name
    # the champion is the model itself: nothing is gained, on any resample
    assert [metrics[f"against_champion_auprc{end}"] for end in ("", "_low", "_high")] == [0.0, 0.0, 0.0]
    assert evaluation.compared_by == "PLANTED"
    assert metrics["psi_max"] == pytest.approx(0.0, abs=1e-9)
    assert set(evaluation.figures) == {
        "score_distribution",
        "precision_against_capacity",
        "feature_drift",
        "p_value_reliability",
    }


def test_without_truth_the_metrics_do_without_it(world: tuple[Any, ...]) -> None:
    _, _, model, settings, facts, scores, _ = world
    evaluation = evaluate(scores, facts, settings, CLAIM, champion=model)
    assert set(evaluation.metrics) == {
        "rows_scored",
        "score_median",
        "score_p99",
        "feature_overlap_at_capacity",
    }
    assert set(evaluation.figures) == {"score_distribution", "p_value_reliability"}
    assert evaluation.compared_by is None


def test_decisions_drawn_at_random_are_truth_and_those_of_the_queue_only_where_there_are_no_others(
    world: tuple[Any, ...],
) -> None:
    rows, planted, model, settings, facts, scores, _ = world
    few = settings.model_copy(update={"evaluation_rows": 100})  # decided rows count whether or not they are sampled
    decided = rows[["source_row_id"]].iloc[:600].copy()
    decided["is_valid"] = decided.index.isin(planted)
    decided["is_random"] = decided.index < 500  # 10 of them planted
    decisions = facts.sparkSession.createDataFrame(decided)
    values = model.scorer.scores(rows[[z_name(f) for f in FEATURES]].fillna(0.0).to_numpy())
    for minimum, judge, of in ((10, "random", slice(0, 500)), (2, "random", slice(0, 500)), (11, None, None)):
        settings = few.model_copy(
            update={"evaluation": few.evaluation.model_copy(update={"minimum_decisions": minimum, "resamples": 20})}
        )
        found = evaluate(scores, facts, settings, CLAIM, Known(decisions=decisions), champion=model)
        assert found.compared_by == (judge.upper() if judge else None)
        if of is not None:
            expected = average_precision_score(decided.is_valid[of], values[of])
            assert found.metrics["random_auprc"] == pytest.approx(expected)
            assert found.metrics["random_rows"] == 500
        assert not [name for name in found.metrics if name.startswith("queue") or name == "auprc"]
    queue = facts.sparkSession.createDataFrame(decided.assign(is_random=False))
    found = evaluate(scores, facts, settings, CLAIM, Known(decisions=queue), champion=model)
    assert found.metrics["queue_auprc"] == pytest.approx(average_precision_score(decided.is_valid, values[:600]))
    assert "against_champion_auprc" not in found.metrics  # the queue is the champion's own choice
    assert "queue_precision_at_capacity" not in found.metrics


def test_a_sample_of_the_rows_estimates_the_same(world: tuple[Any, ...]) -> None:
    """All planted rows stay; the others are sampled by hash and weighted."""
    _, _, _, settings, facts, scores, truth = world
    whole = evaluate(scores, facts, settings, CLAIM, Known(truth)).metrics
    sampled_settings = settings.model_copy(update={"evaluation_rows": 750})
    sampled = evaluate(scores.repartition(5), facts.repartition(3), sampled_settings, CLAIM, Known(truth)).metrics
    assert sampled["planted_rows"] == 30
    assert sampled["auprc"] == pytest.approx(whole["auprc"], abs=0.15)
    assert sampled["auprc"] != whole["auprc"]


def test_no_scored_row_gives_counts_of_zero(world: tuple[Any, ...]) -> None:
    _, _, _, settings, facts, scores, truth = world
    evaluation = evaluate(scores.where("false"), facts, settings, CLAIM, Known(truth))
    assert evaluation.metrics == {"rows_scored": 0.0}
    assert evaluation.figures == {}


def test_drawing_leaves_pyplot_alone(tmp_path: Path) -> None:
    before = "matplotlib.pyplot" in sys.modules
    scores, labels = np.linspace(-3.0, 900.0, 50), np.arange(50) > 45
    truth = Truth(labels, np.ones(50), np.ones(50), np.arange(50))
    found = measured(scores, {"feature": scores}, None, truth, 10, EvaluationSettings(resamples=5))
    drawn = {
        "scores": figures.score_distribution(scores, None),
        "planted": figures.score_distribution(scores, scores[labels]),
        "one score": figures.score_distribution(np.ones(5), None),
        "precision": figures.precision_against_capacity(found, {"feature": "one feature"}, ModelSettings()),
        "drift": figures.feature_drift({"f24": 0.3, "f20": 0.01}),
        "p-values": figures.p_value_reliability(np.linspace(0.001, 1.0, 1000), 0.95),
    }
    for name, figure in drawn.items():
        figure.savefig(tmp_path / f"{name}.png")
        assert (tmp_path / f"{name}.png").stat().st_size > 5_000
    assert ("matplotlib.pyplot" in sys.modules) == before
