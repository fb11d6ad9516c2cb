"""Identity, worth, words, deadlines and history of findings."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import combinations
from typing import Any

import pytest
from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F

from engine.contracts.codes import Subject
from engine.contracts.findings import FINDINGS
from engine.contracts.match_rates import FeedProblem, Side
from engine.findings import dispute_lines, findings_of, with_feed_problems
from engine.rules.dispute_codes import DisputeCode
from engine.settings import Settings
from tests.unit.findings_rows import as_written, dispute_code_table, flagged_claims, flagged_invoices, hit

SETTINGS = Settings(as_of=date(2026, 3, 1))


@pytest.fixture(scope="module")
def codes() -> list[DisputeCode]:
    return dispute_code_table()


def _by_row(findings: DataFrame) -> dict[str, Row]:
    return {row["source_row_id"]: row for row in findings.collect()}


def lineage(**values: Any) -> dict[str, Any]:
    return {"program": "MDRP_FFS", "claim_id": "C1", "claim_line": 1, "ordinal": 1, "branch": 1} | values


def test_an_adjustment_has_the_id_of_the_claim_it_replaces(spark: SparkSession, codes: list[DisputeCode]) -> None:
    """A null rebate type is FEDERAL for Medicaid and BASE elsewhere."""
    rows = [
        {"source_row_id": "first", "plan_id": None},
        {"source_row_id": "stated", "rebate_type": "FEDERAL"},
        {"source_row_id": "moved", "claim_id": "C2", "claim_line": 3, "program": "MDRP_MCO", "lineage": lineage()},
        {"source_row_id": "contract", "program": "PARTD"},
        {"source_row_id": "contract, stated", "program": "PARTD", "rebate_type": "BASE"},
    ]
    found = _by_row(findings_of(Subject.REBATE_CLAIM, flagged_claims(spark, *rows), codes, SETTINGS, "run-1"))
    ids = {name: row["finding_id"] for name, row in found.items()}
    assert ids["first"] == ids["stated"] == ids["moved"]
    assert ids["contract"] == ids["contract, stated"] != ids["first"]


def test_the_id_tells_every_claim_key_apart_and_is_the_same_whatever_rules_fire(
    spark: SparkSession, codes: list[DisputeCode]
) -> None:
    keys = [
        {"source_row_id": "plain"},
        {"source_row_id": "plan is null", "plan_id": None},
        {"source_row_id": "plan is empty", "plan_id": ""},
        {"source_row_id": "plan says null", "plan_id": "null"},
        {"source_row_id": "values slide", "plan_id": "P", "claim_id": "1C"},
        {"source_row_id": "values slide back", "plan_id": "P1", "claim_id": "C"},
        {"source_row_id": "separator in plan", "plan_id": 'P","C', "claim_id": "D"},
        {"source_row_id": "separator in claim", "plan_id": "P", "claim_id": 'C","D'},
        {"source_row_id": "line", "plan_id": "P", "claim_line": 2},
        {"source_row_id": "second of equals", "plan_id": "P", "lineage": lineage(ordinal=2)},
        {"source_row_id": "line and ordinal swapped", "plan_id": "P", "claim_line": 12},
        {"source_row_id": "line 1, ordinal 2", "plan_id": "P", "claim_line": 1, "lineage": lineage(ordinal=22)},
        {"source_row_id": "second branch", "plan_id": "P", "lineage": lineage(branch=2)},
        {"source_row_id": "second branch of the second", "plan_id": "P", "lineage": lineage(ordinal=2, branch=2)},
        {"source_row_id": "supplemental", "plan_id": "P", "rebate_type": "SUPPLEMENTAL"},
        {"source_row_id": "of another claim", "plan_id": "P", "lineage": lineage(claim_id="C0")},
    ]
    rows = [{"plan_id": "P", **key} for key in keys]
    found = _by_row(findings_of(Subject.REBATE_CLAIM, flagged_claims(spark, *rows), codes, SETTINGS, "run-1"))
    ids = {name: row["finding_id"] for name, row in found.items()}
    assert [pair for pair in combinations(sorted(ids), 2) if ids[pair[0]] == ids[pair[1]]] == []
    words = ["REBATE_CLAIM", "MDRP_FFS", "KY", "P", "FEDERAL", "C1", "1"]
    expected = hashlib.sha256(json.dumps(words, separators=(",", ":")).encode()).hexdigest()[:32]
    assert ids["plain"] == expected
    other = flagged_claims(spark, {"plan_id": "P", "rules": [hit("R022", code="N")], "units": Decimal(7)})
    assert findings_of(Subject.REBATE_CLAIM, other, codes, SETTINGS, "run-2").first()["finding_id"] == expected


def test_claims_carry_received_and_normalised_values_link_and_worth(
    spark: SparkSession, codes: list[DisputeCode]
) -> None:
    rows = [
        {
            "source_row_id": "linked",
            "rx_number": "1234567",
            "rx_number_raw": "0001234567",
            "ndc_raw": "0002-7597-01",
            "link_entity_id": "DSH010000",
            "mef_entity_id": "DSH020000",
            "link_tier": "T2",
            "link_score": 21.5,
            "link_is_ambiguous": False,
            "fill_number": 0,
        },
        {"source_row_id": "listed", "mef_entity_id": "DSH020000"},
        {"source_row_id": "ncpdp", "pharmacy_key": "1234567893"},
        {"source_row_id": "no npi", "pharmacy_key": "NCPDP:1234567"},
        {"source_row_id": "hcpcs", "units_basis": "HCPCS", "ndc_units": None, "units": Decimal(4)},
        {"source_row_id": "supplemental", "rebate_type": "SUPPLEMENTAL", "unit_rebate_amount": Decimal("0.5")},
        {"source_row_id": "refund", "program": "MFP", "unit_rebate_amount": Decimal("5.5"),
         "price_wac": Decimal("10"), "price_mfp": Decimal("4")},
        {"source_row_id": "refund, MFP not known", "program": "MFP", "unit_rebate_amount": Decimal("5.5"),
         "price_wac": Decimal("10")},
        {"source_row_id": "no price", "price_ura": None, "price_wac": Decimal("10"), "market_price": Decimal("3")},
        {"source_row_id": "no wac", "price_ura": None, "market_price": Decimal("3"), "amount_paid": Decimal("600")},
        {"source_row_id": "only paid", "price_ura": None, "amount_paid": Decimal("600")},
        {"source_row_id": "nothing", "price_ura": None},
        {"source_row_id": "too much", "units": Decimal(10) ** 11, "ndc_units": Decimal(10) ** 11,
         "price_ura": Decimal(10) ** 8, "rules": [hit(units_at_issue=Decimal(10) ** 11)]},
    ]  # fmt: skip
    found = _by_row(findings_of(Subject.REBATE_CLAIM, flagged_claims(spark, *rows), codes, SETTINGS, "run-1"))
    linked = found["linked"].asDict()
    assert {name: linked[name] for name in ("rx_number", "rx_number_raw", "ndc_raw", "ndc11", "entity_id")} == {
        "rx_number": "1234567",
        "rx_number_raw": "0001234567",
        "ndc_raw": "0002-7597-01",
        "ndc11": "00002759701",
        "entity_id": "DSH010000",
    }
    assert (linked["match_tier"], linked["match_score"], linked["match_ambiguous"]) == ("T2", 21.5, False)
    assert (linked["fill_number"], linked["subject"], linked["run_id"]) == (0, "REBATE_CLAIM", "run-1")
    assert found["listed"]["entity_id"] == "DSH020000"
    assert (found["ncpdp"]["pharmacy_npi"], found["no npi"]["pharmacy_npi"]) == ("1234567893", None)

    prices = {
        name: (row["unit_price_used"], row["price_source"], row["amount_at_issue"]) for name, row in found.items()
    }
    assert prices["linked"] == (Decimal(2), "prices", Decimal(60))
    assert prices["hcpcs"] == (None, None, None)
    assert prices["supplemental"] == (Decimal("0.5"), "claim", Decimal(15))
    # an MFP refund is WAC less MFP; the payer's own amount only where they are not known
    assert prices["refund"] == (Decimal(6), "prices", Decimal(180))
    assert prices["refund, MFP not known"] == (Decimal("5.5"), "claim", Decimal(165))
    assert prices["no price"] == prices["nothing"] == (None, None, None)
    assert prices["too much"][2] is None

    # 0.9 x worth - 15 - 0.1 x worth x 5 % x 90 / 365; without a price 30 units rank at WAC, market price, or paid
    assert {name: found[name]["priority"] for name in ("linked", "no price", "no wac", "only paid", "nothing")} == {
        "linked": round(0.9 * 60 - 15 - 0.1 * 60 * 0.05 * 90 / 365, 2),
        "no price": round(0.9 * 300 - 15 - 0.1 * 300 * 0.05 * 90 / 365, 2),
        "no wac": round(0.9 * 90 - 15 - 0.1 * 90 * 0.05 * 90 / 365, 2),
        "only paid": round(0.9 * 600 - 15 - 0.1 * 600 * 0.05 * 90 / 365, 2),
        "nothing": -15.0,
    }


def test_words_references_and_rules_do_not_depend_on_the_order_in_which_rules_come(
    spark: SparkSession, codes: list[DisputeCode]
) -> None:
    first = {"table": "prices", "key": "1", "start": None, "end": None, "snapshot_date": date(2025, 1, 1)}
    second = {"table": "products", "key": "2", "start": date(2020, 1, 1), "end": None, "snapshot_date": None}
    hits = [
        hit("R001", message="The claim carries SCC 20. ", reference_rows=[second, first]),
        hit("R003", "MEDIUM", message="Entity DSH1 reports the same dispense", reference_rows=[first]),
        hit("R021", "MEDIUM", message="Nothing was paid.", reference_rows=None),
        hit("R999", "WEAK", message="Of a rule that is no more.", reference_rows=[]),
        hit("R041", "CONTEXT"),
        hit("R042", "CONTEXT"),
    ]
    rows = [{"source_row_id": "forth", "rules": hits}, {"source_row_id": "back", "rules": hits[::-1]}]
    found = _by_row(findings_of(Subject.REBATE_CLAIM, flagged_claims(spark, *rows), codes, SETTINGS, "run-1"))
    forth, back = ({**found[name].asDict(recursive=True), "source_row_id": None} for name in ("forth", "back"))
    assert forth == back
    assert forth["narrative"] == (
        "The claim carries SCC 20. Also: fee-for-service claim that a covered entity reported as 340B; "
        "no state reimbursement; R999; and 2 more."
    )
    assert forth["reference_rows"] == [first, second]
    assert [rule["rule_id"] for rule in forth["rules"]] == ["R001", "R003", "R021", "R041", "R042", "R999"]
    assert forth["rules"][0]["related_source_row_ids"] == []


def test_deadlines(spark: SparkSession, codes: list[DisputeCode]) -> None:
    def mfp(received_at: datetime | None, **fields: Any) -> dict[str, Any]:
        return {"program": "MFP", "received_at": received_at, "rules": [hit("R011", action="WITHHOLD")], **fields}

    medicaid = {"period": "2025Q3", "invoice_sent_on": date(2026, 1, 31)}
    contract = {"program": "COMMERCIAL", "period": "2025Q3", "contract_dispute_days": 90}
    claims = {
        # received in Eastern time on the evening of the 19th: 14 days from then
        "refund": (mfp(datetime(2026, 2, 20, 1, 30, tzinfo=UTC)), date(2026, 3, 5), "PROMPT_PAY", None),
        "refund by day": (mfp(datetime(2026, 2, 20, 12, tzinfo=UTC)), date(2026, 3, 6), "PROMPT_PAY", None),
        "late": (mfp(datetime(2026, 2, 14, 12, tzinfo=UTC)), date(2026, 2, 28), "PROMPT_PAY", None),
        "last day": (mfp(datetime(2026, 2, 15, 12, tzinfo=UTC)), date(2026, 3, 1), "PROMPT_PAY", None),
        "receipt not known": (mfp(None), None, "NONE", None),
        "postmark": (
            medicaid | {"invoice_postmark_date": date(2026, 1, 31)}, date(2026, 3, 9), "NO_INTEREST", date(2029, 3, 31),
        ),
        "receipt of the invoice": (medicaid, date(2026, 3, 9), "NO_INTEREST", date(2028, 9, 30)),
        "no invoice": ({"period": "2025Q3"}, date(2028, 9, 30), "TWELVE_QUARTERS", date(2028, 9, 30)),
        "contract": (contract, date(2025, 12, 29), "CONTRACT", date(2025, 12, 29)),
        "no contract": (contract | {"contract_dispute_days": None}, None, "NONE", None),
    }  # fmt: skip
    rows = [{"source_row_id": name, "claim_id": name, **row} for name, (row, *_) in claims.items()]
    found = _by_row(findings_of(Subject.REBATE_CLAIM, flagged_claims(spark, *rows), codes, SETTINGS, "run-1"))
    names = ("deadline_date", "deadline_kind", "last_day_date")
    assert {name: tuple(row[column] for column in names) for name, row in found.items()} == {
        name: tuple(expected) for name, (_, *expected) in claims.items()
    }
    assert (found["late"]["action"], found["last day"]["action"]) == ("PAY_AND_WATCH", "WITHHOLD")


def test_the_twelve_quarters_of_a_dispute_may_count_from_the_period(
    spark: SparkSession, codes: list[DisputeCode]
) -> None:
    row = {"period": "2025Q3", "invoice_postmark_date": date(2026, 1, 31), "invoice_sent_on": date(2026, 1, 31)}
    by_period = Settings(as_of=date(2026, 3, 1), deadlines={"dispute_quarters_from": "PERIOD"})
    found = findings_of(Subject.REBATE_CLAIM, flagged_claims(spark, row), codes, by_period, "run-1").first()
    assert (found["deadline_kind"], found["last_day_date"]) == ("NO_INTEREST", date(2028, 9, 30))


def test_invoices(spark: SparkSession, codes: list[DisputeCode]) -> None:
    rows = [
        {"source_row_id": "stamped", "postmark_date": date(2026, 1, 31), "received_date": date(2026, 2, 3),
         "invoice_number": "I1"},
        {"source_row_id": "received", "received_date": date(2026, 2, 3), "invoice_number": "I2"},
        {"source_row_id": "own price", "price_ura": None, "unit_rebate_amount": Decimal("0.25"),
         "rules": [hit("R038", code=None, action="REQUEST_CLD", units_at_issue=Decimal(400))]},
        {"source_row_id": "public", "source_kind": "SDUD", "price_ura": None, "total_amount": Decimal(5000)},
        {"source_row_id": "other kind", "line_kind": "PRIOR_DELTA", "price_ura": None},
        {"source_row_id": "credited", "period": "2025Q2", "settled_since_units": Decimal(40),
         "settled_since_on": date(2026, 2, 1)},
    ]  # fmt: skip
    findings = as_written(findings_of(Subject.INVOICE, flagged_invoices(spark, *rows), codes, SETTINGS, "run-1"))
    assert [(f.name, f.dataType) for f in findings.schema] == [(f.name, f.dataType) for f in FINDINGS]
    found = _by_row(findings)
    stamped = found["stamped"]
    assert (stamped["deadline_date"], stamped["deadline_kind"]) == (date(2026, 3, 9), "NO_INTEREST")
    assert stamped["last_day_date"] == date(2029, 3, 31)
    received, public = found["received"], found["public"]
    assert (received["deadline_date"], received["deadline_kind"]) == (date(2026, 3, 12), "NO_INTEREST")
    assert (public["deadline_date"], public["deadline_kind"]) == (date(2028, 9, 30), "TWELVE_QUARTERS")
    assert (stamped["subject"], stamped["payer_id"], stamped["claim_id"]) == ("INVOICE", "AK", None)
    assert (stamped["units_claimed"], stamped["units_at_issue"], stamped["amount_at_issue"]) == (1000, 30, 60)
    own = found["own price"]
    assert (own["price_source"], own["amount_at_issue"], own["action"]) == ("invoice", Decimal("100"), "REQUEST_CLD")
    assert own["dispute_code"] is None
    # 5,000 paid for 1,000 units: 30 units at issue rank at 150
    assert found["public"]["amount_at_issue"] is None
    assert found["public"]["priority"] == round(0.9 * 150 - 15 - 0.1 * 150 * 0.05 * 90 / 365, 2)
    words = ["INVOICE", None, "MDRP_FFS", None, None, "AK", "00002759701", "2025Q3", "PRIOR_DELTA"]
    expected = hashlib.sha256(json.dumps(words, separators=(",", ":")).encode()).hexdigest()[:32]
    assert found["other kind"]["finding_id"] == expected
    assert len({row["finding_id"] for row in found.values()}) == 5  # "own price" and "public" share a key
    credited = found["credited"]
    assert (credited["units_at_issue"], credited["amount_at_issue"], credited["action"]) == (0, 0, "NONE")
    assert dispute_lines(findings, codes, SETTINGS).collect() == []


def test_the_model_alone_ranks_by_the_claim_and_brings_no_code(spark: SparkSession, codes: list[DisputeCode]) -> None:
    reason = {"feature": "f24_units_per_prescription", "value": 900.0, "typical_low": 28.5, "typical_high": 90.0,
              "peers": 3210, "contribution": 0.731}  # fmt: skip
    model = hit("R052", "WEAK", message="Unusual.", code="R", action="DISPUTE", units_at_issue=None)
    scored = {"anomaly_p_value": 0.001, "anomaly_score": 0.81, "reasons": [reason]}
    rows = [
        {"source_row_id": "alone", "rules": [model], **scored},
        {"source_row_id": "with a rule", "rules": [model, hit()], **scored},
    ]
    found = _by_row(findings_of(Subject.REBATE_CLAIM, flagged_claims(spark, *rows), codes, SETTINGS, "run-1"))
    alone = found["alone"]
    assert (alone["evidence"], alone["action"], alone["dispute_code"]) == ("WEAK", "INQUIRE", None)
    assert (alone["codes"], alone["units_at_issue"], alone["amount_at_issue"]) == ([], None, None)
    assert (alone["anomaly_score"], alone["anomaly_p_value"]) == (0.81, 0.001)
    assert [entry.asDict() for entry in alone["reasons"]] == [reason]
    # a tenth of 30 units at 2 dollars, p(valid) 0.2
    assert alone["priority"] == round(0.2 * 6 - 15 - 0.8 * 6 * 0.05 * 90 / 365, 2)
    with_a_rule = found["with a rule"]
    assert (with_a_rule["evidence"], with_a_rule["action"]) == ("STRONG", "DISPUTE")
    assert [code["code"] for code in with_a_rule["codes"]] == ["X"]


def test_a_reranker_raises_and_sinks_findings_but_strong_ones(spark: SparkSession, codes: list[DisputeCode]) -> None:
    """Of 60 dollars each: p(valid) is what it says, and 0.9 at least where evidence is STRONG."""
    weak = hit("R050", "WEAK", action="INQUIRE")
    rows = [
        {"source_row_id": "strong", "rules": [hit()]},
        {"source_row_id": "strong, linked", "rules": [hit()], "link_tier": "T1"},
        {"source_row_id": "weak", "rules": [weak]},
        {"source_row_id": "weak, linked", "rules": [weak], "link_tier": "T1"},
    ]
    said = F.when(F.col("match_tier") == "T1", F.lit(0.95)).otherwise(F.lit(0.1))
    found = _by_row(
        findings_of(Subject.REBATE_CLAIM, flagged_claims(spark, *rows), codes, SETTINGS, "run-1", reranked=said)
    )
    expected = dict(zip((row["source_row_id"] for row in rows), (0.9, 0.95, 0.1, 0.95), strict=True))
    assert {name: row["priority"] for name, row in found.items()} == {
        name: round(p * 60 - 15 - (1 - p) * 60 * 0.05 * 90 / 365, 2) for name, p in expected.items()
    }


def test_history(spark: SparkSession, codes: list[DisputeCode]) -> None:
    before = findings_of(
        Subject.REBATE_CLAIM,
        flagged_claims(
            spark,
            {"claim_id": "same"},
            {"claim_id": "other units"},
            {"claim_id": "other rule"},
            {"claim_id": "other class"},
            {"claim_id": "gone"},
            {"claim_id": "never priced", "price_ura": None},
        ),
        codes,
        SETTINGS,
        "run-1",
    ).cache()
    assert {(row["first_seen_run"], row["changed_since_last_run"]) for row in before.collect()} == {("run-1", None)}
    now = flagged_claims(
        spark,
        {"claim_id": "same", "rules": [hit(message="Other words.")]},
        {"claim_id": "other units", "rules": [hit(units_at_issue=Decimal(29))]},
        {"claim_id": "other rule", "rules": [hit(), hit("R020")]},
        {"claim_id": "other class", "rules": [hit(evidence="MEDIUM")]},
        {"claim_id": "new"},
        {"claim_id": "never priced", "price_ura": None},
    )
    found = findings_of(Subject.REBATE_CLAIM, now, codes, SETTINGS, "run-2", previous=before).collect()
    before.unpersist()
    assert {row["claim_id"]: (row["first_seen_run"], row["changed_since_last_run"]) for row in found} == {
        "same": ("run-1", False),
        "other units": ("run-1", True),
        "other rule": ("run-1", True),
        "other class": ("run-1", True),
        "new": ("run-2", False),
        "never priced": ("run-1", False),
    }


def test_a_dispute_line_is_what_a_state_can_check(spark: SparkSession, codes: list[DisputeCode]) -> None:
    reference = {
        "table": "medicaid_exclusions",
        "key": "NPI 1234567893 (KY)",
        "start": date(2025, 7, 1),
        "end": date(2025, 10, 1),
        "snapshot_date": date(2025, 7, 2),
    }
    row = {
        "payer_id": "KY",
        "state": "KY",
        "period": "2025Q3",
        "invoice_number": "0012",
        "labeler_code": "00002",
        "rx_number": "1234567",
        "rx_number_raw": "0001234567",
        "pharmacy_npi": "1234567893",
        "anomaly_score": 0.9,
        "anomaly_p_value": 0.001,
        "rules": [
            hit(
                "R002", message="The biller is listed.", related_source_row_ids=["e2", "e1"], reference_rows=[reference]
            ),
            hit("R017", "MEDIUM", code="M", message="A tolerance match.", related_source_row_ids=["m1"]),
            hit("R052", "WEAK", code=None, message="Unusual."),
        ],
    }
    rows = flagged_claims(spark, row, {"claim_id": "C2", "program": "PARTD"})
    findings = as_written(findings_of(Subject.REBATE_CLAIM, rows, codes, SETTINGS, "r"))
    lines = {line["claim_id"]: line.asDict() for line in dispute_lines(findings, codes, SETTINGS).collect()}
    line = lines["C1"]
    expected = {
        "record_id": "FFSU",
        "labeler_code": "00002",
        "product_code": "7597",
        "package_code": "01",
        "rx_number": "0001234567",
        "units_invoiced": Decimal(30),
        "units_disputed": Decimal(30),
        "dispute_code": "X",
        "other_codes": [],
        "documents": ["document of R002"],
        "explanation": "The biller is listed.",
        "related_source_row_ids": ["e1", "e2"],
    }
    assert {name: line[name] for name in expected} == expected
    assert [row.asDict() for row in line["reference_rows"]] == [reference]
    assert lines["C2"]["record_id"] is None
    assert not [name for name in line if "score" in name or "anomaly" in name or "p_value" in name or "price" in name]


def test_findings_of_a_month_that_links_less_than_usual_say_so(spark: SparkSession, codes: list[DisputeCode]) -> None:
    def problem(side: Side, program: str | None, source: str) -> FeedProblem:
        return FeedProblem(side, program, source, date(2025, 8, 1), 100, 5, 0.4, is_of_strong_tiers=False)

    problems = [problem(Side.PAYER, "MDRP_FFS", "KY"), problem(Side.ENTITY, None, "CE1")]
    of_payer, of_entity = (problem.message for problem in problems)
    august = {"date_of_service": date(2025, 8, 31)}
    linked = {"link_entity_id": "CE1", "link_tier": "T1"}
    cases = {
        "r1": (august, [of_payer]),
        "r2": ({"date_of_service": date(2025, 9, 1)}, []),
        "r3": (august | {"program": "MDRP_MCO"}, []),
        "r4": (august | {"payer_id": "GA"}, []),
        "r5": (august | {"payer_id": "GA"} | linked, [of_entity]),
        "r6": (august | linked, [of_payer, of_entity]),
        "r7": (august | {"payer_id": "GA", "mef_entity_id": "CE1"}, []),
        "r8": (linked | {"payer_id": "GA"}, []),
    }
    rows = flagged_claims(spark, *({"source_row_id": row, "claim_id": row, **one} for row, (one, _) in cases.items()))
    found = with_feed_problems(findings_of(Subject.REBATE_CLAIM, rows, codes, Settings(), "run"), problems).collect()
    assert {row.source_row_id: row.narrative for row in found} == {
        row: " ".join(["R001 says so.", *said]) for row, (_, said) in cases.items()
    }
