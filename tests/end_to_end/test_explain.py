"""The job `explain` on few claims: what it says and leaves, and what it refuses."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from engine.contracts.findings import FINDINGS
from engine.exports import write_findings
from engine.link import Learned
from engine.link.fill_offsets import FillOffsets
from engine.link.weights import configured_weights
from engine.runtime.storage import storage_of
from engine.sources import open_tables
from jobs.common import DEFAULT_CONFIG, settings_of
from jobs.explain import explain

pytestmark = pytest.mark.slow

REBATE_CLAIMS = """\
source_row_id,program,payer_id,claim_id,claim_line,transaction,claim_type,pharmacy_npi,rx_number,fill_number,\
date_of_service,ndc,units,period
file/1,MDRP_FFS,GA,C1,1,ORIGINAL,RX,1003000126,1234567,0,2026-02-10,00002759701,30,2026Q1
file/2,MDRP_FFS,GA,C2,1,ORIGINAL,RX,1003000126,7654321,0,2026-02-10,00002759701,30,2026Q1
file/4,MDRP_FFS,GA,C4,1,ORIGINAL,RX,1003000126,7654322,0,2026-02-10,00002759701,30,2026Q1
file/5,MDRP_FFS,GA,C4,1,VOID,RX,1003000126,7654322,0,2026-02-10,00002759701,30,2026Q1
file/6,MDRP_FFS,GA,C6,1,ORIGINAL,RX,1003000126,7654323,0,2026-02-10,12,30,2026Q1
"""
ENTITY_CLAIMS = """\
source_row_id,entity_id,pharmacy_npi,rx_number,fill_number,date_of_service,ndc,quantity
E1,DSH100001,1003000126,1234567,0,2026-02-11,00002759701,30
"""


@pytest.fixture
def finished(spark: SparkSession, tmp_path: Path) -> Any:
    """Folder of claims, and folder of runs with as much of a finished run as `explain` reads."""
    claims, run = tmp_path / "claims", tmp_path / "runs" / "run"
    claims.mkdir()
    run.mkdir(parents=True)
    (claims / "rebate_claims.csv").write_text(REBATE_CLAIMS)
    (claims / "entity_claims.csv").write_text(ENTITY_CLAIMS)
    settings = settings_of(DEFAULT_CONFIG, str(claims), str(run.parent), datetime(2026, 9, 30), None)
    opened = open_tables(spark, storage_of(spark), settings)
    summary = {
        "config_hash": settings.config_hash,
        "as_of": "2026-09-30",
        "models": {},
        "input": {name: {"fingerprint": table.fingerprint} for name, table in opened.items()},
    }
    learned = Learned(configured_weights(settings.link), FillOffsets())
    (run / "summary.json").write_text(json.dumps(summary))
    (run / "linking.json").write_text(json.dumps(learned.as_json()))
    write_findings(spark.createDataFrame([], FINDINGS), str(run / "findings"))
    (run / "_SUCCESS").write_text("{}")
    return claims, tmp_path / "runs"


def words(claims: Any, runs: Any, row: str, run_id: str = "run") -> list[Any]:
    return ["--input", claims, "--output", runs, "--run-id", run_id, "--source-row-id", row]


def test_it_shows_the_pair_and_leaves_data_and_picture_beside_the_run(finished: Any, run_job: Any) -> None:
    claims, runs = finished
    ended = run_job(explain, *words(claims, runs, "file/1"))
    assert ended.status == 0, ended.err
    assert "T3, linked; differs: date_of_service" in ended.out
    assert "date of service: a few days apart" in ended.out
    assert {path.name for path in (runs / "run").iterdir()} == {"summary.json", "linking.json", "findings", "_SUCCESS"}
    (data,) = (runs / "explain" / "run").glob("file_1-*.json")
    told = json.loads(data.read_text())
    (pair,) = told["pairs"]
    assert (told["source_row_id"], told["subject"], pair["link_source_row_id"]) == ("file/1", "REBATE_CLAIM", "E1")
    rules = {rule["rule_id"]: rule for rule in told["rules"]}
    assert (rules["R003"]["answer"], rules["R003"]["guards"]) == (
        "FIRED",
        [
            {"name": "CONTRACT_PHARMACY_CARVED_OUT", "state": "UNCHECKED"},
            {"name": "NO_340B_PURCHASE", "state": "UNCHECKED"},
            {"name": "EXCEEDS_340B_PURCHASES", "state": "UNCHECKED"},
            {"name": "SNAPSHOT", "state": "PASSED"},
        ],
    )
    assert (rules["R005"]["answer"], rules["R005"]["guards"]) == ("NOT_MET", None)
    assert rules["R002"]["answer"] == "OFF"
    assert "table medicaid_exclusions is missing" in rules["R002"]["message"]
    assert "suppressed by a guard" not in ended.out
    assert "R003 Fee-for-service claim" in ended.out
    assert data.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    assert {path.name for path in runs.iterdir()} == {"run", "explain"}


def test_what_it_cannot_explain_ends_with_status_2_and_one_message(finished: Any, run_job: Any) -> None:
    claims, runs = finished
    no_row = run_job(explain, *words(claims, runs, "file/3"))
    voided = run_job(explain, *words(claims, runs, "file/4"))
    with_a_mistake = run_job(explain, *words(claims, runs, "file/6"))
    no_run = run_job(explain, *words(claims, runs, "file/1", run_id="rnu"))
    other_settings = run_job(explain, *words(claims, runs, "file/1"), "--set", "link.days_apart=5")
    (claims / "entity_claims.csv").write_text(ENTITY_CLAIMS.replace("E1", "E2"))
    other_input = run_job(explain, *words(claims, runs, "file/1"))
    for ended, said in (
        (no_row, "no rebate claim, 340B claim, invoice line or report has this source_row_id"),
        (voided, "found:    VOIDED"),
        (with_a_mistake, "found:    NDC_INVALID"),
        (no_run, "there is no finished run of this id"),
        (other_settings, "the settings are not those that the run was made with"),
        (other_input, "entity_claims is not what the run read"),
    ):
        assert ended.status == 2, ended.out + ended.err
        assert said in ended.err
        assert "Traceback" not in ended.err
    assert {path.name for path in runs.iterdir()} == {"run"}
