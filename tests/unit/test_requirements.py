"""The lock files belong to the ranges of pyproject.toml; resolving them again is `requirements/lock`."""

from __future__ import annotations

import re
import runpy
import tomllib
from pathlib import Path

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.version import Version

PROJECT = Path(__file__).resolve().parents[2]
FOLDER = PROJECT / "requirements"
LOCKS = ("build.txt", "run.txt", "dev.txt")
_PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^ ;]+)(?: ; ([^\\]+))?", re.MULTILINE)


def pins(lock: str) -> dict[str, Version]:
    """The versions that this platform installs, by normalized name."""
    found = {}
    for name, version, marker in _PIN.findall((FOLDER / lock).read_text()):
        if not marker or Marker(marker.strip()).evaluate():
            found[name.lower().replace("_", "-")] = Version(version)
    return found


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_file_was_resolved_from_the_present_ranges(lock: str) -> None:
    header = (FOLDER / lock).read_text().splitlines()[0]
    assert header.split()[-1] == runpy.run_path(str(FOLDER / "ranges.py"))["digest"](), "run requirements/lock"


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_file_has_a_hash_for_each_package_and_names_no_index(lock: str) -> None:
    text = (FOLDER / lock).read_text()
    blocks = re.split(r"\n(?=[A-Za-z0-9])", text)[1:]
    assert blocks
    assert all("--hash=sha256:" in block for block in blocks)
    assert "://" not in text
    assert "--index" not in text


def test_every_range_is_kept_by_the_locked_version() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    for lock, ranges in (
        ("run.txt", project["dependencies"]),
        ("dev.txt", [*project["dependencies"], *project["optional-dependencies"]["dev"]]),
    ):
        locked = pins(lock)
        for text in ranges:
            wanted = Requirement(text)
            name = wanted.name.lower().replace("_", "-")
            assert name in locked, f"{lock} lacks {name}"
            assert locked[name] in wanted.specifier, f"{lock}: {name} {locked[name]}"


def test_runs_and_tests_use_the_same_versions() -> None:
    run, dev = pins("run.txt"), pins("dev.txt")
    assert run.items() <= dev.items()
