"""The main job on a standalone cluster: the findings of local mode, also when a worker or the driver is killed."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from engine.runs import code_version
from tests.cluster.conftest import wait_for
from tests.end_to_end.runs import AS_OF

DISPENSES = 300
MINUTES = 15 * 60


def ended(process: Any, status: int = 0) -> str:
    out, err = process.communicate(timeout=MINUTES)
    assert process.returncode == status, out + err
    return out + err


def words(folder: Any, output: str, run_id: str = "r") -> list[str]:
    places = ["--input", folder / "claims", "--output", folder / output, "--run-id", run_id, "--as-of", AS_OF]
    return ["detect", *map(str, places)]


@pytest.fixture
def claims(submit: Any, tmp_path: Path) -> Any:
    ended(submit(None, "synthesize", "--claims", DISPENSES, "--seed", 5, "--output", tmp_path / "claims"))
    return tmp_path / "claims"


def findings(folder: Any) -> pd.DataFrame:
    """Every column but those that name the run, as text, in one order."""
    found = pd.read_parquet(folder / "findings").drop(columns=["run_id", "first_seen_run"])
    return found.sort_values("finding_id").reset_index(drop=True).astype(str)


def is_written(folder: Any, result: str) -> Any:
    return (folder / ".r.work" / result / "_SUCCESS").exists()


@pytest.mark.usefixtures("claims")
def test_a_cluster_finds_what_local_mode_finds_and_loses_a_worker_and_its_driver_without_harm(
    cluster: Any, submit: Any, tmp_path: Path
) -> None:
    ended(submit(None, *words(tmp_path, "local")))
    expected = findings(tmp_path / "local" / "r")
    assert len(expected) > 10

    first = submit(cluster.master, *words(tmp_path, "cluster"))
    wait_for("facts", lambda: is_written(tmp_path / "cluster", "facts/invoices"), MINUTES)
    cluster.kill_worker()
    wait_for("rules", lambda: is_written(tmp_path / "cluster", "flagged/invoices"), MINUTES)
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    cluster.start_worker()
    ended(submit(cluster.master, *words(tmp_path, "cluster"), "--resume"))

    found = findings(tmp_path / "cluster" / "r")
    pd.testing.assert_frame_equal(found, expected)
    summary = json.loads((tmp_path / "cluster" / "r" / "summary.json").read_text())
    assert summary["code_version"] == code_version()


def test_a_run_without_executors_says_so_and_ends(lone_master: Any, submit: Any, tmp_path: Path) -> None:
    (tmp_path / "claims").mkdir()
    (tmp_path / "claims" / "invoices.csv").write_text("program,state,ndc,period\nMDRP_FFS,AK,00002143380,2025Q3\n")
    run = submit(lone_master.master, *words(tmp_path, "alone"), "--set", "spark.executor_wait_seconds=20")
    printed = ended(run, status=2)
    for part in ("it waits for one and ends after 20 s", "no executor works for this run", lone_master.master):
        assert part in printed
    assert not (tmp_path / "alone" / "r").exists()
