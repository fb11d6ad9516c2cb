"""`check` reports what `detect` would do with an input, and ends as `detect` would."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pyarrow.parquet as parquet
import pytest

from engine.contracts.tables import TABLES
from jobs.check import check

pytestmark = pytest.mark.slow

_NOT_GIVEN = ("prior_claim_id", "prior_claim_line", "rx_number_hash", "hash_scheme", "group_id", "paid_date")


def claims(count: int, first: int = 0, **values: str) -> list[dict[str, str]]:
    example = {name: value for name, value in TABLES["rebate_claims"].example_row.items() if name not in _NOT_GIVEN}
    return [
        {**example, "source_row_id": f"R{n}", "claim_id": f"2025{n:09}", **values} for n in range(first, first + count)
    ]


def write(path: Path, rows: list[dict[str, str]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture
def folder(tmp_path: Path) -> Any:
    return tmp_path / "in"


@pytest.fixture
def checked(run_job: Any, folder: Any) -> Any:
    return lambda *words: run_job(check, "--input", folder, "--as-of", "2026-09-30", *words)


def cells(out: str, column: str) -> list[list[str]]:
    """Rows of the printed tables whose first cell is `column`."""
    rows = [[cell.strip() for cell in line.strip("│").split("│")] for line in out.splitlines() if line.startswith("│")]
    return [row for row in rows if row[0] == column]


def files_below(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_us_dates_stop_and_the_suggested_line_reads_them(checked: Any, folder: Any, tmp_path: Path) -> None:
    write(folder / "rebate_claims.csv", claims(20, date_of_service="08/14/2025"))
    before = files_below(tmp_path)
    ended = checked()
    assert ended.status == 2
    assert "input.tables.rebate_claims.dates: MM/dd/yyyy" in ended.err
    assert "Traceback" not in ended.err
    (row,) = cells(ended.out, "date_of_service")
    assert row[1:5] == ["20", "quarantined", "DATE_OF_SERVICE_INVALID", "99/99/9999"]
    assert "08/14/2025" not in ended.out + ended.err
    assert "detect would start" not in ended.out

    location = "input.tables.rebate_claims"
    ended = checked("--set", f"{location}.path=rebate_claims.csv", "--set", f"{location}.dates=MM/dd/yyyy")
    assert (ended.status, cells(ended.out, "date_of_service")) == (0, [])
    assert "detect would start." in ended.out
    assert files_below(tmp_path) == before


@pytest.mark.both_engines
def test_some_bad_values_are_shown_by_column_and_rejected_rows_are_written(
    checked: Any, folder: Any, tmp_path: Path
) -> None:
    rows = claims(30)
    rows[3]["units"], rows[4]["units"], rows[5]["days_supply"] = "12 boxes", "", "thirty"
    rows[6]["received_at"] = "2026-12-01T00:00:00Z"
    write(folder / "rebate_claims.csv", rows)
    ended = checked("--output", tmp_path / "out")
    assert ended.status == 0, ended
    assert [row[1:5] for row in cells(ended.out, "units")] == [
        ["1", "quarantined", "UNITS_INVALID", "99 AAAAA"],
        ["1", "quarantined", "UNITS_MISSING", ""],
    ]
    assert [row[1:5] for row in cells(ended.out, "days_supply")] == [
        ["1", "becomes NULL", "DAYS_SUPPLY_INVALID", "AAAAAA"]
    ]
    assert "missing columns: prior_claim_id, prior_claim_line, rx_number_hash" in ended.out
    with (tmp_path / "out" / "quarantine" / "rebate_claims" / "rejected.csv").open(newline="") as file:
        rejected = list(csv.DictReader(file))
    assert [(row["row"], row["reasons"]) for row in rejected] == [("R3", "UNITS_INVALID"), ("R4", "UNITS_MISSING")]
    assert [{name: row[name] for name in rows[0]} for row in rejected] == rows[3:5]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["quarantine"]

    again = checked("--output", tmp_path / "out")
    assert again.status == 2
    assert "rejected rows of an earlier check" in again.err


@pytest.mark.spark_only("the embedded engine samples parts of the input, which may be several files")
def test_the_first_rows_of_every_file_are_sampled_and_all_rejected_rows_are_written(
    checked: Any, folder: Any, tmp_path: Path
) -> None:
    for number in range(3):
        rows = claims(10, first=10 * number)
        rows[1]["units"] = "many"  # in the sample
        rows[9]["units"] = "few"  # beyond it
        write(folder / "rebate_claims" / f"{number}.csv", rows)
    ended = checked("--set", "check.rows_per_file=5", "--output", tmp_path / "out", "--format", "parquet")
    assert ended.status == 0, ended
    assert "15 rows sampled" in ended.out
    assert [row[1] for row in cells(ended.out, "units")] == ["3"]
    rejected = parquet.read_table(tmp_path / "out" / "quarantine" / "rebate_claims").to_pylist()
    assert sorted(row["row"] for row in rejected) == ["R1", "R11", "R19", "R21", "R29", "R9"]


def test_what_would_be_off_and_similar_columns(checked: Any, folder: Any) -> None:
    rows = [{("paid_dt" if name == "fill_number" else name): row[name] for name in row} for row in claims(3)]
    write(folder / "rebate_claims.csv", rows)
    write(folder / "pharmacy_claim.csv", [{"source_row_id": "1"}])
    ended = checked()
    assert ended.status == 0, ended
    assert "not read: pharmacy_claim.csv. Did you mean table pharmacy_claims?" in ended.out
    assert "missing tables: pharmacy_claims, entity_claims, invoices, covered_entities" in ended.out
    assert "ignored columns: paid_dt" in ended.out
    assert "did you mean input.tables.rebate_claims.columns: {paid_date: paid_dt}?" in ended.out
    (row,) = cells(ended.out, "table pharmacy_claims is missing")
    assert "R020 on" in row[1]


def test_missing_required_columns_are_one_message(checked: Any, folder: Any) -> None:
    rows = [{name: row[name] for name in row if name not in ("units", "period")} for row in claims(3)]
    write(folder / "rebate_claims.csv", rows)
    ended = checked()
    assert ended.status == 2
    for column in ("units", "period"):
        assert f"required column is missing: rebate_claims.{column}" in ended.err
    assert "Traceback" not in ended.err + ended.out
