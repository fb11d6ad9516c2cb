"""Facts on reports of the Part D inflation rebate: what entities claim of a product for members of Part D plans."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import DataFrame, Row, SparkSession

from engine.contracts.facts import INFLATION_FACTS
from engine.contracts.prepared import PREPARED_ENTITY_CLAIMS
from engine.facts import inflation_facts
from tests.unit.facts_rows import NDC, frame, reference

_CLAIM = {
    "entity_id": "DSH1",
    "claim_type": "RX",
    "pharmacy_key": "1003000126",
    "fill_number": 0,
    "date_of_service": "2026-02-10",
    "ndc11": NDC,
    "quantity": "30",
    "bin": "600001",
    "pcn": "D",
}
CLAIMS = [
    {"script_key": "1"},
    {"script_key": "1", "entity_id": "CAH2", "quantity": "40"},  # the same dispense
    {"script_key": "2", "date_of_service": "2026-01-01"},
    {"script_key": "3", "date_of_service": "2025-12-31"},  # not left out yet
    {"script_key": "4", "date_of_service": "2026-09-30", "bin": "600002", "pcn": None},  # every PCN of the BIN
    {"script_key": "5", "date_of_service": "2026-10-01"},  # the next applicable period
    {"script_key": "6", "pcn": "OTHER"},
    {"script_key": "7", "pcn": None},
    {"script_key": "8", "bin": None},
    {"script_key": "9", "date_of_service": "2026-03-01", "bin": "600003"},  # no Part D plan any more
    {"script_key": "10", "claim_type": "MEDICAL"},
    {"script_key": None},
    {"script_key": None},
    {"script_key": "11", "ndc11": "00002000199"},
]
PLANS = [
    {"bin": "600001", "pcn": "D"},
    {"bin": "600002"},
    {"bin": "600003", "end_date": "2026-03-01"},
]
REPORTS = [
    {"ndc11": NDC, "ndc_raw": "0002-0001-01", "period": "2025Q4", "total_units": "9000", "excluded_units": "5"},
    {"ndc11": NDC, "period": "2026Q4", "total_units": "9000"},
    {"ndc11": NDC, "period": "2024Q4", "total_units": "9000"},
]


def facts_of(spark: SparkSession, claims: DataFrame | None, **tables: Any) -> dict[str, Row]:
    references = {name: reference(spark, name, *rows) for name, rows in tables.items()}
    found = inflation_facts(references.pop("inflation_reports"), claims, references)
    assert found.schema.names == INFLATION_FACTS.names
    collected = found.collect()
    assert len(collected) == len(REPORTS)
    return {row["period"]: row for row in collected}


@pytest.fixture(scope="module")
def claims(spark: SparkSession) -> DataFrame:
    rows = [{**_CLAIM, **claim, "source_row_id": f"E{n}"} for n, claim in enumerate(CLAIMS)]
    return frame(spark, rows, PREPARED_ENTITY_CLAIMS)


def test_units_of_part_d_dispenses_are_added_up_over_the_applicable_period(
    spark: SparkSession, claims: DataFrame
) -> None:
    found = facts_of(spark, claims, inflation_reports=REPORTS, part_d_plans=PLANS)
    told = {period: (row["part_d_units_claimed"], row["part_d_dispenses"]) for period, row in found.items()}
    # 40 of the dispense claimed twice, 30 each of the second and fourth and of the two without a key
    assert told == {"2025Q4": (Decimal(160), 5), "2026Q4": (Decimal(30), 1), "2024Q4": (Decimal(0), 0)}
    first = found["2025Q4"]
    assert (first["source_row_id"], first["program"]) == (f"PARTD_INFL//{NDC}/2025Q4", "PARTD_INFL")
    assert (first["period_start"], first["period_end"]) == (date(2025, 10, 1), date(2026, 10, 1))
    assert [found[period]["left_out_from"] for period in ("2025Q4", "2026Q4")] == [date(2026, 1, 1), date(2026, 10, 1)]


def test_what_entities_claim_is_not_known_without_them_or_without_the_plans(
    spark: SparkSession, claims: DataFrame
) -> None:
    for given, tables in ((None, {"part_d_plans": PLANS}), (claims, {})):
        found = facts_of(spark, given, inflation_reports=REPORTS, **tables)
        assert {row["part_d_units_claimed"] for row in found.values()} == {None}
