"""How the findings of two runs differ, and what may have caused it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pyspark.sql import SparkSession

from engine import exports, findings
from engine.contracts.findings import FINDINGS
from engine.pipeline.finished_runs import published
from engine.runtime.parquet import read_parquet
from engine.runtime.storage import join, storage_of
from engine.settings import Settings


@dataclass(frozen=True)
class Compared:
    """The differences between two runs.

    differ: what differs between the runs. changes: one entry per finding that differs, with `causes`. data, table:
    paths of the JSON and CSV files with the changes. engines: name and version of the engine of the run, then of the
    other run.
    """

    differ: findings.Differences
    changes: list[dict[str, Any]]
    data: str
    table: str
    engines: tuple[str, str]


def compare(spark: SparkSession, settings: Settings, run_id: str, other_id: str) -> Compared:
    """Compare the findings of run `run_id` with those of run `other_id` in the output folder, and name possible causes.

    Writes the changes as JSON and CSV to `compare/` in the output folder. Raises OutputError unless both are finished
    runs.
    """
    storage = storage_of(spark)
    after, new = published(storage, settings, run_id)
    before, old = published(storage, settings, other_id, "--with")
    old_found, new_found = (read_parquet(spark, join(folder, "findings"), FINDINGS) for folder in (before, after))
    rows = findings.compare_findings(old_found, new_found)
    differ = findings.differences(old, new)
    changes = [row.asDict(recursive=True) for row in rows.orderBy("change", "subject", "source_row_id").collect()]
    for change in changes:
        change["causes"] = findings.causes(differ, change["subject"], change["rule_ids"])
    place = join(settings.output.root, "compare", f"{run_id}-with-{other_id}")
    exports.write_json(storage, f"{place}.json", {"run_id": run_id, "with": other_id, "changes": changes})
    exports.write_rows(changes, [*rows.columns, "causes"], storage, f"{place}.csv")
    return Compared(differ, changes, f"{place}.json", f"{place}.csv", (_engine(new), _engine(old)))


def _engine(summary: Mapping[str, Any]) -> str:
    """The engine of a run with its version. Runs from before the second engine record Spark's version only."""
    engine = summary.get("engine") or {"name": "spark", "version": summary.get("spark_version", "")}
    return f"{engine['name']} {engine['version']}".strip()
