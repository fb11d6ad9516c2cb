"""R044, by the manufacturer's policy on contract pharmacies, and R015, by lines of Medicare Part B."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from tests.property.rules_reference.basics import Row, covers, guard, hit, words
from tests.property.rules_reference.world import Prepared

HOSPITALS = ("DSH", "PED", "CAN", "CAH", "RRC", "SCH")


def judge(world: Prepared, row: Row) -> list[dict[str, Any] | None]:
    return [_policy(world, row), _part_b(world, row)] if row["quantity"] > 0 else []


def _register(world: Prepared, row: Row) -> Row:
    day = row["date_of_service"]
    for one in world.table("covered_entities"):
        if one["entity_id"] == row["entity_id"] and covers(one, day, "valid_from", "valid_to"):
            return one
    return Row()


def _policy(world: Prepared, row: Row) -> dict[str, Any] | None:
    """The price is offered at no contract pharmacy, or at those alone that the entity designated."""
    day, entity = row["date_of_service"], _register(world, row)
    policies = [
        one
        for one in world.table("manufacturer_policies")
        if one["labeler_code"] == row["ndc"][:5] and one["ndc9"] in (None, row["ndc9"]) and covers(one, day)
    ]
    if row["claim_type"] != "RX" or not policies:
        return None
    policy = max(policies, key=lambda one: one["ndc9"] is not None)
    is_named = any(
        world.parent(one["entity_id"], day) == row["parent"]
        and one["pharmacy_npi"] == row["pharmacy"]
        and one["labeler_code"] in (None, row["ndc"][:5])
        and covers(one, day)
        for one in world.table("designated_pharmacies")
    )
    is_own = any(
        one["npi"] == row["pharmacy"] and world.parent(one["entity_id"], day) == row["parent"]
        for one in world.table("entity_npis")
    )
    law = any(one["state"] == entity["state"] and covers(one, day) for one in world.table("contract_pharmacy_laws"))
    # the table of laws is not declared complete: a state that it lacks may have one
    exempt = words(policy["exempt_entity_types"])
    guards = [
        ("STATE_LAW", guard(True if law else None), "SILENT"),
        ("EXEMPT_ENTITY", guard(_is_exempt(entity["entity_type"], exempt)), "SILENT"),
        ("IN_HOUSE", guard(is_own), "SILENT"),
        ("DESIGNATED", guard(policy["contract_pharmacies"] == "DESIGNATED" and is_named), "SILENT"),
    ]
    return hit("R044", "STRONG", units=Decimal(0), action="NONE", guards=guards)


def _is_exempt(kind: str | None, exempt: list[str]) -> bool | None:
    if not exempt:
        return False
    return None if kind is None else kind in exempt


def _part_b(world: Prepared, row: Row) -> dict[str, Any] | None:
    """A Part B line of the provider, day, code and, where it says one, product carries no 340B modifier."""
    day = row["date_of_service"]
    if row["claim_type"] != "MEDICAL" or day < date(2024, 1, 1):
        return None
    lines = [
        one
        for one in world.table("part_b_lines")
        if (one["provider_npi"], one["date_of_service"], one["hcpcs_code"]) == (row["pharmacy"], day, row["hcpcs_code"])
        and one["ndc"] in (None, row["ndc"])
    ]
    unmarked = [one for one in lines if not {"TB", "JG"} & set(words(one["modifiers"]))]
    if not unmarked:
        return None
    kind = _register(world, row)["entity_type"]
    not_bound = day < date(2025, 1, 1) and (None if kind is None else kind not in HOSPITALS)
    guards = [
        ("ENTITY_TYPE", guard(not_bound), "SILENT"),
        ("ONE_OF_SEVERAL", guard(len(unmarked) < len(lines)), "WEAK"),
    ]
    related = {one["source_row_id"] for one in unmarked}
    return hit("R015", "MEDIUM", units=row["quantity"], action="INQUIRE", guards=guards, related=related)
