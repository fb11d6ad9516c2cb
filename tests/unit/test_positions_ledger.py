"""The unit ledger: what decides which rows it is made of, and the run before."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import SparkSession

from engine import positions
from engine.contracts.positions import POSITIONS
from engine.pipeline.positions import _check_balance
from engine.runs import LedgerError
from tests.unit.facts_rows import NDC, claim, claims, frame, invoice, invoices, reference
from tests.unit.positions_rows import Ledger, decisions, findings, ledger_of

KEY = {"program": "MDRP_FFS", "state": "GA", "ndc11": NDC, "period": "2025Q1"}


def units(ledger: Ledger) -> dict[tuple[Any, ...], int]:
    return {(row["payer_id"], row["claim_id"], row["position"]): int(row["units"]) for row in ledger.rows}


def decision(finding_id: str, day: int, what: str = "DISPUTE", held: str | None = None) -> dict[str, Any]:
    at = datetime(2025, 6, day, tzinfo=UTC)
    return {"finding_id": finding_id, "decided_at": at, "decided_by": "A", "decision": what, "units": held}


def test_decisions(spark: SparkSession) -> None:
    rows = [claim(name, claim_id=name, ndc_units="30") for name in "ABCD"]
    made = [
        decision("a", 1, held="10"),
        decision("b", 1),
        decision("c", 1),
        decision("c", 2, "DISMISS"),
        decision("e", 1),
        decision("gone", 1, held="5"),
    ]
    found = [
        {"finding_id": one, "subject": "REBATE_CLAIM", "source_row_id": one.upper(), "units_at_issue": "25"}
        for one in "abcd"
    ]
    found.append({"finding_id": "e", "subject": "ENTITY_CLAIM", "source_row_id": "A", "units_at_issue": "25"})
    ledger = ledger_of(claims(spark, rows), None, None, (decisions(spark, made), findings(spark, found)))
    disputed = {row["claim_id"]: (int(row["units"]), row["finding_id"]) for row in ledger.rows if row["finding_id"]}
    assert disputed == {"A": (10, "a"), "B": (25, "b")}
    assert ledger.not_placed == 1


def test_settlements_without_a_payer(spark: SparkSession) -> None:
    """One payer alone has the claim or the line; of two, none is guessed."""
    rows = [claim("1", claim_id="A"), claim("2", claim_id="B", state="AL", payer_id="AL"), claim("3", claim_id="B")]
    lines = [invoice("l1", units_reimbursed="60"), invoice("l2", units_reimbursed="30", state="AL")]
    paid = KEY | {"state": None, "kind": "PAID", "units": "30", "settled_on": "2025-06-20"}
    settled = [paid | {"claim_id": claim_id} for claim_id in "AB"]
    ledger = ledger_of(claims(spark, rows), invoices(spark, lines), reference(spark, "settlements", *settled))
    assert units(ledger) == {("GA", "A", "PAID"): 30, ("GA", "B", "PAYABLE"): 30, ("AL", "B", "PAYABLE"): 30}
    assert ledger.not_placed == 1


def test_a_settlement_of_a_claim_counts_in_the_quarter_of_the_claim(spark: SparkSession) -> None:
    settled = KEY | {"period": "2025Q2", "kind": "PAID", "units": "30", "settled_on": "2025-06-20", "claim_id": "1"}
    ledger = ledger_of(claims(spark, [claim("1")]), None, reference(spark, "settlements", settled))
    assert units(ledger) == {("GA", "1", "PAID"): 30}


@pytest.mark.parametrize("all_in_sequence", [False, True])
def test_lines_that_state_no_total(spark: SparkSession, all_in_sequence: bool) -> None:
    """Public utilization data are no invoice, and a line without units leaves its claims as they are."""
    rows = [claim("1"), claim("2", claim_id="2", state="AL", payer_id="AL")]
    lines = [invoice("l1", units_reimbursed="60", source_kind="SDUD"), invoice("l2", state="AL")]
    ledger = ledger_of(claims(spark, rows), invoices(spark, lines), all_in_sequence=all_in_sequence)
    assert units(ledger) == {("GA", "1", "PAYABLE"): 30, ("AL", "2", "PAYABLE"): 30}


@pytest.mark.parametrize("all_in_sequence", [False, True])
def test_claims_without_ndc_units_may_explain_the_invoice(spark: SparkSession, all_in_sequence: bool) -> None:
    rows = [claim("1", ndc_units=None, units="3")]
    ledger = ledger_of(
        claims(spark, rows), invoices(spark, [invoice("l1", units_reimbursed="60")]), all_in_sequence=all_in_sequence
    )
    assert units(ledger) == {("GA", None, "PAYABLE"): 60}


def position(claim_id: str | None, name: str, held: str) -> dict[str, Any]:
    return KEY | {"payer_id": "GA", "rebate_type": "FEDERAL", "claim_id": claim_id, "position": name, "units": held}


def test_the_position_before(spark: SparkSession) -> None:
    before = [
        position("A", "PAYABLE", "30"),
        position("B", "PAID", "20"),
        position("B", "PAYABLE", "10"),
        position(None, "PAYABLE", "5"),
        position("C", "PAID", "10"),
    ]
    now = [
        position("A", "DISPUTED", "30"),
        position("B", "PAID", "20"),
        position("B", "DISPUTED", "10"),
        position(None, "NOT_IN_CLD", "5"),
        position("D", "PAYABLE", "30"),
    ]
    found = positions.with_previous(
        frame(spark, now, POSITIONS).drop("previous_position"), frame(spark, before, POSITIONS)
    )
    previous = {(row["claim_id"], row["position"]): row["previous_position"] for row in found.collect()}
    assert previous == {
        ("A", "DISPUTED"): "PAYABLE",
        ("B", "PAID"): "PAID",
        ("B", "DISPUTED"): "PAYABLE",
        (None, "NOT_IN_CLD"): "PAYABLE",
        ("D", "PAYABLE"): None,
    }


def test_a_key_that_does_not_add_up_stops_the_run(spark: SparkSession) -> None:
    lines = positions.invoice_lines(invoices(spark, [invoice("l1", units_reimbursed="60")]))
    right, wrong = (frame(spark, [position("A", "PAID", held)], POSITIONS) for held in ("60", "59.999"))
    _check_balance(right, lines)
    with pytest.raises(LedgerError, match="1 key do not add up"):
        _check_balance(wrong, lines)


def test_differences_and_replacements(spark: SparkSession) -> None:
    """The latest of each kind; a difference received before the replacement is part of it."""
    lines = [
        invoice("1", units_reimbursed="100", invoice_number="I1", received_date=date(2025, 5, 1)),
        invoice("2", units_reimbursed="90", invoice_number="I2", received_date=date(2025, 6, 1)),
        invoice("3", units_reimbursed="7", line_kind="PRIOR_DELTA", received_date=date(2025, 7, 1)),
        invoice("4", units_reimbursed="80", line_kind="PRIOR_REPLACEMENT", received_date=date(2025, 8, 1)),
    ]
    (row,) = positions.invoice_lines(invoices(spark, lines)).collect()
    assert (row["total"], row["gross"], row["replaced"]) == (Decimal(80), Decimal(90), 1)
    assert (row["line_kind"], row["invoice_number"]) == ("PRIOR_REPLACEMENT", None)
