"""The command that spark-submit.sh starts, and the archive of the code that executors get."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.runs import code_version
from jobs import launcher

PROJECT = Path(__file__).resolve().parents[2]
JOB = str(PROJECT / "jobs" / "detect.py")


@pytest.fixture
def shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Callable[..., tuple[dict[str, str], list[str]]]:
    """What --dry-run prints for SPARK_SUBMIT_OPTIONS: variables, and the words of the command."""
    monkeypatch.setenv("ENGINE_LOGS", str(tmp_path / "logs"))
    monkeypatch.setattr(launcher, "_run", lambda *_: pytest.fail("a dry run must run nothing"))
    for name in ("SPARK_DRIVER_MEMORY", "PYSPARK_PYTHON", "SPARK_LOCAL_IP"):
        monkeypatch.delenv(name, raising=False)

    def show(options: str, *words: str) -> tuple[dict[str, str], list[str]]:
        monkeypatch.setenv("SPARK_SUBMIT_OPTIONS", options)
        assert launcher.launch(["--dry-run", *words]) == 0
        program, *rest = shlex.split(capsys.readouterr().out)
        assert program == "env"
        at = next(n for n, word in enumerate(rest) if word.endswith("/spark-submit"))
        return dict(word.split("=", 1) for word in rest[:at] if "=" in word), rest[at:]

    return show


def value_of(command: list[str], option: str) -> str:
    return command[command.index(option) + 1]


def test_local(shown: Callable[..., tuple[dict[str, str], list[str]]]) -> None:
    variables, command = shown("", "detect", "--engine", "spark", "--input", "my claims")
    assert value_of(command, "--master") == "local[*]"
    assert value_of(command, "--driver-memory") == "4g"
    assert "--py-files" not in command
    assert command[-5:] == [JOB, "--engine", "spark", "--input", "my claims"]
    assert variables["SPARK_LOCAL_IP"] == "127.0.0.1"
    assert variables["ENGINE_HOME"] == str(PROJECT)


@pytest.mark.parametrize(
    "options",
    [
        "--master spark://127.0.0.1:7077 --executor-memory 1500m",
        "--master yarn --deploy-mode client --num-executors 8",
        "--master k8s://https://127.0.0.1:6443 --conf spark.kubernetes.container.image=registry/engine:1",
    ],
)
def test_clusters(shown: Callable[..., tuple[dict[str, str], list[str]]], options: str, tmp_path: Path) -> None:
    variables, command = shown(options, "detect", "--run-id", "r1")
    words = shlex.split(options)
    assert command[1 : 1 + len(words)] == words
    assert command.count("--master") == 1
    assert "SPARK_LOCAL_IP" not in variables
    archive = Path(value_of(command, "--py-files"))
    assert archive.parent == tmp_path / "logs"
    shipped = set(zipfile.ZipFile(archive).namelist())
    assert {"engine/runs/run.py", "synthetic/feeds.py", "jobs/detect.py"} <= shipped
    assert command[-3:] == [JOB, "--run-id", "r1"]
    # what a job runs with does not depend on the folder of a shell
    assert all(Path(path).is_absolute() for path in (command[0], command[-3], variables["ENGINE_LOGS"]))


@pytest.mark.usefixtures("shown")
def test_jobs_without_spark_and_unknown_ones(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPARK_SUBMIT_OPTIONS", "--master yarn")
    assert launcher.launch(["--dry-run", "tables"]) == 0
    assert shlex.split(capsys.readouterr().out)[-1] == str(PROJECT / "jobs" / "tables.py")
    assert launcher.launch(["--dry-run"]) == launcher.launch(["--dry-run", "nothing"]) == 2


def test_the_archive_that_stays_is_named_after_all_the_code_in_it(
    shown: Callable[..., tuple[dict[str, str], list[str]]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A change to a job or to the generator alone must not find an archive of the code before it."""
    for package in ("engine", "synthetic", "jobs"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "module.py").write_text("")
    monkeypatch.setattr(launcher, "PROJECT", tmp_path)
    monkeypatch.setattr(launcher, "jobs", lambda: {"detect": tmp_path / "jobs" / "detect.py"})
    archives = []
    for package in ("engine", "synthetic", "jobs"):
        (tmp_path / package / "module.py").write_text("changed = True\n")
        _, command = shown("--master yarn", "detect", "--engine", "spark")
        archives.append(value_of(command, "--py-files"))
        assert zipfile.ZipFile(archives[-1]).read(f"{package}/module.py") == b"changed = True\n"
    assert len(set(archives)) == len(archives)


def test_the_code_version_and_the_folder_of_the_project_are_those_of_the_checkout_in_an_archive(tmp_path: Path) -> None:
    """As on a cluster, where the archive comes first on the driver's path; started from another folder."""
    archive = tmp_path / "engine.zip"
    launcher.write_archive(archive)
    program = tmp_path / "other" / "program.py"
    program.parent.mkdir()
    program.write_text(
        "import engine.runs, jobs.common\n"
        "print(engine.runs.__file__, engine.runs.code_version(), jobs.common.PROJECT, sep='\\n')\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(archive), "ENGINE_HOME": str(PROJECT)}
    ended = subprocess.run(
        [sys.executable, program], env=environment, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    place, version, project = ended.stdout.splitlines()
    assert place.startswith(str(archive))
    assert version == code_version()
    assert project == str(PROJECT)
