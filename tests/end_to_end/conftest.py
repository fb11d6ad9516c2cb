"""Whole runs in this process: the jobs' own command lines, on generated claims written once per session."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

from engine.settings import Settings
from engine.storage import Storage

AS_OF = "2026-09-30"
DISPENSES = 20_000


@dataclass(frozen=True)
class Ended:
    status: int
    out: str
    err: str


@pytest.fixture
def run_job(spark, monkeypatch, capsys, tmp_path):
    """Runs a job as its command line would and returns exit status and what it printed."""

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


@dataclass(frozen=True)
class FinishedRun:
    """A published run and the claims it ran on."""

    folder: Path
    claims: Path

    def findings(self) -> pd.DataFrame:
        return pd.read_parquet(self.folder / "findings")

    def json(self, name: str):
        return json.loads((self.folder / name).read_text())

    def rule_hits(self) -> set[tuple[str, str]]:
        found = self.findings()[["source_row_id", "rules"]].explode("rules").dropna(subset=["rules"])
        return set(zip(found.source_row_id, found.rules.map(lambda hit: hit["rule_id"]), strict=True))


def detect_in(spark, claims: Path, output: Path, run_id: str = "run", **changed) -> Path:
    """The main job through the pipeline; returns the published folder."""
    from engine import pipeline
    from engine.run import RunOptions

    settings = Settings.model_validate(
        {
            "input": {"root": str(claims)},
            "output": {"root": str(output)},
            "as_of": AS_OF,
            "model": {"claims": {"forest": {"trees": 50}}, "invoices": {"forest": {"trees": 50}}},
            **changed,
        }
    )
    pipeline.detect(spark, settings, RunOptions(run_id=run_id), lambda _: None)
    return output / run_id


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
