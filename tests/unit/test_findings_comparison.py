"""Two runs compared: what changed, and what may have caused it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import SparkSession

from engine.contracts.findings import FINDINGS
from engine.findings import causes, compare_findings, differences

SUMMARY = {
    "input": {name: {"fingerprint": "1"} for name in ("rebate_claims", "entity_claims", "prices", "chargebacks")},
    "rules_off": {},
    "thresholds": {"R035 on rebate_claims": {"z": 4.0}},
    "models": {"rebate_claims": {"name": "m", "version": "1"}},
    "config_hash": "c",
    "as_of": "2026-09-30",
    "code_version": "v",
}


def finding(finding_id: str, *rules: str, amount: str = "60.00", code: str = "J") -> tuple[Any, ...]:
    """`rules`: id, class and, where the run holds them, units at issue of the rule alone."""
    hits = [dict(zip(("rule_id", "evidence", "units"), rule.split(), strict=False)) for rule in rules]
    values = {
        "finding_id": finding_id,
        "subject": "REBATE_CLAIM",
        "source_row_id": f"row {finding_id}",
        "rules": [
            (hit["rule_id"], hit["evidence"], None, None, [], 0, Decimal(hit["units"]) if "units" in hit else None)
            + (None, None, [])
            for hit in hits
        ],
        "evidence": hits[0]["evidence"],
        "amount_at_issue": Decimal(amount),
        "dispute_code": code,
    }
    return tuple(values.get(name) for name in FINDINGS.names)


def test_findings_are_new_gone_changed_or_left_out(spark: SparkSession) -> None:
    before = [
        finding("same", "R001 STRONG"),
        finding("gone", "R022 STRONG"),
        finding("weaker", "R003 STRONG", "R035 WEAK"),
        finding("dearer", "R001 STRONG"),
        finding("another code", "R020 STRONG"),
        finding("other units of a rule", "R001 STRONG 30", "R021 MEDIUM 30"),
        finding("of an earlier version", "R001 STRONG"),
    ]
    after = [
        finding("same", "R001 STRONG"),
        finding("new", "R036 WEAK"),
        finding("weaker", "R003 MEDIUM", "R035 WEAK"),
        finding("dearer", "R001 STRONG", amount="90.00"),
        finding("another code", "R020 STRONG", code="M"),
        finding("other units of a rule", "R001 STRONG 30", "R021 MEDIUM 20"),
        finding("of an earlier version", "R001 STRONG 30"),
    ]
    rows = compare_findings(*(spark.createDataFrame(found, FINDINGS) for found in (before, after))).collect()
    assert {row["finding_id"]: (row["change"], row["rule_ids"]) for row in rows} == {
        "gone": ("GONE", ["R022"]),
        "new": ("NEW", ["R036"]),
        "weaker": ("CHANGED", ["R003"]),
        "dearer": ("CHANGED", ["R001"]),
        "another code": ("CHANGED", ["R020"]),
        "other units of a rule": ("CHANGED", ["R021"]),
    }
    told = {row["finding_id"]: row for row in rows}
    assert (told["dearer"]["before_amount_at_issue"], told["dearer"]["after_amount_at_issue"]) == (60, 90)
    assert (told["new"]["source_row_id"], told["new"]["before_rules"]) == ("row new", None)


def _input(**fingerprints: str) -> dict[str, Any]:
    return {"input": SUMMARY["input"] | {name: {"fingerprint": text} for name, text in fingerprints.items()}}


@pytest.mark.parametrize(
    ("changed", "rule_id", "expected"),
    [
        ({}, "R001", []),
        (_input(rebate_claims="2"), "R001", ["DATA: rebate_claims differs"]),
        (_input(entity_claims="2"), "R001", []),
        (_input(entity_claims="2"), "R003", ["DATA: entity_claims differs"]),
        (_input(chargebacks="2"), "R003", ["REFERENCE: chargebacks differs"]),
        (_input(prices="2"), "R001", ["REFERENCE: prices differs"]),
        (_input(identifiers_340b="2"), "R001", ["REFERENCE: identifiers_340b differs"]),
        (_input(covered_entities="2"), "R003", ["REFERENCE: covered_entities differs"]),
        (_input(contract_pharmacy_lists="2"), "R008", ["REFERENCE: contract_pharmacy_lists differs"]),
        (_input(contract_pharmacy_lists="2"), "R003", []),
        ({"as_of": "2026-10-01"}, "R001", ["DATA: another --as-of day"]),
        (
            {"thresholds": {"R035 on rebate_claims": {"z": 5.0}}, "config_hash": "d"},
            "R035",
            ["CONFIG: thresholds of R035 on rebate_claims differ"],
        ),
        (
            {"thresholds": {"R035 on rebate_claims": {"z": 5.0}}, "config_hash": "d"},
            "R001",
            ["CONFIG: settings differ, and none of these rules' thresholds is known to"],
        ),
        (
            {"rules_off": {"R001 on rebate_claims": "switched off in the configuration"}, "config_hash": "d"},
            "R001",
            ["CONFIG: R001 on rebate_claims was on before, off (switched off in the configuration) after"],
        ),
        (
            {"rules_off": {"R003 on rebate_claims": "table entity_claims is missing"}},
            "R003",
            ["REFERENCE: R003 on rebate_claims was on before, off (table entity_claims is missing) after"],
        ),
        (
            {"models": {"rebate_claims": {"name": "m", "version": "2"}}},
            "R052",
            ["MODEL: another model version scored rebate_claims"],
        ),
        ({"models": {"rebate_claims": {"name": "m", "version": "2"}}}, "R001", []),
        (
            _input(rebate_claims="2", prices="2") | {"code_version": "w"},
            "R001",
            [
                "DATA: rebate_claims differs",
                "REFERENCE: prices differs",
                "CODE: another version of the program",
            ],
        ),
    ],
)
def test_causes_are_what_differs_and_the_rules_look_at(
    changed: dict[str, Any], rule_id: str, expected: list[str]
) -> None:
    assert causes(differences(SUMMARY, SUMMARY | changed), "REBATE_CLAIM", [rule_id]) == expected


def test_a_run_of_an_earlier_version_tells_less() -> None:
    earlier = {name: value for name, value in SUMMARY.items() if name != "thresholds"}
    assert differences(earlier, SUMMARY).thresholds == frozenset()
