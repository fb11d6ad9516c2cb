"""The page of input tables and the job that lists them; the declared examples are good values."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from engine.contracts.columns import Kind, Table, TableRole
from engine.contracts.page import input_page
from engine.contracts.tables import TABLES
from engine.prepare import conform
from tests.unit.prepare_rows import AS_OF, received

PROJECT = Path(__file__).resolve().parents[2]
COLUMNS = [(table, column) for table in TABLES.values() for column in table.columns]


def listed(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "jobs.tables", *words],
        cwd=PROJECT,
        # a Java that fails: the job must not need one
        env={"PATH": "/nowhere", "JAVA_HOME": "/nowhere", "ENGINE_LOGS": "/nowhere"},
        capture_output=True,
        text=True,
    )


def test_the_page_is_up_to_date() -> None:
    kept = (PROJECT / "docs" / "input.md").read_text(encoding="utf-8")
    assert kept == input_page(), "python -m docs_pages"


def test_the_page_has_a_row_for_every_column() -> None:
    sections = dict(part.split("\n", 1) for part in input_page().split("\n### ")[1:])
    assert list(sections) == sorted(
        TABLES, key=lambda name: (TABLES[name].role is TableRole.REFERENCE, list(TABLES).index(name))
    )
    for name, section in sections.items():
        rows = [line for line in section.splitlines() if line.startswith("| `")]
        assert [row.split("`")[1] for row in rows] == list(TABLES[name].column_names)


@pytest.mark.parametrize("table", TABLES.values(), ids=lambda table: table.name)
def test_every_table_and_column_is_described(table: Table) -> None:
    assert table.meaning.endswith(".")
    assert all(column.meaning and column.example and not column.meaning.endswith(".") for column in table.columns)


@pytest.mark.slow
@pytest.mark.parametrize("table", TABLES.values(), ids=lambda table: table.name)
def test_the_example_row_is_a_good_row(spark: SparkSession, table: Table) -> None:
    row = conform(received(spark, [dict(table.example_row)]), table, as_of=AS_OF).first().asDict()
    assert (row["problems"], row["coerced"], row["left_as"]) == (None, None, None)
    received_columns = [name for name in table.column_names if name in row]
    assert [name for name in received_columns if row[name] is None] == []


def test_dates_that_begin_or_end_an_interval_are_declared_as_bounds() -> None:
    dates = {(table.name, column.name) for table, column in COLUMNS if column.kind is Kind.DATE}
    bounds = {(table.name, column.name) for table, column in COLUMNS if column.is_bound}
    words = ("begin", "start", "end_", "_end", "termination", "valid_", "effective", "market_date", "reactivation")
    assert bounds == {(table, name) for table, name in dates if any(word in name for word in words)}
    assert not {table for table, _ in bounds} & {"rebate_claims", "entity_claims", "pharmacy_claims", "invoices"}


def test_the_job_lists_every_table_without_java() -> None:
    ended = listed()
    assert (ended.returncode, ended.stderr) == (0, "")
    heads = [line.split("  (")[0] for line in ended.stdout.splitlines() if line.endswith(("(feed)", "(reference)"))]
    assert heads == list(TABLES)


def test_the_job_lists_the_columns_of_one_table() -> None:
    ended = listed("medicaid_exclusions")
    cells = [line.strip("│ ").split("│")[0].strip() for line in ended.stdout.splitlines() if line.startswith("│")]
    assert [name for name in cells if name] == list(TABLES["medicaid_exclusions"].column_names)
    assert "Required in every row: npi, or medicaid_number." in ended.stdout


def test_a_table_that_does_not_exist_is_one_message() -> None:
    ended = listed("rebate_claim")
    assert ended.returncode == 2
    assert "did you mean rebate_claims?" in ended.stderr
    assert "Traceback" not in ended.stderr
