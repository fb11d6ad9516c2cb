"""What a finding on a combination of planted cases has to say. The answers were written by hand from the contract.

Per combination: the rules of its rows that differ, and of each row units at issue, dispute code and the deciding rule.
`u`: all units of the row.
"""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from engine.settings import SyntheticSettings
from synthetic import chunks
from synthetic.dispenses import Dispenses, Plan, draw_dispenses
from synthetic.fills import Fills, draw_fills
from synthetic.kinds import Label
from synthetic.places import STATES
from synthetic.planning import SCENARIOS
from synthetic.world import build_world

CLAIMS = 20_000
PLAN = Plan(7, CLAIMS, SyntheticSettings(dispenses_per_chunk=CLAIMS, combination_rate=0.0005))

# rules planted on a row: deciding rule, units, code
ANSWERS = {
    ("R001", "R003"): ("R001", "u", "X"),  # equal units, equal code: the smaller id
    ("R001", "R016"): ("R001", "u", "X"),  # X goes before M
    ("R001", "R018"): ("R001", "u", "X"),  # STRONG before MEDIUM
    ("R001", "R053"): ("R001", "u", "X"),  # a dispute before an adjustment, which has no units
    ("R001", "R022"): ("R001", "u", "X"),
    ("R001", "R003", "R016"): ("R001", "u", "X"),
    ("R001", "R020", "R026"): ("R001", "u", "X"),
    ("R003", "R059"): ("R003", "u", "X"),  # the credit came before the claim, and takes nothing from the row
    ("R008", "R016"): ("R008", "u", "PBM"),  # one code of all that contracts leave out
    ("R009", "R020"): ("R009", "u", "PBM"),
    ("R011", "R012"): ("R011", "u", "MRA"),
    ("R011", "R060"): ("R011", "u", "MRA"),
    ("R016", "R058"): ("R016", "u", "M"),
    ("R020", "R053"): ("R020", "u", "M"),
    ("R022", "R058"): ("R022", "u", "N"),
    ("R028", "R053"): ("R053", "0", None),  # of the finding's class: R028 is MEDIUM
    ("R042", "R048"): ("R042", "u", None),
    ("R053", "R058"): ("R058", "u", "U"),
    ("R056", "R058"): ("R058", "u", "U"),
}


@pytest.fixture(scope="module")
def drawn() -> tuple[Dispenses, Fills, list[dict[str, Any]]]:
    world = build_world(PLAN.seed)
    dispenses = draw_dispenses(world, PLAN, 0)
    return dispenses, draw_fills(world, PLAN, 0, dispenses), chunks.label_rows(world, PLAN, 0).to_pylist()


@pytest.fixture(scope="module")
def truth(drawn: tuple[Dispenses, Fills, list[dict[str, Any]]]) -> dict[str, dict[str, dict[str, Any]]]:
    """Per row and rule, but for what is known of whole invoice lines."""
    rows = defaultdict(dict)
    for label in drawn[2]:
        if label["label"] == Label.TRUTH and label["rule_id"] != "R061":
            rows[label["source_row_id"]][label["rule_id"]] = label
    return rows


@pytest.mark.parametrize("rules", ANSWERS, ids="+".join)
def test_deciding_rule_units_and_code(
    drawn: tuple[Dispenses, Fills, list[dict[str, Any]]],
    truth: dict[str, dict[str, dict[str, Any]]],
    rules: tuple[str, ...],
) -> None:
    deciding, units, code = ANSWERS[rules]
    dispenses, fills, _ = drawn
    # a match says less in states whose contract pharmacies use no 340B stock for Medicaid
    rows = {
        row: labels
        for row, labels in truth.items()
        if tuple(sorted(labels)) == rules and not STATES[dispenses.state[int(row[2:-1])]].carves_out_contract_pharmacies
    }
    assert rows
    for row, labels in rows.items():
        number = int(row[2:-1])
        whole = Decimal(int(fills.units[number])) / 1_000
        assert [rule for rule, label in labels.items() if label["decides"]] == [deciding]
        assert labels[deciding]["units_at_issue"] == (whole if units == "u" else Decimal(units))
        assert labels[deciding]["dispute_code"] == code
        assert dispenses.number[number] == number


def test_units_taken_back_or_credited_since_are_not_at_issue(
    drawn: tuple[Dispenses, Fills, list[dict[str, Any]]],
) -> None:
    _, fills, labels = drawn
    kinds = defaultdict(set)
    for label in labels:
        kinds[label["source_row_id"]].add(label["kind"])
    left = {"credited_after": 0.0, "credited_part_after": 0.5, "part_taken_back": 2 / 3}
    seen = set()
    for label in labels:
        for kind in left.keys() & kinds[label["source_row_id"]]:
            if label["label"] == Label.TRUTH and label["rule_id"] in ("R001", "R022", "R058"):
                whole = int(fills.units[int(label["source_row_id"][2:-1])]) / 1_000
                assert float(label["units_at_issue"]) == pytest.approx(left[kind] * whole, abs=0.001)
                seen.add(kind)
    assert seen == set(left)


def test_every_combination_comes_up_in_fifty_thousand_dispenses() -> None:
    plan = Plan(1, 50_000, SyntheticSettings())
    codes = draw_dispenses(build_world(1), plan, 0).scenario
    counts = np.bincount(codes[codes >= 0], minlength=len(SCENARIOS))
    combined = [count for scenario, count in zip(SCENARIOS, counts, strict=True) if scenario.parts]
    assert min(combined) >= 1
    assert sum(combined) < 0.05 * counts.sum()
