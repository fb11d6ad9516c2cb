"""R044 and R051 on generated 340B claims against a slow, plain reading of the rules.

Nothing here looks into the generator: rules are worked out from the tables that it writes.
"""

from __future__ import annotations

import re
from datetime import date
from typing import Any

import pyarrow as pa
import pytest

from synthetic import chunks
from synthetic.kinds import Label
from tests.property.test_synthetic_truth import MESSY, Tables, luhn, ndc11, pairs


def live_rows(tables: Tables) -> list[dict[str, Any]]:
    """Claims that the entity does not deny to be 340B and did not take back afterwards."""

    def key(row: dict[str, Any]) -> tuple[Any, ...]:
        rx = row["rx_number"] or row["rx_number_hash"]
        return row["entity_id"], row["pharmacy_npi"], rx, row["date_of_service"], ndc11(row["ndc"])

    taken_back = {}
    for row in tables.entity:
        if row["status"] == "REVERSED":
            taken_back[key(row)] = max(row["submitted_at"], taken_back.get(key(row), row["submitted_at"]))
    return [
        row
        for row in tables.entity
        if row["status"] != "REVERSED"
        and row["is_340b"] is not False
        and not (key(row) in taken_back and row["submitted_at"] <= taken_back[key(row)])
    ]


def findings(tables: Tables) -> set[tuple[str, str]]:
    reference = tables.reference
    entities = {row["entity_id"]: row for row in reference["covered_entities"]}
    parent = {entity: row["parent_entity_id"] for entity, row in entities.items()}
    policies = {row["ndc9"]: row for row in reference["manufacturer_policies"]}
    own = {(parent[row["entity_id"]], row["npi"]) for row in reference["entity_npis"]}
    designated = {(parent[row["entity_id"]], row["pharmacy_npi"]) for row in reference["designated_pharmacies"]}
    protected_from = {row["state"]: row["begin_date"] for row in reference["contract_pharmacy_laws"]}
    ended = {row["npi"]: row["valid_to"] for row in reference["pharmacies"] if row["valid_to"]}
    found = set()
    for row in live_rows(tables):
        served, entity = row["date_of_service"], entities[row["entity_id"]]
        pharmacy = (parent[row["entity_id"]], row["pharmacy_npi"])
        policy = policies.get(ndc11(row["ndc"])[:9])
        if policy and served >= policy["begin_date"]:
            is_allowed = (
                pharmacy in own
                or entity["entity_type"] in policy["exempt_entity_types"].split("|")
                or served >= protected_from.get(entity["state"], date.max)
                or (policy["contract_pharmacies"] == "DESIGNATED" and pharmacy in designated)
            )
            found |= set() if is_allowed else {(row["source_row_id"], "R044")}
        prescriber = row["prescriber_npi"]
        is_wrong = prescriber and not re.fullmatch("[A-Z]{2}[0-9]{7}", prescriber) and not luhn(prescriber)
        if is_wrong or ended.get(row["pharmacy_npi"], date.max) <= served:
            found.add((row["source_row_id"], "R051"))
    return found


OLD_NUMBERS = {**MESSY, "mess": {**MESSY["mess"], "npi_succession_rate": 0.1}}


@pytest.fixture(scope="module", params=[(3, {}), (20_260_101, {}), (12, OLD_NUMBERS)], ids=["3", "20260101", "messy"])
def tables(request: pytest.FixtureRequest) -> Tables:
    seed, settings = request.param
    return Tables(seed, **settings)


def labels(tables: Tables) -> list[dict[str, Any]]:
    world, plan = tables.world, tables.plan
    made = [chunks.policy_label_rows(world, plan, chunk) for chunk in range(plan.chunks)]
    return pa.Table.from_batches(made).to_pylist()


def test_truth_about_policies_and_numbers_is_what_the_rules_find(tables: Tables) -> None:
    told = labels(tables)
    truth = pairs([row for row in told if row["label"] == Label.TRUTH])
    look_alikes = [row for row in told if row["label"] == Label.LOOK_ALIKE]
    assert findings(tables) == truth
    assert pairs(look_alikes).isdisjoint(truth)
    for rule in ("R044", "R051"):
        assert sum(row["rule_id"] == rule for row in told if row["label"] == Label.TRUTH) >= 5, rule
    kinds = {"before_policy", "protected_by_state", "exempt_entity", "own_pharmacy", "designated", "dea_number"}
    # there are few of the last where nothing is messy
    assert {row["kind"] for row in look_alikes} - {"contract_under_present_number"} == kinds
