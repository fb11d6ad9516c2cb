"""R014 and R015 on generated tables against a slow, plain reading of the rules.

Nothing here looks into the generator: rules are worked out from the tables that it writes.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from synthetic.kinds import Label
from tests.property.test_synthetic_entity_truth import live_claims, with_register
from tests.property.test_synthetic_truth import MESSY, Tables, pairs

TOLERANCE, LEAST_UNITS = Decimal("0.1"), 100


@pytest.fixture(scope="module", params=[(3, {}), (20_260_101, {}), (12, MESSY)], ids=["3", "20260101", "messy"])
def tables(request: pytest.FixtureRequest) -> Tables:
    seed, settings = request.param
    return with_register(Tables(seed, **settings))


def unmarked_lines(tables: Tables) -> set[tuple[str, str]]:
    lines = defaultdict(list)
    for line in tables.part_b:
        lines[line["provider_npi"], line["date_of_service"], line["hcpcs_code"]].append(line)
    found = set()
    for row in live_claims(tables):
        of_service = lines[row["pharmacy_npi"], row["date_of_service"], row["hcpcs_code"]]
        own = [line for line in of_service if line["ndc"] in (None, row["ndc11"])]
        is_marked = [bool({"TB", "JG"} & set((line["modifiers"] or "").split("|"))) for line in own]
        found |= {(row["source_row_id"], "R015")} if row["claim_type"] == "MEDICAL" and not all(is_marked) else set()
    return found


def short_reports(tables: Tables) -> set[tuple[str, str]]:
    part_d = {row["bin"] for row in tables.reference["part_d_plans"]}
    largest = {}
    for row in live_claims(tables):
        is_left_out = date(2026, 1, 1) <= row["date_of_service"] < date(2026, 10, 1)
        if row["claim_type"] == "RX" and row["bin"] in part_d and is_left_out:
            rx = row["rx"] or row["rx_number_hash"] or row["source_row_id"]
            key = (row["pharmacy_npi"], rx, row["fill"], row["date_of_service"], row["ndc11"])
            largest[key] = max(row["quantity"], largest.get(key, row["quantity"]))
    claimed = defaultdict(Decimal)
    for (*_, ndc), quantity in largest.items():
        claimed[ndc] += quantity
    assert all(row["period"] == "2025Q4" and row["exclusion_method"] == "CLAIMS" for row in tables.reports)
    return {
        (f"PARTD_INFL//{row['ndc']}/2025Q4", "R014")
        for row in tables.reports
        if row["excluded_units"] < claimed[row["ndc"]] * (1 - TOLERANCE)
        and claimed[row["ndc"]] - row["excluded_units"] > LEAST_UNITS
    }


def of(rows: list[dict[str, Any]], rule: str) -> set[tuple[str, str]]:
    return pairs([row for row in rows if row["rule_id"] == rule])


def test_lines_without_a_modifier_are_what_the_rule_finds(tables: Tables) -> None:
    truth, look_alikes = (of(tables.label[label], "R015") for label in (Label.TRUTH, Label.LOOK_ALIKE))
    assert unmarked_lines(tables) == truth
    assert len(truth) >= 10
    assert len(look_alikes - truth) >= 10


def test_reports_that_leave_too_few_units_out_are_what_the_rule_finds(tables: Tables) -> None:
    told = {label: [row for row in tables.labels_of_reports if row["label"] == label] for label in Label}
    assert short_reports(tables) == of(told[Label.TRUTH], "R014")
    assert len(told[Label.TRUTH]) >= 3
    assert {row["kind"] for row in told[Label.LOOK_ALIKE]} >= {"within_tolerance"}
