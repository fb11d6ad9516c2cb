"""340B claims beside what Medicare knows of them: CMS's reports of the Part D inflation rebate, and Part B lines."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from pyspark.sql import SparkSession

from engine import pipeline
from tests.end_to_end.runs import FinishedRun, detect_in, settings_in

NDC, NPI = "00002759701", "1234567893"
_CLAIM = {"entity_id": "DSH010001", "pharmacy_npi": NPI, "date_of_service": "2026-02-10", "ndc": NDC, "quantity": 30}
TABLES: dict[str, Any] = {
    "entity_claims": [
        *({**_CLAIM, "source_row_id": f"E{n}", "claim_type": "RX", "rx_number": 1000000 + n, "bin": "600001"}
          for n in range(10)),
        {**_CLAIM, "source_row_id": "M1", "claim_type": "MEDICAL", "claim_id": "77", "hcpcs_code": "J1234"},
    ],
    "covered_entities": [{"entity_id": "DSH010001", "entity_type": "DSH", "participating_start": "2010-01-01"}],
    "part_d_plans": [{"bin": "600001", "pcn": ""}],
    "inflation_reports": [
        {"ndc": NDC, "period": "2025Q4", "total_units": 5000, "excluded_units": 20, "exclusion_method": "CLAIMS",
         "unit_rebate_amount": "1.25"},
        {"ndc": "00002759702", "period": "2025Q4", "total_units": 100, "excluded_units": "many"},
        {"ndc": "12", "period": "2025Q4", "total_units": 5},
    ],
    "part_b_lines": [
        {"source_row_id": "B1", "provider_npi": NPI, "date_of_service": "2026-02-10", "hcpcs_code": "J1234",
         "modifiers": "JW"},
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def run(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Any:
    root = tmp_path_factory.mktemp("inflation")
    for name, rows in TABLES.items():
        with (root / f"{name}.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, list(dict.fromkeys(column for row in rows for column in row)))
            writer.writeheader()
            writer.writerows(rows)
    return FinishedRun(detect_in(spark, root, root / "output"), root)


def test_a_report_is_an_invoice_of_no_state(run: Any) -> None:
    found = run.findings()
    report = found[found.source_row_id == f"PARTD_INFL//{NDC}/2025Q4"].iloc[0]
    assert (report.subject, report.program, report.payer_id, report.state) == ("INVOICE", "PARTD_INFL", "CMS", None)
    assert [rule["rule_id"] for rule in report.rules] == ["R014"]
    assert (report.evidence, report.action, report.route) == ("MEDIUM", "INQUIRE", "NONE")
    assert (float(report.units_at_issue), float(report.amount_at_issue)) == (280.0, 350.0)
    assert report.price_source == "report"
    assert run.rule_hits() == {(report.source_row_id, "R014"), ("M1", "R015")}


def test_a_report_is_explained_by_its_rule(spark: SparkSession, run: Any) -> None:
    settings = settings_in(run.claims, run.folder.parent)
    explained = pipeline.explain(spark, settings, run.folder.name, f"PARTD_INFL//{NDC}/2025Q4")
    found = run.findings().set_index("source_row_id").loc[f"PARTD_INFL//{NDC}/2025Q4"]
    assert [(answer["rule_id"], answer["answer"]) for answer in explained.answers] == [("R014", "FIRED")]
    assert explained.answers[0]["message"] == found.rules[0]["message"]
    assert (explained.pairs, explained.picture) == ([], None)


def test_every_report_is_accounted_for(run: Any) -> None:
    steps = run.json("ledger.json")["inflation_reports"]
    assert {step["step"]: (step["rows_in"], step["rows_out"]) for step in steps} == {
        "read": (3, 3),
        "prepare": (3, 2),
        "facts": (2, 2),
        "score": (2, 2),
        "rules": (2, 1),
        "findings": (1, 1),
        "exports": (1, 1),
    }
    assert next(step for step in steps if step["step"] == "prepare")["dropped"] == {"NDC_INVALID": 1}
    assert run.json("summary.json")["counts"]["quarantined"] == {"inflation_reports": 1}
    assert run.json("summary.json")["counts"]["dispute_lines"] == 0


def test_the_report_stands_in_the_workbook_and_on_the_page(run: Any) -> None:
    workbook = openpyxl.load_workbook(next(Path(run.folder, "review").glob("*.xlsx")), read_only=True)
    cells = {str(cell) for sheet in workbook for row in sheet.iter_rows(values_only=True) for cell in row if cell}
    assert {"PARTD_INFL", "CMS"} <= cells
    page = (run.folder / "report.html").read_text()
    assert "payer CMS" in page
    assert "280 units appear to be left in the rebate" in page
