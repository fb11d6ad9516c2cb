"""An entity that moves from one parent to another: its contracts, pharmacies and purchases go with it, day by day."""

from __future__ import annotations

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from engine.contracts.tables import TABLES
from engine.entity_families import entity_families
from engine.facts.policies import with_designation
from engine.facts.purchases import bought_as_of, bought_by_quarter
from engine.facts.registrations import with_own_pharmacy, with_registration
from tests.unit.facts_rows import NDC, reference

MOVED = "2025-01-01"
# Day of service, entity that claims, and whether what E has counts for it: E is of P1 until 2024, of P2 since.
CASES = {
    "E before it moved": ("2024-12-31", "P1", True),
    "E since": (MOVED, "P2", True),
    "P1 before": ("2024-06-01", "P1", True),
    "P1 since": ("2025-06-01", "P1", False),
    "P2 before": ("2024-06-01", "P2", False),
    "P2 since": ("2025-06-01", "P2", True),
}


@pytest.fixture(scope="module")
def families(spark: SparkSession) -> DataFrame:
    register = reference(
        spark,
        "covered_entities",
        {"entity_id": "E", "parent_entity_id": "P1", "valid_to": MOVED},
        {"entity_id": "E", "parent_entity_id": "P2", "valid_from": MOVED},
    )
    found = entity_families(register, [])
    assert found is not None
    return found


@pytest.fixture(scope="module")
def rows(spark: SparkSession) -> DataFrame:
    values = [(name, day, parent, "N1", NDC[:5], NDC[:9]) for name, (day, parent, _) in CASES.items()]
    schema = "source_row_id string, day string, parent_entity_id string, pharmacy_npi string, labeler_code string"
    made = spark.createDataFrame(values, f"{schema}, ndc9 string")
    return made.withColumn("date_of_service", F.col("day").cast("date"))


def expected() -> dict[str, bool]:
    return {name: counts for name, (_, _, counts) in CASES.items()}


def test_contracts(spark: SparkSession, rows: DataFrame, families: DataFrame) -> None:
    contracts = reference(
        spark,
        "contract_pharmacies",
        {"entity_id": "E", "pharmacy_npi": "N1", "begin_date": "2020-01-01"},
        {"entity_id": "P1", "pharmacy_npi": "N2"},
    )
    pharmacies = reference(spark, "pharmacies", {"npi": "N0", "successor_npi": "N1"})
    found = with_registration(rows, contracts, families, pharmacies).collect()
    assert {one.source_row_id: one.registration.contract_holds for one in found} == expected()
    assert {one.source_row_id: one.registration.contracts_of_entity for one in found} == {
        name: (parent == "P1") + counts for name, (_, parent, counts) in CASES.items()
    }
    assert len(found) == len(CASES)


def test_own_pharmacies_and_designations(spark: SparkSession, rows: DataFrame, families: DataFrame) -> None:
    owned = with_own_pharmacy(rows, reference(spark, "entity_npis", {"entity_id": "E", "npi": "N1"}), families)
    assert {one.source_row_id: one.pharmacy_is_entity_owned for one in owned.collect()} == expected()
    designated = reference(spark, "designated_pharmacies", {"entity_id": "E", "pharmacy_npi": "N1"})
    told = with_designation(rows, designated, families)
    assert {one.source_row_id: one.pharmacy_is_designated for one in told.collect()} == expected()


def test_purchases(spark: SparkSession, rows: DataFrame, families: DataFrame) -> None:
    assert "invoice_date" in TABLES["chargebacks"].column_names
    purchase = {"ndc11": NDC, "contract_type": "340B", "packages": "2"}
    chargebacks = reference(
        spark,
        "chargebacks",
        {**purchase, "chargeback_id": "1", "entity_id": "E", "invoice_date": "2024-11-01"},
        {**purchase, "chargeback_id": "2", "entity_id": "P1", "invoice_date": "2024-11-02"},
    )
    bought = bought_by_quarter(chargebacks, families, None)
    joined = rows.join(bought, on=F.col("parent_entity_id") == F.col("bought_entity_id"), how="left")
    packages = F.aggregate(
        F.coalesce(bought_as_of(F.col("date_of_service")), F.array()),
        F.lit(0).cast("double"),
        lambda total, one: total + one["packages"].cast("double"),
    )
    found = joined.select("source_row_id", packages.alias("packages")).collect()
    assert {one.source_row_id: one.packages for one in found} == {
        name: 2 * ((parent == "P1") + counts) for name, (_, parent, counts) in CASES.items()
    }


def test_purchases_know_whose_they_were(spark: SparkSession, families: DataFrame) -> None:
    """For R049: bought under P1 before the entity moved, and under P2 since."""
    bought_on = {"2024-11-01": "P1", "2024-12-31": "P1", MOVED: "P2", "2025-06-01": "P2"}
    purchase = {"ndc11": NDC, "contract_type": "340B", "packages": "2", "entity_id": "E"}
    rows = [{**purchase, "chargeback_id": day, "invoice_date": day} for day in bought_on]
    found = bought_by_quarter(reference(spark, "chargebacks", *rows), families, None).collect()
    packages = {row.bought_entity_id: [one["packages"] for one in row.bought if one["then"] == 1] for row in found}
    assert {parent: sum(units) for parent, units in packages.items()} == {"P1": 4, "P2": 4}
