"""The README's first command on a machine with Python 3.11 and nothing else: no Java, no unixODBC, no compiler."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.end_to_end.runs import INVOICE

pytestmark = pytest.mark.slow

PROJECT = Path(__file__).resolve().parents[2]
# What every Linux has: the shell and the base utilities that spark-submit.sh and Spark's own scripts call.
BASE_PROGRAMS = (
    "bash sh env cat chmod cksum dirname basename mkdir tail head sed grep tr uname readlink ls ln rm nice ps id stat"
)
PROGRESS = re.compile(r"^(read|prepare|link|facts|score|rules|findings|exports) +\d+\.\d s  .+")
NO_ODBC = """
import sys


class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name == "pyodbc":
            raise ImportError("libodbc.so.2: cannot open shared object file: No such file or directory")


sys.meta_path.insert(0, Refuse())
"""


@pytest.fixture
def bare_machine(tmp_path: Path, engine_of_jobs: str) -> Any:
    """Environment variables under which neither Java nor unixODBC can be found, and the tests' engine."""
    programs, hooks = tmp_path / "programs", tmp_path / "hooks"
    programs.mkdir()
    hooks.mkdir()
    for name in BASE_PROGRAMS.split():
        if program := shutil.which(name):
            (programs / name).symlink_to(program)
    assert shutil.which("java", path=str(programs)) is None
    (hooks / "sitecustomize.py").write_text(NO_ODBC)
    kept = {name: value for name, value in os.environ.items() if name in ("HOME", "LANG", "SPARK_SUBMIT_OPTS")}
    logs = str(tmp_path / "logs")
    found = {"PATH": str(programs), "PYTHONPATH": str(hooks)}
    chosen = {"ENGINE__RUNTIME__ENGINE": engine_of_jobs, "SPARK_DRIVER_MEMORY": "2g", "ENGINE_LOGS": logs}
    return {**kept, **found, **chosen}


def submit(environment: dict[str, str], *words: object) -> subprocess.CompletedProcess[str]:
    command = [str(PROJECT / "spark-submit.sh"), *map(str, words)]
    return subprocess.run(command, env=environment, cwd="/", capture_output=True, text=True, check=False)


def test_the_demo_shows_progress_and_where_everything_is_and_nothing_of_the_engine(
    bare_machine: Any, tmp_path: Path
) -> None:
    run = tmp_path / "demo" / "runs" / "demo"
    shows_progress_and_places(submit(bare_machine, "demo", "--claims", 2_000, "--output", tmp_path / "demo"))
    assert not (tmp_path / "logs" / "spark.log").exists()
    assert json.loads((run / "summary.json").read_text())["counts"]["findings"] > 0


@pytest.mark.spark_only("what a run on Spark prints; the demo states it of the embedded engine")
def test_a_run_shows_progress_and_where_everything_is_and_nothing_of_spark(bare_machine: Any, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    pd.DataFrame([INVOICE, {**INVOICE, "prescriptions": "0"}]).to_csv(tmp_path / "in" / "invoices.csv", index=False)
    places = ("--input", tmp_path / "in", "--output", tmp_path / "out", "--run-id", "bare", "--as-of", "2026-09-30")
    shows_progress_and_places(submit(bare_machine, "detect", *places))
    assert (tmp_path / "logs" / "spark.log").exists()


def shows_progress_and_places(ended: subprocess.CompletedProcess[str]) -> None:
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stderr == ""
    steps = [line.split()[0] for line in ended.stdout.splitlines() if PROGRESS.match(line)]
    assert steps == ["read", "prepare", "link", "facts", "score", "rules", "findings", "exports"]
    for name in ("findings", "workbook", "report", "summary"):
        place = re.search(rf"^{name} +(/\S+)", ended.stdout, re.MULTILINE)
        assert place, ended.stdout
        assert Path(place.group(1)).exists()
    for noise in ("WARN", "INFO", "ERROR", "Stage", "log4j"):
        assert noise not in ended.stdout


def test_a_connection_without_unixodbc_ends_with_one_message_that_names_the_package(
    bare_machine: Any, tmp_path: Path
) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(
        "databases: {claims: {server: 127.0.0.1, database: x, user: y, password: {environment: HOME}}}\n"
        "input: {connection: claims}\n"
    )
    ended = submit(bare_machine, "check_connections", "--config", config)
    assert ended.returncode == 2, ended.stdout + ended.stderr
    assert "libodbc.so.2" in ended.stderr
    assert "apt install unixodbc" in ended.stderr
    assert "Traceback" not in ended.stderr
