"""Small scenarios that the contract decides, in one run of the main job: rules, classes, codes, units, drafts."""

from __future__ import annotations

import csv
from decimal import Decimal
from typing import Any

import pyarrow.parquet as parquet
import pytest

from tests.end_to_end.contract_scenarios import NOT_STATED, Expected, World, worlds
from tests.end_to_end.runs import FinishedRun

pytestmark = pytest.mark.slow

WORLDS = worlds()


@pytest.fixture(scope="module")
def outcome(scenarios_run: FinishedRun) -> Any:
    """Findings by row, and drafted units by row."""
    found = {row["source_row_id"]: row for row in parquet.read_table(scenarios_run.folder / "findings").to_pylist()}
    return found, {row["source_row_id"]: Decimal(row["units_disputed"]) for row in drafted_lines(scenarios_run)}


def drafted_lines(run: FinishedRun) -> list[dict[str, str]]:
    with (run.folder / "disputes" / "detail.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("world", WORLDS, ids=[world.name for world in WORLDS])
def test_scenario(world: World, outcome: Any) -> None:
    found, drafted = outcome
    for row, expected in world.expected.items():
        finding = found.get(row)
        said = {} if finding is None else {hit["rule_id"]: hit["evidence"] for hit in finding["rules"]}
        if expected is None:
            assert finding is None or finding["evidence"] in ("WEAK", "CONTEXT"), f"{row}: {said}"
            assert row not in drafted
        else:
            compare(row, finding, said, expected, drafted)


def test_a_drafted_line_says_which_rebate_it_disputes(scenarios_run: FinishedRun) -> None:
    """Audit, A5: a federal and a supplemental line of one dispense are distinct in what is sent."""
    (world,) = [world for world in WORLDS if world.name == "federal_and_supplemental_rebates_of_one_dispense"]
    lines = {row["source_row_id"]: row for row in drafted_lines(scenarios_run)}
    kinds = {name: lines[world.row(name)]["rebate_type"] for name in ("federal", "supplemental")}
    assert kinds == {"federal": "FEDERAL", "supplemental": "SUPPLEMENTAL"}
    assert "sub_program" in lines[world.row("federal")]


def compare(
    row: str, finding: dict[str, Any] | None, said: dict[str, Any], expected: Expected, drafted: dict[str, Any]
) -> None:
    assert finding is not None, f"{row} is not found"
    assert {rule: said.get(rule) for rule in expected.rules} == expected.rules, f"{row}: {said}"
    if expected.code is not None:
        assert finding["dispute_code"] == (expected.code or None)
    if expected.action is not None:
        assert finding["action"] == expected.action
    for name, value in (("route", expected.route), ("party_at_fault", expected.party)):
        assert value in (None, finding[name]), f"{row}: {name} {finding[name]}"
    if expected.due is not None:
        assert (str(finding["deadline_date"]), finding["deadline_kind"]) == expected.due
    if expected.at_issue is not None:
        assert (str(finding["units_at_issue"]), str(finding["amount_at_issue"])) == expected.at_issue
    if expected.drafted != NOT_STATED:
        units = None if expected.drafted is None else Decimal(expected.drafted)
        assert drafted.get(row) == units, f"{row}: {drafted.get(row)} units drafted"
