"""The main job on public files as they are published (`docs/public-data.md`), against figures of plain pandas."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from pyspark.sql import SparkSession

from tests.end_to_end.published_files import publish
from tests.end_to_end.runs import FinishedRun, detect_in

pytestmark = pytest.mark.slow

SDUD_LINES = 44_376
SUPPRESSED = 25_868


@pytest.fixture(scope="module")
def public_run(spark: SparkSession, public_data: Path, tmp_path_factory: pytest.TempPathFactory) -> FinishedRun:
    with open("conf/public-data.yaml", encoding="utf-8") as file:
        tables = yaml.safe_load(file)["input"]["tables"]
    output = tmp_path_factory.mktemp("public")
    published = publish(public_data, tmp_path_factory.mktemp("published"))
    folder = detect_in(spark, published, output, input={"root": str(published), "tables": tables})
    return FinishedRun(folder, published)


@pytest.fixture(scope="module")
def sdud(public_data: Path) -> pd.DataFrame:
    lines = pd.read_csv(public_data / "sdud_ak_2022.csv.gz", dtype=str)
    lines["period_start"] = pd.PeriodIndex(lines.year + "Q" + lines.quarter, freq="Q").start_time
    lines["source_row_id"] = "MDRP_FFS/" + lines.state + "/" + lines.ndc + "/" + lines.year + "Q" + lines.quarter
    for column in ("units_reimbursed", "number_of_prescriptions", "total_amount_reimbursed"):
        lines[column] = pd.to_numeric(lines[column])
    return lines


@pytest.fixture(scope="module")
def judged(sdud: Any) -> pd.DataFrame:
    return sdud[sdud.suppression_used == "false"]


def rows_with(run: FinishedRun, rule: str) -> set[str]:
    return {row for row, hit in run.rule_hits() if hit == rule}


def test_suppressed_lines_are_kept_and_counted_and_never_judged(public_run: FinishedRun, sdud: Any) -> None:
    assert len(sdud) == SDUD_LINES
    suppressed = set(sdud[sdud.suppression_used == "true"].source_row_id)
    assert len(suppressed) == SUPPRESSED
    ledger = public_run.json("ledger.json")["invoices"]
    # the first thousand lines are repeated as national totals
    assert (ledger[0]["rows_in"], ledger[0]["dropped"]) == (SDUD_LINES + 1000, {"NATIONAL_TOTAL": 1000})
    assert next(step for step in ledger if step["step"] == "prepare")["counted"]["SUPPRESSED"] == SUPPRESSED
    assert not suppressed & set(public_run.findings().source_row_id)


def test_lines_of_quarters_that_began_over_a_year_after_termination(
    public_run: FinishedRun, public_data: Any, judged: Any
) -> None:
    products = pd.read_csv(public_data / "mdrp_terminated_products.csv.gz", dtype=str)
    lines = judged.merge(products[["ndc", "termination_date", "reactivation_date"]], on="ndc")
    terminated = pd.to_datetime(lines.termination_date)
    reactivated = pd.to_datetime(lines.reactivation_date)
    late = (lines.period_start - terminated).dt.days > 365
    in_force_again = (reactivated > terminated) & (reactivated <= lines.period_start)
    expected = set(lines[late & ~in_force_again].source_row_id)
    assert len(expected) > 300
    assert rows_with(public_run, "R022") == expected


def test_a_late_line_is_a_request_for_detail_and_no_accusation(public_run: FinishedRun) -> None:
    findings = public_run.findings()
    late = findings[findings.rules.map(lambda hits: {hit["rule_id"] for hit in hits} == {"R022"})]
    assert not late.empty
    assert set(late.action) <= {"REQUEST_CLD", "CHECK_REFERENCE"}
    assert late.dispute_code.isna().all()
    assert (late.evidence == "MEDIUM").all()


def test_lines_whose_price_is_far_from_nadac(public_run: FinishedRun, public_data: Any, judged: Any) -> None:
    nadac = pd.read_parquet(public_data / "nadac_2013_2022.parquet")
    pairs = judged.merge(nadac, on="ndc")
    start = pd.to_datetime(pairs.effective_date)
    last_day = pd.to_datetime(pairs.end_date.astype(str), errors="coerce")
    pairs = pairs[(start <= pairs.period_start) & (pairs.period_start <= last_day)]
    ratio = pairs.total_amount_reimbursed / pairs.units_reimbursed / pairs.nadac_per_unit
    expected = set(pairs[(ratio > 50) | (ratio < 0.02)].source_row_id)
    assert len(expected) == 63
    assert expected <= rows_with(public_run, "R036")
    findings = public_run.findings().set_index("source_row_id")
    suprep = findings[findings.product_name.str.startswith("SUPREP", na=False)]
    assert not suprep.empty
    assert expected & set(suprep.index)


def test_units_per_prescription_far_from_the_products_own_median(public_run: FinishedRun, judged: Any) -> None:
    per_prescription = judged.units_reimbursed / judged.number_of_prescriptions
    median = per_prescription.groupby(judged.ndc).transform("median")
    ratio = per_prescription / median
    expected = set(judged[(ratio > 10) | (ratio < 0.1)].source_row_id)
    assert expected
    assert expected <= rows_with(public_run, "R035")


def test_no_line_of_public_totals_becomes_a_dispute_line(public_run: FinishedRun) -> None:
    assert (public_run.findings().action != "DISPUTE").all()
    assert pd.read_csv(public_run.folder / "disputes" / "detail.csv").empty


def test_the_summary_says_what_was_off_for_lack_of_tables(public_run: FinishedRun) -> None:
    summary = public_run.json("summary.json")
    assert "rebate_claims" in summary["rules_off"]["R001 on rebate_claims"]
    assert "rebate_claims" in summary["rules_off"]["R038 on invoices"]
    assert summary["features_off"]
    assert summary["counts"]["received"]["invoices"] == SDUD_LINES + 1000
