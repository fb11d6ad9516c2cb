"""What a model is worth: measures against scikit-learn and by hand, and an evaluation on Spark."""

from __future__ import annotations

import sys
from itertools import pairwise, permutations

import numpy as np
import pytest
from models_rows import FEATURES, as_spark, claim_rows
from sklearn.metrics import average_precision_score

from engine.contracts.codes import Subject
from engine.models import figures
from engine.models.anomaly_model import fit_model
from engine.models.evaluation import evaluate
from engine.models.inputs import z_name
from engine.models.ranking import Ranking, overlap_at
from engine.models.scoring import score
from engine.settings import IsolationForestSettings, ModelSettings

CLAIM = Subject.REBATE_CLAIM
BASELINE = "f24_units_per_prescription"


@pytest.mark.parametrize("seed", range(5))
def test_average_precision_is_scikit_learns_with_ties_and_weights(seed):
    generator = np.random.default_rng(seed)
    scores = generator.integers(0, 20, 300) / 20
    labels = generator.random(300) < 0.1
    weights = np.where(labels, 1.0, 7.5)
    expected = average_precision_score(labels, scores, sample_weight=weights)
    assert Ranking.by(scores, labels, weights).average_precision == pytest.approx(expected, abs=1e-12)


def test_precision_at_capacity_is_the_expectation_over_the_orders_of_ties():
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


def test_capacity_beyond_all_rows_counts_the_rows_there_are():
    ranking = Ranking.by(np.array([0.9, 0.1]), np.array([True, False]), np.ones(2))
    assert (float(ranking.precision_at(100)), float(ranking.recall_at(100))) == (0.5, 1.0)


def test_overlap_of_two_orders():
    one, other = np.array([4.0, 3, 2, 1]), np.array([4.0, 1, 3, 2])
    assert overlap_at(2, one, other, np.ones(4)) == 0.5
    assert overlap_at(1, one, other, np.ones(4)) == 1.0
    assert overlap_at(9, one, other, np.ones(4)) == 1.0
    # the last place of the other's is a tie of two rows: each is in with one half
    assert overlap_at(2, one, np.array([4.0, 3, 3, 1]), np.ones(4)) == 0.75


@pytest.fixture(scope="module")
def world(spark, tmp_path_factory):
    """Claims with 30 planted rows that are odd in two features, one of them the baseline's, scored."""
    rows = claim_rows(1_501).iloc[:-1].copy()
    planted = rows.index[::50]
    rows.loc[planted, z_name(BASELINE)] = 2.5
    rows.loc[planted, z_name(FEATURES[6])] = 6.0
    settings = ModelSettings(detectors={"isolation_forest": IsolationForestSettings(trees=50)}, review_capacity=40)
    sample = rows[["source_row_id"]].assign(**{f: rows[z_name(f)].fillna(0.0) for f in FEATURES})
    model = fit_model(sample, settings, CLAIM)
    facts = as_spark(spark, rows)
    folder = str(tmp_path_factory.mktemp("scores"))
    score(facts, model, settings, CLAIM).write.mode("overwrite").parquet(folder)
    truth = spark.createDataFrame(
        [(row_id, rule) for row_id in rows.loc[planted, "source_row_id"] for rule in ("R052", "R024")]
        + [("NOT THERE", "R052")],
        "source_row_id string, rule_id string",
    )
    return rows, planted, model, settings, facts, spark.read.parquet(folder), truth


def test_metrics_with_truth_are_those_of_all_rows(world):
    rows, planted, model, settings, facts, scores, truth = world
    values = model.scorer.scores(rows[[z_name(f) for f in FEATURES]].fillna(0.0).to_numpy())
    baseline = rows[z_name(BASELINE)].fillna(0.0).abs().to_numpy()
    labels = rows.index.isin(planted)
    evaluation = evaluate(scores, facts, settings, CLAIM, p_threshold=0.01, truth=truth)
    metrics = evaluation.metrics
    assert metrics["rows_scored"] == 1_500
    assert metrics["planted_rows"] == 30
    assert metrics["auprc"] == pytest.approx(average_precision_score(labels, values))
    assert metrics["baseline_auprc"] == pytest.approx(average_precision_score(labels, baseline))
    assert metrics["auprc_gain"] == pytest.approx(metrics["auprc"] - metrics["baseline_auprc"])
    top = labels[np.argsort(-values)][:40]
    assert metrics["precision_at_capacity"] == pytest.approx(top.sum() / 40)
    assert metrics["recall_at_capacity"] == pytest.approx(top.sum() / 30)
    assert metrics["score_median"] == pytest.approx(np.median(values))
    assert metrics["auprc_gain"] > 0.1
    # p <= 0.01 in six strata of 200 to 300 rows: the first two or three rows of each
    assert 12 <= metrics["rows_flagged"] <= 18
    assert set(evaluation.figures) == {"score_distribution", "precision_against_capacity"}


def test_without_truth_the_metrics_do_without_it(world):
    _, _, _, settings, facts, scores, _ = world
    evaluation = evaluate(scores, facts, settings, CLAIM, p_threshold=0.01)
    assert set(evaluation.metrics) == {
        "rows_scored",
        "rows_flagged",
        "score_median",
        "score_p99",
        "baseline_overlap_at_capacity",
        "planted_rows",
    }
    assert set(evaluation.figures) == {"score_distribution"}


def test_a_sample_of_the_rows_estimates_the_same(world):
    """All planted rows stay; the others are sampled by hash and weighted."""
    _, _, _, settings, facts, scores, truth = world
    whole = evaluate(scores, facts, settings, CLAIM, 0.01, truth).metrics
    sampled_settings = settings.model_copy(update={"evaluation_rows": 750})
    sampled = evaluate(scores.repartition(5), facts.repartition(3), sampled_settings, CLAIM, 0.01, truth).metrics
    assert sampled["planted_rows"] == 30
    assert sampled["auprc"] == pytest.approx(whole["auprc"], abs=0.15)
    assert sampled["auprc"] != whole["auprc"]


def test_no_scored_row_gives_counts_of_zero(world):
    _, _, _, settings, facts, scores, truth = world
    evaluation = evaluate(scores.where("false"), facts, settings, CLAIM, 0.01, truth)
    assert evaluation.metrics == {"rows_scored": 0.0, "rows_flagged": 0.0}
    assert evaluation.figures == {}


def test_drawing_leaves_pyplot_alone(tmp_path):
    before = "matplotlib.pyplot" in sys.modules
    scores, labels = np.linspace(0.1, 0.9, 50), np.arange(50) > 45
    ranking = Ranking.by(scores, labels, np.ones(50))
    drawn = {
        "scores": figures.score_distribution(scores, None),
        "planted": figures.score_distribution(scores, scores[labels]),
        "precision": figures.precision_against_capacity(ranking, ranking, "one feature", 10),
    }
    for name, figure in drawn.items():
        figure.savefig(tmp_path / f"{name}.png")
        assert (tmp_path / f"{name}.png").stat().st_size > 5_000
    assert ("matplotlib.pyplot" in sys.modules) == before
