"""A small world whose every date is a placeholder goes through the main job and `explain`, and no date changes."""

from __future__ import annotations

import csv
import json
from datetime import date
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow.parquet as parquet
import pytest

from engine.contracts.columns import PLACEHOLDER_DATES, Kind, Table
from engine.contracts.tables import TABLES
from jobs.detect import detect
from jobs.explain import explain

pytestmark = pytest.mark.slow

# One row of every table for each of these days, in all its date and time columns; None keeps the ordinary days.
DAYS = [None, *(day.isoformat() for day in PLACEHOLDER_DATES)]
# Rows that stand for themselves: no claim that a row replaces, no hash in place of a number.
_LEFT_EMPTY = ("prior_claim_id", "prior_claim_line", "rx_number_hash", "hash_scheme", "claim_line", "parent_entity_id")


def _row(table: Table, number: int, day: str | None) -> dict[str, str]:
    """The table's example row; identifiers and NDCs end in `number`, so that rows of one number belong together."""
    row = {}
    for column in table.columns:
        value = column.example
        if column.name in _LEFT_EMPTY:
            value = ""
        elif column.kind in (Kind.IDENTIFIER, Kind.NDC) and column.name not in ("hash_scheme", "mtf_transaction_code"):
            value = value[:-1] + str(number)
        elif column.kind in (Kind.DATE, Kind.TIMESTAMP) and day is not None:
            value = day
        row[column.name] = value
    return row


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("placeholders")
    for table in TABLES.values():
        with (folder / f"{table.name}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, table.column_names)
            writer.writeheader()
            writer.writerows(_row(table, number, day) for number, day in enumerate(DAYS))
    return folder


def test_the_main_job_and_explain_keep_every_day(run_job: Any, world: Any, tmp_path: Path) -> None:
    words = ["--input", world, "--output", tmp_path, "--run-id", "r"]
    ended = run_job(detect, *words, "--as-of", "2026-09-30")
    assert ended.status == 0, ended

    run = tmp_path / "r"
    rows = parquet.read_table(run / "findings").to_pylist()
    served = {row["source_row_id"]: row["date_of_service"] for row in rows if row["subject"] == "REBATE_CLAIM"}
    own = {f"CLD-2025Q3-00000{number}": day and date.fromisoformat(day) for number, day in enumerate(DAYS)}
    own["CLD-2025Q3-000000"] = date(2025, 8, 14)
    assert served == {row: own[row] for row in served}
    # period 2025Q3 is not the quarter of payment of any placeholder (R054)
    assert {row for row, day in own.items() if day in PLACEHOLDER_DATES} - {"CLD-2025Q3-000004"} <= set(served)
    # 37 days after the postmark; without an invoice the last day of the twelfth quarter after 2025Q3
    assert not {row["deadline_date"] for row in rows} - {None, date(2025, 12, 27), date(2028, 9, 30)}

    ledger = json.loads((run / "ledger.json").read_text())
    dropped = {reason for steps in ledger.values() for step in steps for reason in step["dropped"]}
    assert not {reason for reason in dropped if "DATE" in reason or "EFFECTIVE" in reason}
    assert not any(step.get("counted", {}).get("COERCED_NULL") for steps in ledger.values() for step in steps)

    book = openpyxl.load_workbook(run / "review" / "findings.xlsx", read_only=True)
    shown = list(book["Findings"].iter_rows(values_only=True))
    column = shown[0].index("Date of service")
    in_sheet = {str(cells[column])[:10] for cells in shown[1:] if cells[column] is not None}
    assert in_sheet == {str(day) for day in served.values()} | {
        str(row["date_of_service"]) for row in rows if row["date_of_service"] is not None
    }
    assert (run / "report.html").exists()

    ended = run_job(explain, *words, "--source-row-id", "CLD-2025Q3-000002")
    assert ended.status == 0, ended
