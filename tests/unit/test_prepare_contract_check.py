"""The input contract: all that is missing is said at once, over all tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from engine.contracts.columns import Table
from engine.contracts.tables import TABLES
from engine.errors import InputError
from engine.prepare import check_contract
from tests.unit.prepare_rows import GOOD, received, row


@dataclass(frozen=True)
class Opened:
    table: Table
    rows: DataFrame
    location: str


def opened(**tables: Any) -> dict[str, Opened]:
    return {name: Opened(TABLES[name], rows, f"/input/{name}") for name, rows in tables.items()}


def problems_of(tables: dict[str, Opened]) -> list[str]:
    with pytest.raises(InputError) as error:
        check_contract(tables)
    return [problem.what.rpartition(": ")[2] for problem in error.value.problems]


def test_whole_tables_pass(spark: SparkSession) -> None:
    check_contract(opened(**{name: received(spark, [row(name, "R1")]) for name in GOOD}))


def test_every_missing_column_of_every_table_is_listed(spark: SparkSession) -> None:
    rebate = {key: value for key, value in GOOD["rebate_claims"].items() if key not in ("ndc", "units", "pharmacy_npi")}
    tables = opened(
        rebate_claims=received(spark, [{**rebate, "source_file": "a.csv", "hash_scheme": "S"}]).drop("rx_number"),
        pharmacy_claims=received(spark, [row("pharmacy_claims", "P1")]).drop("quantity"),
        medicaid_exclusions=received(spark, [{"entity_id": "DSH1", "medicaid_state": "KY"}]),
    )
    assert problems_of(tables) == [
        "rebate_claims.ndc",
        "rebate_claims.units",
        "rebate_claims.source_row_id, or source_file with source_row_no",
        "rebate_claims.pharmacy_npi, or pharmacy_ncpdp_id",
        "rebate_claims.rx_number, or rx_number_hash with hash_scheme",
        "pharmacy_claims.quantity",
        "medicaid_exclusions.quarter",
        "medicaid_exclusions.npi, or medicaid_number",
    ]


def test_medical_lines_alone_need_no_prescription_number(spark: SparkSession) -> None:
    medical = received(spark, [row("rebate_claims", "R1", claim_type=" medical ")]).drop("rx_number")
    check_contract(opened(rebate_claims=medical))
    either = medical.unionByName(medical.withColumn("claim_type", F.lit(None).cast("string")))
    assert problems_of(opened(rebate_claims=either)) == ["rebate_claims.rx_number, or rx_number_hash with hash_scheme"]
    assert problems_of(opened(entity_claims=received(spark, [row("entity_claims", "E1")]).drop("rx_number"))) == [
        "entity_claims.rx_number, or rx_number_hash with hash_scheme"
    ]


def test_identifiers_that_are_numbers_have_lost_their_zeros(spark: SparkSession) -> None:
    rows = received(spark, [row("rebate_claims", "R1")]).withColumns(
        {
            "ndc": F.lit(2759701),
            "claim_id": F.lit(1.5),
            "bin": F.lit(None).cast("int"),
            "pcn": F.lit(float("nan")),
            "group_id": F.lit(None).cast("decimal(10,0)"),
            "pharmacy_npi": F.lit(1234567893),
            "service_npi": F.lit(1234567893.0),
            "prescriber_npi": F.lit(1234567893.0).cast("float"),
            "fill_number": F.lit(1),
            "basis_of_cost": F.lit(8),
        }
    )
    refused = ["rebate_claims.claim_id", "rebate_claims.ndc", "rebate_claims.prescriber_npi"]
    assert problems_of(opened(rebate_claims=rows)) == refused
    check_contract(opened(rebate_claims=rows.limit(0)))


def test_something_must_be_there_to_judge(spark: SparkSession) -> None:
    with pytest.raises(InputError, match="at least one of rebate_claims, entity_claims, invoices"):
        check_contract(opened(pharmacy_claims=received(spark, [row("pharmacy_claims", "P1")])))
