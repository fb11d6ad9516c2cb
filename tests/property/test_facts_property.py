"""Duplicates and early refills beside the obvious way: compare every claim with every other."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from importlib import import_module
from typing import Any

import pytest
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from engine.facts import duplicates
from engine.facts.patients import with_patient_fills
from tests.property import facts_reference
from tests.property.worlds import worlds
from tests.unit import facts_rows

WORLDS = 150
# Related rows that are named, so few that crowds have more.
MOST = 3
ONE_DISPENSE = {
    "claim_type": "RX",
    "script_key": "1234567",
    "rx_key": "1234567",
    "pharmacy_key": "1003000126",
    "fill_number": 0,
    "ndc11": "00002000101",
    "ndc9": "000020001",
    "date_of_service": date(2025, 2, 1),
}
ONE_PAYER = {"payer_id": "GA", "state": "GA"}
ONE_REBATE = {"program": "MDRP_FFS", "rebate_type": None, "contract_id": None}


@st.composite
def crowded_claims(draw: Callable[..., Any]) -> list[dict[str, Any]]:
    """Claims that differ in few values, so that most of them meet others; NULL wherever a claim may hold it. In most
    worlds all are of one dispense, in some of one payer or rebate too.
    """
    rows = []
    for number in range(draw(st.integers(4, 14))):
        claim_type = draw(st.sampled_from(["RX", "RX", "RX", "MEDICAL"]))
        rows.append(
            facts_rows.claim(
                f"row-{number:02}",
                program=draw(st.sampled_from(["MDRP_FFS", "MDRP_FFS", "MDRP_MCO", "PARTD", "COMMERCIAL", "MFP"])),
                payer_id=(payer := draw(st.sampled_from(["GA", "GA", "AL"]))),
                state=draw(st.sampled_from([payer, None])),
                claim_type=claim_type,
                claim_line=draw(st.sampled_from([1, 1, 2])),
                hcpcs_code=draw(st.sampled_from(["J1234", None])) if claim_type == "MEDICAL" else None,
                script_key=draw(st.sampled_from(["1234567", "1234567", None])),
                pharmacy_key=draw(st.sampled_from(["1003000126", "1003000126", None])),
                fill_number=draw(st.sampled_from([0, 0, 1, None])),
                ndc11=draw(st.sampled_from(["00002000101", "00002000101", "00002000102"])),
                date_of_service=date(2025, 2, 1) + timedelta(days=draw(st.sampled_from([0, 0, 20, 200]))),
                ndc_units=draw(st.sampled_from(["30", "30", "10", "0", "-30", "-10"])),
                days_supply=draw(st.sampled_from([30, 90, 0, None])),
                dispensing_status=draw(st.sampled_from([None, None, "P", "C"])),
                rebate_type=draw(st.sampled_from([None, None, "SUPPLEMENTAL", "FEDERAL", "BASE"])),
                contract_id=draw(st.sampled_from([None, None, "C1", "C2"])),
                period=draw(st.sampled_from(["2025Q1", "2025Q2"])),
                patient_key=draw(st.sampled_from(["a", "a", "b", None])),
                received_at=draw(st.none() | st.integers(1, 3).map(lambda day: datetime(2025, 4, day, tzinfo=UTC))),
            )
        )
    shared = draw(st.sampled_from([ONE_DISPENSE, ONE_DISPENSE | ONE_PAYER, ONE_DISPENSE | ONE_PAYER | ONE_REBATE, {}]))
    return [row | shared for row in rows]


@pytest.fixture
def crowds(seed: int) -> list[list[dict[str, Any]]]:
    """Worlds of claims, each with products and pharmacies of its own."""
    return [
        [facts_rows.apart(number, row) | {"source_row_id": f"{number}/{row['source_row_id']}"} for row in rows]
        for number, rows in enumerate(worlds(crowded_claims(), WORLDS, seed))
    ]


def test_a_claim_repeats_the_nearest_earlier_one_of_its_dispense(
    spark: SparkSession, crowds: list[list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_module("engine.facts.duplicates"), "MOST_RELATED_ROWS", MOST)
    rows = [row for crowd in crowds for row in crowd]
    found = {
        row["source_row_id"]: (
            row["duplicate_rule"],
            row["duplicate_source_row_id"],
            row["duplicate_source_row_ids"],
            row["duplicate_row_count"],
            row["duplicate_units_at_issue"],
        )
        for row in duplicates(facts_rows.claims(spark, rows, partitions=3)).collect()
    }
    expected = {}
    for crowd in crowds:
        expected |= facts_reference.duplicates(crowd, MOST)
    assert any(count > MOST for *_, count, _ in expected.values()), "generated examples no longer cover every case"
    at_issue = {units for *_, units in expected.values()}
    assert len(at_issue) > 1, "generated examples no longer cover every case"
    assert {rule for rule, *_ in expected.values()} == {"R016", "R017", "R018", "R019"}
    assert found == expected


def test_a_refill_is_early_by_the_days_that_the_previous_fill_still_lasts(
    spark: SparkSession, crowds: list[list[dict[str, Any]]]
) -> None:
    rows = [row for crowd in crowds for row in crowd]
    measured = with_patient_fills(facts_rows.claims(spark, rows, partitions=3))
    found = {
        row["source_row_id"]: row["f42_early_refill_ratio"]
        for row in measured.select("source_row_id", "f42_early_refill_ratio").collect()
    }
    expected = dict.fromkeys(found)
    for crowd in crowds:
        expected |= facts_reference.early_refills(crowd)
    assert len({row["source_row_id"] for row in rows}) == len(rows) == len(found)
    assert len({*expected.values()}) > 2, "generated examples no longer cover every case"
    assert found == expected
