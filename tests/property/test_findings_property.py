"""Several rules on one claim, read slowly from the contract (parts 4, 7.5 and 7.10)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from engine.contracts.codes import Subject
from engine.contracts.findings import FINDINGS
from engine.findings import dispute_lines, findings_of
from engine.rules import DATA_SOURCES
from engine.rules.dispute_codes import DisputeCode
from engine.settings import Settings
from tests.property.worlds import worlds
from tests.unit.findings_rows import flagged_claims, hit

WORLDS = 300
SETTINGS = Settings(as_of=date(2026, 3, 1))
LADDER = ["STRONG", "MEDIUM", "WEAK", "CONTEXT"]
FIRST = ["X", "M", "N", "O", "J", "K"]
DISPUTES, ADJUSTMENTS, BOTH = {"X", "M", "J", "Q", "R", "U", "D"}, {"A", "Y", "D"}, {"D"}
RULES = ["R001", "R003", "R016", "R020", "R021", "R028", "R035", "R036", "R038", "R052", "R053", "R054"]
ACTIONS = ["DISPUTE", "INQUIRE", "REQUEST_CLD", "CHECK_REFERENCE", "PAY_AND_WATCH"]


def code_table() -> list[DisputeCode]:
    rows = [(code, "DISPUTE") for code in DISPUTES] + [(code, "ADJUSTMENT") for code in ADJUSTMENTS]
    return [DisputeCode(code, kind, False, None, code == "R", "", None, None, True) for code, kind in sorted(rows)]


@st.composite
def judged_claims(draw: Callable[..., Any]) -> dict[str, Any] | None:
    ids = draw(st.lists(st.sampled_from(RULES), min_size=1, max_size=4, unique=True))
    weak = draw(st.booleans())
    rules = []
    for rule_id in ids:
        evidence = "WEAK" if weak else draw(st.sampled_from(["STRONG", *LADDER]))
        action = draw(st.sampled_from(["DISPUTE", *ACTIONS]))
        if evidence in ("WEAK", "CONTEXT") and action == "DISPUTE":
            action = "INQUIRE"  # as rules are applied
        units = draw(st.sampled_from([None, 0, 5, 30, 90]))
        failed = draw(st.booleans())
        rules.append(
            hit(
                rule_id,
                evidence,
                code=draw(st.sampled_from([None, "T", *sorted(DISPUTES | ADJUSTMENTS)])),
                action=action,
                route=draw(st.sampled_from(["STATE", "PBM"])),
                units_at_issue=None if units is None else Decimal(units),
                amount_at_issue=draw(st.sampled_from([None, None, Decimal(4), Decimal(500)])),
                guards=[("G", "FAILED" if failed else "PASSED")],
            )
        )
    units = draw(st.sampled_from([30, 30, 30, -30]))
    return {
        "units": Decimal(units),
        "ndc_units": Decimal(units),
        "settled_since_units": draw(st.sampled_from([None, None, Decimal(10), Decimal(30)])),
        "units_in_dispute": draw(st.sampled_from([None, None, Decimal(10)])),
        "rules": rules,
    }


def read_slowly(claim: dict[str, Any]) -> dict[str, Any]:
    size = max(claim["units"], Decimal(0))
    settled = claim["settled_since_units"] or Decimal(0)
    rules = [_at_issue(rule, size, settled) for rule in claim["rules"]]
    if all(rule["evidence"] in ("WEAK", "CONTEXT") for rule in rules):
        source = DATA_SOURCES
        support = [
            r for r in rules if r["evidence"] == "WEAK" and r["guards"][0][1] != "FAILED" and r["rule_id"] in source
        ]
        if len({source[rule["rule_id"]] for rule in support}) > 1:
            for rule in support:
                rule["evidence"] = "MEDIUM"
    evidence = min((rule["evidence"] for rule in rules), key=LADDER.index)
    own = [rule for rule in rules if rule["evidence"] == evidence]
    deciding = min(own, key=_order)
    units = deciding["units"]
    amounts = [r["amount"] for r in own if r["amount"] is not None and (r["units"] or 0) <= (units or 0)]
    was, left = (max((r[name] or Decimal(0) for r in own), default=Decimal(0)) for name in ("asked", "units"))
    action = deciding["action"]
    if was > 0 and left == 0 and action != "CHECK_REFERENCE":
        action = "NONE"
    line = [r for r in rules if r["evidence"] == "STRONG" and r["kind"] == "DISPUTE"]
    drafted = max((r["units"] or Decimal(0) for r in line), default=Decimal(0)) - (claim["units_in_dispute"] or 0)
    is_drafted = evidence == "STRONG" and action == "DISPUTE" and (units or 0) > 0 and drafted > 0
    is_drafted = is_drafted and any(rule["code"] != "R" for rule in line)
    return {
        "evidence": evidence,
        "dispute_code": deciding["code"] if deciding["kind"] == "DISPUTE" else None,
        "route": deciding["route"],
        "action": action,
        "units_at_issue": units,
        "amount_at_issue": max(amounts, default=None),
        "rules": sorted((r["rule_id"], r["evidence"], r["units"], r["amount"]) for r in rules),
        "line": (drafted, {r["code"] for r in line}, {r["document"] for r in line}) if is_drafted else None,
    }


def _at_issue(rule: dict[str, Any], size: Decimal, settled: Decimal) -> dict[str, Any]:
    """Price 2 per unit; a rule's own amount falls by the settled share of the claim."""
    asked = None if rule["units_at_issue"] is None else min(rule["units_at_issue"], size)
    units = None if asked is None else max(asked - settled, Decimal(0))
    amount = None if units is None else units * 2
    if rule["amount_at_issue"] is not None:
        share = (size - settled) / size if settled and size else Decimal(1)
        amount = round(rule["amount_at_issue"] * max(share, Decimal(0)), 2)
    code = None if rule["rule_id"] == "R052" else rule["code"]
    kind = "DISPUTE" if code in DISPUTES - BOTH else "ADJUSTMENT" if code in ADJUSTMENTS - BOTH else None
    if code in BOTH:
        kind = "DISPUTE" if (units or 0) > 0 else "ADJUSTMENT"
    amount = None if amount is None else min(amount, size * 2)
    return {**rule, "asked": asked, "units": units, "amount": amount, "kind": kind}


def _order(rule: dict[str, Any]) -> tuple[Any, ...]:
    code = rule["code"]
    place = FIRST.index(code) if code in FIRST else len(FIRST) if code else len(FIRST) + 1
    most = -1 if rule["units"] is None else rule["units"]
    return (rule["action"] not in ("DISPUTE", "WITHHOLD"), -most, place, code or "", rule["rule_id"])


@pytest.fixture
def claims(seed: int) -> list[dict[str, Any]]:
    made = worlds(judged_claims(), WORLDS, seed)
    return [{"source_row_id": f"{n}", "claim_id": f"{n}", **claim} for n, claim in enumerate(made)]


def test_what_several_rules_make_of_a_claim(spark: SparkSession, claims: list[dict[str, Any]]) -> None:
    rows = findings_of(Subject.REBATE_CLAIM, flagged_claims(spark, *claims), code_table(), SETTINGS, "r").collect()
    lines = dispute_lines(spark.createDataFrame(rows, FINDINGS), code_table(), SETTINGS).collect()
    drafted = {
        line["claim_id"]: (
            line["units_disputed"],
            {line["dispute_code"], *line["other_codes"]},
            set(line["documents"]),
        )
        for line in lines
    }
    names = ("evidence", "dispute_code", "route", "action", "units_at_issue", "amount_at_issue")
    found = {
        row["claim_id"]: {name: row[name] for name in names}
        | {
            "rules": sorted(
                (r["rule_id"], r["evidence"], r["units_at_issue"], r["amount_at_issue"]) for r in row["rules"]
            ),
            "line": drafted.get(row["claim_id"]),
        }
        for row in rows
    }
    expected = {claim["claim_id"]: read_slowly(claim) for claim in claims}
    wrong = {key: (found[key], expected[key], claims[int(key)]) for key in expected if found[key] != expected[key]}
    assert not wrong, (len(wrong), next(iter(wrong.values())))
