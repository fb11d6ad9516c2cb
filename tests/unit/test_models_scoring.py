"""Scores and reasons on Spark, against scikit-learn and plain Python."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import Row, SparkSession
from sklearn.ensemble import IsolationForest

from engine.contracts.codes import Subject
from engine.contracts.facts import INVOICE_FEATURES, z_name
from engine.contracts.findings import FEATURE_REASON
from engine.errors import ConfigurationError
from engine.models.anomaly_model import AnomalyModel, fit_model
from engine.models.explanation import explain
from engine.models.scoring import anomaly_scores
from engine.settings import ClaimModelSettings, InvoiceModelSettings, IsolationForestSettings, ModelSettings
from tests.unit.models_rows import FEATURES, as_spark, claim_rows

CLAIM = Subject.REBATE_CLAIM
SETTINGS = ModelSettings(
    claims=ClaimModelSettings(detector="isolation_forest"),
    invoices=InvoiceModelSettings(detector="isolation_forest"),
    detectors={"isolation_forest": IsolationForestSettings(inputs="z", trees=30)},
    batch_rows=250,  # several slices per Arrow batch
)


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    return claim_rows(1_500)


@pytest.fixture(scope="module")
def model(rows: pd.DataFrame) -> AnomalyModel:
    return fitted(rows, FEATURES, CLAIM)


def fitted(rows: pd.DataFrame, features: tuple[str, ...], subject: Subject) -> AnomalyModel:
    sample = rows[["source_row_id"]].assign(**{f: rows[z_name(f)].fillna(0.0) for f in features})
    model = fit_model(sample, SETTINGS, subject)
    assert model is not None
    return model


def matrix(rows: pd.DataFrame, features: tuple[str, ...] = FEATURES) -> np.ndarray:
    return rows[[z_name(f) for f in features]].fillna(0.0).to_numpy()


def by_scikit_learn(training: np.ndarray, scored: np.ndarray) -> np.ndarray:
    parameters = SETTINGS.detectors["isolation_forest"]
    forest = IsolationForest(n_estimators=parameters.trees, max_samples=256, random_state=parameters.seed)
    return -forest.fit(training).score_samples(scored)


def test_scores_on_executors_are_scikit_learns_under_any_partitioning(
    spark: SparkSession, rows: pd.DataFrame, model: AnomalyModel
) -> None:
    expected = pd.Series(by_scikit_learn(matrix(rows), matrix(rows)), rows["source_row_id"]).iloc[:-1]
    collected = {}
    for partitions, seed in ((1, None), (7, 3)):
        scored = anomaly_scores(as_spark(spark, rows, partitions, seed), model, SETTINGS, CLAIM)
        collected[partitions] = scored.toPandas().sort_values("source_row_id", ignore_index=True)
    assert collected[1].equals(collected[7])
    assert collected[1]["source_row_id"].tolist() == expected.index.tolist()
    assert np.abs(collected[1]["anomaly_score"].to_numpy() - expected.to_numpy()).max() <= 1e-12


def test_suppressed_invoices_are_not_scored(spark: SparkSession) -> None:
    generator = np.random.default_rng(1)
    invoices = pd.DataFrame(
        {"source_row_id": [f"I{n:03d}" for n in range(300)], "ndc9": "000020001", "program": "MDRP_FFS"}
    )
    invoices["drug_category"] = None
    invoices["suppressed"] = invoices.index % 3 == 0
    for feature in INVOICE_FEATURES:
        invoices[z_name(feature)] = generator.normal(size=300)
    model = fitted(invoices, INVOICE_FEATURES, Subject.INVOICE)
    scored = anomaly_scores(as_spark(spark, invoices), model, SETTINGS, Subject.INVOICE).toPandas()
    given = invoices[~invoices["suppressed"]]
    expected = dict(
        zip(
            given["source_row_id"],
            by_scikit_learn(matrix(invoices, INVOICE_FEATURES), matrix(given, INVOICE_FEATURES)),
            strict=True,
        )
    )
    assert dict(zip(scored["source_row_id"], scored["anomaly_score"], strict=True)) == pytest.approx(
        expected, abs=1e-12
    )


def test_a_model_of_other_features_scores_nothing(spark: SparkSession, rows: pd.DataFrame, model: AnomalyModel) -> None:
    with pytest.raises(ConfigurationError, match="other features"):
        anomaly_scores(as_spark(spark, rows.head(5)), model, SETTINGS, Subject.INVOICE)


def test_an_empty_feed_gives_no_scores(spark: SparkSession, rows: pd.DataFrame, model: AnomalyModel) -> None:
    empty = as_spark(spark, rows.head(5)).where("false")
    assert anomaly_scores(empty, model, SETTINGS, CLAIM).count() == 0


@pytest.fixture(scope="module")
def explained(
    spark: SparkSession, rows: pd.DataFrame, model: AnomalyModel
) -> tuple[pd.DataFrame, dict[int, dict[str, list[Row]]], set[str]]:
    flagged = rows.head(60).copy()
    flagged.loc[0, z_name(FEATURES[2])], flagged.loc[0, FEATURES[2]] = 9.5, 4711.0
    # an extreme z-score without a value, and a value without a z-score: neither can be told to anybody
    flagged.loc[1, z_name(FEATURES[3])], flagged.loc[1, FEATURES[3]] = 9.5, np.nan
    flagged.loc[2, z_name(FEATURES[4])], flagged.loc[2, FEATURES[4]] = np.nan, 4711.0
    flagged.loc[3, [z_name(f) for f in FEATURES]] = np.nan
    flagged.loc[3, z_name(FEATURES[0])] = 0.0
    known = [FEATURES[2], FEATURES[5]]
    peers = [
        ("0000200000" + "1", "MDRP_FFS", 120, *(29.0, 31.0) * 2),
        ("0000200000" + "1", "PARTD", 45, *(29.5, 31.5) * 2),
    ]
    ranges = spark.createDataFrame(
        peers,
        "ndc11 string, program string, peers bigint, " + ", ".join(f"{f}_low double, {f}_high double" for f in known),
    )
    reasons = {
        partitions: {
            row.source_row_id: row.reasons
            for row in explain(as_spark(spark, flagged, partitions, seed), model, ranges, SETTINGS).collect()
        }
        for partitions, seed in ((1, None), (7, 2))
    }
    return flagged, reasons, set(known)


def test_reasons_are_the_strongest_contributions_of_values_outside_the_peers_range(
    explained: tuple[pd.DataFrame, dict[int, dict[str, list[Row]]], set[str]], model: AnomalyModel
) -> None:
    flagged, reasons, known = explained
    assert reasons[1] == reasons[7]
    assert set(reasons[1]) == set(flagged["source_row_id"])
    contributions = model.scorer.contributions(matrix(flagged))
    assert {len(found) for found in reasons[1].values()} >= {0, 1, 2}
    for place, row in flagged.reset_index(drop=True).iterrows():
        has_peers = row["ndc11"] == "00002000001"
        low = {"MDRP_FFS": 29.0, "PARTD": 29.5}[row["program"]]
        in_range = {feature for feature in FEATURES if low <= row[feature] <= low + 2}
        expected = sorted(
            (
                (-contribution, order, feature)
                for order, (feature, contribution) in enumerate(zip(FEATURES, contributions[place], strict=True))
                if contribution > 0 and not np.isnan(row[feature]) and not np.isnan(row[z_name(feature)])
                if has_peers and feature in known - in_range
            )
        )[:3]
        found = reasons[1][row["source_row_id"]]
        assert [(-r.contribution, r.feature) for r in found] == [(c, feature) for c, _, feature in expected]
        assert [r.value for r in found] == [row[feature] for _, _, feature in expected]
        for reason in found:
            assert reason.peers == {"MDRP_FFS": 120, "PARTD": 45}[row["program"]]
            assert (reason.typical_low, reason.typical_high) == (low, low + 2)


def test_the_feature_that_is_far_off_comes_first(
    explained: tuple[pd.DataFrame, dict[int, dict[str, list[Row]]], set[str]],
) -> None:
    _, reasons, _ = explained
    first = reasons[1]["R000000"][0]
    assert (first.feature, first.value) == (FEATURES[2], 4711.0)
    assert FEATURES[3] not in {reason.feature for reason in reasons[1]["R000001"]}
    assert FEATURES[4] not in {reason.feature for reason in reasons[1]["R000002"]}


def test_reasons_have_the_type_of_findings(spark: SparkSession, rows: pd.DataFrame, model: AnomalyModel) -> None:
    peers = spark.createDataFrame([], "ndc11 string, program string, peers bigint")
    reasons = explain(as_spark(spark, rows.head(1)), model, peers, SETTINGS)
    kind: Any = reasons.schema["reasons"].dataType
    assert kind.elementType.simpleString() == FEATURE_REASON.simpleString()
