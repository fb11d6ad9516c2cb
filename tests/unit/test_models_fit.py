"""The training sample, the fitted model and what it keeps of itself on disk."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import SparkSession

from engine.contracts.codes import Subject
from engine.contracts.facts import INVOICE_FEATURES, z_name
from engine.errors import ConfigurationError
from engine.models.anomaly_model import AnomalyModel, fit_model
from engine.models.inputs import can_be_scored
from engine.models.sample import training_sample
from engine.models.scorers.flat_forest import FlatForest
from engine.settings import ClaimModelSettings, IsolationForestSettings, ModelSettings
from tests.unit.models_rows import FEATURES, as_spark, claim_rows

CLAIM = Subject.REBATE_CLAIM


def settings(training_rows: int = 200_000, **forest: Any) -> ModelSettings:
    return ModelSettings(
        claims=ClaimModelSettings(detector="isolation_forest", training_rows=training_rows, minimum_training_rows=20),
        detectors={"isolation_forest": IsolationForestSettings(**{"inputs": "z", "trees": 20, **forest})},
    )


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    return claim_rows(2_000)


def _forest(model: AnomalyModel) -> FlatForest:
    assert isinstance(model.scorer, FlatForest)
    return model.scorer


@pytest.fixture(scope="module")
def model(rows: pd.DataFrame) -> AnomalyModel:
    sample = rows[["source_row_id"]].assign(**{f: rows[z_name(f)].fillna(0.0) for f in FEATURES})
    fitted = fit_model(sample, settings(), CLAIM)
    assert fitted is not None
    return fitted


@pytest.mark.parametrize("wanted", [700, 1_990])
def test_sample_is_the_same_under_any_partitioning_and_order(
    spark: SparkSession, rows: pd.DataFrame, wanted: int
) -> None:
    samples = [
        training_sample(as_spark(spark, rows, partitions, seed), FEATURES, settings(wanted).claims)
        for partitions, seed in ((1, None), (7, 5))
    ]
    assert len(samples[0]) == wanted
    assert samples[0].equals(samples[1])
    assert samples[0]["source_row_id"].is_monotonic_increasing


def test_sample_holds_z_scores_with_unknown_ones_as_typical_and_no_row_without_any(
    spark: SparkSession, rows: pd.DataFrame
) -> None:
    sample = training_sample(as_spark(spark, rows), FEATURES, settings().claims)
    expected = rows.iloc[:-1]  # the last one has no z-score at all
    assert sample["source_row_id"].tolist() == expected["source_row_id"].tolist()
    for feature in FEATURES:
        assert np.array_equal(sample[feature], expected[z_name(feature)].fillna(0.0))


def test_a_smaller_sample_is_part_of_a_larger_one_and_looks_like_the_whole(
    spark: SparkSession, rows: pd.DataFrame
) -> None:
    small, large = (training_sample(as_spark(spark, rows), FEATURES, settings(n).claims) for n in (300, 900))
    assert set(small["source_row_id"]) <= set(large["source_row_id"])
    share_of_first_half = (small["source_row_id"] < "R001000").mean()
    assert 0.35 < share_of_first_half < 0.65


def test_what_can_be_scored(spark: SparkSession) -> None:
    rows = spark.createDataFrame(
        [
            ("some", 1.0, None, False),
            ("typical", 0.0, 0.0, None),
            ("none", None, None, False),
            ("not a number", float("nan"), None, False),
            ("suppressed", 1.0, 2.0, True),
        ],
        "id string, a_z double, b_z double, suppressed boolean",
    )
    answers = rows.select(
        "id",
        can_be_scored(["a", "b"]).alias("claim"),
        can_be_scored(["a", "b"], Subject.INVOICE).alias("invoice"),
    ).collect()
    assert {row.id: (row.claim, row.invoice) for row in answers} == {
        "some": (True, True),
        "typical": (True, True),
        "none": (False, False),
        "not a number": (False, False),
        "suppressed": (True, False),
    }


def test_two_fits_with_one_seed_are_one_model_and_other_seeds_others(rows: pd.DataFrame, model: AnomalyModel) -> None:
    sample = rows[["source_row_id"]].assign(**{f: rows[z_name(f)].fillna(0.0) for f in FEATURES})
    again = fit_model(sample, settings(), CLAIM)
    other = fit_model(sample, settings(seed=1), CLAIM)
    assert again.scorer.digest == model.scorer.digest
    assert other.scorer.digest != model.scorer.digest


def test_the_forest_gets_its_parameters(rows: pd.DataFrame, model: AnomalyModel) -> None:
    assert len(_forest(model).roots) == 20
    assert _forest(model).depths.max() == 8  # 2^8 rows a tree
    assert model.parameters == {"trees": 20, "rows_per_tree": 256, "seed": 20_260_101}
    assert model.training_rows == len(rows)
    feature = FEATURES[2]
    assert model.training_means[feature] == pytest.approx(rows[z_name(feature)].fillna(0.0).mean())


def test_too_few_rows_train_no_model(rows: pd.DataFrame) -> None:
    sample = rows[["source_row_id"]].assign(**dict.fromkeys(FEATURES, 0.0))
    assert fit_model(sample.head(19), settings(), CLAIM) is None
    assert fit_model(sample.head(20), settings(), CLAIM) is not None


def test_a_model_comes_back_from_disk_as_it_was(rows: pd.DataFrame, model: AnomalyModel, tmp_path: Path) -> None:
    model.save(tmp_path / "model")
    loaded = AnomalyModel.load(tmp_path / "model")
    values = rows[[z_name(f) for f in FEATURES]].fillna(0.0).to_numpy()
    assert np.array_equal(loaded.scorer.scores(values), model.scorer.scores(values))
    assert loaded.description == model.description
    assert (loaded.features, loaded.subject) == (FEATURES, CLAIM)


def test_no_row_is_in_what_is_saved(model: AnomalyModel, tmp_path: Path) -> None:
    model.save(tmp_path)
    saved = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
    assert b"R00" not in saved


def test_a_model_of_other_features_is_refused(model: AnomalyModel) -> None:
    model.check_features(FEATURES)
    for configured in (FEATURES[:-1], FEATURES[::-1], INVOICE_FEATURES):
        with pytest.raises(ConfigurationError, match="other features"):
            model.check_features(configured)


@pytest.mark.parametrize("damage", ["empty", "no arrays", "unknown kind", "other kind", "other arrays", "cut off"])
def test_what_is_no_model_is_refused_with_its_place(model: AnomalyModel, tmp_path: Path, damage: str) -> None:
    model.save(tmp_path)
    arrays, description = tmp_path / "scorer.npz", tmp_path / "model.json"
    if damage == "empty":
        arrays.unlink()
        description.unlink()
    elif damage == "no arrays":
        arrays.unlink()
    elif damage in ("unknown kind", "other kind"):
        kind = {"unknown kind": "oracle", "other kind": "lof"}[damage]
        description.write_text(json.dumps({**json.loads(description.read_text()), "kind": kind}))
    elif damage == "other arrays":
        np.savez(arrays, **{**model.scorer.arrays, "threshold": _forest(model).threshold + 1})
    else:
        content = arrays.read_bytes()
        arrays.write_bytes(content[: len(content) // 2])
    with pytest.raises(ConfigurationError, match="cannot be read") as refused:
        AnomalyModel.load(tmp_path)
    assert str(tmp_path) in str(refused.value)


def test_arrays_that_hold_python_objects_are_not_unpickled(model: AnomalyModel, tmp_path: Path) -> None:
    model.save(tmp_path)
    np.savez(tmp_path / "scorer.npz", **{**model.scorer.arrays, "threshold": np.array([object()])})
    with pytest.raises(ConfigurationError, match="allow_pickle=False"):
        AnomalyModel.load(tmp_path)
