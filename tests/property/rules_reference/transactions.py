"""What pharmacies transmitted (R020, R055), refund ICNs (R012), invoices (R061)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from tests.property import prepare_reference
from tests.property.rules_reference.basics import (
    CONTRACTS,
    MEDICAID,
    Row,
    guard,
    hit,
    last_day,
    quarter_of,
    rx_key,
)
from tests.property.rules_reference.world import Prepared, arrival, payer, rebate_type

AS_OF = date(2026, 2, 15)
CLOSING = ("003", "009", "013")


def judge(world: Prepared, row: Row) -> list[dict[str, Any] | None]:
    hits = [_not_invoiced(world, row)]
    if row["left"] > 0:
        hits += [*_reversed(world, row), _second_icn(world, row)]
    return hits if row["left"] > 0 else []


def _last_transaction(world: Prepared, row: Row) -> Row | None:
    """The last transaction of the dispense; of bills and reversals of one time whichever is kinder to the payer."""
    if row["claim_type"] != "RX" or row["natural"] is None:
        return None
    of_dispense = [
        one
        for one in world.table("pharmacy_claims")
        if (one["pharmacy_npi"], rx_key(one["rx_number"]), one["fill_number"], one["date_of_service"], one["ndc"])
        == (row["pharmacy"], row["rx_key"], row["fill_number"], row["date_of_service"], row["ndc"])
    ]
    if not of_dispense:
        return None
    texts = [
        {**one, "transaction_at": one["transaction_at"].isoformat() if one["transaction_at"] else None}
        for one in of_dispense
    ]
    texts.sort(key=lambda one: (one["transaction_at"] or "", one["transaction_code"], one["source_row_id"]))
    last = prepare_reference.last_of(texts)["source_row_id"]
    return next(one for one in of_dispense if one["source_row_id"] == last)


def _reversed(world: Prepared, row: Row) -> Iterator[Any]:
    last = _last_transaction(world, row)
    if row["program"] not in (*MEDICAID, *CONTRACTS) or last is None or last["transaction_code"] != "B2":
        return
    received = row["received_at"]
    cut_off = received.date() if received else last_day(row["period"]) + timedelta(days=60)
    day = last["transaction_at"] and last["transaction_at"].date()
    is_early = day is not None and day <= cut_off
    paid = row["amount_paid"]
    code = "PBM" if row["program"] in CONTRACTS else "J" if paid is not None and paid <= 0 else "M"
    yield hit(
        "R020",
        "STRONG" if is_early else "WEAK",
        code=code,
        units=row["left"],
        action="DISPUTE" if is_early else "PAY_AND_WATCH",
        related={last["source_row_id"]},
    )
    # the credit was due on the invoice of the quarter of the reversal
    if row["program"] not in MEDICAID or is_early or day is None:
        return
    if last_day(quarter_of(day)) + timedelta(days=60) < AS_OF:
        corrected = sum(
            -one["units_reimbursed"]
            for one in world.invoices
            if one["line_kind"] == "PRIOR_DELTA"
            and one["source_kind"] != "SDUD"
            and (one["units_reimbursed"] or 0) < 0
            and (one["program"], one["state"], one["ndc"], one["period"])
            == (row["program"], payer(row), row["ndc"], row["period"])
            and rebate_type(one) == rebate_type(row)
        )
        guards = [
            ("CREDITED", guard(row["since"] >= row["size"]), "SILENT"),
            ("CORRECTED_INVOICE", guard(corrected >= row["left"]), "WEAK"),
            ("QUARANTINED_CREDITS", guard(False), "SILENT"),
        ]
        yield hit("R055", "STRONG", code="M", units=row["left"], guards=guards)


def _second_icn(world: Prepared, row: Row) -> dict[str, Any] | None:
    """R012: an earlier row of the dispense is open under another ICN, as this one is."""
    if row["program"] != "MFP" or row["date_of_service"] < date(2026, 1, 1) or not _is_open(world, row):
        return None
    earlier = [
        one
        for one in world.claims
        if one["program"] == "MFP"
        and one["left"] > 0
        and one["natural"] == row["natural"]
        and row["natural"] is not None
        and one["mtf_icn"] != row["mtf_icn"]
        and arrival(one) < arrival(row)
        and {one["dispensing_status"], row["dispensing_status"]} != {"P", "C"}
        and _is_open(world, one)
    ]
    if not earlier:
        return None
    related = {one["source_row_id"] for one in earlier}
    return hit("R012", "STRONG", code="MRA", units=row["left"], action="PAY_AND_WATCH", related=related)


def _is_open(world: Prepared, row: Row) -> bool:
    """No cross reference names the ICN, and no transaction of it reverses it or calls it not eligible."""
    icn = row["mtf_icn"]
    if icn is None or row["mtf_transaction_code"] == "005":
        return False
    others = [one for one in world.claims if one["program"] == "MFP" and one["mtf_transaction_code"] != "005"]
    named = any(one["mtf_xref_icn"] == icn for one in others)
    closed = any(one["mtf_icn"] == icn and one["mtf_transaction_code"] in CLOSING for one in others)
    return not named and not closed


def _not_invoiced(world: Prepared, row: Row) -> dict[str, Any] | None:
    """R061: the state's invoice of the period was received, and no line of it is of the product."""
    if row["program"] not in MEDICAID:
        return None
    lines = [
        one
        for one in world.all_invoices
        if one["source_kind"] != "SDUD"
        and (one["program"], one["state"], one["period"]) == (row["program"], payer(row), row["period"])
        and rebate_type(one) == rebate_type(row)
    ]
    if not lines or any(one["ndc"] == row["ndc"] for one in lines):
        return None
    return hit("R061", "CONTEXT", units=Decimal(0), action="NONE")
