"""Cases, sentence by sentence: which findings belong together, and what a case adds up (contract 7.11, domain 3.2)."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from engine.cases import CaseInput, cases_of, with_case
from engine.contracts.findings import FINDINGS, RULE_HIT
from engine.contracts.positions import POSITIONS
from engine.settings import CounterpartySettings
from tests.unit.facts_rows import frame, reference

USUAL = {
    "subject": "REBATE_CLAIM",
    "program": "MDRP_FFS",
    "payer_id": "KY",
    "state": "KY",
    "period": "2025Q1",
    "labeler_code": "00002",
    "ndc11": "00002000101",
    "product_name": "Examplin",
    "pharmacy_npi": "1111111112",
    "entity_id": "DSH1",
    "rx_number": "1234567",
    "fill_number": 0,
    "date_of_service": date(2025, 2, 10),
    "route": "STATE",
    "rule": "R003",
    "evidence": "STRONG",
    "units_at_issue": Decimal(30),
    "amount_at_issue": Decimal(60),
    "priority": 40.0,
}
ENTITY = {"route": "ENTITY", "subject": "ENTITY_CLAIM", "rule": "R042", "program": None, "state": None, "period": None}
PBM = {"route": "PBM", "payer_id": "PBM1", "program": "COMMERCIAL", "rule": "R008", "contract_id": "C1"}
MFP = {"route": "FACILITATOR", "payer_id": "MTF", "program": "MFP", "rule": "R012"}

# Two findings, as they differ from each other: in one case or in two.
TOGETHER = {
    "other pharmacy, product of the labeler, and prescription": (
        {},
        {"pharmacy_npi": "1222222223", "ndc11": "00002000202", "rx_number": "7"},
    ),
    "fee-for-service and managed care of a state": ({}, {"program": "MDRP_MCO", "rule": "R005"}),
    "two rules that rest on the entity's 340B claims": ({}, {"rule": "R002"}),
    "dispenses billed twice at two pharmacies": (
        {"rule": "R016", "entity_id": None},
        {"rule": "R019", "entity_id": None, "pharmacy_npi": "1222222223"},
    ),
    "claim and invoice line of one product": (
        {"rule": "R022"},
        {"rule": "R022", "subject": "INVOICE", "pharmacy_npi": None, "entity_id": None},
    ),
    "one entity, one month": (ENTITY, {**ENTITY, "date_of_service": date(2025, 2, 28)}),
    "one contract, two labelers": (PBM, {**PBM, "labeler_code": "00003"}),
    "one quarter without a batch": (MFP, {**MFP, "labeler_code": "00003"}),
}
APART = {
    "two entities": ({}, {"entity_id": "DSH2"}),
    "two states": ({}, {"state": "TN", "payer_id": "TN"}),
    "two quarters": ({}, {"period": "2025Q2"}),
    "two labelers": ({}, {"labeler_code": "00003"}),
    "two causes": ({}, {"rule": "R016"}),
    "reversals of two pharmacies": ({"rule": "R020"}, {"rule": "R020", "pharmacy_npi": "1222222223"}),
    "two products that ended": ({"rule": "R022"}, {"rule": "R022", "ndc11": "00002000202"}),
    "one entity, two months": (ENTITY, {**ENTITY, "date_of_service": date(2025, 3, 1)}),
    "two contracts": (PBM, {**PBM, "contract_id": "C2"}),
    "two batches": ({**MFP, "invoice_number": "B1"}, {**MFP, "invoice_number": "B2"}),
    "two missing contracts of one entity": (
        {**ENTITY, "rule": "R043"},
        {**ENTITY, "rule": "R043", "pharmacy_npi": "1222222223"},
    ),
}
IN_NONE = {
    "explains, accuses nobody": {"evidence": "CONTEXT"},
    "goes to nobody": {"route": "NONE"},
    "to whom is not known": {**ENTITY, "entity_id": None},
}


def findings_frame(spark: SparkSession, rows: list[dict[str, Any]]) -> DataFrame:
    made = []
    for number, row in enumerate(rows):
        whole = {**USUAL, "finding_id": f"F{number}", "run_id": "R", **row}
        rule = dict.fromkeys(RULE_HIT.names) | {
            "rule_id": whole.pop("rule"),
            "evidence": whole["evidence"],
            "units_at_issue": whole["units_at_issue"],
            "related_source_row_ids": [],
            "guards": [],
        }
        made.append(whole | {"rules": [rule]})
    return frame(spark, made, FINDINGS)


def grouped(spark: SparkSession, rows: list[dict[str, Any]]) -> dict[str, str | None]:
    return {row["finding_id"]: row["case_id"] for row in with_case(findings_frame(spark, rows)).collect()}


def test_which_findings_are_in_one_case(spark: SparkSession) -> None:
    pairs = TOGETHER | APART
    rows = [{**own, "finding_id": f"{name}/{at}"} for name, pair in pairs.items() for at, own in enumerate(pair)]
    cases = grouped(spark, rows)
    assert all(cases.values())
    assert {name: cases[f"{name}/0"] == cases[f"{name}/1"] for name in pairs} == {
        name: name in TOGETHER for name in pairs
    }


def test_which_findings_are_in_none(spark: SparkSession) -> None:
    cases = grouped(spark, [{**own, "finding_id": name} for name, own in IN_NONE.items()])
    assert cases == dict.fromkeys(IN_NONE)


def case_rows(
    spark: SparkSession,
    rows: list[dict[str, Any]],
    counterparties: dict[str, CounterpartySettings] | None = None,
    **known: Any,
) -> list[dict[str, Any]]:
    found = with_case(findings_frame(spark, rows))
    sent = spark.createDataFrame(known.pop("sent", []), "finding_id string, case_id string")
    made = cases_of(found, CaseInput(sent=sent, **known), counterparties or {})
    return sorted((row.asDict() for row in made.collect()), key=lambda row: str(row["root_words"]))


def case_of(spark: SparkSession, rows: list[dict[str, Any]], **known: Any) -> dict[str, Any]:
    [row] = case_rows(spark, rows, **known)
    return row


def test_claims_are_added_and_their_invoice_lines_are_not(spark: SparkSession) -> None:
    line = {"rule": "R022", "subject": "INVOICE", "units_at_issue": Decimal(500), "amount_at_issue": Decimal(900)}
    both = case_of(spark, [{"rule": "R022"}, {"rule": "R022", "rx_number": "2"}, line])
    assert (both["findings"], both["claims"], both["invoice_lines"], both["counted_subject"]) == (
        3,
        2,
        1,
        "REBATE_CLAIM",
    )
    assert (both["units_at_issue"], both["amount_at_issue"]) == (60, 120)
    assert both["expected_recovery"] == 80
    alone = case_of(spark, [line, {**line, "program": "MDRP_MCO"}])
    assert (alone["counted_subject"], alone["units_at_issue"], alone["amount_at_issue"]) == ("INVOICE", 1000, 1800)


def test_a_dispense_that_two_entities_report_counts_once(spark: SparkSession) -> None:
    """And another one of that entity, pharmacy and month a second time."""
    pair = {**ENTITY, "rule": "R046"}
    case = case_of(spark, [pair, pair, {**pair, "rx_number": "2"}])
    assert (case["findings"], case["units_at_issue"], case["amount_at_issue"]) == (3, 60, 120)


def test_what_is_in_dispute_already_is_not_open(spark: SparkSession) -> None:
    """By a settlement, or by a person's decision that the unit ledger holds; never both added."""
    positions = [
        {"finding_id": "F1", "position": "DISPUTED", "units": "12"},
        {"finding_id": "F1", "position": "PAYABLE", "units": "18"},
        {"finding_id": "F2", "position": "DISPUTED", "units": "10"},
    ]
    rows = [{}, {"rx_number": "2"}, {"rx_number": "3", "units_in_dispute": Decimal(10)}]
    case = case_of(spark, rows, positions=frame(spark, positions, POSITIONS))
    assert (case["units_at_issue"], case["units_in_dispute"], case["units_open"]) == (90, 22, 68)
    # a unit is worth $2: 60 of the first finding, 18 x 2 of the second, 20 x 2 of the third
    assert (case["amount_at_issue"], case["amount_open"]) == (180, 136)


def test_evidence_deadline_codes_and_missing_prices(spark: SparkSession) -> None:
    rows = [
        {"deadline_date": date(2025, 7, 8), "deadline_kind": "NO_INTEREST", "dispute_code": "X"},
        {"deadline_date": date(2025, 7, 1), "deadline_kind": "NO_INTEREST", "dispute_code": "M", "evidence": "MEDIUM"},
        {"deadline_kind": "NONE", "dispute_code": "X", "evidence": "WEAK", "amount_at_issue": None, "priority": -15.0},
    ]
    case = case_of(spark, rows)
    assert [case[f"findings_{name}"] for name in ("strong", "medium", "weak")] == [1, 1, 1]
    assert (case["deadline_date"], case["deadline_kind"], case["codes"]) == (date(2025, 7, 1), "NO_INTEREST", "M, X")
    assert (case["findings_without_price"], case["amount_at_issue"], case["expected_recovery"]) == (1, 120, 80)


def test_dismissed_findings_are_in_no_case(spark: SparkSession) -> None:
    assert case_of(spark, [{}, {"rx_number": "2", "is_dismissed": True}])["findings"] == 1


def answer(
    finding_id: str | None, answer: str, on: int = 1, units: str | None = None, case_id: Any = None
) -> dict[str, Any]:
    return {
        "finding_id": finding_id,
        "case_id": case_id,
        "answered_on": date(2025, 8, on),
        "answer": answer,
        "units_credited": units,
    }


# Findings F0 and F1 of one case: which were sent, and how they were answered.
STATUS = {
    "nothing sent": ([], [], "DRAFT"),
    "one sent": (["F0"], [], "SUBMITTED"),
    "asked, no answer": (["F0"], [answer("F0", "NO_ANSWER")], "SUBMITTED"),
    "one of two answered": (["F0", "F1"], [answer("F0", "ACCEPTED")], "SUBMITTED"),
    "both answered, one accepted": (
        ["F0", "F1"],
        [answer("F0", "ACCEPTED"), answer("F1", "REJECTED")],
        "RESOLVED_CREDIT",
    ),
    "rejected": (["F0"], [answer("F0", "REJECTED")], "RESOLVED_PAY"),
    "partly, with units": (["F0"], [answer("F0", "PARTIAL", units="5")], "RESOLVED_CREDIT"),
    "partly, without": (["F0"], [answer("F0", "PARTIAL")], "RESOLVED_PAY"),
    "the last answer counts": (["F0"], [answer("F0", "REJECTED", 1), answer("F0", "ACCEPTED", 9)], "RESOLVED_CREDIT"),
    "the whole case is answered": (["F0", "F1"], [answer(None, "ACCEPTED", units="20")], "RESOLVED_CREDIT"),
}


def test_status(spark: SparkSession) -> None:
    """Each of STATUS is a case of its own, by its labeler."""
    rows = [
        {"finding_id": f"{name}/F{at}", "labeler_code": f"{number:05}", "rx_number": str(at)}
        for number, name in enumerate(STATUS)
        for at in range(2)
    ]
    case_ids = grouped(spark, rows)
    sent, outcomes = [], []
    for name, (of_case, answers, _) in STATUS.items():
        case_id = case_ids[f"{name}/F0"]
        sent += [(f"{name}/{one}", case_id) for one in of_case]
        for one in answers:
            is_of_case = one["finding_id"] is None
            named = {"case_id": case_id} if is_of_case else {"finding_id": f"{name}/{one['finding_id']}"}
            outcomes.append(one | named)
    cases = {
        row["case_id"]: row
        for row in case_rows(spark, rows, sent=sent, outcomes=reference(spark, "outcomes", *outcomes))
    }
    of_name = {name: cases[case_ids[f"{name}/F0"]] for name in STATUS}
    assert {name: row["status"] for name, row in of_name.items()} == {name: one[2] for name, one in STATUS.items()}
    assert {name: row["findings_sent"] for name, row in of_name.items()} == {
        n: len(one[0]) for n, one in STATUS.items()
    }
    assert of_name["the whole case is answered"]["units_credited"] == 20


ENTITY_SHOWN, PHARMACY_SHOWN = "DSH1 (Example Medical Center)", "1111111112 (Example Drug)"


def test_names_contacts_and_the_cause_in_words(spark: SparkSession) -> None:
    rows = [
        {},
        {"rule": "R020"},
        {"rule": "R022"},
        {"rule": "R016"},
        {**ENTITY, "rule": "R043"},
        {**PBM, "entity_id": "DSH9"},
    ]
    entity = {
        "entity_id": "DSH1",
        "name": "Example Medical Center",
        "contact_name": "J. Doe",
        "contact_phone": "555-0100",
    }
    older = {**entity, "name": "Old name", "snapshot_date": date(2020, 1, 1)}
    entities = reference(spark, "covered_entities", older, {**entity, "snapshot_date": date(2025, 1, 1)})
    pharmacies = reference(spark, "pharmacies", {"npi": "1111111112", "name": "Example Drug", "phone": "555-0112"})
    settings = {"KY": CounterpartySettings(name="Kentucky Medicaid", contact="rebates@example.org")}
    cases = case_rows(spark, rows, settings, entities=entities, pharmacies=pharmacies)
    shown = [(row["counterparty_name"], row["contact"], row["root_words"], row["root_contact"]) for row in cases]
    kentucky = ("Kentucky Medicaid", "rebates@example.org")
    assert shown == [
        (
            *kentucky,
            "340B claims of covered entity DSH1 (Example Medical Center) appear not to be excluded",
            "J. Doe, 555-0100",
        ),
        (None, None, "340B claims of covered entity DSH9 appear not to be excluded", None),
        (*kentucky, "dispenses appear to be billed more than once", None),
        (
            "Example Medical Center",
            "J. Doe, 555-0100",
            f"no contract appears to be registered between covered entity {ENTITY_SHOWN} and pharmacy {PHARMACY_SHOWN}",
            "555-0112",
        ),
        (*kentucky, "product 00002000101 (Examplin) appears not to be eligible on the day of service", None),
        (*kentucky, "reversals of pharmacy 1111111112 (Example Drug) appear not to be credited", "555-0112"),
    ]
