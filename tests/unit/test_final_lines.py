"""Which decided lines may be sent, why others may not, and what each recipient sees."""

from __future__ import annotations

import csv
from datetime import date, datetime
from decimal import Decimal

import pytest
from exports_rows import finding, frame_of

from engine.exports import RECIPIENT_COLUMNS, write_final_files
from engine.findings import DECISIONS_TO_DISPUTE, final_lines, without_red_lines
from engine.rules import dispute_codes
from engine.runtime.storage import storage_of

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


def decision(finding_id: str, decision: str = "DISPUTE", at: int = 1, units: str | None = None) -> tuple:
    return (finding_id, decision, datetime(2026, 6, at), "Ann", None if units is None else Decimal(units))


def judged(spark, rows: dict[str, dict], decisions: list[tuple] | None = None, sent: tuple[str, ...] = ()) -> dict:
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


def coded(codes: str) -> list[dict]:
    return [{"code": code, "kind": "DISPUTE", "document": None} for code in codes]


HELD_BACK = {
    "fine": ({}, None),
    "strong": ({"evidence": "STRONG"}, None),
    "to a PBM": ({"route": "PBM", "dispute_code": "PBM"}, None),
    "sent": ({}, "sent before"),
    "weak": ({"evidence": "WEAK"}, "evidence below MEDIUM"),
    "invoice": ({"subject": "INVOICE"}, "no claim line"),
    "changed": ({"changed_since_decision": ["rules"]}, "otherwise since it was decided (rules): decide again"),
    "no code": ({"dispute_code": None}, "no dispute code"),
    "unverified": ({"dispute_code": "T"}, "code not valid today: T"),
    "alone": (
        {"dispute_code": "R", "codes": [{"code": "R", "kind": "DISPUTE", "document": None}]},
        "code needs another with it: R",
    ),
    "accompanied": (
        {"dispute_code": "R", "codes": [{"code": code, "kind": "DISPUTE", "document": None} for code in "RQ"]},
        None,
    ),
    "to an entity": ({"route": "ENTITY"}, "goes to no state and no PBM"),
    "MFP": ({"route": "FACILITATOR"}, "goes to no state and no PBM"),
    "nobody": ({"state": None}, "recipient unknown"),
    "in dispute": ({"units_in_dispute": Decimal("30.000")}, "no units to dispute"),
    "no units": ({"units_at_issue": None}, "no units to dispute"),
}


def test_what_is_held_back_and_why(spark):
    rows = judged(spark, {name: row for name, (row, _) in HELD_BACK.items()}, sent=("sent",))
    assert {name: row["held_back"] for name, row in rows.items()} == {name: why for name, (_, why) in HELD_BACK.items()}
    assert rows["accompanied"]["other_codes"] == ["Q"]


def test_the_latest_decision_of_a_finding_holds_and_gives_the_units(spark):
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


@pytest.mark.parametrize("unmasked", [(), ("KY",)])
def test_each_recipient_gets_a_file_of_its_own_with_its_own_columns(spark, tmp_path, unmasked):
    rows = {
        "a": {},
        "b": {"state": "GA", "payer_id": "GA"},
        "c": {"route": "PBM", "payer_id": "PBM/A", "dispute_code": "PBM", "match_tier": "T1"},
        "d": {"evidence": "WEAK"},
    }
    found = [finding(number) | USUAL | row | {"finding_id": name} for number, (name, row) in enumerate(rows.items())]
    lines = final_lines(
        frame_of(spark, found).drop("decided_on"),
        spark.createDataFrame([decision(name) for name in rows], DECISIONS_TO_DISPUTE),
        spark.createDataFrame([], "finding_id string"),
        CODES,
        TODAY,
    )
    texts = {code.code: code.text for code in CODES}
    written = write_final_files(lines, texts, storage_of(spark), tmp_path.as_uri(), unmasked)
    (pbm,) = (name for name in written if name.startswith("pbm-PBM_A-"))
    assert written == {pbm: 1, "state-GA.csv": 1, "state-KY.csv": 1}
    for name in written:
        with (tmp_path / name).open(encoding="utf-8-sig", newline="") as file:
            (line,) = csv.DictReader(file)
        route = "PBM" if name == pbm else "STATE"
        assert tuple(line) == RECIPIENT_COLUMNS[route]
        is_whole = unmasked and name == "state-KY.csv"
        assert line["rx_number"] == ("0007654321" if is_whole else "******4321")


# Never leaves: prices, dollars, scores, p-values, reasons of a model, other rows, what others asked for, who decided.
INTERNAL = (
    "unit_price_used",
    "amount_at_issue",
    "price_source",
    "match_score",
    "match_ambiguous",
    "anomaly_score",
    "anomaly_p_value",
    "reasons",
    "priority",
    "related_source_row_ids",
    "reference_rows",
    "narrative",
    "explanation",
    "payer_id",
    "source_row_id",
    "finding_id",
    "decided_by",
)


@pytest.mark.parametrize("route", ["STATE", "PBM"])
@pytest.mark.parametrize("column", INTERNAL)
def test_no_recipient_sees(route, column):
    assert column not in RECIPIENT_COLUMNS[route]


def test_a_match_tier_goes_to_a_pbm_alone():
    assert [route for route, columns in RECIPIENT_COLUMNS.items() if "match_tier" in columns] == ["PBM"]


def test_lines_on_a_red_line_of_the_tie_out_are_held_back(spark):
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
