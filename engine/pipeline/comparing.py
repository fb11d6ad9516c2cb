"""What two runs do not have alike, and what may have caused it."""

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
    """Findings that two runs do not have alike, with `causes`, and where they are.

    differ: what differs between the runs in words. engines: those of the run and of the other one.
    """

    differ: findings.Differences
    changes: list[dict[str, Any]]
    data: str
    table: str
    engines: tuple[str, str]


def compare(spark: SparkSession, settings: Settings, run_id: str, other_id: str) -> Compared:
    """What run `run_id` has found otherwise than run `other_id` below the output folder, and what may have caused it.

    Raises OutputError where one of them is no finished run.
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
    """The engine of a run with its version; runs before there were two name Spark's version only."""
    engine = summary.get("engine") or {"name": "spark", "version": summary.get("spark_version", "")}
    return f"{engine['name']} {engine['version']}".strip()
