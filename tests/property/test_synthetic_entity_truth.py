"""The truth of generated 340B claims against a slow, plain reading of the rules about covered entities.

Nothing here looks into the generator: rules are worked out from the tables that it writes.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from synthetic.kinds import Label
from tests.property.test_synthetic_truth import MESSY, Tables, first_day, ndc11, pairs, quarter, rx_and_fill

RULES = {"R022", "R042", "R043", "R045", "R046", "R047", "R048", "R049", "R062"}
WITHOUT_ORPHANS = {"CAH", "RRC", "SCH", "CAN"}
POLICY_DAYS = 45


def parent_on(tables: Tables, entity: str, day: date) -> str:
    """The parent that the register names for the day."""
    (row,) = (
        row for row in tables.register[entity] if (row["valid_from"] or date.min) <= day < (row["valid_to"] or date.max)
    )
    return row["parent_entity_id"]


def with_register(tables: Tables) -> Tables:
    tables.register = defaultdict(list)
    for row in tables.reference["covered_entities"]:
        tables.register[row["entity_id"]].append(row)
    return tables


def live_claims(tables: Tables) -> list[dict[str, Any]]:
    """Claims that stand: not denied to be 340B, and not taken back by the same entity afterwards."""
    rows, reversed_at = [], defaultdict(list)
    for sent in tables.entity:
        row = dict(sent)
        row["ndc11"], (row["rx"], row["fill"]) = ndc11(row["ndc"]), rx_and_fill(row)
        row["parent"] = parent_on(tables, row["entity_id"], row["date_of_service"])
        row["dispense"] = (
            row["pharmacy_npi"],
            row["rx"] or row["claim_id"],
            row["fill"],
            row["date_of_service"],
            row["ndc11"],
        )
        if row["status"] == "REVERSED":
            reversed_at[row["parent"], row["dispense"]].append(row["submitted_at"])
        elif row["is_340b"] is not False:
            rows.append(row)
    return [
        row for row in rows if not any(at >= row["submitted_at"] for at in reversed_at[row["parent"], row["dispense"]])
    ]


def entity_findings(tables: Tables) -> set[tuple[str, str]]:
    reference, live = tables.reference, live_claims(tables)
    entities = {row["entity_id"]: row for row in reference["covered_entities"]}
    product = {row["ndc"]: row for row in reference["products"]}
    own, contracts = defaultdict(list), defaultdict(list)
    for row in reference["entity_npis"]:
        own[row["npi"]].append(row)
    for row in reference["contract_pharmacies"]:
        contracts[row["pharmacy_npi"]].append(row)
    windows = {row["ndc9"]: row["days"] for row in reference["submission_windows"]}
    same_dispense = defaultdict(list)
    for row in live:
        same_dispense[row["dispense"]].append(row)
    found = imbalances(tables, live)
    for row in live:
        served, entity, fires = row["date_of_service"], entities[row["entity_id"]], set()
        facts = product[row["ndc11"]]
        terminated, back = facts["termination_date"], facts["reactivation_date"]
        if terminated and (served - terminated).days > 365 and not (back and terminated < back <= served):
            fires.add("R022")
        if not entity["participating_start"] <= served < (entity["termination_date"] or date.max):
            fires.add("R042")
        npi = row["pharmacy_npi"]
        in_force = [c for c in contracts[npi] if c["begin_date"] <= served < (c["termination_date"] or date.max)]
        holders = {parent_on(tables, one["entity_id"], served) for one in (*own[npi], *in_force)}
        fires |= {"R043"} if row["parent"] not in holders else set()
        fires |= {"R045"} if facts["orphan"] and entity["entity_type"] in WITHOUT_ORPHANS else set()
        others = [other for other in same_dispense[row["dispense"]] if other is not row]
        fires |= {"R046"} if any(other["parent"] != row["parent"] for other in others) else set()
        before = [o for o in others if o["parent"] == row["parent"] and o["submitted_at"] < row["submitted_at"]]
        fires |= {"R047"} if before else set()
        window = windows.get(row["ndc11"][:9])
        late = (row["submitted_at"].date() - served).days > (window or POLICY_DAYS)
        fires |= {"R062" if window else "R048"} if late and not before else set()
        found |= {(row["source_row_id"], rule) for rule in fires}
    return found


def imbalances(tables: Tables, live: list[dict[str, Any]]) -> set[tuple[str, str]]:
    """R049 on the last claim of each quarter that is over by September 2026."""
    package = {row["ndc"]: row["units_per_package"] for row in tables.reference["products"]}
    bought, claimed, last, begin = defaultdict(Decimal), defaultdict(Decimal), {}, {}
    for row in tables.chargebacks:
        if row["contract_type"] == "340B":
            key = (
                parent_on(tables, row["entity_id"], row["invoice_date"]),
                row["ndc"][:9],
                quarter(row["invoice_date"]),
            )
            bought[key] += row["packages"] * package[row["ndc"]]
    for row in live:
        key = (row["parent"], row["ndc11"][:9], quarter(row["date_of_service"]))
        claimed[key] += row["quantity"]
        last[key] = max(last.get(key, (date.min, "")), (row["date_of_service"], row["source_row_id"]))
        begin[row["parent"]] = min(begin.get(row["parent"], date.max), row["date_of_service"])
    found = set()
    for (entity, drug, told), (_, row_id) in last.items():
        start = first_day(told)
        year = [quarter(start - timedelta(days=90 * ago)) for ago in range(4)]
        units, asked = (sum(of.get((entity, drug, one), Decimal(0)) for one in year) for of in (bought, claimed))
        reaches_back = begin[entity] < first_day(year[2])
        if units > asked * Decimal("1.1") and units - asked > 100 and reaches_back and told < "2026Q3":
            found.add((row_id, "R049"))
    return found


@pytest.fixture(scope="module", params=[(3, {}), (20_260_101, {}), (12, MESSY)], ids=["3", "20260101", "messy"])
def tables(request: pytest.FixtureRequest) -> Tables:
    seed, settings = request.param
    return with_register(Tables(seed, **settings))


def labelled(tables: Tables, label: Label) -> set[tuple[str, str]]:
    rows = [*tables.labels(label, "EC"), *(r for r in tables.balance_labels if r["label"] == label.value)]
    return pairs([row for row in rows if row["rule_id"] in RULES])


def test_truth_about_340b_claims_is_what_the_rules_find(tables: Tables) -> None:
    found, truth = entity_findings(tables), labelled(tables, Label.TRUTH)
    assert {rule for _, rule in truth} == RULES
    assert found - truth == set()
    assert truth - found == set()
    assert all(sum(of == rule for _, of in truth) >= 5 for rule in RULES)


def test_look_alikes_stand_for_every_rule_and_are_not_found(tables: Tables) -> None:
    look_alikes = labelled(tables, Label.LOOK_ALIKE)
    assert {rule for _, rule in look_alikes} == RULES
    assert look_alikes.isdisjoint(entity_findings(tables))
    assert {row for row, _ in look_alikes} <= {row["source_row_id"] for row in live_claims(tables)}


def test_no_payer_asks_for_what_is_planned_among_340b_claims(tables: Tables) -> None:
    planned = {row["source_row_id"][2:-1] for label in Label for row in tables.labels(label, "EC")}
    assert planned.isdisjoint(row["source_row_id"][2:-1] for row in tables.rebate)
