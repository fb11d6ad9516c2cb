"""Rules on invoice lines."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from tests.property.rules_reference.basics import Row, cents, covers, first_day, guard, hit
from tests.property.rules_reference.world import Prepared, is_federal, rebate_type

AS_OF = date(2026, 2, 15)
NOTHING = Decimal(0)


def row_id(row: Row) -> str:
    """program/state/ndc11/period, with what else tells the line."""
    key = [row["program"], row["state"], row["ndc"], row["period"]]
    if row["invoice_number"] or row["line_kind"] not in (None, "CURRENT"):
        key += [row["invoice_number"] or "", row["line_kind"] or "CURRENT"]
    return "/".join([*key, *(row[name] for name in ("sub_program", "rebate_type") if row[name])])


def judge(world: Prepared, row: Row) -> list[dict[str, Any] | None]:
    if row["suppressed"]:
        return []
    hits = [*_arithmetic(world, row), _our_price(world, row)]
    if row["units_reimbursed"] is not None and row["units_reimbursed"] > 0:
        hits += [*_product(world, row), _outside(row), _unsupported(world, row)]
    return hits


def _product(world: Prepared, row: Row) -> Iterator[Any]:
    day, units = first_day(row["period"]), row["units_reimbursed"]
    product = world.product(row["ndc"], day)
    if product is None:
        guards = [("NEWLY_REPORTED", guard(day > AS_OF - timedelta(days=184)), "WEAK")]
        yield hit("R025", "MEDIUM", code="O", units=units, guards=guards)
    else:
        if product["cod_status"] in ("05", "06"):
            yield hit("R026", "STRONG", code="U", units=units)
        ended, again = product["termination_date"], product["reactivation_date"]
        if ended and (day - ended).days > 365:
            is_back = again is not None and ended < again <= day
            yield hit("R022", "MEDIUM", units=units, guards=[("REACTIVATED", guard(is_back), "SILENT")])
    owned = [one for one in world.table("labelers") if one["labeler_code"] == row["ndc"][:5]]
    if row["source_kind"] != "SDUD" and owned and not any(covers(one, day) for one in owned):
        yield hit("R027", "MEDIUM", code="G", units=units)


def _outside(row: Row) -> dict[str, Any] | None:
    if row["sub_program"] not in ("CHIP_SEPARATE", "STATE_ONLY") or not is_federal(row):
        return None
    return hit("R058", "STRONG", code="U", units=row["units_reimbursed"])


def _arithmetic(world: Prepared, row: Row) -> Iterator[Any]:
    units, price, stated = row["units_reimbursed"], row["unit_rebate_amount"], row["rebate_amount"]
    beyond = None
    if None not in (units, price, stated) and price != 0:
        wrong_by = stated - cents(units * price)
        if abs(wrong_by) > Decimal("0.01"):
            beyond = max(wrong_by, NOTHING) if units > 0 else NOTHING
    total, parts = row["total_amount"], (row["medicaid_amount"], row["non_medicaid_amount"])
    is_off = None not in (total, *parts) and abs(total - sum(parts)) > Decimal("0.01")
    if beyond is not None or is_off:
        ours = world.our_price(row) if is_federal(row) else None
        code = None if beyond is None else "A" if ours is not None and ours != price else "I"
        yield hit("R053", "STRONG", code=code, units=NOTHING, amount=beyond or NOTHING)


def _our_price(world: Prepared, row: Row) -> dict[str, Any] | None:
    price, ours, units = row["unit_rebate_amount"], world.our_price(row), row["units_reimbursed"]
    if not is_federal(row) or None in (price, ours) or abs(price - ours) <= Decimal("0.000001"):
        return None
    beyond = None if units is None else cents(max(units, NOTHING) * max(price - ours, NOTHING))
    # code B: the state asks at no price yet
    guards = [("ZERO_URA", guard(price == 0), "CONTEXT")]
    return hit("R056", "STRONG", code="B" if price == 0 else "A", units=NOTHING, amount=beyond, guards=guards)


def _unsupported(world: Prepared, row: Row) -> dict[str, Any] | None:
    """R038: live claim lines of the key do not hold the units."""
    if row["line_kind"] == "PRIOR_DELTA" or row["source_kind"] == "SDUD":
        return None
    behind = [
        one
        for one in world.claims
        if (one["program"], one["state"], one["ndc"], one["period"])
        == (row["program"], row["state"], row["ndc"], row["period"])
        and rebate_type(one) == rebate_type(row)
        and (None in (one["sub_program"], row["sub_program"]) or one["sub_program"] == row["sub_program"])
    ]
    taken_back = [
        -one["units_reimbursed"]
        for one in world.invoices
        if one["line_kind"] == "PRIOR_DELTA"
        and one["source_kind"] != "SDUD"
        and one["units_reimbursed"] is not None
        and one["units_reimbursed"] < 0
        and all(one[name] == row[name] for name in ("program", "state", "ndc", "period"))
        and rebate_type(one) == rebate_type(row)
        and (None in (one["sub_program"], row["sub_program"]) or one["sub_program"] == row["sub_program"])
    ]
    units = row["units_reimbursed"]
    gap = units - sum(taken_back) - sum((one["ndc_units"] for one in behind if one["ndc_units"] is not None), NOTHING)
    if units <= 1 or gap / units <= Decimal("0.005"):
        return None
    unknown = any(one["ndc_units"] is None for one in behind)
    guards = [
        ("QUARANTINED_CLAIMS", guard(False), "SILENT"),
        ("UNITS_NOT_CONVERTED", guard(None if unknown else False), "SILENT"),
    ]
    return hit("R038", "STRONG", units=min(gap, units), guards=guards)


def at_issue(world: Prepared, row: Row, said: dict[str, Any]) -> dict[str, Any]:
    if said["units"] is None or said["amount"] is not None:
        return said
    ours = world.our_price(row) if is_federal(row) else None
    price = (row["unit_rebate_amount"] or None) if ours is None else ours
    return said if price is None else said | {"amount": cents(said["units"] * price)}
