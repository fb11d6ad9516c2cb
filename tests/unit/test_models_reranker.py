"""The re-ranker: what it learns, that it is calibrated, and that nothing depends on the order of rows."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import SparkSession
from scipy.special import expit

from engine.errors import ConfigurationError, PromotionRefused
from engine.models.finding_inputs import input_columns, input_names
from engine.models.reranker import Reranker, fit_reranker, out_of_fold
from engine.models.reranker_evaluation import evaluate_reranker
from engine.models.scorers.logistic import CalibratedLogistic
from engine.settings import EvaluationSettings, MlflowSettings, ModelSettings, RerankerSettings
from engine.tracking import SETTINGS as SETTINGS_IN_CHARGE
from engine.tracking import Tracker, comparison_tags, promote

SETTINGS = RerankerSettings()
PRIORS = {"STRONG": 0.9, "MEDIUM": 0.6, "WEAK": 0.2, "CONTEXT": 0.02}


def reviewed_findings(rows: int, seed: int = 1, answered: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    """Findings whose true probability is known: MEDIUM ones of rule R009 are nearly always wrong, whatever their class
    says. The last `answered` were not drawn at random: somebody disputed those of which he was sure.
    """
    generator = np.random.default_rng(seed)
    strong, noisy = generator.random(rows) < 0.2, generator.random(rows) < 0.5
    amount = generator.normal(2.0, 0.8, rows)
    truth = expit(-1.0 + 2.5 * strong - 2.5 * (noisy & ~strong) + 0.8 * amount)
    is_random = np.arange(rows) < rows - answered
    is_valid = np.where(is_random, generator.random(rows) < truth, True)
    prior = np.where(strong, PRIORS["STRONG"], PRIORS["MEDIUM"])
    frame = pd.DataFrame(
        {
            "finding_id": [f"f{n:06d}" for n in generator.permutation(rows)],
            "is_valid": is_valid,
            "is_random": is_random,
            "settings_probability": prior,
            "least_probability": np.where(strong, prior, 0.0),
            "dollars": 10.0**amount - 1.0,
            "cluster": [f"pharmacy {n % 50}" for n in range(rows)],
            "evidence=STRONG": strong.astype(float),
            "rule=R009": (noisy & ~strong).astype(float),
            "rule=R050": 0.0,  # fired on none of them
            "amount_log10": amount,
        }
    )
    return frame, truth


@pytest.fixture(scope="module")
def learned() -> tuple[pd.DataFrame, Reranker]:
    reviewed, _ = reviewed_findings(600, answered=100)
    reranker = fit_reranker(reviewed, SETTINGS)
    assert reranker is not None
    return reviewed, reranker


def test_without_enough_of_a_kind_there_is_none() -> None:
    reviewed, _ = reviewed_findings(600)
    valid, not_valid = reviewed[reviewed.is_valid], reviewed[~reviewed.is_valid]
    assert fit_reranker(pd.concat([valid, not_valid.head(49)]), SETTINGS) is None
    assert fit_reranker(pd.concat([valid.head(49), not_valid]), SETTINGS) is None
    assert fit_reranker(pd.concat([valid.head(50), not_valid.head(50)]), SETTINGS) is not None
    # answers to what somebody chose to dispute do not count
    assert fit_reranker(pd.concat([valid.assign(is_random=False), not_valid]), SETTINGS) is None
    assert fit_reranker(reviewed.head(0), SETTINGS) is None


def test_it_learns_from_what_differs_and_tells_from_how_many(learned: tuple[pd.DataFrame, Reranker]) -> None:
    _, reranker = learned
    assert reranker.inputs == ("evidence=STRONG", "rule=R009", "amount_log10")
    assert reranker.reviewed["answered"] == 100
    assert reranker.reviewed["random_valid"] + reranker.reviewed["random_not_valid"] == 500
    assert reranker.parameters["calibration"] == "sigmoid"


@pytest.mark.parametrize("isotonic_rows", [1_000_000, 1_000])
def test_probabilities_say_what_they_mean(isotonic_rows: int) -> None:
    settings = SETTINGS.model_copy(update={"isotonic_rows": isotonic_rows})
    reviewed, _ = reviewed_findings(4_000, answered=300)
    asked, truth = reviewed_findings(20_000, seed=2)
    given = fit_reranker(reviewed, settings).probability_valid(asked)
    for group in np.array_split(np.argsort(given, kind="stable"), 10):
        # of the 370 rows or so that a tenth of them was learned from
        sampling_error = np.sqrt(truth[group].mean() * (1 - truth[group].mean()) / 370)
        assert abs(given[group].mean() - truth[group].mean()) < 3 * sampling_error


def test_answers_do_not_lift_probabilities_at_large() -> None:
    """All 2,000 findings that somebody chose to dispute were valid, half of those drawn at random are not."""
    reviewed, truth = reviewed_findings(4_000, answered=2_000)
    given = fit_reranker(reviewed, SETTINGS).probability_valid(reviewed)
    assert abs(given[reviewed.is_random].mean() - truth[reviewed.is_random].mean()) < 0.03


def test_equal_rows_in_any_order_give_equal_rerankers(learned: tuple[pd.DataFrame, Reranker]) -> None:
    reviewed, reranker = learned
    for again in (reviewed, reviewed.sample(frac=1.0, random_state=3)):
        other = fit_reranker(again, SETTINGS)
        assert other.scorer.digest == reranker.scorer.digest
        assert other.description == reranker.description


@pytest.mark.parametrize("isotonic_rows", [1_000_000, 100])
def test_arrays_give_what_scikit_learn_gives(isotonic_rows: int) -> None:
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.linear_model import LogisticRegression

    from engine.models.reranker import _folds

    settings = SETTINGS.model_copy(update={"isotonic_rows": isotonic_rows})
    reviewed = reviewed_findings(500)[0].sort_values("finding_id", ignore_index=True)
    reranker = fit_reranker(reviewed, settings)
    matrix = reviewed[list(reranker.inputs)].to_numpy()
    own = CalibratedClassifierCV(
        LogisticRegression(max_iter=10_000),
        method="isotonic" if isotonic_rows == 100 else "sigmoid",
        cv=_folds(reviewed, settings),
    ).fit(matrix, reviewed.is_valid)
    assert np.allclose(reranker.probability_valid(reviewed), own.predict_proba(matrix)[:, 1], rtol=0, atol=1e-12)


def test_saved_and_loaded_it_is_the_same_to_the_last_bit(
    learned: tuple[pd.DataFrame, Reranker], tmp_path: Path
) -> None:
    reviewed, reranker = learned
    reranker.save(tmp_path)
    loaded = Reranker.load(tmp_path)
    assert loaded.description == reranker.description
    assert np.array_equal(loaded.probability_valid(reviewed), reranker.probability_valid(reviewed))
    assert not any(path.suffix in (".pkl", ".pickle", ".joblib") for path in tmp_path.rglob("*"))
    loaded.check_features(SETTINGS.features)
    with pytest.raises(ConfigurationError, match="other features"):
        loaded.check_features(("rules",))
    description = json.loads((tmp_path / "model.json").read_text())
    (tmp_path / "model.json").write_text(json.dumps({**description, "inputs": ["amount_log10"]}))
    with pytest.raises(ConfigurationError, match="cannot be read"):
        Reranker.load(tmp_path)


def test_evaluated_out_of_fold_against_the_settings(learned: tuple[pd.DataFrame, Reranker]) -> None:
    reviewed, reranker = learned
    settings = ModelSettings(evaluation=EvaluationSettings(resamples=50), review_capacity=1_000)
    found = evaluate_reranker(reviewed, settings, 10_000, champion=None)
    metrics = found.metrics
    assert metrics["gain_auprc_low"] > 0, "the settings do not know which rule is noisy"
    assert metrics["against_champion_auprc"] == metrics["gain_auprc"], "without a champion the settings are in charge"
    assert metrics["auprc"] == pytest.approx(metrics["settings_auprc"] + metrics["gain_auprc"])
    assert metrics["brier"] < metrics["settings_brier"]
    assert 0 < metrics["recall_at_capacity"] < 0.3, "1,000 of 10,000 findings"
    assert set(found.figures) == {"precision_against_capacity", "reliability"}
    assert found.compared_by == "RANDOM"
    shuffled = evaluate_reranker(reviewed.sample(frac=1.0, random_state=4), settings, 10_000, champion=None)
    assert shuffled.metrics == metrics
    against_itself = evaluate_reranker(reviewed, settings, 10_000, champion=reranker).metrics
    assert not against_itself["against_champion_auprc_low"] > 0
    by_others = out_of_fold(reviewed.sort_values("finding_id", ignore_index=True), SETTINGS)
    assert np.isnan(by_others).sum() == 100


@pytest.mark.slow
def test_registered_it_waits_for_promotion_and_is_served_as_it_is(
    learned: tuple[pd.DataFrame, Reranker], tmp_path: Path
) -> None:
    import mlflow

    reviewed, reranker = learned
    reranker.save(tmp_path / "model")
    tracker = Tracker(MlflowSettings(), str(tmp_path / "store"))
    told = {"model_folder": tmp_path / "model", "model_name": "r", "run_name": "r", "parameters": {}, "figures": {}}
    features = {"features": ",".join(SETTINGS.features)}
    for low in (-0.01, 0.01):
        figures = {
            "against_champion_auprc": 0.05,
            "against_champion_auprc_low": low,
            "against_champion_auprc_high": 0.1,
        }
        tags = features | comparison_tags(SETTINGS_IN_CHARGE, "RANDOM")
        tracker.log_training(**told, metrics=figures, tags=tags, first_takes_over=False)
    assert tracker.fetch("r") is None, "the settings are in charge until somebody promotes"
    with pytest.raises(PromotionRefused, match="not shown to be better"):
        promote(tracker, "r", "1", SETTINGS.features, "ann")
    assert (
        "better than the settings: difference of auprc +0.0500"
        in promote(tracker, "r", "2", SETTINGS.features, "ann").reason
    )
    with pytest.raises(PromotionRefused, match="no longer champion"):
        promote(tracker, "r", "1", SETTINGS.features, "ann")
    assert Reranker.load(tracker.fetch("r").folder).description == reranker.description
    mlflow.set_tracking_uri(tracker.tracking_uri)
    served = mlflow.pyfunc.load_model("models:/r/2").predict(reviewed[list(reranker.inputs)])
    assert np.array_equal(served["probability_valid"], reranker.probability_valid(reviewed))


def test_inputs_of_findings_and_what_executors_make_of_them(spark: SparkSession) -> None:
    names = input_names(SETTINGS.features, ["R002", "R001"])
    assert [name for name in names if name.startswith("rule=")] == ["rule=R001", "rule=R002"]
    schema = (
        "subject string, program string, evidence string, rules array<struct<rule_id string, guards array<struct<name"
        " string, state string>>>>, match_tier string, match_score double, match_ambiguous boolean, anomaly_p_value"
        " double, amount_at_issue decimal(18,2)"
    )
    guards = [("a", "FAILED"), ("b", "UNCHECKED"), ("c", "UNCHECKED"), ("d", "PASSED")]
    rows = [
        ("REBATE_CLAIM", "PARTD", "STRONG", [("R001", guards), ("R052", None)], "T2", 12.5, True, 1e-3, "99.00"),
        ("ENTITY_CLAIM", None, "WEAK", [("R002", [])], None, None, None, None, None),
    ]
    cents = [(*row[:-1], row[-1] and Decimal(row[-1])) for row in rows]
    reranker = Reranker(_arbitrary(len(names)), SETTINGS.features, names, {}, {})
    probability = reranker.probability_column(spark, batch_rows=1).alias("probability")
    found = spark.createDataFrame(cents, schema).select(*input_columns(names), probability).toPandas()
    assert np.array_equal(found.pop("probability"), reranker.probability_valid(found))
    assert found.notna().all().all()
    first, second = ({name: value for name, value in row.items() if value} for row in found.to_dict("records"))
    assert first == {
        "evidence=STRONG": 1.0,
        "rule=R001": 1.0,
        "guards_failed": 0.2,
        "guards_unchecked": 0.4,
        "match_tier=T2": 1.0,
        "match_score": 1.25,
        "match_ambiguous": 1.0,
        "anomaly_known": 1.0,
        "anomaly_rarity": pytest.approx(0.5),
        "amount_known": 1.0,
        "amount_log10": 2.0,
        "program=PARTD": 1.0,
        "subject=REBATE_CLAIM": 1.0,
    }
    assert second == {"evidence=WEAK": 1.0, "rule=R002": 1.0, "subject=ENTITY_CLAIM": 1.0}


def _arbitrary(inputs: int) -> CalibratedLogistic:
    weights, none = np.random.default_rng(6).normal(size=(2, inputs)), np.zeros((2, 0))
    return CalibratedLogistic(weights, np.array([0.1, -0.2]), np.array([-1.0, -0.7]), np.zeros(2), none, none, inputs)
