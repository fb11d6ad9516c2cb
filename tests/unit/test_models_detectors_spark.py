"""Every kind of detector on Spark and in MLflow: the same answers wherever and however rows are divided."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from engine.contracts.codes import Subject
from engine.contracts.facts import z_name
from engine.errors import ConfigurationError
from engine.models.anomaly_model import AnomalyModel, fit_model
from engine.models.batches import contributions_column, score_column
from engine.models.calibration import calibrate, p_values
from engine.models.explanation import explain
from engine.models.inputs import model_inputs
from engine.models.scoring import anomaly_scores
from engine.settings import ClaimModelSettings, MlflowSettings, ModelSettings
from engine.tracking import Tracker
from engine.tracking.served_model import ServedModel
from tests.unit.detector_rows import DETECTORS as ON_SURPRISES
from tests.unit.detector_rows import KINDS
from tests.unit.models_rows import FEATURES, as_spark, claim_rows

pytestmark = pytest.mark.slow

CLAIM = Subject.REBATE_CLAIM
# The same detectors on the z-scores that the made-up rows have.
DETECTORS = {name: settings.model_copy(update={"inputs": "z"}) for name, settings in ON_SURPRISES.items()}


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    return claim_rows(2_001).iloc[:-1]


@pytest.fixture(scope="module")
def matrix(rows: pd.DataFrame) -> np.ndarray:
    return rows[[z_name(feature) for feature in FEATURES]].fillna(0.0).to_numpy()


def settings_with(detector: str) -> ModelSettings:
    return ModelSettings(claims=ClaimModelSettings(detector=detector), detectors=DETECTORS, batch_rows=250)


@pytest.fixture(scope="module")
def models(rows: pd.DataFrame) -> dict[str, AnomalyModel]:
    sample = rows[["source_row_id"]].assign(**{f: rows[z_name(f)].fillna(0.0) for f in FEATURES})
    fitted = {kind: fit_model(sample, settings_with(kind), CLAIM) for kind in KINDS}
    return {kind: model for kind, model in fitted.items() if model is not None}


@pytest.fixture(scope="module")
def answers(spark: SparkSession, rows: pd.DataFrame, models: dict[str, AnomalyModel]) -> dict[int, pd.DataFrame]:
    """By number of partitions, the rows shuffled: what every detector says, in the rows' order.

    Contributions only under few partitions: each task of the many starts every function anew.
    """
    found = {}
    inputs = model_inputs(FEATURES)
    for partitions in (1, 7, 200):
        wanted = {"score": score_column} if partitions > 7 else {"score": score_column, "parts": contributions_column}
        columns = [
            column(spark, model.scorer, inputs, 250).alias(f"{kind}_{name}")
            for kind, model in models.items()
            for name, column in wanted.items()
        ]
        facts = as_spark(spark, rows, partitions, seed=partitions)
        found[partitions] = facts.select("source_row_id", *columns).toPandas().sort_values("source_row_id")
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_partitions_and_order_change_no_bit(
    answers: dict[int, pd.DataFrame], models: dict[str, AnomalyModel], matrix: npt.NDArray[Any], kind: str
) -> None:
    scores, parts = models[kind].scorer.scores(matrix), models[kind].scorer.contributions(matrix)
    for partitions, answered in answers.items():
        assert np.array_equal(answered[f"{kind}_score"], scores), partitions
        if partitions <= 7:
            assert np.array_equal(np.vstack(answered[f"{kind}_parts"]), parts), partitions


def test_p_values_and_reasons_of_a_detector_without_bounds(
    spark: SparkSession, rows: pd.DataFrame, models: dict[str, AnomalyModel], matrix: npt.NDArray[Any]
) -> None:
    model = models["hbos"]
    scores = model.scorer.scores(matrix)
    assert scores.max() > 10
    facts = as_spark(spark, rows, 3, seed=1)
    # no NDC-9: all rows of a program are one stratum
    scored = anomaly_scores(facts.withColumn("ndc9", F.lit(None).cast("string")), model, settings_with("hbos"), CLAIM)
    judged = p_values(scored, calibrate(scored, ("drug_category",), 200)).toPandas()
    p_values_of = judged.set_index("source_row_id")["anomaly_p_value"]
    for program, place in rows.groupby("program").indices.items():
        own = scores[place]
        expected = [(1 + (own >= value).sum()) / (1 + len(own)) for value in own]
        assert p_values_of[rows["source_row_id"].iloc[place]].to_numpy() == pytest.approx(expected), program
    first = rows.iloc[[int(scores.argmax())]]
    peers = spark.createDataFrame(
        first[["ndc11", "program"]].assign(
            peers=300, **{f"{f}_{end}": 0.0 for f in FEATURES for end in ("low", "high")}
        )
    )
    (row,) = explain(as_spark(spark, first), model, peers, settings_with("hbos")).collect()
    parts = model.scorer.contributions(matrix[[int(scores.argmax())]])[0]
    assert row.reasons[0].contribution == parts[first[list(FEATURES)].notna().to_numpy()[0]].max()
    assert len(row.reason_words) == len(row.reasons)
    assert "where 99 % of 300 comparable claims have 0 to 0" in row.reason_words[0]


def served(folder: Path) -> ServedModel:
    """The served class on a saved folder, without the ceremony of MLflow."""
    from engine.tracking.served_model import ServedModel

    model = ServedModel()
    model.load_context(SimpleNamespace(artifacts={"detector": str(folder)}))
    assert type(model.scorer).__module__.startswith("scorers_")  # the model's own code, not the engine's
    return model


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_comes_back_from_disk_and_is_served_with_the_same_scores(
    models: dict[str, AnomalyModel], rows: pd.DataFrame, matrix: npt.NDArray[Any], kind: str, tmp_path: Path
) -> None:
    model = models[kind]
    model.save(tmp_path)
    loaded = AnomalyModel.load(tmp_path)
    assert loaded.description == model.description
    assert np.array_equal(loaded.scorer.scores(matrix), model.scorer.scores(matrix))
    asked = rows[[z_name(feature) for feature in FEATURES]]
    answer = served(tmp_path).predict(None, asked)["anomaly_score"].to_numpy()
    assert np.array_equal(answer, model.scorer.scores(matrix))
    described = json.loads((tmp_path / "model.json").read_text())
    assert (described["detector"], described["kind"]) == (kind, kind)
    assert described["contribution_unit"]
    assert described["parameters"]
    if kind == "rank_combination":
        assert set(described["parameters"]["members"]) == set(DETECTORS[kind].members)


@pytest.mark.parametrize("kind", ["power_sum", "rank_combination"])
def test_mlflow_serves_what_the_engine_scores(
    models: dict[str, AnomalyModel], matrix: npt.NDArray[Any], kind: str, tmp_path: Path
) -> None:
    import mlflow

    models[kind].save(tmp_path / "model")
    tracker = Tracker(MlflowSettings(), str(tmp_path / "output"))
    tracker.log_training(
        model_folder=tmp_path / "model",
        model_name=kind,
        run_name=kind,
        parameters=models[kind].parameters,
        metrics={},
        figures={},
        tags={},
    )
    fetched = tracker.fetch(kind)
    assert AnomalyModel.load(fetched.folder).scorer.digest == models[kind].scorer.digest
    asked = pd.DataFrame(matrix, columns=[z_name(feature) for feature in FEATURES])
    answer = mlflow.pyfunc.load_model(f"models:/{kind}/1").predict(asked)["anomaly_score"].to_numpy()
    assert np.array_equal(answer, models[kind].scorer.scores(matrix))


def test_detect_refuses_a_model_of_other_features_before_it_scores(
    models: dict[str, AnomalyModel], tmp_path: Path
) -> None:
    from engine.models import Calibration
    from engine.pipeline.model_versions import ModelVersions
    from engine.pipeline.score import registered_model
    from engine.settings import Settings

    models["ecod"].save(tmp_path)
    Calibration(np.array(["all"]), np.array([1]), np.array([0.5])).save(tmp_path)
    tracker = SimpleNamespace(fetch=lambda name, version: SimpleNamespace(folder=tmp_path, version="1"))  # noqa: ARG005
    changed = {"model": {"claims": {"features": list(FEATURES[:-1])}}}
    name = Settings().mlflow.claims_model
    versions = ModelVersions({name: "1"}, origins={})
    with pytest.raises(ConfigurationError, match="other features"):
        registered_model(SimpleNamespace(settings=Settings(**changed)), tracker, versions, name)
    found: Any = registered_model(SimpleNamespace(settings=Settings()), tracker, versions, name)
    model, _, version = found
    assert (model.kind, version) == ("ecod", "1")
