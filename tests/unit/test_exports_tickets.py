"""Tickets for JIRA's importer: stable ids, what is in them, and a second import that updates."""

from __future__ import annotations

import csv
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from engine.contracts.cases import CASES
from engine.errors import InputError
from engine.exports import Ticket, case_tickets, finding_tickets, read_issue_keys, redacted_findings, write_tickets
from engine.runtime.storage import storage_of
from tests.unit.exports_rows import finding, frame_of

TITLES = {"R001": "340B identifier on a claim", "R003": "Reported as 340B", "R016": "Duplicate"}
TODAY = date(2026, 3, 1)
ONE = {
    **finding(4),
    "finding_id": "f1",
    "narrative": "State KY invoiced claim 0012 of 2025-08-01 for $75.00.",
    "payer_id": "KY",
    "period": "2025Q3",
    "evidence": "STRONG",
    "deadline_date": date(2026, 3, 9),
    "deadline_kind": "NO_INTEREST",
    "priority": 500.0,
}
TICKET = Ticket("finding-f1", "A title: KY", "First line\nSecond", "High", date(2026, 3, 9), ("STRONG", "two words"))


def tickets(spark: SparkSession, rows: list[dict[str, Any]], most: int = 10, redacted: bool = False) -> list[Ticket]:
    found = frame_of(spark, rows)
    return finding_tickets(redacted_findings(found) if redacted else found, TITLES, TODAY, most, redacted)


def written(
    spark: SparkSession, folder: Path, *given: Ticket, keys: dict[str, str] | None = None
) -> list[dict[str, Any]]:
    write_tickets(given, storage_of(spark), f"{folder.as_uri()}/tickets.csv", keys)
    with (folder / "tickets.csv").open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_a_ticket_says_what_is_suspected_until_when_and_by_whom_it_is_answered(spark: SparkSession) -> None:
    (ticket,) = tickets(spark, [ONE])
    assert ticket.external_id == "finding-f1"
    assert (ticket.due, ticket.priority) == (date(2026, 3, 9), "Highest")
    assert ticket.summary.endswith(f"KY, {ONE['product_name']}, 2025Q3")
    assert ticket.description.startswith(ONE["narrative"])
    assert "Deadline: 2026-03-09: last day to pay without interest" in ticket.description
    assert {"STRONG", "KY", "REBATE_CLAIM"} <= set(ticket.labels)


def test_no_ticket_holds_an_rx_number_and_a_redacted_one_no_claim_day_or_amount(spark: SparkSession) -> None:
    (whole,), (redacted,) = tickets(spark, [ONE]), tickets(spark, [ONE], redacted=True)
    for text in (whole.description, redacted.description):
        assert ONE["rx_number"] not in text
        assert ONE["rx_number_raw"] not in text
    assert "$" not in redacted.description
    assert "0012" not in redacted.description
    assert "2025-08-01" not in redacted.description
    assert redacted.external_id == whole.external_id


def test_only_what_is_worth_the_time_and_not_dismissed_becomes_a_ticket_first_of_the_queue_first(
    spark: SparkSession,
) -> None:
    rows = [
        {**ONE, "finding_id": "low", "priority": 1.0},
        {**ONE, "finding_id": "high", "priority": 9.0},
        {**ONE, "finding_id": "loss", "priority": -14.0, "amount_at_issue": Decimal("10.00")},
        {**ONE, "finding_id": "gone", "priority": 99.0, "is_dismissed": True},
    ]
    assert [ticket.external_id for ticket in tickets(spark, rows)] == ["finding-high", "finding-low"]
    assert [ticket.external_id for ticket in tickets(spark, rows, most=1)] == ["finding-high"]


@pytest.mark.parametrize(
    ("evidence", "deadline", "priority"),
    [
        ("STRONG", date(2026, 2, 28), "High"),
        ("STRONG", None, "High"),
        ("MEDIUM", date(2026, 3, 2), "Medium"),
        ("WEAK", None, "Low"),
        ("CONTEXT", None, "Lowest"),
    ],
)
def test_priority_follows_evidence_and_a_passed_deadline_is_named_as_such(
    spark: SparkSession, evidence: str, deadline: date | None, priority: str
) -> None:
    (ticket,) = tickets(spark, [{**ONE, "evidence": evidence, "deadline_date": deadline}])
    assert ticket.priority == priority
    assert ("passed" in ticket.description) == (deadline is not None and deadline < TODAY)


def test_the_file_is_what_the_importer_reads(spark: SparkSession, tmp_path: Path) -> None:
    (row,) = written(spark, tmp_path, replace(TICKET, summary="=1+1"))
    assert row["Summary"] == "'=1+1"
    assert row["Description"] == "First line\nSecond"
    assert (row["External issue ID"], row["Due date"], row["Issue key"]) == ("finding-f1", "2026-03-09", "")
    header = (tmp_path / "tickets.csv").read_text("utf-8-sig").splitlines()[0]
    assert header.count("Labels") == 6
    assert '"two-words"' in (tmp_path / "tickets.csv").read_text("utf-8-sig")


def test_a_second_import_updates_the_issues_whose_keys_jira_exported(spark: SparkSession, tmp_path: Path) -> None:
    exported = tmp_path / "keys.csv"
    exported.write_text(
        'Issue key;Summary;"Custom field (External issue ID)"\nREB-7;"two\nlines";finding-f1\nREB-8;x;\n'
    )
    keys = read_issue_keys(storage_of(spark), exported.as_uri())
    assert keys == {"finding-f1": "REB-7"}
    rows = written(spark, tmp_path, TICKET, replace(TICKET, external_id="finding-f2"), keys=keys)
    assert [row["Issue key"] for row in rows] == ["REB-7", ""]


def test_a_file_of_keys_without_its_columns_is_one_clear_error(spark: SparkSession, tmp_path: Path) -> None:
    exported = tmp_path / "keys.csv"
    exported.write_text("Issue key,Summary\nREB-7,x\n")
    with pytest.raises(InputError, match="no column External issue ID"):
        read_issue_keys(storage_of(spark), exported.as_uri())


CASE = {
    "case_id": "c1",
    "status": "DRAFT",
    "counterparty_kind": "STATE",
    "counterparty_id": "KY",
    "counterparty_name": "Kentucky Medicaid",
    "contact": "rebate unit, 502-555-0100",
    "labeler_code": "00002",
    "case_period": "2025Q3",
    "root_cause": "ENTITY",
    "root_words": "340B claims of covered entity DSH1 appear not to be excluded",
    "findings": 3,
    "findings_strong": 0,
    "findings_medium": 2,
    "findings_weak": 1,
    "findings_without_price": 0,
    "units_open": Decimal("90.000"),
    "amount_open": Decimal("1234.50"),
    "expected_recovery": Decimal("900.00"),
    "codes": "X",
    "deadline_date": date(2026, 2, 20),
    "deadline_kind": "NO_INTEREST",
}


def case_frame(spark: SparkSession, *cases: dict[str, Any]) -> DataFrame:
    return spark.createDataFrame([tuple(case.get(name) for name in CASES.names) for case in cases], CASES)


def test_a_ticket_per_case_has_the_cases_own_key_and_cause(spark: SparkSession) -> None:
    cases = [
        CASE,
        CASE | {"case_id": "c2", "expected_recovery": Decimal("1000.00")},
        CASE | {"case_id": "solved", "status": "RESOLVED_CREDIT"},
        CASE | {"case_id": "not worth it", "expected_recovery": Decimal("0.00")},
        CASE | {"case_id": "no price", "expected_recovery": Decimal("0.00"), "findings_without_price": 3},
    ]
    made = case_tickets(case_frame(spark, *cases), TODAY, 10, redacted=False)
    assert [ticket.external_id for ticket in made] == ["case-c2", "case-c1", "case-no price"]
    assert [ticket.external_id for ticket in case_tickets(case_frame(spark, *cases), TODAY, 1, False)] == ["case-c2"]
    ticket = made[1]
    assert ticket.summary == f"{CASE['root_words']}: Kentucky Medicaid, 00002, 2025Q3"
    assert (ticket.priority, ticket.due) == ("Medium", date(2026, 2, 20))
    assert "Open: $1,234.50" in ticket.description
    assert "Findings: 3 (0 strong, 2 medium, 1 weak)" in ticket.description
    assert "Deadline: 2026-02-20, passed: last day to pay without interest" in ticket.description
    assert ticket.labels == ("MEDIUM", "CASE", "STATE", "KY", "ENTITY")
    (redacted,) = case_tickets(case_frame(spark, CASE), TODAY, 10, redacted=True)
    assert "$" not in redacted.description
