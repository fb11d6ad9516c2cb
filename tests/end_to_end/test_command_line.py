"""The real command line: spark-submit.sh and its exit status."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

PROJECT = Path(__file__).resolve().parents[2]


def submit(*words: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["./spark-submit.sh", *map(str, words)],
        cwd=PROJECT,
        env={**os.environ, "SPARK_DRIVER_MEMORY": "2g", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_an_unknown_job_lists_the_jobs() -> None:
    ended = submit("detcet")
    assert ended.returncode == 2
    assert "no job named detcet" in ended.stderr
    assert "detect" in ended.stderr


@pytest.mark.both_engines
def test_a_users_mistake_ends_with_status_2_and_one_message(tmp_path: Path) -> None:
    ended = submit("detect", "--input", tmp_path, "--output", tmp_path / "out", ENGINE_LOGS=str(tmp_path / "logs"))
    assert ended.returncode == 2
    said = ended.stdout + ended.stderr
    assert "rebate_claims" in said
    assert "Traceback" not in said
    assert "Exception" not in said
