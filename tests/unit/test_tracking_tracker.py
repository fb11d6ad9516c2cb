"""Runs, versions and aliases in a real MLflow store: a sqlite file in a temporary folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from engine.contracts.codes import Subject
from engine.contracts.facts import CLAIM_FEATURES, CLAIM_MEASURES
from engine.errors import ConfigurationError, OutputError
from engine.models.anomaly_model import AnomalyModel, fit_model
from engine.models.figures import score_distribution
from engine.settings import ClaimModelSettings, IsolationForestSettings, MlflowSettings, ModelSettings
from engine.tracking import Tracker, mlflow_access
from engine.tracking.mlflow_access import retried, within

pytestmark = pytest.mark.slow

NAME = "claim-anomalies"
TAGS = {"data_fingerprint": "4f2a", "config_hash": "b1c0", "code_version": "0.1.0"}


def saved_model(folder: Path, seed: int = 1) -> tuple[AnomalyModel, Path]:
    values = np.random.default_rng(seed).normal(size=(400, len(CLAIM_FEATURES)))
    sample = pd.DataFrame(values, columns=list(CLAIM_FEATURES)).assign(source_row_id=[f"R{n}" for n in range(400)])
    settings = ModelSettings(
        claims=ClaimModelSettings(detector="isolation_forest"),
        detectors={"isolation_forest": IsolationForestSettings(inputs="z", trees=10, seed=seed)},
    )
    model = fit_model(sample, settings, Subject.REBATE_CLAIM)
    assert model is not None
    model.save(folder)
    return model, folder


def log(tracker: Tracker, folder: Path, **changes: Any) -> str | None:
    arguments: dict[str, Any] = {
        "model_folder": folder,
        "model_name": NAME,
        "run_name": "train 2026-01-31",
        "parameters": {"trees": 10, "features": ", ".join(CLAIM_FEATURES)},
        "metrics": {"auprc_gain": 0.25, "undefined": float("nan")},
        "figures": {"score_distribution": score_distribution(np.array([0.4, 0.5]), None)},
        "tags": TAGS,
    }
    return tracker.log_training(**{**arguments, **changes})


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, ...]:
    """A store in a folder with a blank in its name, with two versions of one model."""
    root = tmp_path_factory.mktemp("tracking") / "my output"
    tracker = Tracker(MlflowSettings(), str(root))
    before = tracker.fetch(NAME)
    models = [saved_model(root.parent / f"model-{seed}", seed) for seed in (1, 2)]
    versions = [log(tracker, folder) for _, folder in models]
    return tracker, root, before, models, versions


@pytest.fixture(scope="module")
def client(world: tuple[Any, ...]) -> Any:
    import mlflow

    tracker, *_ = world
    return mlflow.MlflowClient(tracker.tracking_uri, tracker.registry_uri)


def test_an_empty_store_has_no_model(world: tuple[Any, ...]) -> None:
    _, _, before, _, _ = world
    assert before is None


def test_the_first_version_becomes_champion_and_a_later_one_does_not_by_itself(
    world: tuple[Any, ...], client: Any
) -> None:
    _, _, _, _, versions = world
    assert versions == ["1", "2"]
    aliases = client.get_registered_model(NAME).aliases
    assert {alias: str(version) for alias, version in aliases.items()} == {"champion": "1"}


def test_a_fetched_version_is_the_model_that_was_logged(world: tuple[Any, ...]) -> None:
    tracker, _, _, models, _ = world
    for fetched, (model, _) in ((tracker.fetch(NAME), models[0]), (tracker.fetch(NAME, version="2"), models[1])):
        assert AnomalyModel.load(fetched.folder).scorer.digest == model.scorer.digest
    assert (tracker.fetch(NAME).name, tracker.fetch(NAME).version) == (NAME, "1")


def test_a_registered_version_is_known_by_its_files_and_the_run_that_trained_it(
    world: tuple[Any, ...], tmp_path: Path
) -> None:
    tracker, *_ = world
    first, second = tracker.registered(NAME), tracker.registered(NAME, "2")
    assert (first.version, second.version) == ("1", "2")
    assert first.origin.startswith("1, files ")
    assert first.origin[1:] != second.origin[1:]
    assert first.trained_by is None
    assert tracker.registered(NAME, "9") is tracker.registered("nobody's") is None
    apart = Tracker(MlflowSettings(), str(tmp_path))
    _, folder = saved_model(tmp_path / "model")
    log(apart, folder, tags={**TAGS, "run_id": "r1"})
    assert apart.registered(NAME).trained_by == "r1"


@pytest.mark.parametrize(
    "wanted", [{"version": "9"}, {"version": "one"}, {"alias": "challenger"}, {"model_name": "invoice-anomalies"}]
)
def test_what_is_not_there_is_none(world: tuple[Any, ...], wanted: dict[str, str]) -> None:
    tracker, *_ = world
    assert tracker.fetch(**{"model_name": NAME, **wanted}) is None


def test_mlflow_loads_the_model_and_gives_the_anomaly_scores(world: tuple[Any, ...]) -> None:
    import mlflow

    tracker, _, _, models, _ = world
    mlflow.set_tracking_uri(tracker.tracking_uri)
    mlflow.set_registry_uri(tracker.registry_uri)
    loaded = mlflow.pyfunc.load_model(f"models:/{NAME}@champion")
    rows = np.random.default_rng(5).normal(size=(50, len(CLAIM_FEATURES)))
    frame = pd.DataFrame(rows, columns=[f"{feature}_z" for feature in CLAIM_FEATURES])
    frame.iloc[0, 0] = np.nan
    rows[0, 0] = 0.0
    predicted = loaded.predict(frame)
    assert np.abs(predicted["anomaly_score"].to_numpy() - models[0][0].scorer.scores(rows)).max() <= 1e-12


def test_a_registered_model_scores_a_pandas_frame_in_three_lines(world: tuple[Any, ...]) -> None:
    """The example of docs/models.md: surprises of claims, of which further columns do not matter."""
    import mlflow

    tracker, root, *_ = world
    sample = pd.DataFrame({name: [0.0, 1.0] * 150 for name in CLAIM_MEASURES}).assign(source_row_id="")
    model = fit_model(sample, ModelSettings(), Subject.REBATE_CLAIM)
    model.save(root.parent / "power sum")
    log(tracker, root.parent / "power sum", model_name="surprising-claims")
    store, name = tracker.tracking_uri, "surprising-claims"
    claims = pd.DataFrame({f"{measure}_surprise": [0.0, None, 3.0] for measure in CLAIM_MEASURES})
    claims.insert(0, "claim", ["usual", "unknown", "unusual"])
    claims.loc[2, "paid_per_unit_surprise"] = 8.0

    mlflow.set_tracking_uri(store)
    model = mlflow.pyfunc.load_model(f"models:/{name}@champion")
    scores = model.predict(claims)["anomaly_score"]

    # the norm: of four measures at 3 and one at 8
    assert scores.tolist() == pytest.approx([0.0, 0.0, (4 * 3**2 + 8**2) ** 0.5])
    with pytest.raises(
        ValueError, match="has no column paid_per_unit_surprise; the model reads units_per_prescription_s"
    ):
        model.predict(claims.drop(columns="paid_per_unit_surprise"))


def test_the_served_model_needs_nothing_of_the_engine(world: tuple[Any, ...], tmp_path: Path) -> None:
    """Another machine has what the requirements say, and not this code."""
    tracker, *_ = world
    folder = tracker.fetch(NAME).folder.parents[1]
    script = (
        "import sys, mlflow, pandas\n"
        "model = mlflow.pyfunc.load_model(sys.argv[1])\n"
        "names = model.metadata.get_input_schema().input_names()\n"
        "score = model.predict(pandas.DataFrame({n: [0.0] for n in names}))['anomaly_score'][0]\n"
        "assert 0 < score < 1, score\n"
        "assert not [n for n in sys.modules if n.split('.')[0] == 'engine']\n"
    )
    subprocess.run(
        [sys.executable, "-I", "-c", script, str(folder)], cwd=tmp_path, check=True, timeout=120, capture_output=True
    )


@pytest.mark.usefixtures("world")
def test_run_and_version_carry_what_was_learned_from_what(client: Any) -> None:
    version = client.get_model_version(NAME, "1")
    run = client.get_run(version.run_id)
    assert run.info.run_name == "train 2026-01-31"
    assert run.info.status == "FINISHED"
    assert run.data.metrics == {"auprc_gain": 0.25}
    assert run.data.params["trees"] == "10"
    assert version.tags == TAGS
    assert {**TAGS, "job": "train", "model_name": NAME}.items() <= run.data.tags.items()
    assert [file.path for file in client.list_artifacts(run.info.run_id, "plots")] == ["plots/score_distribution.png"]


def test_the_signature_names_the_inputs(world: tuple[Any, ...]) -> None:
    import mlflow

    tracker, *_ = world
    logged = mlflow.models.Model.load(str(tracker.fetch(NAME).folder.parents[1] / "MLmodel"))
    assert logged.signature.inputs.input_names() == [f"{feature}_z" for feature in CLAIM_FEATURES]
    assert logged.signature.outputs.input_names() == ["anomaly_score"]


def test_nothing_is_stored_outside_the_output_folder(world: tuple[Any, ...]) -> None:
    _, root, *_ = world
    assert {path.name for path in root.iterdir()} == {"mlflow.db", "mlartifacts"}
    assert not [name for name in ("mlruns", "mlflow.db", "mlartifacts") if Path(name).exists()]


def test_a_detection_names_the_model_that_judged(world: tuple[Any, ...], client: Any) -> None:
    tracker, *_ = world
    run_id = tracker.log_detection("detect R1", {"findings": 12}, {"claims_model_version": f"{NAME}/1"})
    run = client.get_run(run_id)
    assert (run.info.run_name, run.info.status) == ("detect R1", "FINISHED")
    assert run.data.metrics == {"findings": 12.0}
    assert run.data.tags["claims_model_version"] == f"{NAME}/1"


def test_a_comparison_is_the_parent_of_what_it_compares(world: tuple[Any, ...], client: Any) -> None:
    tracker, _, _, models, _ = world
    name, experiment = "compared-anomalies", "compared-anomalies detectors"
    for _, folder in models:
        log(tracker, folder, model_name=name, experiment=experiment, description="# A card")
    run_id = tracker.log_comparison(
        model_name=name,
        run_name="comparison R1",
        experiment=experiment,
        tags=TAGS,
        against={"1": {"2": (0.1, 0.05, 0.15)}, "2": {"1": (-0.1, -0.15, -0.05)}},
        table="<table></table>",
        figure=score_distribution(np.array([0.4, 0.5]), None),
        description="# Which is better",
    )
    parent = client.get_run(run_id)
    assert (parent.info.run_name, parent.info.status) == ("comparison R1", "FINISHED")
    assert parent.data.tags["mlflow.note.content"] == "# Which is better"
    assert {file.path for file in client.list_artifacts(run_id)} == {"detectors.html", "detectors.png"}
    for version, differences in (("1", {"2": [0.1, 0.05, 0.15]}), ("2", {"1": [-0.1, -0.15, -0.05]})):
        registered = client.get_model_version(name, version)
        child = client.get_run(registered.run_id).data.tags
        assert child["mlflow.parentRunId"] == run_id
        assert child["mlflow.note.content"] == registered.description == "# A card"
        assert json.loads(registered.tags["auprc_less_that_of"]) == differences
    # MLflow's pages open such an experiment as one of model training, with what to look at
    opened = client.get_experiment_by_name(experiment)
    assert opened.tags["mlflow.experimentKind"] == "custom_model_development"
    assert "against_champion_auprc" in opened.tags["mlflow.note.content"]


def test_a_version_can_be_made_champion_at_once(world: tuple[Any, ...]) -> None:
    tracker, root, _, _, _ = world
    _, folder = saved_model(root.parent / "model-3", 3)
    for set_alias, champion in ((False, "1"), (True, "2")):
        log(tracker, folder, model_name="other-anomalies", set_alias=set_alias)
        assert tracker.fetch("other-anomalies").version == champion


@pytest.mark.parametrize(
    ("name", "alias"),
    [
        ("failing/name", "champion"),  # refused as a model's name
        ("failing-alias", "latest"),  # reserved by MLflow: fails when the version is there already
        (NAME, "latest"),
    ],
)
def test_where_logging_fails_no_version_stays_behind(
    world: tuple[Any, ...], client: Any, name: str, alias: str
) -> None:
    _, root, _, models, _ = world
    tracker = Tracker(MlflowSettings(alias=alias, experiment=f"failing {name}"), str(root))
    with pytest.raises(ConfigurationError, match="cannot log the training"):
        log(tracker, models[0][1], model_name=name)
    versions = {(v.name, str(v.version)) for v in client.search_model_versions()}
    assert not [v for v in versions if v[0].startswith("failing")]
    assert (NAME, "3") not in versions
    assert name == NAME or name not in {m.name for m in client.search_registered_models()}
    experiment = client.get_experiment_by_name(f"failing {name}").experiment_id
    assert [run.info.status for run in client.search_runs([experiment])] == ["FAILED"]
    assert client.search_logged_models([experiment]) == []


def test_a_folder_that_is_no_model_is_not_registered(world: tuple[Any, ...], client: Any, tmp_path: Path) -> None:
    tracker, *_ = world
    _, folder = saved_model(tmp_path / "broken")
    (folder / "model.json").write_text(json.dumps({"detector": "x"}))
    with pytest.raises(KeyError, match="inputs"):
        log(tracker, folder, model_name="broken-anomalies")
    assert "broken-anomalies" not in {m.name for m in client.search_registered_models()}


@pytest.mark.parametrize("root", ["hdfs://cluster/output", "abfss://box@account.dfs.core.windows.net/out"])
def test_without_a_local_output_folder_a_store_must_be_named(root: str) -> None:
    with pytest.raises(ConfigurationError, match=r"mlflow\.tracking_uri"):
        Tracker(MlflowSettings(), root)
    assert Tracker(MlflowSettings(tracking_uri="http://mlflow:5000"), root).tracking_uri == "http://mlflow:5000"


def test_the_default_store_is_in_the_output_folder_however_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    expected = f"sqlite:///{tmp_path / 'my out' / 'mlflow.db'}"
    for root in ("my out", str(tmp_path / "my out"), (tmp_path / "my out").as_uri(), f"file:{tmp_path}/my%20out"):
        assert Tracker(MlflowSettings(), root).tracking_uri == expected


def test_an_output_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="MLflow store"):
        Tracker(MlflowSettings(), str(tmp_path / "file" / "output")).fetch(NAME)


def test_a_server_that_does_not_answer_is_reported_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    tracker = Tracker(MlflowSettings(tracking_uri="http://user:hush@127.0.0.1:9"), "hdfs://cluster/output")
    with pytest.raises(ConfigurationError, match=r"127\.0\.0\.1:9") as refused:
        tracker.fetch(NAME)
    assert "hush" not in str(refused.value)


QUIET = """
import logging, sys
from pathlib import Path
import engine.tracking
assert "mlflow" not in sys.modules, "imported too early"
root = logging.getLogger()
before = (list(root.handlers), root.level)
from engine.settings import MlflowSettings
tracker = engine.tracking.Tracker(MlflowSettings(), sys.argv[1])
tracker.log_training(model_folder=Path(sys.argv[2]), model_name="m", run_name="r", parameters={}, metrics={},
                     figures={}, tags={})
tracker.fetch("m")
assert (list(root.handlers), root.level) == before, "the root logger was reconfigured"
"""


def test_nothing_is_said_on_the_terminal_and_the_root_logger_stays(tmp_path: Path) -> None:
    _, folder = saved_model(tmp_path / "model")
    done = subprocess.run(
        [sys.executable, "-c", QUIET, str(tmp_path / "output"), str(folder)],
        env={name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
        | {"PYTHONPATH": str(Path(__file__).resolve().parents[2])},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


BOTH = """
import sys
from engine.settings import MlflowSettings
from engine.tracking import Tracker
tracker = Tracker(MlflowSettings(), sys.argv[1])
tracker.check()
tracker.log_detection("r", {"findings": 1.0}, {})
"""


def test_two_processes_create_one_store_at_once(tmp_path: Path) -> None:
    started = [
        subprocess.Popen(
            [sys.executable, "-c", BOTH, str(tmp_path / "output")],
            env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])},
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    errors = [process.communicate(timeout=200)[1] for process in started]
    assert [process.returncode for process in started] == [0, 0], errors


@pytest.mark.parametrize(
    "uri",
    [
        "http://user:hush-Hush@127.0.0.1:9",
        "postgresql://user:hush-Hush@127.0.0.1:9/db",
        "postgresql://user:hush-Hush@b/x@127.0.0.1:9/db",
        "http://user:hush-Hush@host:port",
        "nosuch://user:hush-Hush@h",
    ],
)
def test_a_store_that_cannot_be_used_is_reported_without_its_password(
    monkeypatch: pytest.MonkeyPatch, uri: str
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(ConfigurationError, match="the MLflow store cannot be used") as refused:
        Tracker(MlflowSettings(tracking_uri=uri), "hdfs://cluster/output").check()
    assert "hush-Hush" not in str(refused.value)


def test_a_store_that_is_no_database_is_reported(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_bytes(b"x" * 5000)
    with pytest.raises(ConfigurationError, match="not a database"):
        Tracker(MlflowSettings(), str(tmp_path)).check()


def test_a_store_that_does_not_answer_is_given_up() -> None:
    with pytest.raises(ConfigurationError, match="no answer within 0 seconds"):
        within(0.1, "what", "http://h", lambda: time.sleep(3))


def test_what_another_process_creates_meanwhile_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mlflow_access, "_WAIT", 0.0)
    calls = []

    def create() -> None:
        calls.append(1)
        if len(calls) < 3:
            raise RuntimeError("table experiments already exists")

    def fail() -> None:
        raise RuntimeError("other")

    retried(create)
    assert len(calls) == 3
    with pytest.raises(RuntimeError, match="other"):
        retried(fail)


def test_a_model_whose_files_were_changed_is_refused_by_file(tmp_path: Path) -> None:
    tracker = Tracker(MlflowSettings(), str(tmp_path / "output"))
    _, folder = saved_model(tmp_path / "model")
    (folder / "calibration.npz").write_bytes(b"as registered")
    log(tracker, folder, model_name="m", metrics={"auprc": 0.5, "dollars_at_capacity": 9.0})
    stored = tracker.fetch("m").folder
    with tracker.connected("look") as client:
        (run,) = client.search_runs([client.get_experiment_by_name(MlflowSettings().experiment).experiment_id])
    assert run.data.metrics == {"auprc": 0.5}
    (stored / "calibration.npz").write_bytes(b"scores x 0.9")
    (stored / "scorers" / "more.py").write_text("")
    (stored / "scorers" / "__pycache__").mkdir()
    (stored / "scorers" / "__pycache__" / "base.pyc").write_bytes(b"")
    with pytest.raises(ConfigurationError, match=r"calibration\.npz \(changed\), scorers/more\.py \(added\)"):
        tracker.fetch("m")
    (stored / "calibration.npz").unlink()
    with pytest.raises(ConfigurationError, match=r"calibration\.npz \(missing\)"):
        tracker.fetch("m")
    description = stored.parents[1] / "MLmodel"
    for damaged in (
        "a: [",
        "a: !!python/object/apply:os.system ['true']",
        "flavors: {}",
        "flavors: {python_function: {artifacts: {detector: {path: ../../../etc}}}}",
        "",
    ):
        description.write_text(damaged)
        with pytest.raises(ConfigurationError, match="description of m version 1 cannot be read"):
            tracker.fetch("m")


def test_without_a_model_folder_metrics_are_logged_and_nothing_is_registered(tmp_path: Path) -> None:
    tracker = Tracker(MlflowSettings(), str(tmp_path / "output"))
    assert log(tracker, None, model_name="neighbours") is None
    assert not tracker.has_version("neighbours", "1")
    assert list((tmp_path / "output" / "mlartifacts").rglob("*.npz")) == []
