"""A published run, as the end-to-end tests look at it.

`python -m tests.end_to_end.runs CLAIMS OUTPUT` makes one on the embedded engine.
"""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as parquet
from pyspark.sql import SparkSession

from engine.settings import Settings

AS_OF = "2026-09-30"
RUN_ID = "run"
# One invoice line without a problem, as text.
INVOICE = {
    "program": "MDRP_FFS",
    "state": "AK",
    "ndc": "00002143380",
    "period": "2025Q3",
    "units_reimbursed": "100.000",
    "prescriptions": "10",
    "unit_rebate_amount": "2.500000",
    "rebate_amount": "250.00",
    "total_amount": "1000.00",
    "medicaid_amount": "900.00",
    "non_medicaid_amount": "100.00",
}
FEEDS = ("rebate_claims", "pharmacy_claims", "entity_claims")
# A session of the embedded engine sets these in its process: jobs on Spark that inherit them would connect to it.
SET_BY_SESSIONS = ("SPARK_CONNECT_MODE_ENABLED", "SPARK_REMOTE", "SPARK_LOCAL_REMOTE")


@dataclass(frozen=True)
class FinishedRun:
    """A published run and the claims it ran on."""

    folder: Path
    claims: Path

    def findings(self) -> pd.DataFrame:
        return pd.read_parquet(self.folder / "findings")

    def copied(self, output: Path) -> FinishedRun:
        """The run in an output folder of its own, for tests that add to it."""
        shutil.copytree(self.folder, output / self.folder.name)
        return FinishedRun(output / self.folder.name, self.claims)

    def json(self, name: str) -> Any:
        return json.loads((self.folder / name).read_text())

    def rule_hits(self) -> set[tuple[str, str]]:
        found = self.findings()[["source_row_id", "rules"]].explode("rules").dropna(subset=["rules"])
        return set(zip(found.source_row_id, found.rules.map(lambda hit: hit["rule_id"]), strict=True))


def detect_in(spark: SparkSession, claims: Path, output: Path, run_id: str = RUN_ID, **changed: Any) -> Path:
    """The main job through the pipeline; returns the published folder."""
    from engine import pipeline
    from engine.runs import RunOptions

    settings = settings_in(claims, output, **changed)
    pipeline.detect(spark, settings, RunOptions(run_id=run_id), lambda _: None)
    return output / run_id


def detect_as_configured(spark: SparkSession, config: str, claims: Path, output: Path, run_id: str, as_of: str) -> None:
    """The main job with the settings that its command line would read from `config`."""
    from engine import pipeline
    from engine.runs import RunOptions
    from jobs.common import settings_of

    settings = settings_of(config, str(claims), str(output), datetime.fromisoformat(as_of), None)
    pipeline.detect(spark, settings, RunOptions(run_id=run_id), lambda _: None)


def in_another_order(claims: Path, folder: Path) -> Path:
    """A copy of the claims whose feeds are ordered by NDC, in three, five and seven files."""
    shutil.copytree(claims, folder)
    for number, feed in enumerate(FEEDS):
        rows = parquet.read_table(claims / feed).sort_by([("ndc", "ascending"), ("source_row_id", "descending")])
        shutil.rmtree(folder / feed)
        (folder / feed).mkdir()
        files = 3 + 2 * number
        size = -(-rows.num_rows // files)
        for file in range(files):
            parquet.write_table(rows.slice(file * size, size), folder / feed / f"part-{file}.parquet")
    return folder


def settings_in(claims: Path, output: Path, **changed: Any) -> Settings:
    """What `detect_in` runs with. Generated products are all there are."""
    products = {"products": {"path": "products.parquet", "complete": True}}
    return Settings.model_validate(
        {
            "input": {"root": str(claims), "tables": products if (claims / "products.parquet").exists() else {}},
            "output": {"root": str(output)},
            "as_of": AS_OF,
            "model": {"detectors": {"isolation_forest": {"trees": 50}}},
            **changed,
        }
    )


if __name__ == "__main__":
    from engine.runtime.embedded import embedded_session

    detect_in(embedded_session(), *map(Path, sys.argv[1:]))
