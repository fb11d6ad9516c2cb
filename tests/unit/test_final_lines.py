"""Which decided lines may be sent, and why others may not."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from pyspark.sql import SparkSession

from engine.findings import DECISIONS_TO_DISPUTE, final_lines, without_red_lines
from engine.rules import dispute_codes
from tests.unit.exports_rows import finding, frame_of

CODES = dispute_codes("conf/reference")
TODAY = date(2026, 6, 30)
USUAL = {
    "subject": "REBATE_CLAIM",
    "evidence": "MEDIUM",
    "dispute_code": "M",
    "codes": [{"code": "M", "kind": "DISPUTE", "document": None}],
    "route": "STATE",
    "state": "KY",
    "payer_id": "KY",
    "units_at_issue": Decimal("30.000"),
    "units_in_dispute": None,
    "ndc_units": Decimal("30.000"),
    "rx_number_raw": "0007654321",
    "changed_since_decision": [],
}


def decision(finding_id: str, decision: str = "DISPUTE", at: int = 1, units: str | None = None) -> tuple[Any, ...]:
    return (finding_id, decision, datetime(2026, 6, at), "Ann", None if units is None else Decimal(units))


def judged(
    spark: SparkSession,
    rows: dict[str, dict[str, Any]],
    decisions: list[tuple[Any, ...]] | None = None,
    sent: tuple[str, ...] = (),
) -> dict[str, Any]:
    found = [finding(number) | USUAL | row | {"finding_id": name} for number, (name, row) in enumerate(rows.items())]
    decided = [decision(name) for name in rows] if decisions is None else decisions
    lines = final_lines(
        frame_of(spark, found).drop("decided_on"),
        spark.createDataFrame(decided, DECISIONS_TO_DISPUTE),
        spark.createDataFrame([(name,) for name in sent], "finding_id string"),
        CODES,
        TODAY,
    )
    return {row["finding_id"]: row for row in lines.collect()}


def coded(codes: str) -> list[dict[str, Any]]:
    return [{"code": code, "kind": "DISPUTE", "document": None} for code in codes]


HELD_BACK: dict[str, Any] = {
    "fine": ({}, None),
    "strong": ({"evidence": "STRONG"}, None),
    "to a PBM": ({"route": "PBM", "dispute_code": "PBM"}, None),
    "sent": ({}, "sent before"),
    "weak": ({"evidence": "WEAK"}, "evidence below MEDIUM"),
    "invoice": ({"subject": "INVOICE"}, None),
    "invoice to a PBM": ({"subject": "INVOICE", "route": "PBM"}, "no claim line"),
    "340B claim to a state": ({"subject": "ENTITY_CLAIM"}, "no claim line"),
    "changed": ({"changed_since_decision": ["rules"]}, "otherwise since it was decided (rules): decide again"),
    "no code": ({"dispute_code": None}, "no dispute code"),
    "adjusted": (
        {"dispute_code": None, "codes": [{"code": "A", "kind": "ADJUSTMENT", "document": None}]},
        "adjustment of the rebate amount: on the form alone",
    ),
    "unverified": ({"dispute_code": "T"}, "code not verified: T"),
    "unverified of a rule": (
        {"dispute_code": None, "rules": [{"rule_id": "R001", "code": "V"}]},
        "code not verified: V",
    ),
    "not of this form": ({"dispute_code": "A"}, "code not valid today: A"),
    "alone": (
        {"dispute_code": "R", "codes": [{"code": "R", "kind": "DISPUTE", "document": None}]},
        "code needs another with it: R",
    ),
    "accompanied": (
        {"dispute_code": "R", "codes": [{"code": code, "kind": "DISPUTE", "document": None} for code in "RQ"]},
        None,
    ),
    "to an entity": ({"route": "ENTITY", "entity_id": "DSH1", "dispute_code": None}, None),
    "340B claim": ({"route": "ENTITY", "entity_id": "DSH1", "subject": "ENTITY_CLAIM", "units_at_issue": None}, None),
    "to an unknown entity": ({"route": "ENTITY", "entity_id": None}, "recipient unknown"),
    "MFP": (
        {"route": "FACILITATOR", "dispute_code": "MRA"},
        "MFP refunds stay drafts until disputes.mfp_justification_code is set",
    ),
    "to nobody": ({"route": "NONE"}, "goes to no state, PBM, entity or facilitator"),
    "nobody": ({"state": None, "payer_id": None}, "recipient unknown"),
    "in dispute": ({"units_in_dispute": Decimal("30.000")}, "no units to dispute"),
    "no units": ({"units_at_issue": None}, "no units to dispute"),
}


def test_what_is_held_back_and_why(spark: SparkSession) -> None:
    rows = judged(spark, {name: row for name, (row, _) in HELD_BACK.items()}, sent=("sent",))
    assert {name: row["held_back"] for name, row in rows.items()} == {name: why for name, (_, why) in HELD_BACK.items()}
    assert rows["accompanied"]["other_codes"] == ["Q"]


def test_the_latest_decision_of_a_finding_holds_and_gives_the_units(spark: SparkSession) -> None:
    decisions = [
        decision("all", units=None),
        decision("part", "DISMISS", 1),
        decision("part", "DISPUTE", 2, "7.5"),
        decision("dropped", "DISPUTE", 1),
        decision("dropped", "PAY", 2),
    ]
    names = ("all", "part", "dropped", "undecided", "partly in dispute")
    decisions.append(decision("partly in dispute"))
    rows = judged(
        spark, {name: {"units_in_dispute": Decimal(10)} if "partly" in name else {} for name in names}, decisions
    )
    units = {name: str(row["units_disputed"]) for name, row in rows.items()}
    assert units == {"all": "30.000", "part": "7.500", "partly in dispute": "20.000"}
    assert (rows["part"]["decided_by"], rows["part"]["decided_on"]) == ("Ann", date(2026, 6, 2))


def test_what_settlements_took_up_of_a_decision_is_not_sent_again(spark: SparkSession) -> None:
    rows = {
        "whole": {},
        "part": {},
        "of the claim": {"units_in_dispute": Decimal(10)},
        "decided units": {},
    }
    found = [finding(number) | USUAL | row | {"finding_id": name} for number, (name, row) in enumerate(rows.items())]
    decisions = [decision(name) for name in rows if name != "decided units"]
    decisions.append(decision("decided units", units="20"))
    taken = [
        ("whole", Decimal(30)),
        ("part", Decimal(12)),
        ("of the claim", Decimal(10)),
        ("decided units", Decimal(5)),
    ]
    lines = final_lines(
        frame_of(spark, found).drop("decided_on"),
        spark.createDataFrame(decisions, DECISIONS_TO_DISPUTE),
        spark.createDataFrame([], "finding_id string"),
        CODES,
        TODAY,
        spark.createDataFrame(taken, "finding_id string, units_taken_up decimal(15,3)"),
    )
    units = {row["finding_id"]: (str(row["units_disputed"]), row["held_back"]) for row in lines.collect()}
    assert units == {
        "whole": ("0.000", "no units to dispute"),
        "part": ("18.000", None),
        "of the claim": ("20.000", None),
        "decided units": ("15.000", None),
    }


def test_mfp_lines_are_sent_once_their_justification_code_is_set(spark: SparkSession) -> None:
    found = [finding(0) | USUAL | {"finding_id": "MFP", "route": "FACILITATOR", "dispute_code": "MRA"}]
    lines = final_lines(
        frame_of(spark, found).drop("decided_on"),
        spark.createDataFrame([decision("MFP")], DECISIONS_TO_DISPUTE),
        spark.createDataFrame([], "finding_id string"),
        CODES,
        TODAY,
        has_mfp_code=True,
    )
    assert [row["held_back"] for row in lines.collect()] == [None]


def test_lines_on_a_red_line_of_the_tie_out_are_held_back(spark: SparkSession) -> None:
    """What was held back before keeps its reason."""
    found = [finding(n) | USUAL | {"finding_id": f"F{n}"} | ({"evidence": "WEAK"} if n == 2 else {}) for n in range(3)]
    lines = final_lines(
        frame_of(spark, found).drop("decided_on"),
        spark.createDataFrame([decision(f"F{n}") for n in range(3)], DECISIONS_TO_DISPUTE),
        spark.createDataFrame([], "finding_id string"),
        CODES,
        TODAY,
    )
    red = spark.createDataFrame([("F1",), ("F2",), ("another",)], "finding_id string")
    held = {row["finding_id"]: row["held_back"] for row in without_red_lines(lines, red).collect()}
    assert held == {
        "F0": None,
        "F1": "its invoice line is red in the tie-out: claim-level detail is too far off",
        "F2": "evidence below MEDIUM",
    }
