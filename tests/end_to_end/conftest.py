"""Whole runs in this process: the jobs' own command lines, on generated claims written once per session."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from engine.settings import Settings
from engine.storage import Storage
from tests.end_to_end.runs import FinishedRun, detect_in

DISPENSES = 20_000


@dataclass(frozen=True)
class Ended:
    status: int
    out: str
    err: str


@pytest.fixture
def run_job(spark, monkeypatch, capsys, tmp_path):
    """Runs a job as its command line would and returns exit status and what it printed."""
    assert spark, "the job takes up the tests' own session"

    def run(job, *words: object) -> Ended:
        from jobs.common import main

        monkeypatch.setenv("ENGINE_LOGS", str(tmp_path / "logs"))
        monkeypatch.setattr(sys, "argv", [job.__name__, *map(str, words)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(job)
        printed = capsys.readouterr()
        return Ended(int(ended.value.code or 0), printed.out, printed.err)

    return run


@pytest.fixture(scope="session")
def generated_claims(spark, tmp_path_factory) -> Path:
    from engine.synthetic import synthesize

    folder = tmp_path_factory.mktemp("claims")
    synthesize(spark, Storage(spark), Settings().synthetic, DISPENSES, 7, str(folder))
    return folder


@pytest.fixture(scope="session")
def generated_run(spark, generated_claims, tmp_path_factory) -> FinishedRun:
    output = tmp_path_factory.mktemp("runs")
    return FinishedRun(detect_in(spark, generated_claims, output), generated_claims)
