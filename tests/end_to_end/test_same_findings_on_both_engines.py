"""The generator and the main job on Spark and on the embedded engine: every table is equal in every column.

A process can have sessions of one engine only, so each run is a command of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.end_to_end.run_comparison import differences, differences_of_tables, rows_of
from tests.end_to_end.runs import AS_OF, RUN_ID, SET_BY_SESSIONS

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
DISPENSES = int(os.environ.get("EQUALITY_DISPENSES", "2000"))
SEED = 1
ENGINES = ("embedded", "spark")
COMPLETE = ("input.tables.products.path=products.parquet", "input.tables.products.complete=true")


def command(job: str, folder: Path, *words: object) -> None:
    inherited = {name: value for name, value in os.environ.items() if name not in SET_BY_SESSIONS}
    ended = subprocess.run(
        [sys.executable, "-m", f"jobs.{job}", *map(str, words)],
        cwd=ROOT,
        env={**inherited, "ENGINE_LOGS": str(folder / "logs")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, f"{ended.stdout[-3000:]}\n{ended.stderr[-3000:]}"


@pytest.fixture(scope="module")
def generated(tmp_path_factory) -> dict[str, Path]:
    """The generated claims by engine."""
    folder = tmp_path_factory.mktemp("generated")
    for engine in ENGINES:
        words = ("--output", folder / engine, "--claims", DISPENSES, "--seed", SEED, "--engine", engine)
        command("synthesize", folder, *words)
    return {engine: folder / engine for engine in ENGINES}


@pytest.fixture(scope="module")
def published(generated, tmp_path_factory) -> dict[str, Path]:
    """The published folder by engine, of the same claims."""
    folder, claims = tmp_path_factory.mktemp("engines"), generated["embedded"]
    for engine in ENGINES:
        settings = [word for one in COMPLETE for word in ("--set", one)]
        words = ("--input", claims, "--output", folder / engine, "--as-of", AS_OF, "--run-id", RUN_ID, *settings)
        command("detect", folder, *words, "--engine", engine)
    return {engine: folder / engine / RUN_ID for engine in ENGINES}


def test_generated_tables_are_the_same_and_of_the_same_types(generated):
    assert (generated["spark"] / "rebate_claims").is_dir()
    assert not (found := differences_of_tables(generated["spark"], generated["embedded"])), "\n\n".join(found)


def test_every_table_of_a_run_is_the_same(published):
    assert rows_of(published["spark"], "findings") > 0
    assert rows_of(published["spark"], "positions") > 0
    assert rows_of(published["spark"], "disputes/detail.csv") > 0
    assert not (found := differences(published["spark"], published["embedded"])), "\n\n".join(found)
