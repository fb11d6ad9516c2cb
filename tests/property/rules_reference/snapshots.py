"""The guard SNAPSHOT (contract 2, and 7 item 16): an undated row is used for days before its own snapshot too, where
nobody knows whether it was true yet.
"""

from __future__ import annotations

from datetime import date
from typing import Any

from tests.property.rules_reference import links_340b
from tests.property.rules_reference.basics import DAYS, LADDER, PASSED, UNCHECKED, Row, covers, first_day
from tests.property.rules_reference.world import Prepared

OF_PRODUCTS = ("R026", "R029", "R030", "R033")
FLAGS = ("R001", "R004", "R010")


def check(world: Prepared, row: Row, said: dict[str, Any]) -> dict[str, Any]:
    """What a rule says, with the guard and its class one step down where the guard alone is open."""
    rows = rests_on(world, row, said["rule"])
    if rows is None:
        return said
    service = row["date_of_service"] or first_day(row["period"])
    is_open = any(all(_is_late(one, service) for one in alike) for alike in rows if alike)
    if is_open and UNCHECKED not in said["guards"].values() and said["evidence"] in ("STRONG", "MEDIUM"):
        said["evidence"] = LADDER[LADDER.index(said["evidence"]) + 1]
    said["guards"]["SNAPSHOT"] = UNCHECKED if is_open else PASSED
    return said


def _is_late(row: Row, service: date) -> bool:
    is_dated = any(row[name] is not None for name in (*DAYS, "quarter", "period"))
    return not is_dated and row["snapshot_date"] is not None and service < row["snapshot_date"]


def rests_on(world: Prepared, row: Row, rule: str) -> list[list[Row]] | None:
    """The reference rows by which a rule judges; of rows in one list any is enough. None: it has no such guard."""
    day = row["date_of_service"] or first_day(row["period"])
    if rule in OF_PRODUCTS:
        return [[world.product(row["ndc"], day)]]
    if rule == "R031":
        return [[one for one in _pairs(world, row) if one["hcpcs_code"] == row["hcpcs_code"] and covers(one, day)]]
    if rule == "R032":
        return [_pairs(world, row)]
    if rule in FLAGS:
        found = links_340b.flag_rows(world, row)
        sure = [one for one in found if one["confidence"] != "low"]
        return [sure or found, *(_of_contract(world, row) if rule == "R010" else [])]
    if rule == "R002":
        return [_policies(world, row)]
    if rule in ("R003", "R005"):
        return _of_carve_out(world, row)
    if rule in ("R008", "R009"):
        return _of_contract(world, row)
    if rule == "R015":
        # the type of the entity does not matter from 2025 on, and the worlds begin later
        return []
    if rule in ("R044", "R045"):
        rows = [[one] for one in _register(world, row)]
        return [*rows, [_policy_of_labeler(world, row)]] if rule == "R044" else rows
    if rule == "R062":
        return [[one for one in world.table("submission_windows") if one["labeler_code"] == row["ndc"][:5]]]
    return None


def _pairs(world: Prepared, row: Row) -> list[Row]:
    return [one for one in world.table("hcpcs_crosswalk") if one["ndc"] == row["ndc"]]


def _policies(world: Prepared, row: Row) -> list[Row]:
    policies = world.table("state_340b_policies")
    return [one for one in policies if one["state"] == row["state"] and covers(one, row["date_of_service"])]


def _owners(world: Prepared, row: Row) -> list[Row]:
    day = row["date_of_service"]
    rows = world.table("entity_npis")
    return [one for one in rows if one["npi"] == row["pharmacy"] and covers(one, day, "valid_from", "valid_to")]


def _of_carve_out(world: Prepared, row: Row) -> list[list[Row]]:
    """The state's policy, and whose the pharmacy is where the policy does not leave it open anyhow."""
    if row["claim_type"] == "MEDICAL":
        return []
    may_carve_out = links_340b.policy(world, row, "contract_pharmacy_carved_out") is not False
    return [_policies(world, row), _owners(world, row) if may_carve_out else []]


def _of_contract(world: Prepared, row: Row) -> list[list[Row]]:
    """The contract, and the rows by which the pharmacy is one of those that its clause means."""
    chosen = links_340b.contract_terms(world, row).chosen
    if chosen is None:
        return []
    rows = [[chosen]]
    if chosen["exclusion_scope"] == "ENTITY_OWNED":
        rows.append(_owners(world, row))
    if chosen["exclusion_scope"] == "LISTED_PHARMACIES":
        rows.append(links_340b.listings(world, row, chosen))
    return rows


def _register(world: Prepared, row: Row) -> list[Row]:
    day = row["date_of_service"]
    rows = world.table("covered_entities")
    return [one for one in rows if one["entity_id"] == row["entity_id"] and covers(one, day, "valid_from", "valid_to")]


def _policy_of_labeler(world: Prepared, row: Row) -> Row:
    policies = [
        one
        for one in world.table("manufacturer_policies")
        if one["ndc9"] in (None, row["ndc9"]) and covers(one, row["date_of_service"])
    ]
    return max(policies, key=lambda one: one["ndc9"] is not None)
