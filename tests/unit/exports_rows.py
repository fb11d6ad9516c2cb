"""Made-up findings in the shape of a real run, for tests of the exports."""

from __future__ import annotations

import random
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from engine.contracts.findings import DISPUTE_LINES, FINDINGS
from engine.exports import Off, RunFacts

PRODUCTS = [
    ("00002759701", "Lumerazole 20 mg", "4.125000"),
    ("00069315083", "Vandrolimus inj", "212.400000"),
    ("50242004062", "Ocrevitide pen", "88.015000"),
    ("60575411201", "Testacort cream", None),
    ("00078050115", "Brimotinib 150 mg", "31.990000"),
]
STATES = ["AK", "KY", "MT", "TX", "CA", "NY", "GA"]
RULES = {
    "R001": ("X", "STRONG", "the claim itself carries the 340B identifier SCC 20"),
    "R003": ("X", "MEDIUM", "covered entity DSH010023 reported the same dispense as bought at the 340B price"),
    "R016": ("M", "STRONG", "the same dispense appears to have been billed before on row 2025-q3-0007"),
    "R022": ("N", "STRONG", "the product was terminated on 2023-12-31, more than a year before the service"),
    "R036": ("R", "WEAK", "the units do not fit the amount paid"),
    "R052": (None, "WEAK", "unusual among its peers: units per prescription 900 (usually 28 to 90)"),
}
PARTY_AND_ROUTE = {"party_at_fault": "STATE", "route": "STATE"}


def findings(spark: SparkSession, count: int, seed: int = 1, **overrides: Any) -> DataFrame:
    return _frame(spark, FINDINGS, [{**finding(number, seed), **overrides} for number in range(count)])


def frame_of(spark: SparkSession, rows: list[dict[str, Any]]) -> DataFrame:
    return _frame(spark, FINDINGS, rows)


def finding(number: int, seed: int = 1) -> dict[str, Any]:
    draw = random.Random(seed * 1_000_003 + number)
    ndc, product, price_text = draw.choice(PRODUCTS)
    rule_ids = sorted(draw.sample(sorted(RULES), draw.choice([1, 1, 1, 2, 3])))
    evidence = min((RULES[rule][1] for rule in rule_ids), key=["STRONG", "MEDIUM", "WEAK"].index)
    strongest = next(rule for rule in rule_ids if RULES[rule][1] == evidence)
    state, day = draw.choice(STATES), date(2025, 7, 1) + timedelta(days=draw.randrange(180))
    units = Decimal(draw.choice([30, 90, 14, 2.5]))
    price = Decimal(price_text) if price_text else None
    amount = (units * price).quantize(Decimal("0.01")) if price and rule_ids != ["R052"] else None
    worth = {"STRONG": 0.9, "MEDIUM": 0.6, "WEAK": 0.2}[evidence]
    codes = [RULES[rule][0] for rule in rule_ids if RULES[rule][0]]
    period = f"{day.year}Q{(day.month + 2) // 3}"
    return {
        "finding_id": f"{draw.getrandbits(128):032x}",
        "run_id": "2026-03-01",
        "subject": "REBATE_CLAIM",
        "source_row_id": f"row-{number:06d}",
        "program": draw.choice(["MDRP_FFS", "MDRP_MCO"]),
        "rebate_type": "FEDERAL",
        "payer_id": state,
        "state": state,
        "period": period,
        "invoice_number": f"00{draw.randrange(1000, 9999)}",
        "claim_id": f"{draw.randrange(10**12):013d}",
        "claim_line": 1,
        "labeler_code": ndc[:5],
        "ndc11": ndc,
        "product_name": product,
        "pharmacy_npi": "1234567893",
        "entity_id": "DSH010023" if "R003" in rule_ids else None,
        "rx_number": str(draw.randrange(10**6, 10**7)),
        "rx_number_raw": f"000{draw.randrange(10**6, 10**7)}",
        "fill_number": draw.choice([0, 1, None]),
        "date_of_service": day,
        "ndc_raw": f"{ndc[:5]}-{ndc[5:9]}-{ndc[9:]}",
        "units_claimed": units,
        "ndc_units": units,
        "rules": [
            {
                "rule_id": rule,
                "evidence": RULES[rule][1],
                "message": f"State {state} invoiced {units} units, yet {RULES[rule][2]}.",
                "code": RULES[rule][0],
                "related_source_row_ids": ["2025-q3-0007"] if rule == "R016" else [],
                "related_count": 1_001 if rule == "R016" else None,
                "units_at_issue": units if rule != "R052" else None,
                "amount_at_issue": amount if rule != "R052" else None,
                "document": f"Document for {RULES[rule][0]}" if RULES[rule][0] else None,
                "guards": [
                    {"name": "NO_340B_PURCHASE", "state": "PASSED"},
                    {"name": "STATE_METHOD", "state": "UNCHECKED"},
                ]
                if rule == "R003"
                else [],
            }
            for rule in rule_ids
        ],
        "evidence": evidence,
        "dispute_code": codes[0] if codes else None,
        "codes": [{"code": code, "kind": "DISPUTE", "document": f"Document for {code}"} for code in codes],
        **PARTY_AND_ROUTE,
        "action": {"STRONG": "DISPUTE", "MEDIUM": "INQUIRE", "WEAK": "PAY_AND_WATCH"}[evidence],
        "units_at_issue": units if rule_ids != ["R052"] else None,
        "amount_at_issue": amount,
        "unit_price_used": price,
        "price_source": "prices" if price else None,
        "match_tier": "T3" if "R003" in rule_ids else None,
        "match_score": 17.25 if "R003" in rule_ids else None,
        "match_ambiguous": False if "R003" in rule_ids else None,
        "anomaly_score": 0.7 if "R052" in rule_ids else 0.4,
        "anomaly_p_value": 0.003 if "R052" in rule_ids else 0.42,
        "reasons": [
            {
                "feature": "f24_units_per_prescription",
                "value": 900.0,
                "typical_low": 28.0,
                "typical_high": 90.5,
                "peers": 3210,
                "contribution": 0.73,
            }
        ]
        if "R052" in rule_ids
        else None,
        "reference_rows": [
            {
                "table": "products",
                "key": ndc,
                "start": date(2015, 1, 1),
                "end": date(2023, 12, 31),
                "snapshot_date": date(2025, 10, 1),
            }
        ]
        if "R022" in rule_ids
        else [],
        "narrative": f"State {state} invoiced {units} units of NDC {ndc} for service on {day} (Medicaid, claim "
        f"{number} line 1, period {period}), yet {RULES[strongest][2]}. A drug may have been asked for twice.",
        "priority": round(worth * float(amount or 0) - 15, 2),
        "deadline_date": date(2026, 3, 9) if number % 3 == 0 else None,
        "deadline_kind": "NO_INTEREST" if number % 3 == 0 else "NONE",
        "last_day_date": date(2028, 12, 31) if number % 3 == 0 else None,
        "first_seen_run": "2026-03-01",
        "changed_since_last_run": None,
    }


def lines(spark: SparkSession, count: int, seed: int = 1) -> DataFrame:
    return _frame(spark, DISPUTE_LINES, [line(finding(number, seed)) for number in range(count)])


def lines_of(spark: SparkSession, rows: list[dict[str, Any]]) -> DataFrame:
    return _frame(spark, DISPUTE_LINES, rows)


def line(found: dict[str, Any]) -> dict[str, Any]:
    same = {name: found[name] for name in DISPUTE_LINES.names if name in found}
    return {
        **same,
        "record_id": "FFSU",
        "product_code": found["ndc11"][5:9],
        "package_code": found["ndc11"][9:],
        "rx_number": found["rx_number_raw"],
        "units_received": found["units_claimed"],
        "units_invoiced": found["ndc_units"],
        "units_disputed": found["units_at_issue"],
        "other_codes": [],
        "documents": ["Document for X"],
        "explanation": found["narrative"],
        "related_source_row_ids": ["e1", "e2"],
    }


FACTS = RunFacts(
    run_id="2026-03-01",
    as_of=date(2026, 3, 1),
    ledger={
        "rebate_claims": [
            {"step": "read", "rows_in": 104_812, "rows_out": 104_812, "dropped": {}},
            {
                "step": "prepare",
                "rows_in": 104_812,
                "rows_out": 100_203,
                "dropped": {
                    "NDC_AMBIGUOUS": 12,
                    "REDELIVERED": 211,
                    "REPLACED": 2_100,
                    "UNITS_INVALID": 86,
                    "VOIDED": 2_200,
                },
                "counted": {"COERCED_NULL": 41, "PRIOR_NOT_FOUND": 7},
            },
            {"step": "rules", "rows_in": 100_203, "rows_out": 300, "dropped": {"NOT_FLAGGED": 99_903}},
        ],
        "entity_claims": [
            {"step": "read", "rows_in": 12_000, "rows_out": 12_000, "dropped": {}},
            {"step": "prepare", "rows_in": 12_000, "rows_out": 11_400, "dropped": {"REVERSED": 600}},
        ],
    },
    rule_titles={
        "R001": "340B identifier on an invoiced fee-for-service claim",
        "R003": "Fee-for-service claim that a covered entity reported as 340B",
        "R016": "Same dispense twice in one state, program and period",
        "R022": "Terminated more than a year before the service",
        "R036": "Quantity does not fit the amount paid",
        "R052": "Claim unusual among its peers",
    },
    models={"claims": "claim-anomalies, version 3", "invoices": "invoice-anomalies, version 1"},
    off=[
        Off("rule", "R011", "column prices.mfp_unit is missing"),
        Off("guard", "R003, NO_340B_PURCHASE", "table chargebacks is missing"),
        Off("feature", "f42_early_refill_ratio", "column rebate_claims.patient_key is missing"),
    ],
    notes=["340B status was assumed for 300 entity claims that do not state it"],
    seconds={"read": 3.2, "prepare": 14.8, "link": 2.2, "facts": 21.5, "rules": 4.1, "score": 9.9, "findings": 2.5},
    about={"Config hash": "0f3c9a", "Code version": "0.1.0+abcdef"},
    inputs={"rebate_claims": "5f1c", "entity_claims": "77aa"},
    quarantined={"rebate_claims": {"NDC_AMBIGUOUS": 12, "UNITS_INVALID": 86}},
)


def _frame(spark: SparkSession, schema: Any, rows: list[dict[str, Any]]) -> DataFrame:
    unknown = {name for row in rows for name in row} - set(schema.names)
    assert not unknown, unknown
    return spark.createDataFrame([tuple(row.get(name) for name in schema.names) for row in rows], schema)
