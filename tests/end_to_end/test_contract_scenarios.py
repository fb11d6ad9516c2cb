"""Small scenarios that the contract decides, in one run of the main job: rules, classes, codes, units, drafts."""

from __future__ import annotations

import csv
from decimal import Decimal
from typing import Any

import pyarrow.parquet as parquet
import pytest

from jobs.detect import detect
from tests.end_to_end.contract_scenarios import AS_OF, NOT_STATED, Expected, World, worlds, write

pytestmark = [pytest.mark.slow, pytest.mark.both_engines]

WORLDS = worlds()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return tmp_path_factory.mktemp("scenarios")


@pytest.fixture
def outcome(folder: Any, run_job: Any) -> Any:
    """Findings by row, and drafted units by row, of a run that the first test starts."""
    run = folder / "out" / "r"
    if not run.exists():
        write(folder / "in")
        words = ["--input", folder / "in", "--output", folder / "out", "--run-id", "r", "--as-of", AS_OF]
        ended = run_job(detect, *words, "--set", f"mlflow.tracking_uri=sqlite:///{folder}/mlflow.db")
        assert ended.status == 0, ended
    found = {row["source_row_id"]: row for row in parquet.read_table(run / "findings").to_pylist()}
    with (run / "disputes" / "detail.csv").open(encoding="utf-8", newline="") as file:
        drafted = {row["source_row_id"]: Decimal(row["units_disputed"]) for row in csv.DictReader(file)}
    return found, drafted


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


@pytest.mark.usefixtures("outcome")
def test_a_drafted_line_says_which_rebate_it_disputes(folder: Any) -> None:
    """Audit, A5: a federal and a supplemental line of one dispense are distinct in what is sent."""
    (world,) = [world for world in WORLDS if world.name == "federal_and_supplemental_rebates_of_one_dispense"]
    with (folder / "out" / "r" / "disputes" / "detail.csv").open(encoding="utf-8", newline="") as file:
        lines = {row["source_row_id"]: row for row in csv.DictReader(file)}
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
