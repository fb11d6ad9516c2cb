"""One training on reviewed findings: every detector side by side in MLflow, read by the notebook, and a re-ranker of
findings, its promotion, and the queue that it orders.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pandas as pd
import pytest
from nbclient import NotebookClient
from pyspark.sql import SparkSession
from sklearn.metrics import average_precision_score

from engine import pipeline
from engine.contracts.codes import Subject
from engine.models import SURPRISE
from engine.rules import explaining_rules
from engine.runs import RunOptions
from engine.settings import SHIPPED_DETECTORS, Settings
from tests.end_to_end.runs import AS_OF, FinishedRun, settings_in

pytestmark = pytest.mark.slow

MODEL = "finding-reranker"
PROJECT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def reviewed(
    spark: SparkSession, generated_run: FinishedRun, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Settings, list[str]]:
    """The shared run in an output folder of its own, its findings reviewed; and what training every detector said."""
    output, tables = tmp_path_factory.mktemp("reviewed"), tmp_path_factory.mktemp("reviews")
    shutil.copytree(generated_run.folder, output / generated_run.folder.name)
    shutil.copy(generated_run.folder.parent / "mlflow.db", output)  # the same anomaly models judge again
    decisions, outcomes = reviews_of(generated_run)
    decisions.to_parquet(tables / "decisions.parquet", index=False)
    outcomes.to_parquet(tables / "outcomes.parquet", index=False)
    settings = settings_in(generated_run.claims, output)
    given = {name: {"path": str(tables / f"{name}.parquet")} for name in ("decisions", "outcomes")}
    given |= settings.model_dump(include={"input"})["input"]["tables"]
    settings = settings_in(generated_run.claims, output, input={"root": str(generated_run.claims), "tables": given})
    said: list[str] = []
    options = RunOptions("train", known_unusual=str(generated_run.claims / "anomalies"))
    trained = pipeline.train(spark, settings, options, said.append, compare_detectors=True)
    assert len(trained) == 2 * len(SHIPPED_DETECTORS) + 1, said
    assert trained[-1] == f"{MODEL} version 1", said
    return settings, said


def are_valid(run: FinishedRun, found: pd.DataFrame) -> pd.Series:
    """Those of planted violations, but for what rests on the product file, which turned out to be outdated."""
    planted = set(pd.read_parquet(run.claims / "truth").source_row_id)
    by_product_file = found.rules.map(lambda hits: any(hit["rule_id"] in ("R025", "R027") for hit in hits))
    return found.source_row_id.isin(planted) & ~by_product_file


def reviews_of(run: FinishedRun) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Two of three findings drawn at random: DISPUTE where they are right, else DISMISS; 20 were answered."""
    found = run.findings().sort_values("finding_id", ignore_index=True)
    found["is_valid"] = are_valid(run, found)
    drawn = found[np.random.default_rng(5).random(len(found)) < 0.67]
    is_valid = drawn.is_valid
    decisions = pd.DataFrame(
        {
            "finding_id": drawn.finding_id,
            "decided_at": pd.Timestamp(AS_OF),
            "decided_by": "ann",
            "decision": np.where(is_valid, "DISPUTE", "DISMISS"),
            "selection": "RANDOM",
        }
    )
    gone = decisions.head(1).assign(finding_id="of a run that is gone")
    answered = drawn[is_valid].head(20)
    outcomes = pd.DataFrame(
        {
            "finding_id": [*answered.finding_id, None],
            "case_id": [*[None] * len(answered), "case 1"],
            "answered_on": pd.Timestamp(AS_OF).date(),
            "answer": [*["ACCEPTED", "PARTIAL", "NO_ANSWER", "REJECTED"] * 5, "ACCEPTED"],
        }
    )
    return pd.concat([decisions, gone]), outcomes


@pytest.fixture(scope="module")
def figures(reviewed: tuple[Settings, list[str]]) -> dict[str, dict[str, float]]:
    """Metrics of the training's runs in MLflow, by model."""
    import mlflow

    settings, _ = reviewed
    client = mlflow.MlflowClient(f"sqlite:///{settings.output.root}/mlflow.db")
    newest = {name: "1" if name == MODEL else "2" for name in (MODEL, settings.mlflow.invoices_model)}
    return {
        name: client.get_run(client.get_model_version(name, version).run_id).data.metrics
        for name, version in newest.items()
    }


def test_every_detector_is_measured_on_the_same_rows(reviewed: tuple[Settings, list[str]]) -> None:
    import mlflow

    settings, _ = reviewed
    mlflow.set_tracking_uri(f"sqlite:///{settings.output.root}/mlflow.db")
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
    # too few planted rows have a z-score to compare the detector that reads them
    by_surprises = runs[runs["params.inputs"] == SURPRISE]
    assert len(by_surprises) > 1
    assert by_surprises["metrics.against_champion_auprc"].notna().all()
    champion = mlflow.MlflowClient().get_model_version_by_alias("claim-anomalies", "champion")
    assert (int(champion.version), champion.tags["detector"]) == (1, "power_sum"), "a training replaces no champion"
    assert not [name for name in runs.columns if "dollar" in name]


def test_the_notebook_shows_them(reviewed: tuple[Settings, list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    output = reviewed[0].output.root
    monkeypatch.setenv("PYTHONPATH", str(PROJECT))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{output}/mlflow.db")
    notebook = nbformat.read(PROJECT / "notebooks" / "compare_models.ipynb", as_version=4)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": output}}).execute()
    shown = str([cell.outputs for cell in notebook.cells if cell.cell_type == "code"])
    assert all(detector in shown for detector in SHIPPED_DETECTORS)
    assert "FIRST" in shown


def test_what_training_says(reviewed: tuple[Settings, list[str]], figures: Any) -> None:
    _, said = reviewed
    told = "\n".join(said)
    assert "1 reviewed finding is in no published run" in told
    assert "1 outcome names a case and no finding" in told
    assert figures[MODEL]["random_valid"] > 50
    assert figures[MODEL]["random_not_valid"] > 50
    assert figures[MODEL]["gain_auprc_low"] > 0
    assert figures[MODEL]["brier"] < figures[MODEL]["settings_brier"]


def test_anomaly_models_are_measured_by_the_decisions_too(generated_run: FinishedRun, figures: Any) -> None:
    metrics = figures["invoice-anomalies"]
    decisions, _ = reviews_of(generated_run)
    decided = generated_run.findings().merge(decisions, on="finding_id")
    explaining = set(explaining_rules(Subject.INVOICE))  # lines that a rule explains are not what the model is for
    is_open = decided.rules.map(lambda hits: not explaining & {hit["rule_id"] for hit in hits})
    of_invoices = decided.anomaly_score.notna() & (decided.subject == "INVOICE")
    assert metrics["random_rows"] == (of_invoices & is_open).sum() > 0
    assert {"random_auprc", "random_gain_auprc", "random_gain_auprc_low", "random_rules_auprc"} <= set(metrics)


def test_once_promoted_it_orders_the_queue_and_hides_nothing(
    spark: SparkSession, reviewed: tuple[Settings, list[str]], generated_run: Any, run_job: Any
) -> None:
    from jobs.promote import promote

    settings, _ = reviewed
    before = generated_run.json("summary.json")["queue_order"]
    assert before == {"by": "settings", "version": None, "why": f"no version of {MODEL} is champion"}
    promoted = run_job(promote, "--output", settings.output.root, "--model", MODEL, "--by", "ann")
    assert promoted.status == 0, promoted.err
    assert "better than the settings" in promoted.out

    published = pipeline.detect(spark, settings, RunOptions("reranked"), lambda _: None)
    after = FinishedRun(Path(settings.output.root) / "reranked", generated_run.claims)
    assert after.json("summary.json")["queue_order"] == {"by": MODEL, "version": "1", "why": None}
    words = f"p(valid) by {MODEL} version 1, calibrated on"
    assert words in Path(published.report).read_text(encoding="utf-8")

    old, new = (run.findings().set_index("finding_id").sort_index() for run in (generated_run, after))
    assert old.index.equals(new.index)
    assert old.evidence.equals(new.evidence)
    assert not old.priority.equals(new.priority)
    is_strong = new.evidence == "STRONG"
    assert is_strong.any()
    assert (new.priority >= old.priority - 0.005)[is_strong].all(), "no STRONG finding is sunk"
    is_valid = are_valid(generated_run, new)
    before, after = (average_precision_score(is_valid, run.priority) for run in (old, new))
    assert after > before
