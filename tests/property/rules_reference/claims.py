"""Rules on rebate claims that need the row itself and its product: identifiers of 340B drugs apart."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from tests.property.rules_reference.basics import (
    CONTRACTS,
    MEDICAID,
    Row,
    cents,
    covers,
    guard,
    hit,
    npi_is_valid,
    quarter_of,
    words,
)
from tests.property.rules_reference.world import Prepared, is_federal

UNLISTED = ["J3490", "J3590", "J7599", "J7699", "J7799", "J7999", "J8499", "J8999", "J9999", "C9399"]
REFUNDS = ("001", "002", None)
AS_OF = date(2026, 2, 15)
MFP_BEGINS = date(2026, 1, 1)
NOTHING = Decimal(0)


def judge(world: Prepared, row: Row) -> list[dict[str, Any] | None]:
    """Hits of a row by rules on the row alone. Rules that draw disputes look at rows of units that are still asked."""
    hits = [_arithmetic(world, row), _our_price(world, row)]
    if row["left"] > 0:
        hits += [*_product_dates(world, row), *_product_kinds(world, row), *_conversions(world, row), *_payments(row)]
        hits += [_wrong_quarter(row), _outside_the_rebate(row), _refund(world, row), _not_eligible(world, row)]
        hits += [numbers(row)]
    return hits


def _in(row: Row, *programs: str) -> bool:
    return row["program"] in programs


def _letter(row: Row, letter: str) -> str:
    return "PBM" if row["program"] in CONTRACTS else letter


def _product_dates(world: Prepared, row: Row) -> Iterator[Any]:
    if not _in(row, *MEDICAID, *CONTRACTS):
        return
    day, product = row["date_of_service"], world.product(row["ndc"], row["date_of_service"])
    ended = product and product["termination_date"]
    if ended:
        again = product["reactivation_date"]
        is_back = again is not None and ended < again <= day
        guards = [("REACTIVATED", guard(is_back), "SILENT")]
        if (day - ended).days > 365:
            yield hit("R022", "STRONG", code=_letter(row, "N"), units=row["left"], action="DISPUTE", guards=guards)
        elif (day - ended).days > 0 and _in(row, *MEDICAID):
            yield hit("R023", "WEAK", guards=guards)
    if _in(row, *MEDICAID) and product and product["market_date"] and product["market_date"] > day:
        others = [one["market_date"] for one in world.table("products") if one["ndc"] == row["ndc"]]
        is_revised = any(market is not None and market <= day for market in others)
        guards = [("MARKET_DATE_REVISED", guard(is_revised), "WEAK")]
        yield hit("R024", "MEDIUM", code="O", units=row["left"], action="DISPUTE", guards=guards)


def _product_kinds(world: Prepared, row: Row) -> Iterator[Any]:
    if not _in(row, *MEDICAID):
        return
    day, product = row["date_of_service"], world.product(row["ndc"], row["date_of_service"])
    if product is None:
        guards = [("NEWLY_REPORTED", guard(day > AS_OF - timedelta(days=184)), "WEAK")]
        yield hit("R025", "MEDIUM", code="O", units=row["left"], action="DISPUTE", guards=guards)
    elif product["cod_status"] in ("05", "06"):
        yield hit("R026", "STRONG", code="U", units=row["left"], action="DISPUTE")
    owned = [one for one in world.table("labelers") if one["labeler_code"] == row["ndc"][:5]]
    if owned and not any(covers(one, day) for one in owned):
        yield hit("R027", "MEDIUM", code="G", units=row["left"], action="INQUIRE")
    if product is None or row["ndc_units"] is None:
        return
    package, units = product["units_per_package"], row["ndc_units"]
    whole = [
        ("PARTIAL_FILL", guard(row["dispensing_status"] in ("P", "C")), "SILENT"),
        ("COMPOUND", guard(None if row["compound_code"] is None else row["compound_code"] == "2"), "SILENT"),
        ("PARTIAL_VIAL", guard(row["claim_type"] == "MEDICAL"), "SILENT"),
    ]
    is_whole = package is not None and package % 1 == 0
    if product["unit_type"] in ("CAP", "EA", "SUP", "TDP") and is_whole and units % 1 != 0:
        yield hit("R029", "MEDIUM", code="E", units=min(units % 1, row["left"]), action="DISPUTE", guards=whole)
    if product["unit_type"] == "GM" and package:
        packages = units / package
        if abs(packages - packages.quantize(Decimal(1))) > Decimal("0.01"):
            beyond = units - (units // package) * package
            yield hit("R030", "MEDIUM", code="F", units=min(beyond, row["left"]), action="DISPUTE", guards=whole)
    if row["compound_code"] == "2" and package and units > package:
        others = [
            one
            for one in world.claims
            if (one["payer_id"], one["claim_id"]) == (row["payer_id"], row["claim_id"])
            and one["ndc"] != row["ndc"]
            and one["units"] > 0
        ]
        guards = [("INGREDIENT_LINES", guard(bool(others)), "WEAK")]
        yield hit("R033", "MEDIUM", code="Q", units=min(units - package, row["left"]), action="DISPUTE", guards=guards)


def _conversions(world: Prepared, row: Row) -> Iterator[Any]:
    if row["claim_type"] != "MEDICAL" or row["hcpcs_code"] is None:
        return
    factor = row["factor"]
    is_stated_twice = row["units_basis"] != "HCPCS" and row["hcpcs_units"] == row["units"]
    if _in(row, *MEDICAID, *CONTRACTS) and factor not in (None, 1) and is_stated_twice:
        surplus = row["units"] - row["hcpcs_units"] * factor
        yield hit(
            "R031",
            "STRONG",
            code=_letter(row, "K"),
            units=min(max(surplus, NOTHING), row["left"]),
            action="DISPUTE" if surplus > 0 else "INQUIRE",
            guards=[("WASTE_LINE", guard("JW" in words(row["modifiers"])), "SILENT")],
        )
    of_product = [one for one in world.table("hcpcs_crosswalk") if one["ndc"] == row["ndc"]]
    same_code = [one for one in of_product if one["hcpcs_code"] == row["hcpcs_code"]]
    day = row["date_of_service"]
    if _in(row, *MEDICAID) and of_product and not any(covers(one, day) for one in same_code):
        guards = [
            ("UNLISTED_CODE", guard(row["hcpcs_code"] in UNLISTED), "SILENT"),
            ("PAIR_AT_ANOTHER_DATE", guard(bool(same_code)), "WEAK"),
        ]
        yield hit("R032", "MEDIUM", code="K", units=row["left"], action="DISPUTE", guards=guards)


def _payments(row: Row) -> Iterator[Any]:
    paid, others, service = row["amount_paid"], row["amount_third_party"], row["date_of_service"]
    if _in(row, "MDRP_FFS") and paid is not None and paid <= 0:
        guards = [("THIRD_PARTY_PAYMENT", guard(None if others is None else others > 0), "SILENT")]
        yield hit("R021", "MEDIUM", code="J", units=row["left"], action="DISPUTE", guards=guards)
    if _in(row, "MDRP_FFS") and row["paid_date"] is not None and (row["paid_date"] - service).days > 365:
        yield hit("R041", "CONTEXT")


def _arithmetic(world: Prepared, row: Row) -> dict[str, Any] | None:
    price, stated, units = row["unit_rebate_amount"], row["rebate_amount"], row["ndc_units"]
    if not _in(row, *MEDICAID) or None in (price, stated, units):
        return None
    wrong_by = stated - cents(units * price)
    if abs(wrong_by) <= Decimal("0.01"):
        return None
    ours = world.our_price(row)
    return hit(
        "R053",
        "STRONG",
        code="A" if ours is not None and ours != price else "I",
        units=NOTHING,
        amount=max(wrong_by, NOTHING) if units > 0 else NOTHING,
        action="INQUIRE",
        guards=[("ZERO_URA", guard(price == 0), "SILENT")],
    )


def _our_price(world: Prepared, row: Row) -> dict[str, Any] | None:
    price, ours, units = row["unit_rebate_amount"], world.our_price(row), row["ndc_units"]
    if not _in(row, *MEDICAID) or not is_federal(row) or None in (price, ours):
        return None
    if abs(price - ours) <= Decimal("0.000001"):
        return None
    return hit(
        "R056",
        "STRONG",
        code="A",
        units=NOTHING,
        amount=None if units is None else cents(max(units, NOTHING) * max(price - ours, NOTHING)),
        action="INQUIRE",
        guards=[("ZERO_URA", guard(price == 0), "SILENT")],
    )


def _wrong_quarter(row: Row) -> dict[str, Any] | None:
    if not _in(row, *MEDICAID):
        return None
    is_managed = row["program"] == "MDRP_MCO"
    right = quarter_of(row["date_of_service"] if is_managed else row["paid_date"])
    if right is None or right == row["period"]:
        return None
    guards = [("DATE_OF_ADJUSTMENT", guard(not is_managed and row["transaction"] == "ADJUSTMENT"), "WEAK")]
    return hit("R054", "STRONG", code="Y" if is_managed else None, units=NOTHING, action="INQUIRE", guards=guards)


def _outside_the_rebate(row: Row) -> dict[str, Any] | None:
    if not _in(row, *MEDICAID) or row["sub_program"] not in ("CHIP_SEPARATE", "STATE_ONLY") or not is_federal(row):
        return None
    return hit("R058", "STRONG", code="U", units=row["left"], action="DISPUTE")


def _refund(world: Prepared, row: Row) -> dict[str, Any] | None:
    """R060: not (WAC - MFP) x quantity."""
    price, stated = world.our_price(row), row["rebate_amount"]
    if row["program"] != "MFP" or row["date_of_service"] < MFP_BEGINS or row["mtf_transaction_code"] not in REFUNDS:
        return None
    if stated is None and row["unit_rebate_amount"] is not None and row["ndc_units"] is not None:
        stated = cents(row["ndc_units"] * row["unit_rebate_amount"])
    if None in (price, stated, row["ndc_units"]) or abs(stated - cents(price * row["ndc_units"])) <= Decimal("0.01"):
        return None
    beyond = max(stated - cents(price * row["ndc_units"]), NOTHING)
    return hit("R060", "MEDIUM", code="MRA", units=NOTHING, amount=beyond, action="PAY_AND_WATCH")


def _not_eligible(world: Prepared, row: Row) -> dict[str, Any] | None:
    if row["program"] != "MFP" or row["date_of_service"] < MFP_BEGINS or row["mtf_transaction_code"] != "009":
        return None
    if row["rebate_amount"] is None or row["rebate_amount"] <= 0:
        return None
    adjusted = None
    if row["mtf_icn"] is not None:
        adjusted = any(
            one["mtf_xref_icn"] == row["mtf_icn"] and one["mtf_transaction_code"] == "002"
            for one in world.claims
            if one is not row
        )
    guards = [("LATER_ADJUSTMENT", guard(adjusted), "WEAK")]
    return hit("R013", "STRONG", code="MRA", units=row["left"], action="PAY_AND_WATCH", guards=guards)


def numbers(row: Row) -> dict[str, Any] | None:
    """R051: an NPI that cannot be one. A DEA number in the prescriber's place is another numbering."""
    pharmacy, prescriber = row["pharmacy_npi"], row["prescriber_npi"]
    is_wrong = pharmacy is not None and not npi_is_valid(pharmacy)
    is_dea = prescriber is not None and re.fullmatch(r"[A-Z]{2}\d{7}", prescriber) is not None
    if not is_wrong and (prescriber is None or npi_is_valid(prescriber)):
        return None
    guards = [("DEA_NUMBER", guard(is_dea and not is_wrong), "SILENT")]
    return hit("R051", "MEDIUM", action="INQUIRE", guards=guards)
