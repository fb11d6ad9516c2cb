"""A run that is killed, ended by a signal, or started twice: nothing is lost, and --resume finishes it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from engine.contracts.codes import Subject
from engine.contracts.facts import INVOICE_FEATURES
from engine.models import Calibration, fit_model
from engine.settings import IsolationForestSettings, MlflowSettings, ModelSettings
from engine.tracking import Tracker
from jobs.detect import detect
from tests.end_to_end.runs import INVOICE

pytestmark = pytest.mark.slow

PROJECT = Path(__file__).resolve().parents[2]
SECONDS = 300
INVOICES_MODEL = MlflowSettings().invoices_model


@pytest.fixture
def words(tmp_path: Path) -> Any:
    (tmp_path / "in").mkdir()
    pd.DataFrame([INVOICE, {**INVOICE, "state": "AL"}]).to_csv(tmp_path / "in" / "invoices.csv", index=False)
    places = ["--input", tmp_path / "in", "--output", tmp_path / "out", "--run-id", "r", "--as-of", "2026-09-30"]
    return [*map(str, places), "--set", "spark.conf={spark.sql.shuffle.partitions: 2, spark.ui.enabled: false}"]


@pytest.fixture
def started(tmp_path: Path, words: Any) -> Iterator[Any]:
    """Starts `detect` as a process of its own, stopped as soon as it has written a result: engines differ in speed."""
    processes = []

    def holds_lease(process: subprocess.Popen[str]) -> bool:
        lease = tmp_path / "out" / ".r.work" / "_lease.json"
        return lease.exists() and f'"pid": {process.pid},' in lease.read_text()

    def start(result: str, *options: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "jobs.detect", *words, *options],
            cwd=PROJECT,
            env={**os.environ, "ENGINE_LOGS": str(tmp_path / "logs"), "SPARK_LOCAL_DIRS": str(tmp_path / "scratch")},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        processes.append(process)
        deadline = time.monotonic() + SECONDS
        written = tmp_path / "out" / ".r.work" / result / "_manifest.json"
        while not (holds_lease(process) and written.exists()):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline, f"no {result}"
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGSTOP)
        return process

    yield start
    for process in processes:
        with process:  # which closes its pipes and waits
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.both_engines
def test_a_run_killed_resumed_ended_by_sigterm_and_resumed(
    started: Any, words: Any, run_job: Any, tmp_path: Path
) -> None:
    work = tmp_path / "out" / ".r.work"
    first = started("conformed/invoices")
    lease = (work / "_lease.json").read_bytes()
    for options in ([], ["--resume"], ["--overwrite"]):
        refused = run_job(detect, *words, *options)
        assert refused.status == 2
        assert "is running" in refused.err
        assert f"process {first.pid}" in refused.err
    assert first.poll() is None
    assert json.loads((work / "_lease.json").read_bytes())["token"] == json.loads(lease)["token"]

    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    refused = run_job(detect, *words)
    assert refused.status == 2
    for part in ("interrupted run", str(work), "--resume", "--overwrite"):
        assert part in refused.err
    conformed = (work / "conformed" / "invoices" / "_manifest.json").read_bytes()

    second = started("facts/invoices", "--resume")
    second.send_signal(signal.SIGTERM)
    os.killpg(second.pid, signal.SIGCONT)
    out, err = second.communicate(timeout=SECONDS)
    assert second.returncode == 143, out + err
    for part in ("interrupted by SIGTERM", str(work), "--resume --run-id r"):
        assert part in err
    assert "Traceback" not in out + err
    assert not (work / "_lease.json").exists()
    assert (work / "conformed" / "invoices" / "_manifest.json").read_bytes() == conformed
    assert not (tmp_path / "out" / "r").exists()

    finished = run_job(detect, *words, "--resume")
    assert finished.status == 0, finished
    assert {path.name for path in (tmp_path / "out").iterdir() if path.is_dir()} - {"mlartifacts"} == {"r"}
    ledger = json.loads((tmp_path / "out" / "r" / "ledger.json").read_text())
    assert ledger["invoices"][0]["rows_in"] == 2


@pytest.mark.both_engines
def test_damage_to_the_work_folder_is_reported_as_such_and_computed_again_on_resume(
    words: Any, run_job: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from engine import facts

    work = tmp_path / "out" / ".r.work"
    real = facts.invoice_facts

    def damaged(*tables: Any) -> Any:
        (part,) = (work / "conformed" / "invoices").glob("*.parquet")
        part.write_bytes(part.read_bytes()[:100])
        return real(*tables)

    with monkeypatch.context() as broken:
        broken.setattr(facts, "invoice_facts", damaged)
        ended = run_job(detect, *words)
    assert ended.status == 2
    for part in ("work folder was changed or removed", str(work), "--resume --run-id r"):
        assert part in ended.err
    assert "sender" not in ended.err
    assert (work / "netting" / "invoices" / "_SUCCESS").exists()
    finished = run_job(detect, *words, "--resume")
    assert finished.status == 0, finished
    ledger = json.loads((tmp_path / "out" / "r" / "ledger.json").read_text())
    assert [step["rows_in"] for step in ledger["invoices"] if step["step"] == "facts"] == [2]


def test_a_run_is_resumed_with_the_model_version_that_it_began_with(
    started: Any, words: Any, run_job: Any, tmp_path: Path
) -> None:
    """The alias moves while the run is interrupted: the old p-values must not stand under the new version's name."""
    import mlflow

    tracker = Tracker(MlflowSettings(), str(tmp_path / "out"))
    versions = [registered_model(tracker, tmp_path / f"model-{seed}", seed) for seed in (1, 2)]
    assert versions == ["1", "2"]
    first = started("facts/invoices")
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    manifest = tmp_path / "out" / ".r.work" / "conformed" / "invoices" / "_manifest.json"
    kept = manifest.read_bytes()
    mlflow.MlflowClient(tracker.tracking_uri).set_registered_model_alias(INVOICES_MODEL, tracker.alias, "2")

    for options in ([], ["--model", f"{INVOICES_MODEL}/2"]):
        refused = run_job(detect, *words, "--resume", *options)
        assert refused.status == 2
        for part in (f"another model version: {INVOICES_MODEL}", f"--model {INVOICES_MODEL}/1 resumes", "--overwrite"):
            assert part in refused.err
    refused = run_job(detect, *words, "--resume", "--model", f"{INVOICES_MODEL}/1", "--set", "link.days_apart=5")
    assert refused.status == 2
    assert "another setting: link.days_apart" in refused.err
    assert "model version" not in refused.err
    assert manifest.read_bytes() == kept

    finished = run_job(detect, *words, "--resume", "--model", f"{INVOICES_MODEL}/1")
    assert finished.status == 0, finished
    assert f"by {INVOICES_MODEL} version 1" in finished.out


def registered_model(tracker: Any, folder: Any, seed: int) -> Any:
    values = np.random.default_rng(seed).normal(size=(400, len(INVOICE_FEATURES)))
    sample = pd.DataFrame(values, columns=list(INVOICE_FEATURES)).assign(source_row_id=[f"R{n}" for n in range(400)])
    settings = ModelSettings(detectors={"isolation_forest": IsolationForestSettings(trees=10, seed=seed)})
    model = fit_model(sample, settings, Subject.INVOICE)
    model.save(folder)
    Calibration(np.array(["all"]), np.array([1]), np.array([0.5])).save(folder)
    return tracker.log_training(
        model_folder=folder,
        model_name=INVOICES_MODEL,
        run_name=f"seed {seed}",
        parameters=model.parameters,
        metrics={},
        figures={},
        tags={"run_id": "earlier"},
    )
