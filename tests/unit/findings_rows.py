"""Rows for tests of findings: facts with rule results, everything else NULL."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import types as T

from engine.contracts.facts import CLAIM_FACTS, INVOICE_FACTS
from engine.contracts.findings import FEATURE_REASON, RULE_RESULT
from engine.rules.dispute_codes import DisputeCode

_SCORED = [
    T.StructField("rules", T.ArrayType(RULE_RESULT)),
    T.StructField("anomaly_score", T.DoubleType()),
    T.StructField("anomaly_p_value", T.DoubleType()),
    T.StructField("reasons", T.ArrayType(FEATURE_REASON)),
]
FLAGGED_CLAIMS = T.StructType(CLAIM_FACTS.fields + _SCORED)
FLAGGED_INVOICES = T.StructType(INVOICE_FACTS.fields + _SCORED)

CLAIM = {
    "source_row_id": "r1",
    "program": "MDRP_FFS",
    "payer_id": "KY",
    "claim_id": "C1",
    "claim_line": 1,
    "ndc11": "00002759701",
    "units": Decimal("30"),
    "ndc_units": Decimal("30"),
    "price_ura": Decimal("2"),
}
INVOICE = {
    "source_row_id": "MDRP_FFS/AK/00002759701/2025Q3",
    "program": "MDRP_FFS",
    "state": "AK",
    "ndc11": "00002759701",
    "period": "2025Q3",
    "line_kind": "CURRENT",
    "source_kind": "INVOICE",
    "units_reimbursed": Decimal("1000"),
    "price_ura": Decimal("2"),
}


def hit(rule_id: str = "R001", evidence: str = "STRONG", **values: Any) -> dict[str, Any]:
    return dict.fromkeys(RULE_RESULT.names) | {
        "rule_id": rule_id,
        "evidence": evidence,
        "message": f"{rule_id} says so.",
        "code": "X",
        "route": "STATE",
        "party_at_fault": "STATE",
        "action": "DISPUTE",
        "units_at_issue": Decimal("30"),
        "document": f"document of {rule_id}",
        **values,
    }


def flagged_claims(spark: SparkSession, *rows: dict[str, Any]) -> DataFrame:
    return _frame(spark, FLAGGED_CLAIMS, [{**CLAIM, "rules": [hit()], **row} for row in rows])


def flagged_invoices(spark: SparkSession, *rows: dict[str, Any]) -> DataFrame:
    return _frame(spark, FLAGGED_INVOICES, [{**INVOICE, "rules": [hit()], **row} for row in rows])


def as_written(findings: DataFrame) -> DataFrame:
    """The findings as a run reads them back: their plan is no part of what follows."""
    return findings.sparkSession.createDataFrame(findings.collect(), findings.schema)


def dispute_code_table() -> list[DisputeCode]:
    codes = [
        DisputeCode(code, "DISPUTE", code in "XN", f"document {code}", code == "R", "", date(2021, 7, 1), None, True)
        for code in "XMNOJKPQRS"
    ]
    return [*codes, DisputeCode("A", "ADJUSTMENT", False, None, False, "", None, None, True)]


def _frame(spark: SparkSession, schema: T.StructType, rows: list[dict[str, Any]]) -> DataFrame:
    unknown = {name for row in rows for name in row} - set(schema.names)
    assert not unknown, unknown
    return spark.createDataFrame([tuple(row.get(name) for name in schema.names) for row in rows], schema)
