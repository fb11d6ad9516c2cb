"""The generator and the main job on Spark and on the embedded engine: every table is equal in every column.

A process can have sessions of one engine only: the other engine runs in a command of its own. For the main job the
feeds are there in another order and in other files, so anything that depends on either differs too.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.end_to_end.conftest import DISPENSES, SEED
from tests.end_to_end.run_comparison import differences, differences_of_tables, rows_of
from tests.end_to_end.runs import RUN_ID, SET_BY_SESSIONS, FinishedRun, in_another_order

pytestmark = [pytest.mark.slow, pytest.mark.spark_only("tables of Spark, compared with those of the embedded engine")]

ROOT = Path(__file__).resolve().parents[2]


def run_embedded(module: str, *words: object) -> None:
    inherited = {name: value for name, value in os.environ.items() if name not in SET_BY_SESSIONS}
    ended = subprocess.run(
        [sys.executable, "-m", module, *map(str, words)],
        cwd=ROOT,
        env={**inherited, "ENGINE__RUNTIME__ENGINE": "embedded"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, f"{ended.stdout[-3000:]}\n{ended.stderr[-3000:]}"


def test_generated_tables_are_the_same_and_of_the_same_types(generated_claims: Path, tmp_path: Path) -> None:
    assert (generated_claims / "rebate_claims").is_dir()
    run_embedded("jobs.synthesize", "--output", tmp_path / "claims", "--claims", DISPENSES, "--seed", SEED)
    assert not (found := differences_of_tables(generated_claims, tmp_path / "claims")), "\n\n".join(found)


def test_every_table_of_a_run_is_the_same(generated_run: FinishedRun, tmp_path: Path) -> None:
    claims = in_another_order(generated_run.claims, tmp_path / "claims")
    run_embedded("tests.end_to_end.runs", claims, tmp_path / "runs")
    on_spark = generated_run.folder
    assert rows_of(on_spark, "findings") > 0
    assert rows_of(on_spark, "positions") > 0
    assert rows_of(on_spark, "disputes/detail.csv") > 0
    assert not (found := differences(on_spark, tmp_path / "runs" / RUN_ID)), "\n\n".join(found)
