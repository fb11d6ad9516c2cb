"""Days that Excel does not have, and placeholder dates, in every review file and on the way to a database."""

from __future__ import annotations

import csv
from datetime import date, datetime
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from engine.contracts.match_rates import month_text
from engine.exports import add_up, write_disputes_detail, write_report, write_workbooks
from engine.exports.batches import ordered_batches
from engine.runtime.storage import storage_of
from engine.settings import ReviewSettings
from tests.unit.exports_rows import FACTS, finding, frame_of, line, lines_of

# The day as the workbook must hold it: ISO text before March 1900, where Excel's own count is wrong or ends.
IN_EXCEL = {
    "0001-01-01": "0001-01-01",
    "1753-01-01": "1753-01-01",
    "1899-12-31": "1899-12-31",
    "1900-01-01": "1900-01-01",
    "1900-02-28": "1900-02-28",
    "1900-03-01": datetime(1900, 3, 1),
    "2025-08-14": datetime(2025, 8, 14),
    "9999-12-31": datetime(9999, 12, 31),
}
DAYS = list(IN_EXCEL)


def _row(number: int, text: str) -> dict[str, Any]:
    day = date.fromisoformat(text)
    reference = {"table": "products", "key": text, "start": day, "end": day, "snapshot_date": day}
    return finding(number) | {
        "evidence": "STRONG",
        "date_of_service": day,
        "deadline_date": day,
        "deadline_kind": "NO_INTEREST",
        "reference_rows": [reference],
        "priority": 100.0 - number,
        "claim_id": f"claim of {text}",
    }


@pytest.fixture(scope="module")
def files(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any, dict[str, dict[str, Any]]]:
    folder, storage = tmp_path_factory.mktemp("dates"), storage_of(spark)
    rows = [_row(number, text) for number, text in enumerate(DAYS)]
    findings = frame_of(spark, rows).cache()
    lines = lines_of(spark, [line(row) | {"reference_rows": row["reference_rows"]} for row in rows]).cache()
    totals = add_up(findings)
    write_workbooks(findings, lines, totals, FACTS, storage, folder.as_uri(), ReviewSettings())
    write_disputes_detail(lines, storage, f"{folder.as_uri()}/detail.csv")
    write_report(totals, len(rows), FACTS, storage, f"{folder.as_uri()}/report.html")
    # what the database export fetches
    fetched = [
        row
        for batch in ordered_batches(
            findings.select("claim_id", "date_of_service", "deadline_date"), [F.col("claim_id")], 9
        )
        for row in batch.to_pylist()
    ]
    book = openpyxl.load_workbook(folder / "findings.xlsx")
    return folder, book, {row["claim_id"]: row for row in fetched}


def _sheet(book: Any, name: str) -> dict[str, dict[str, Any]]:
    rows = list(book[name].iter_rows(values_only=True))
    cells = [dict(zip(rows[0], row, strict=True)) for row in rows[1:]]
    return {row["Claim number"]: row for row in cells}


def _csv(path: Path) -> dict[str, dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    name = next(name for name in rows[0] if name in ("claim_id", "Claim number"))
    return {row[name]: row for row in rows}


@pytest.mark.parametrize("day", DAYS)
@pytest.mark.parametrize(
    ("sheet", "heading"),
    [("Findings", "Date of service"), ("Findings", "Deadline"), ("Dispute lines", "Date of service")],
)
def test_no_wrong_day_in_the_workbook(
    files: tuple[Path, Any, dict[str, dict[str, Any]]], sheet: str, heading: str, day: str
) -> None:
    assert _sheet(files[1], sheet)[f"claim of {day}"][heading] == IN_EXCEL[day]


@pytest.mark.parametrize("day", DAYS)
@pytest.mark.parametrize(
    ("file", "column"),
    [("findings.csv", "Date of service"), ("findings.csv", "Deadline"), ("detail.csv", "date_of_service")],
)
def test_csv_has_the_iso_date(
    files: tuple[Path, Any, dict[str, dict[str, Any]]], file: str, column: str, day: str
) -> None:
    assert _csv(files[0] / file)[f"claim of {day}"][column] == day


@pytest.mark.parametrize("day", DAYS)
def test_reference_rows_are_written_in_words(files: tuple[Path, Any, dict[str, dict[str, Any]]], day: str) -> None:
    words = f"products {day}, {day} to {day}, as of {day}"
    assert _csv(files[0] / "detail.csv")[f"claim of {day}"]["reference_rows"] == words
    assert words in _csv(files[0] / "findings.csv")[f"claim of {day}"].values()
    assert words in _sheet(files[1], "Findings")[f"claim of {day}"].values()


@pytest.mark.parametrize("day", DAYS)
def test_the_report_has_the_deadline(files: tuple[Path, Any, dict[str, dict[str, Any]]], day: str) -> None:
    assert f">{day}: " in (files[0] / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("day", DAYS)
def test_the_database_export_fetches_the_day(files: tuple[Path, Any, dict[str, dict[str, Any]]], day: str) -> None:
    row = files[2][f"claim of {day}"]
    assert (row["date_of_service"], row["deadline_date"]) == (date.fromisoformat(day), date.fromisoformat(day))


@pytest.mark.parametrize(("day", "month"), [(date(1, 1, 1), "0001-01"), (date(9999, 12, 1), "9999-12")])
def test_months_have_four_digits_of_their_year(day: date, month: str) -> None:
    assert month_text(day) == month
