"""The main job with all of its claims in a database, as a user starts it."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from engine.contracts.tables import TABLES
from jobs.check_connections import check_connections
from jobs.export import export
from tests.database.servers import Server
from tests.end_to_end.run_comparison import differences_of_results
from tests.end_to_end.runs import AS_OF, FinishedRun, in_another_order

pytestmark = pytest.mark.slow

PROJECT = Path(__file__).resolve().parents[2]


def kind_of(arrow: pa.DataType) -> str:
    if pa.types.is_decimal(arrow):
        return f"decimal({arrow.precision},{arrow.scale})"
    if pa.types.is_timestamp(arrow):
        return "datetime2(6)"
    kinds = ((pa.types.is_date, "date"), (pa.types.is_boolean, "bit"), (pa.types.is_integer, "bigint"))
    return next((kind for is_kind, kind in kinds if is_kind(arrow)), "nvarchar(200)")


def without_zone(values: pa.ChunkedArray) -> list[object]:
    return values.cast(pa.timestamp("us")).to_pylist() if pa.types.is_timestamp(values.type) else values.to_pylist()


def load(server: Server, claims: Path) -> None:
    for name in TABLES:
        place = next((path for path in (claims / name, claims / f"{name}.parquet") if path.exists()), None)
        if place is not None:
            table = pq.read_table(place)
            rows = zip(*(without_zone(column) for column in table.columns), strict=True)
            server.make(name, {field.name: kind_of(field.type) for field in table.schema}, list(rows))


def submit(*words: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["./spark-submit.sh", *map(str, words)],
        cwd=PROJECT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def settings_file(server: Server, folder: Path) -> Path:
    connection = server.settings.model_dump(mode="json", exclude_defaults=True)
    connection |= {"password": {"environment": "ENGINE_TEST_PASSWORD"}, "concurrent_connections": 2}
    feeds = {
        "rebate_claims": "source_row_id",
        "pharmacy_claims": "date_of_service",
        "entity_claims": "submitted_at",
    }
    settings = {
        "databases": {"claims": connection},
        "input": {
            "connection": "claims",
            "database_schema": server.schema,
            "tables": {
                name: {"connection": "claims", "table": server.table(name), "partition_by": key}
                for name, key in feeds.items()
            }
            | {"products": {"connection": "claims", "table": server.table("products"), "complete": True}},
        },
        "output": {"root": str(folder / "runs"), "connection": "claims", "database_schema": server.schema},
        "model": {"detectors": {"isolation_forest": {"trees": 50}}},
        "spark": {"conf": {"spark.sql.shuffle.partitions": 4}},
    }
    path = folder / "settings.yaml"
    path.write_text(yaml.safe_dump(settings))
    return path


def files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_claims_in_a_database_in_another_order_give_the_tables_of_claims_in_files(
    server: Any,
    generated_run: FinishedRun,
    run_job: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    engine_of_jobs: Any,
) -> None:
    from engine import exports

    password = Path(str(server.settings.password.file)).read_text()
    load(server, in_another_order(generated_run.claims, tmp_path / "claims"))
    exports.create_tables(
        "claims", server.settings, server.schema, PROJECT / "conf" / "sqlserver", print, adapted=server.adapted
    )
    (tmp_path / "events").mkdir()
    events = {"enabled": "true", "compress": "false", "dir": f"{tmp_path}/events"}
    options = " ".join(f"--conf spark.eventLog.{name}={value}" for name, value in events.items())
    monkeypatch.setenv("ENGINE_TEST_PASSWORD", password)
    config = settings_file(server, tmp_path)

    checked = run_job(check_connections, "--config", config, "--as-of", AS_OF)
    assert checked.status == 0, checked.err
    assert "snapshot isolation is allowed" in checked.out
    assert "2 connections read it in 2 ranges of date_of_service" in checked.out
    assert "missing, or the user has no permission to see them: orphan_drugs" in checked.out

    places = {"ENGINE_LOGS": str(tmp_path / "logs"), "SPARK_SUBMIT_OPTIONS": options}
    ended = submit("detect", "--config", config, "--as-of", AS_OF, "--run-id", "run", **places)
    assert ended.returncode == 0, ended.stderr
    run = tmp_path / "runs" / "run"
    assert not (found := differences_of_results(generated_run.folder, run)), "\n\n".join(found)
    ledger = json.loads((run / "ledger.json").read_text())
    # tables of the analysts' own, which are there and empty
    assert {ledger.pop(name)[0]["rows_in"] for name in ("decisions", "outcomes")} == {0}
    assert ledger == generated_run.json("ledger.json")

    findings = pd.read_parquet(run / "findings")
    written = server.query(f"SELECT finding_id, narrative FROM {server.table('engine_findings')} WHERE run_id = 'run'")
    assert sorted(written) == sorted(zip(findings.finding_id, findings.narrative, strict=True)) != []
    for table in ("cases", "positions", "tie_out"):
        (count,) = server.query(f"SELECT COUNT(*) FROM {server.table(f'engine_{table}')} WHERE run_id = 'run'")
        assert count == (len(pd.read_parquet(run / table)),) != (0,)
    lines = len(pd.read_csv(run / "disputes" / "detail.csv", dtype=str))
    recorded = f"SELECT findings, dispute_lines FROM {server.table('engine_runs')} WHERE run_id = 'run'"
    assert server.query(recorded) == [(len(written), lines)]

    again = run_job(export, "--config", config, "--run-id", "run", "--to-database")
    assert again.status == 0, again.err
    rows = server.query(f"SELECT finding_id, narrative FROM {server.table('engine_findings')} WHERE run_id = 'run'")
    assert sorted(rows) == sorted(written)

    # neither plans, events, logs and outputs nor the terminal hold the password
    looked_at = [path for folder in ("logs", "events", "runs") for path in files_below(tmp_path / folder)]
    assert any("events" in str(path) for path in looked_at) == (engine_of_jobs == "spark")
    assert [path for path in looked_at if password.encode() in path.read_bytes()] == []
    assert password not in ended.stdout + ended.stderr
    for one in (checked, again):
        assert password not in one.out + one.err

    # without the secret: one message, which says where it was looked for
    monkeypatch.delenv("ENGINE_TEST_PASSWORD")
    refused = run_job(check_connections, "--config", config)
    assert refused.status == 2
    assert "environment variable ENGINE_TEST_PASSWORD is not set" in refused.err
    assert "Traceback" not in refused.err + refused.out
