"""The engine's published run against the DuckDB and the pandas script of `benchmarks/`, which share no code with it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
MISSING = [name for name in ("duckdb", "xxhash") if find_spec(name) is None]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(MISSING), reason=f"{', '.join(MISSING)}: pip install -r benchmarks/requirements.txt"),
]


def test_peers_come_to_the_same_links_rules_and_features(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    engine = request.config.getoption("engine")
    words = ["--dispenses", "2000", "--contestants", engine, "duckdb", "pandas", "--folder", str(tmp_path)]
    # a store without models: 2,000 dispenses are too few to train one, and each score rests on one
    words += ["--model-store", f"sqlite:///{tmp_path}/mlflow.db", "--chart", str(tmp_path / "engines.svg")]
    command = [sys.executable, str(PROJECT / "benchmarks" / "engines.py"), *words]
    done = subprocess.run(command, cwd=PROJECT, env=dict(os.environ), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{engine} and duckdb: equal" in done.stdout
    assert f"{engine} and pandas: equal" in done.stdout
    assert "duckdb and pandas: equal" in done.stdout
    for found in ("'T1'", "'T2'", "'T3'", "'T4'", "'R001'", "'R005'", "'R016'", "'R020'", "'R053'"):
        assert found in done.stdout, "nothing to compare"
    outcomes = json.loads((tmp_path / "engines.json").read_text())["outcomes"]
    assert [one["contestant"] for one in outcomes] == [engine, "duckdb", "pandas"]
    assert all(one["seconds"] > 0 and one["cpu_seconds"] > 0 and one["peak_mib"] > 50 for one in outcomes)
    assert "2,000 dispenses" in (tmp_path / "engines.svg").read_text()
