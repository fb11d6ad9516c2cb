"""Prepared claims, invoices and reference tables for tests of facts: what a test does not say is NULL or ordinary."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from typing import Any

from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.contracts.prepared import PREPARED_INVOICES, PREPARED_REBATE_CLAIMS
from engine.contracts.tables import TABLES
from engine.entity_families import FAMILIES, entity_families

NDC = "00002000101"

# what one case shares with another as it is written: how the case of a number has it
_OWNED_BY = {"00002": "{:05}", "1003000126": "1003{:06}", "DSH": "DSH{}-", "PBM": "PBM{}-"}
_OWNED = re.compile("|".join(_OWNED_BY))

_CLAIM = {
    "program": "MDRP_FFS",
    "payer_id": "GA",
    "state": "GA",
    "claim_id": "1",
    "claim_line": 1,
    "claim_type": "RX",
    "transaction": "ORIGINAL",
    "pharmacy_npi": "1003000126",
    "pharmacy_key": "1003000126",
    "script_key": "1234567",
    "fill_number": 0,
    "date_of_service": "2025-02-10",
    "ndc11": NDC,
    "ndc_units": "30",
    "period": "2025Q1",
}
_INVOICE = {
    "program": "MDRP_FFS",
    "state": "GA",
    "ndc11": NDC,
    "period": "2025Q1",
    "line_kind": "CURRENT",
    "source_kind": "INVOICE",
}


def claim(row_id: str, **fields: Any) -> dict[str, Any]:
    row = {**_CLAIM, "source_row_id": row_id, **fields}
    row["ndc9"] = row["ndc11"][:9] if row["ndc11"] else None
    row["rx_key"] = row["script_key"] if row["claim_type"] == "RX" else None
    row.setdefault("units", row["ndc_units"])
    return row


def claims(spark: SparkSession, rows: list[dict[str, Any]], partitions: int = 1) -> DataFrame:
    fields = [field for field in PREPARED_REBATE_CLAIMS.fields if field.name != "dispense_hash"]
    made = frame(spark, rows, T.StructType(fields)).repartition(partitions)
    has_script = F.col("pharmacy_key").isNotNull() & F.col("script_key").isNotNull()
    hashed = F.when(has_script, F.xxhash64("pharmacy_key", "script_key")).otherwise(F.xxhash64("source_row_id"))
    return made.withColumn("dispense_hash", hashed).select(*PREPARED_REBATE_CLAIMS.names)


def apart(number: int, value: Any) -> Any:
    """`value` (texts; lists and dicts of them) with products, NPIs, entities and payers that no other number has, so
    that the cases of many tests can stand in one frame.
    """
    if isinstance(value, dict):
        return {name: apart(number, one) for name, one in value.items()}
    if isinstance(value, list):
        return [apart(number, one) for one in value]
    if isinstance(value, str):
        return _OWNED.sub(lambda found: _OWNED_BY[found[0]].format(number), value)
    return value


def in_one(cases: dict[str, Any]) -> tuple[list[dict[str, Any]], dict[str, list[dict[str, Any]]]]:
    """The claims and reference tables of all `cases`, {name: (claims, tables)}, each case apart from the others. A row
    id becomes `<name>/<row id>`.
    """
    rows, merged = [], {}
    for number, (name, (own, tables)) in enumerate(cases.items()):
        rows += [row | {"source_row_id": f"{name}/{row['source_row_id']}"} for row in apart(number, own)]
        for table, given in apart(number, tables).items():
            merged.setdefault(table, []).extend(given)
    return rows, merged


def by_case(cases: dict[str, Any], rows: list[Row]) -> dict[str, dict[str, Any]]:
    """{name: {row id: row}} of what was found for the claims of `in_one`."""
    found = {row["source_row_id"]: row for row in rows}
    assert len(found) == sum(len(own) for own, _ in cases.values())
    return {
        name: {row["source_row_id"]: found[f"{name}/{row['source_row_id']}"] for row in own}
        for name, (own, _) in cases.items()
    }


def invoice(row_id: str, **fields: Any) -> dict[str, Any]:
    row = {**_INVOICE, "source_row_id": row_id, **fields}
    row["ndc9"] = row["ndc11"][:9]
    return row


def invoices(spark: SparkSession, rows: list[dict[str, Any]], partitions: int = 1) -> DataFrame:
    return frame(spark, rows, PREPARED_INVOICES).repartition(partitions)


def reference(spark: SparkSession, name: str, *rows: dict[str, Any]) -> DataFrame:
    """A conformed reference table: `ndc` stands as ndc_raw and ndc11, and what is absent has its default."""
    defaults = {one.name: one.default for one in TABLES[name].columns if one.default is not None}
    fields = [field for field in TABLES[name].schema.fields if field.name != "ndc"]
    ndc = [T.StructField("ndc_raw", T.StringType()), T.StructField("ndc11", T.StringType())]
    return frame(spark, [defaults | row for row in rows], T.StructType([*fields, *ndc]))


def frame(spark: SparkSession, rows: list[dict[str, Any]], schema: T.StructType) -> DataFrame:
    """Dates and numbers may be given as text."""
    unknown = {name for row in rows for name in row} - {*schema.names, "rx_key", "ndc9", "units"}
    assert not unknown, f"no such columns: {unknown}"
    return spark.createDataFrame([tuple(_value(row.get(f.name), f.dataType) for f in schema) for row in rows], schema)


def _value(value: Any, kind: T.DataType) -> Any:
    if isinstance(value, str) and isinstance(kind, T.DateType):
        return date.fromisoformat(value)
    if isinstance(value, str | int) and isinstance(kind, T.DecimalType):
        return Decimal(value)
    return value


def with_families(references: dict[str, DataFrame]) -> dict[str, DataFrame]:
    """With the families of the entities for which the register names a parent, as preparation hands them on."""
    entities = references.get("covered_entities")
    if entities is None:
        return references
    families = entity_families(entities.where(F.col("parent_entity_id").isNotNull()), [])
    return references if families is None else references | {FAMILIES: families}
