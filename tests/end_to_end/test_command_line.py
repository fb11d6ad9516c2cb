"""The real command line: spark-submit.sh, its exit status, and a terminal without Spark's noise."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

PROJECT = Path(__file__).resolve().parents[2]
PROGRESS = re.compile(r"^(read|prepare|link|facts|score|rules|findings|exports) +\d+\.\d s  .+")


def submit(*words: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["./spark-submit.sh", *map(str, words)],
        cwd=PROJECT,
        env={**os.environ, "SPARK_DRIVER_MEMORY": "2g", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_an_unknown_job_lists_the_jobs():
    ended = submit("detcet")
    assert ended.returncode == 2
    assert "no job named detcet" in ended.stderr
    assert "detect" in ended.stderr


@pytest.mark.both_engines
def test_the_demo_shows_progress_and_where_everything_is_and_nothing_of_spark(tmp_path, engine_of_jobs):
    ended = submit("demo", "--claims", 20_000, "--output", tmp_path / "demo", ENGINE_LOGS=str(tmp_path / "logs"))
    assert ended.returncode == 0, ended.stdout + ended.stderr
    steps = [line.split()[0] for line in ended.stdout.splitlines() if PROGRESS.match(line)]
    assert steps == ["read", "prepare", "link", "facts", "score", "rules", "findings", "exports"]
    for name in ("findings", "workbook", "report", "summary"):
        place = re.search(rf"^{name} +(/\S+)", ended.stdout, re.MULTILINE)
        assert place, ended.stdout
        assert Path(place.group(1)).exists()
    assert ended.stderr == ""
    for noise in ("WARN", "INFO", "ERROR", "Stage", "log4j"):
        assert noise not in ended.stdout
    assert (tmp_path / "logs" / "spark.log").exists() == (engine_of_jobs == "spark")


@pytest.mark.both_engines
def test_a_users_mistake_ends_with_status_2_and_one_message(tmp_path):
    ended = submit("detect", "--input", tmp_path, "--output", tmp_path / "out", ENGINE_LOGS=str(tmp_path / "logs"))
    assert ended.returncode == 2
    said = ended.stdout + ended.stderr
    assert "rebate_claims" in said
    assert "Traceback" not in said
    assert "Exception" not in said
