"""Rules on claims of covered entities."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

from tests.property.rules_reference.basics import Row, cents, covers, guard, hit, quarter_of
from tests.property.rules_reference.claims import numbers
from tests.property.rules_reference.world import Prepared, arrival

ORPHAN_EXCLUDED = ("CAH", "RRC", "SCH", "CAN")
NOTHING = Decimal(0)


def judge(world: Prepared, row: Row) -> list[dict[str, Any] | None]:
    if row["quantity"] <= 0:
        return []
    return [
        _terminated(world, row),
        _not_participating(world, row),
        _no_contract(world, row),
        _orphan(world, row),
        *_reported_twice(world, row),
        _late(world, row),
        _number(row),
    ]


def _terminated(world: Prepared, row: Row) -> dict[str, Any] | None:
    product = world.product(row["ndc"], row["date_of_service"])
    ended = product and product["termination_date"]
    if not ended or (row["date_of_service"] - ended).days <= 365:
        return None
    again = product["reactivation_date"]
    is_back = again is not None and ended < again <= row["date_of_service"]
    return hit("R022", "STRONG", units=row["quantity"], guards=[("REACTIVATED", guard(is_back), "SILENT")])


def _register(world: Prepared, entity: str, day: Any) -> Row | None:
    for one in world.table("covered_entities"):
        if one["entity_id"] == entity and covers(one, day, "valid_from", "valid_to"):
            return one
    return None


def _not_participating(world: Prepared, row: Row) -> dict[str, Any] | None:
    day, standing = row["date_of_service"], _register(world, row["entity_id"], row["date_of_service"])
    if standing is None or covers(Row(standing), day, "participating_start", "termination_date"):
        return None
    # it takes part again where another row or the same begins after the day, and it took part before
    starts = [
        one["participating_start"]
        for one in world.table("covered_entities")
        if one["entity_id"] == row["entity_id"] and one["participating_start"] and one["participating_start"] > day
    ]
    ended = standing["termination_date"]
    resumed = ended is not None and ended <= day and any(start - ended <= timedelta(days=92) for start in starts)
    return hit("R042", "STRONG", units=row["quantity"], guards=[("RESUMED", guard(resumed), "MEDIUM")])


def _family(world: Prepared, row: Row, entity: str) -> bool:
    return world.parent(entity, row["date_of_service"]) == row["parent"]


def _no_contract(world: Prepared, row: Row) -> dict[str, Any] | None:
    day = row["date_of_service"]
    if row["claim_type"] != "RX":
        return None
    contracts = [one for one in world.table("contract_pharmacies") if _family(world, row, one["entity_id"])]
    if any(
        one["pharmacy_npi"] == row["pharmacy"] and covers(one, day, "begin_date", "termination_date")
        for one in contracts
    ):
        return None
    own = any(
        one["npi"] == row["pharmacy"] and _family(world, row, one["entity_id"]) for one in world.table("entity_npis")
    )
    moved = any(
        one["pharmacy_npi"] != row["pharmacy"]
        and world.heir(one["pharmacy_npi"]) == world.heir(row["pharmacy"])
        and covers(one, day, "begin_date", "termination_date")
        for one in contracts
    )
    guards = [("IN_HOUSE", guard(own), "SILENT"), ("RELOCATED", guard(moved), "SILENT")]
    return hit("R043", "STRONG" if contracts else "WEAK", units=row["quantity"], guards=guards)


def _orphan(world: Prepared, row: Row) -> dict[str, Any] | None:
    day, standing = row["date_of_service"], _register(world, row["entity_id"], row["date_of_service"])
    listed = any((one["ndc"], one["quarter"]) == (row["ndc"], quarter_of(day)) for one in world.table("orphan_drugs"))
    if standing is None or standing["entity_type"] not in ORPHAN_EXCLUDED or not listed:
        return None
    dual = any(
        (one["street"], one["zip"]) == (standing["street"], standing["zip"])
        and one["entity_type"] not in (None, *ORPHAN_EXCLUDED)
        and covers(one, day, "participating_start", "termination_date")
        for one in world.table("covered_entities")
    )
    return hit("R045", "STRONG", units=row["quantity"], guards=[("DUAL_REGISTERED", guard(dual), "WEAK")])


def _reported_twice(world: Prepared, row: Row) -> Iterator[Any]:
    same = [
        one
        for one in world.entity_claims
        if row["natural"] is not None and one["natural"] == row["natural"] and one is not row
    ]
    others = {one["source_row_id"] for one in same if one["parent"] != row["parent"]}
    if others:
        yield hit("R046", "STRONG", units=row["quantity"], related=others)
    earlier = _earlier(row, same)
    if earlier:
        yield hit("R047", "STRONG", units=NOTHING, related={one["source_row_id"] for one in earlier})


def _earlier(row: Row, same: list[Row]) -> list[Row]:
    """Rows of the entity's family in an earlier submission. A reading: rows of one time are one file, rows without a
    time are each of their own, before all others.
    """
    return [
        one
        for one in same
        if one["parent"] == row["parent"]
        and arrival(one, "submitted_at") < arrival(row, "submitted_at")
        and (one["submitted_at"] is None or one["submitted_at"] != row["submitted_at"])
    ]


def _late(world: Prepared, row: Row) -> dict[str, Any] | None:
    """R062 by the window of labeler, product, kind of claim and state; R048 where none is known."""
    if row["submitted_at"] is None:
        return None
    day = row["date_of_service"]
    standing = _register(world, row["entity_id"], day)
    state = standing["state"] if standing else None
    windows = [
        one
        for one in world.table("submission_windows")
        if one["labeler_code"] == row["ndc"][:5]
        and one["ndc9"] in (None, row["ndc9"])
        and one["claim_type"] in (None, row["claim_type"])
        and one["state"] in (None, state)
        and (one["begin_date"] is None or one["begin_date"] <= day)
    ]
    rule, allowed = ("R062", windows[0]["days"]) if windows else ("R048", 45)
    if allowed is None or (row["submitted_at"].date() - day).days <= allowed:
        return None
    same = [one for one in world.entity_claims if row["natural"] is not None and one["natural"] == row["natural"]]
    guards = [("CORRECTION", guard(bool(_earlier(row, same))), "SILENT")]
    return hit(rule, "STRONG", units=NOTHING, guards=guards)


def _number(row: Row) -> dict[str, Any] | None:
    return numbers(row)


def at_issue(world: Prepared, row: Row, said: dict[str, Any]) -> dict[str, Any]:
    """Dollars: quantity x (WAC - ceiling) of the quarter of service."""
    wac, ceiling = (
        world.price(row["ndc"], quarter_of(row["date_of_service"]), name) for name in ("wac_unit", "ceiling_unit")
    )
    if said["units"] is None or wac is None or ceiling is None:
        return said
    return said | {"amount": cents(said["units"] * max(wac - ceiling, NOTHING))}
