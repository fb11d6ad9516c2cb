"""Every rule against a slow reading of the contract, on random worlds in which several rules hit one row."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from engine.pipeline.facts import describe
from engine.pipeline.findings import assemble_findings
from engine.pipeline.job import job_run
from engine.pipeline.link import link_claims
from engine.pipeline.prepare import prepare_tables
from engine.pipeline.read import read_tables
from engine.pipeline.rules import apply_rules
from engine.pipeline.screen import screen
from engine.pipeline.stages import QueueOrder, Scored, ScoredSubject
from engine.rules import REGISTRY
from engine.runs import RunOptions
from engine.settings import Settings
from tests.property import rules_reference, rules_worlds
from tests.property.rules_reference import decisions
from tests.spec.all_specs import all_specs

pytestmark = pytest.mark.slow

WORLDS = 300
NOT_READ = {spec.rule_id for spec in all_specs() if spec.no_slow_reading}
LEAST_HITS = 1
LEAST_DECIDED = 300


def findings_of(spark: SparkSession, folder: Any, worlds: Any) -> list[dict[str, Any]]:
    """Findings of all worlds in one run of the main job, without a model."""
    (folder / "in").mkdir()
    rules_worlds.write(folder / "in", worlds)
    settings = Settings.model_validate(
        {
            "input": {"root": str(folder / "in"), "tables": rules_worlds.DECLARED},
            "output": {"root": str(folder / "out")},
            "as_of": rules_worlds.AS_OF,
            "link": {"learn_weights": False, "offset_pairs": 1_000_000},
        }
    )
    with job_run(spark, settings, RunOptions(run_id="r"), lambda _: None) as run:
        linked = link_claims(run, prepare_tables(run, read_tables(run, {})))
        screened = screen(run, linked, describe(run, linked))
        not_scored = Scored(tuple(ScoredSubject(one, by_model=None, groups=None) for one in screened.subjects))
        rows = assemble_findings(run, linked, apply_rules(run, linked, not_scored), QueueOrder()).rows.collect()
        run.abandon()
    return [row.asDict(recursive=True) for row in rows]


def as_read(hit: dict[str, Any]) -> dict[str, Any]:
    """A rule of a finding, with what the reference says of it."""
    return {
        "evidence": hit["evidence"],
        "guards": {guard["name"]: guard["state"] for guard in hit["guards"]},
        "code": hit["code"],
        "units": hit["units_at_issue"],
        "amount": hit["amount_at_issue"],
        "related": set(hit["related_source_row_ids"]),
    }


def differences(found: dict[str, Any], expected: dict[str, Any]) -> list[tuple[Any, ...]]:
    """(rule, what, expected, found) of one row."""
    different = []
    only_weak = all(hit["evidence"] in ("WEAK", "CONTEXT") for hit in expected.values())
    for rule in sorted({*found, *expected} - NOT_READ):
        ours, theirs = expected.get(rule), found.get(rule)
        if ours is None or theirs is None:
            different.append((rule, "fires", ours, theirs))
            continue
        for name in ("evidence", "guards", "code", "units", "amount", "related"):
            if name not in ours or (name == "amount" and ours["units"] is None):
                continue
            # two weak rules of different sources raise each other (test_findings_property.py)
            raised = name == "evidence" and only_weak and (ours[name], theirs[name]) == ("WEAK", "MEDIUM")
            if ours[name] != theirs[name] and not raised:
                different.append((rule, name, ours[name], theirs[name]))
    return different


def decision(
    finding: dict[str, Any], kind: str, row: Any, own: dict[str, dict[str, Any]]
) -> list[tuple[Any, ...]] | None:
    """What of a finding (name, expected, found) is not what its rules make of it; None where a rule is not read."""
    if any(hit["rule_id"] in NOT_READ for hit in finding["rules"]):
        return None
    surplus = None
    if row["hcpcs_units"] is not None and row["factor"] is not None:
        surplus = row["units"] - row["hcpcs_units"] * row["factor"]
    hits = {
        hit["rule_id"]: {
            "evidence": hit["evidence"],
            "own_class": own.get(hit["rule_id"], hit)["evidence"],
            "code": hit["code"],
            "units": hit["units_at_issue"],
            "surplus": surplus,
        }
        for hit in finding["rules"]
    }
    deadline = finding["deadline_date"]
    is_late = deadline is not None and str(deadline) < rules_worlds.AS_OF
    expected = decisions.decide(row, kind, hits, is_late)
    rule = expected.pop("rule")
    compared = [
        (name, rule, value, finding[name])
        for name, value in expected.items()
        if finding[name] != value and not (name == "party_at_fault" and value is None)
    ]
    return compared


def test_what_rules_say_is_what_the_contract_says(spark: SparkSession, seed: int, tmp_path: Path) -> None:
    worlds = [rules_worlds.World(number, seed) for number in range(WORLDS)]
    invoices = [row for world in worlds for row in world.tables["invoices"]]
    expected: dict[str, dict[str, Any]] = {}
    rows: rules_reference.Subjects = {}
    for world in worlds:
        expected |= rules_reference.judge(world.tables | rules_worlds.SHARED, invoices, rows)
    found: dict[str, dict[str, Any]] = defaultdict(dict)
    undecided, decided = [], 0
    for finding in findings_of(spark, tmp_path, worlds):
        compared = decision(finding, *rows[finding["source_row_id"]], expected[finding["source_row_id"]])
        decided += compared is not None
        undecided += [(finding["source_row_id"], *compared)] if compared else []
        found[finding["source_row_id"]] = {hit["rule_id"]: as_read(hit) for hit in finding["rules"]}
    wrong = {row: differences(found.get(row, {}), expected.get(row, {})) for row in {*found, *expected}}
    wrong = {row: different for row, different in wrong.items() if different}
    assert not wrong, f"{len(wrong)} rows: {sorted(wrong.items())[:20]}"
    assert not undecided, f"{len(undecided)} findings: {undecided[:12]}"
    assert decided > LEAST_DECIDED
    fired = Counter(rule for hits in expected.values() for rule in hits)
    rare = sorted(rule for rule in {*REGISTRY.ids} - NOT_READ if fired[rule] < LEAST_HITS)
    assert not rare, f"a rule is read in tests/property/rules_reference/, or states no_slow_reading; too rare: {rare}"
