"""Prepared rebate, entity and pharmacy rows for tests: what a test does not say is an ordinary exact match."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

_DISPENSE = {
    "claim_type": "RX",
    "pharmacy_key": "1003000126",
    "script_key": "1234567",
    "fill_number": 0,
    "date_of_service": date(2025, 2, 10),
    "ndc11": "00002000101",
}


def rebate(row_id: str, **fields: Any) -> dict[str, Any]:
    row = {
        **_DISPENSE,
        "source_row_id": row_id,
        "program": "MDRP_FFS",
        "payer_id": "GA",
        "ndc_units": "30",
        **fields,
    }
    return _whole(row)


def entity(row_id: str, **fields: Any) -> dict[str, Any]:
    row = {**_DISPENSE, "source_row_id": row_id, "entity_id": "DSH1", "quantity": "30", **fields}
    row.setdefault("parent_entity_id", row["entity_id"])
    return _whole(row)


def dispense(row_id: str, **fields: Any) -> dict[str, Any]:
    row = {**_DISPENSE, "source_row_id": row_id, "last_transaction": "B2", "is_reversed": True, **fields}
    return _whole(row)


def _whole(row: dict[str, Any]) -> dict[str, Any]:
    row["ndc9"] = row["ndc11"][:9] if row["ndc11"] else None
    row.setdefault("rx_key", row["script_key"] if row["claim_type"] == "RX" else None)
    scheme, is_hashed, _ = (row["rx_key"] or "").partition(":")
    row.setdefault("hash_scheme", scheme if is_hashed else None)
    row.setdefault("rx_number", None if is_hashed else row["rx_key"])
    for name in ("ndc_units", "quantity"):
        if isinstance(row.get(name), str):
            row[name] = Decimal(row[name])
    return row


def keep(_: str, rows: DataFrame) -> DataFrame:
    """What the pipeline writes out, kept in memory here."""
    return rows.localCheckpoint()


def frame(spark: SparkSession, rows: list[dict[str, Any]], schema: T.StructType, partitions: int = 1) -> DataFrame:
    """Rows with the columns of `schema`, those that a row lacks NULL, and the dispense_hash that prepare makes."""
    fields = [field for field in schema.fields if field.name != "dispense_hash"]
    values = [tuple(row.get(field.name) for field in fields) for row in rows]
    has_script = F.col("pharmacy_key").isNotNull() & F.col(_script(schema)).isNotNull()
    by_script = F.xxhash64("pharmacy_key", _script(schema))
    return (
        spark.createDataFrame(values, T.StructType(fields))
        .repartition(partitions)
        .withColumn("dispense_hash", F.when(has_script, by_script).otherwise(F.xxhash64("source_row_id")))
    )


def _script(schema: T.StructType) -> str:
    return "script_key" if "script_key" in schema.fieldNames() else "rx_key"
