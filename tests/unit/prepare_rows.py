"""Received rows for tests of prepare: what a test does not say is an ordinary, good row."""

from __future__ import annotations

from datetime import date
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import types as T

from engine.contracts.columns import Table
from engine.contracts.tables import TABLES
from engine.prepare import conform

AS_OF = date(2026, 3, 31)

GOOD: dict[str, dict[str, str]] = {
    "rebate_claims": {
        "program": "MDRP_FFS",
        "payer_id": "KY",
        "claim_id": "C1",
        "transaction": "ORIGINAL",
        "claim_type": "RX",
        "pharmacy_npi": "1234567893",
        "rx_number": "1234567",
        "date_of_service": "2025-08-01",
        "ndc": "00002759701",
        "units": "30",
        "period": "2025Q3",
    },
    "pharmacy_claims": {
        "transaction_code": "B1",
        "pharmacy_npi": "1234567893",
        "rx_number": "1234567",
        "date_of_service": "2025-08-01",
        "ndc": "00002759701",
        "quantity": "30",
    },
    "entity_claims": {
        "entity_id": "DSH100001",
        "pharmacy_npi": "1234567893",
        "rx_number": "1234567",
        "date_of_service": "2025-08-01",
        "ndc": "00002759701",
        "quantity": "30",
    },
    "invoices": {"program": "MDRP_FFS", "state": "KY", "ndc": "00002759701", "period": "2025Q3"},
}


def row(table: str, source_row_id: str | None = None, /, **fields: str | None) -> dict[str, str | None]:
    """A row of text, as CSV gives it."""
    own = {} if source_row_id is None else {"source_row_id": source_row_id}
    return {**GOOD[table], **own, **fields}


def received(spark: SparkSession, rows: list[dict[str, Any]], partitions: int = 1) -> DataFrame:
    """Rows of text with the columns that any of them names."""
    names = sorted({name for one in rows for name in one})
    schema = T.StructType([T.StructField(name, T.StringType()) for name in names])
    values = [tuple(one.get(name) for name in names) for one in rows]
    return spark.createDataFrame(values, schema).repartition(partitions)


def conformed(spark: SparkSession, table: str, rows: list[dict[str, Any]], **options: Any) -> DataFrame:
    """Conformed rows, settled as writing them would, so that row_id holds."""
    return settled(conform(received(spark, rows), TABLES[table], as_of=AS_OF, **options))


def settled(rows: DataFrame) -> DataFrame:
    return rows.localCheckpoint()


def by_id(rows: DataFrame, name: str = "source_row_id") -> dict[str, dict[str, Any]]:
    """Collected rows by their id; fails where two have one."""
    found = [one.asDict(recursive=True) for one in rows.collect()]
    keyed = {one[name]: one for one in found}
    assert len(keyed) == len(found), f"{name} is not unique"
    return keyed


def typed(spark: SparkSession, table: Table, columns: dict[str, tuple[str, list[Any]]]) -> DataFrame:
    """Received rows of which some columns have other types than text: name -> (Spark type, values)."""
    count = len(next(iter(columns.values()))[1])
    good = {name: ("string", [value] * count) for name, value in GOOD[table.name].items()}
    ids = {"source_row_id": ("string", [f"R{number}" for number in range(count)])}
    every = {**good, **ids, **columns}
    schema = ", ".join(f"{name} {kind}" for name, (kind, _) in every.items())
    return spark.createDataFrame(list(zip(*(values for _, values in every.values()), strict=True)), schema)
