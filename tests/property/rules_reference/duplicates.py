"""R016 to R019 and R057: one dispense asked for more than once."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tests.property.rules_reference.basics import MEDICAID, Row, guard, hit, words
from tests.property.rules_reference.links_340b import may_govern
from tests.property.rules_reference.world import Prepared, arrival, family, payer, rebate_type


def judge(world: Prepared, row: Row) -> list[dict[str, Any] | None]:
    if row["left"] <= 0 or row["natural"] is None:
        return []
    return [_twice(world, row), _two_families(world, row)]


def _earlier(world: Prepared, row: Row) -> list[Row]:
    return [
        one
        for one in world.claims
        if one["left"] > 0 and one["natural"] == row["natural"] and arrival(one) < arrival(row)
    ]


def _twice(world: Prepared, row: Row) -> dict[str, Any] | None:
    if row["program"] == "MFP":
        return None
    earlier = [one for one in _earlier(world, row) if _may_repeat(row, one)]
    if not earlier:
        return None
    nearest = max(earlier, key=lambda one: (*_likeness(row, one), *arrival(one)))
    same_payer, same_program, same_period = _likeness(row, nearest)
    said = {"code": "M" if row["program"] in MEDICAID else "PBM", "units": row["left"]}
    said["related"] = {one["source_row_id"] for one in earlier}
    if not same_payer:
        return hit("R018", "MEDIUM", action="INQUIRE", **said)
    if not same_program:
        return hit("R017", "MEDIUM", action="INQUIRE", **said)
    one_contract = ("SAME_CONTRACT", guard(_contract_is_open(world, row, nearest)), "SILENT")
    if not same_period:
        guards = [("CORRECTION", guard(row["transaction"] == "ADJUSTMENT"), "MEDIUM"), one_contract]
        evidence = "STRONG" if row["claim_id"] == nearest["claim_id"] else "MEDIUM"
        return hit("R019", evidence, action="DISPUTE", guards=guards, **said)
    parts = row["amount_third_party"], nearest["amount_third_party"]
    guards = [
        ("OTHER_PAYERS_PART", guard(None if None in parts else parts[0] != parts[1]), "SILENT"),
        ("WASTE_LINE", guard(row["claim_type"] == "MEDICAL" and _is_beside(row, earlier)), "SILENT"),
        one_contract,
    ]
    return hit("R016", "STRONG", action="DISPUTE", guards=guards, **said)


def _is_beside(row: Row, earlier: list[Row]) -> bool:
    """The discarded part of a vial next to the part that was given, in either order; two of one kind are too many."""
    alike = [one for one in earlier if _likeness(row, one) == (True, True, True)]
    return all(("JW" in words(one["modifiers"])) != ("JW" in words(row["modifiers"])) for one in alike)


def _may_repeat(row: Row, other: Row) -> bool:
    if family(row) != family(other) or rebate_type(row) != rebate_type(other):
        return False
    if _are_parts(row, other):
        return False
    contracts = {row["contract_id"], other["contract_id"]}
    return payer(row) != payer(other) or None in contracts or len(contracts) == 1


def _is_request(row: Row) -> bool:
    """Transactions of MFP that reverse, inform or call not eligible ask for no refund."""
    return row["program"] != "MFP" or row["mtf_transaction_code"] in ("001", "002", None)


def _are_parts(row: Row, other: Row) -> bool:
    """P and C rows are never duplicates of each other."""
    return {row["dispensing_status"], other["dispensing_status"]} == {"P", "C"}


def _likeness(row: Row, other: Row) -> tuple[bool, bool, bool]:
    same_payer = payer(row) == payer(other)
    same_program = same_payer and row["program"] == other["program"]
    return same_payer, same_program, same_program and row["period"] == other["period"]


def _contract_is_open(world: Prepared, row: Row, other: Row) -> bool | None:
    """None: one row names no contract, and the payer has several. Never true: such rows are compared all the same."""
    if (row["contract_id"] is None) == (other["contract_id"] is None) or row["program"] in MEDICAID:
        return False
    of_payer = {one["contract_id"] for one in may_govern(world, row)}
    return None if len(of_payer) > 1 else False


def _two_families(world: Prepared, row: Row) -> dict[str, Any] | None:
    """Medicaid and another payer."""
    is_medicaid = row["program"] in MEDICAID
    if not _is_request(row):
        return None
    earlier = [one for one in _earlier(world, row) if not _are_parts(row, one) and _is_request(one)]
    other_side = [one for one in earlier if (one["program"] in MEDICAID) != is_medicaid]
    if not other_side:
        return None
    nearest = max(other_side, key=arrival)
    of_medicaid, of_other = (row, nearest) if is_medicaid else (nearest, row)
    others = of_medicaid["amount_third_party"]
    guards = [
        ("MEDICAID_SECONDARY", guard(None if others is None else others > 0), "SILENT"),
        ("PART_D_DUAL", guard(of_other["program"] in ("PARTD", "MFP")), "WEAK"),
    ]
    # a reading: what a state is asked about has no code of its own
    code = None if is_medicaid else "MRA" if row["program"] == "MFP" else "PBM"
    return hit("R057", "MEDIUM", code=code, units=Decimal(row["left"]), action="INQUIRE", guards=guards)
