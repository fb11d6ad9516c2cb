"""Whole runs in this process: the jobs' own command lines, on generated claims written once for all processes."""

from __future__ import annotations

import fcntl
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from engine.runtime.storage import storage_of
from engine.settings import Settings
from jobs.common import DEFAULT_CONFIG
from tests.end_to_end import contract_scenarios
from tests.end_to_end.runs import RUN_ID, FinishedRun, detect_as_configured, detect_in

DISPENSES = 20_000
SEED = 7
EXAMPLE = Path(__file__).resolve().parents[2] / "docs" / "examples" / "dispute-forms"


@dataclass(frozen=True)
class Ended:
    status: int
    out: str
    err: str


@pytest.fixture(autouse=True)
def engine_of_jobs(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The tests' engine, also for every job that a test starts as a process of its own."""
    engine: str = request.config.getoption("engine")
    monkeypatch.setenv("ENGINE__RUNTIME__ENGINE", engine)
    return engine


@pytest.fixture
def run_job(
    spark: SparkSession, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Callable[..., Ended]:
    """Runs a job as its command line would, on the tests' engine; returns exit status and what it printed."""
    assert spark, "the job takes up the tests' own session"

    def run(job: Any, *words: object) -> Ended:
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
def made_once(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str, Callable[[Path], object]], Path]:
    """A folder by name, filled by whichever of the processes that share the tests asks first; the others wait."""
    of_this_process = tmp_path_factory.getbasetemp()
    place = of_this_process.parent if hasattr(request.config, "workerinput") else of_this_process

    def folder(name: str, fill: Callable[[Path], object]) -> Path:
        with (place / f"{name}.made").open("a+") as made:
            fcntl.flock(made, fcntl.LOCK_EX)
            made.seek(0)
            if not made.read():
                fill(place / name)
                made.write("whole")
        return place / name

    return folder


@pytest.fixture(scope="session")
def generated_claims(spark: SparkSession, made_once: Any) -> Path:
    from synthetic import synthesize

    def generate(folder: Path) -> None:
        synthesize(spark, storage_of(spark), Settings().synthetic, DISPENSES, SEED, str(folder))

    return made_once("claims", generate)


@pytest.fixture(scope="session")
def generated_run(spark: SparkSession, generated_claims: Any, made_once: Any) -> FinishedRun:
    output = made_once("runs", lambda folder: detect_in(spark, generated_claims, folder))
    return FinishedRun(output / RUN_ID, generated_claims)


@pytest.fixture(scope="session")
def scenarios_run(spark: SparkSession, made_once: Any) -> FinishedRun:
    """The scenarios of contract_scenarios.py, in one input."""

    def judge(folder: Path) -> None:
        contract_scenarios.write(folder / "in")
        as_of = contract_scenarios.AS_OF
        detect_as_configured(spark, DEFAULT_CONFIG, folder / "in", folder / "out", "first", as_of)

    folder = made_once("scenarios", judge)
    return FinishedRun(folder / "out" / "first", folder / "in")


@pytest.fixture(scope="session")
def example_run(spark: SparkSession, made_once: Any) -> FinishedRun:
    """The first quarter of the example in docs/dispute-forms.md."""

    def judge(folder: Path) -> None:
        settings = str(EXAMPLE / "settings.yaml")
        detect_as_configured(spark, settings, EXAMPLE / "input", folder, "2025-12", "2025-12-15")

    return FinishedRun(made_once("example", judge) / "2025-12", EXAMPLE / "input")
