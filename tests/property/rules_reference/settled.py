"""Settlements used up once, and what they leave of what rules put at issue (contract 2, 4 and 7.6)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tests.property.rules_reference.basics import MEDICAID, Row, cents, guard, hit
from tests.property.rules_reference.world import Prepared, arrival, payer, rebate_type

CREDITS = ("STATE_CREDIT", "ENTITY_REPAID")
NOTHING = Decimal(0)


def allot(world: Prepared) -> None:
    """`since` and `before` of each claim: units credited on or after its receipt, and before it or on an unknown day.

    Each settlement of a claim line is used up on its live rows, one after the other, each up to its units.
    """
    for row in world.claims:
        row["since"] = row["before"] = NOTHING
    for one in sorted(world.table("settlements"), key=lambda one: (one["settled_on"], one["settlement_id"])):
        if one["kind"] not in CREDITS or one["claim_id"] is None:
            continue
        meant = sorted(
            (row for row in world.claims if _is_meant(one, row)), key=lambda row: (row["claim_line"], arrival(row))
        )
        left = one["units"]
        for row in meant:
            name = "since" if _is_received(row, one["settled_on"]) else "before"
            taken = min(left, row["size"] - row[name])
            row[name] += taken
            left -= taken


def _is_received(row: Row, day: Any) -> bool:
    return row["received_at"] is not None and row["received_at"].date() <= day


def _is_meant(one: Row, row: Row) -> bool:
    same = ("program", "ndc", "period", "claim_id")
    if any(one[name] != row[name] for name in same) or rebate_type(one) != rebate_type(row):
        return False
    of_payer = one["state"] if one["program"] in MEDICAID else one["payer_id"]
    return of_payer == payer(row) and one["claim_line"] in (None, row["claim_line"])


def judge(row: Row) -> list[dict[str, Any] | None]:
    """R059."""
    if row["left"] <= 0 or row["before"] <= 0:
        return []
    code = "M" if row["program"] in MEDICAID else "MRA" if row["program"] == "MFP" else "PBM"
    guards = [
        ("PARTIAL_CREDIT", guard(row["before"] < row["size"]), "MEDIUM"),
        ("DAY_OF_RECEIPT", guard(None if row["received_at"] is None else False), "SILENT"),
        ("CORRECTION", guard(row["transaction"] == "ADJUSTMENT"), "WEAK"),
    ]
    return [hit("R059", "STRONG", code=code, units=min(row["before"], row["left"]), action="DISPUTE", guards=guards)]


def at_issue(world: Prepared, row: Row, said: dict[str, Any]) -> dict[str, Any]:
    """What a rule says of a claim, with units less those settled since, and dollars."""
    if said["units"] is None:
        return said
    size, since = row["left"], row["since"]
    units = max(min(said["units"], size) - since, NOTHING)
    price = world.our_price(row)
    # a stated price of zero means that the payer does not know it; HCPCS units have no price
    price = (row["unit_rebate_amount"] or None) if price is None else price
    price = None if row["ndc_units"] is None else price
    amount = said["amount"]
    if amount is not None:
        share = max(size - since, NOTHING) / row["size"] if row["size"] else Decimal(1)
        amount = cents(amount * share)
    elif price is not None:
        amount = cents(units * price)
    if amount is not None and price is not None:
        amount = min(amount, cents(size * price)) if said["amount"] is None else amount
    return said | {"units": units, "amount": amount}
