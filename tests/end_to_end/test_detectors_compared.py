"""`train --compare`: every detector on the same rows, side by side in MLflow, read by the notebook; then promotion."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from pyspark.sql import SparkSession

from engine import pipeline
from engine.runs import RunOptions
from engine.settings import SHIPPED_DETECTORS
from tests.end_to_end.runs import settings_in

PROJECT = Path(__file__).parents[2]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def compared(spark: SparkSession, generated_claims: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    output = tmp_path_factory.mktemp("compared")
    settings = settings_in(generated_claims, output)
    options = RunOptions("compared", known_unusual=str(generated_claims / "anomalies"))
    return output, pipeline.train(spark, settings, options, lambda _: None, compare_detectors=True)


def test_every_detector_is_measured_on_the_same_rows(compared: Any) -> None:
    import mlflow

    output, trained = compared
    assert len(trained) == 2 * len(SHIPPED_DETECTORS)
    mlflow.set_tracking_uri(f"sqlite:///{output}/mlflow.db")
    runs = mlflow.search_runs(experiment_names=["claim-anomalies detectors"])
    assert runs["tags.mlflow.note.content"].str.startswith("# ").all(), "every run has a description"
    [parent] = runs.loc[runs["tags.job"] == "compare", "run_id"]
    runs = runs[runs["tags.job"] == "train"]
    assert set(runs["tags.mlflow.parentRunId"]) == {parent}
    artifacts = mlflow.MlflowClient().list_artifacts(parent)
    assert {file.path for file in artifacts} == {"detectors.html", "detectors.png"}
    assert set(runs["tags.detector"]) == set(SHIPPED_DETECTORS)
    # more rows have a surprise than a z-score
    for same in ("metrics.rows_scored", "metrics.planted_rows", "metrics.rules_auprc", "metrics.feature_auprc"):
        assert runs.groupby("params.inputs")[same].nunique().max() == 1, same
    assert runs[["metrics.gain_auprc", "metrics.gain_auprc_low", "metrics.gain_auprc_high"]].notna().all().all()
    champion = mlflow.MlflowClient().get_model_version_by_alias("claim-anomalies", "champion")
    assert champion.tags["detector"] == "power_sum"
    assert not [name for name in runs.columns if "dollar" in name]


def test_the_notebook_shows_them(compared: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    output, _ = compared
    monkeypatch.setenv("PYTHONPATH", str(PROJECT))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{output}/mlflow.db")
    notebook = nbformat.read(PROJECT / "notebooks" / "compare_models.ipynb", as_version=4)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(output)}}).execute()
    shown = str([cell.outputs for cell in notebook.cells if cell.cell_type == "code"])
    assert all(detector in shown for detector in SHIPPED_DETECTORS)
    assert "FIRST" in shown
