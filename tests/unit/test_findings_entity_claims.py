"""Findings on 340B claims: the discount is at issue, and the identity tells equal claims apart."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from pyspark.sql import SparkSession
from pyspark.sql import types as T

from engine.contracts.codes import Subject
from engine.contracts.facts import ENTITY_CLAIM_FACTS
from engine.contracts.findings import FINDINGS
from engine.findings import findings_of
from engine.settings import Settings
from tests.unit.facts_rows import frame
from tests.unit.findings_rows import FLAGGED_CLAIMS, hit

_SCORED = [FLAGGED_CLAIMS[name] for name in ("rules", "anomaly_score", "anomaly_p_value", "reasons")]
FLAGGED = T.StructType(ENTITY_CLAIM_FACTS.fields + _SCORED)
INQUIRY = {"code": None, "route": "ENTITY", "party_at_fault": "ENTITY", "action": "INQUIRE"}


def flagged(row_id: str, **fields: Any) -> dict[str, Any]:
    return {
        "source_row_id": row_id,
        "entity_id": "DSH010001",
        "pharmacy_key": "1003000126",
        "pharmacy_npi": "1003000126",
        "script_key": "1234567",
        "fill_number": 0,
        "date_of_service": "2025-02-10",
        "ndc11": "00002000101",
        "quantity": "30",
        "price_wac": "12.50",
        "price_ceiling": "2.25",
        "claim_ordinal": 1,
        "rules": [tuple(hit("R042", **INQUIRY).values())],
        **fields,
    }


def test_an_inquiry_to_the_entity_about_quantity_times_the_discount(spark: SparkSession) -> None:
    rows = [
        flagged("first"),
        flagged("again", claim_ordinal=2),
        flagged("no price", fill_number=None, price_ceiling=None),
        flagged("ceiling above WAC", fill_number=1, price_ceiling="13"),
        flagged("raw", script_key=None, rx_number_raw="12"),
        flagged("other raw", script_key=None, rx_number_raw="13"),
    ]
    made = findings_of(Subject.ENTITY_CLAIM, frame(spark, rows, FLAGGED), [], Settings(), "run")
    assert made.schema.names == FINDINGS.names
    found = {row["source_row_id"]: row for row in made.collect()}
    assert len({row["finding_id"] for row in found.values()}) == len(rows)
    first = found["first"]
    assert (first["subject"], first["route"], first["action"]) == ("ENTITY_CLAIM", "ENTITY", "INQUIRE")
    assert (first["unit_price_used"], first["amount_at_issue"]) == (Decimal("10.25"), Decimal("307.50"))
    assert (first["program"], first["period"], first["dispute_code"]) == (None, None, None)
    assert (first["deadline_date"], first["deadline_kind"], first["last_day_date"]) == (None, "NONE", None)
    assert [found[name]["amount_at_issue"] for name in ("no price", "ceiling above WAC")] == [None, None]
