"""Row names, good rows, and rows of one feed that share a source_row_id."""

from __future__ import annotations

from collections.abc import Mapping

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from engine.contracts.codes import ClaimType, Reason
from engine.contracts.columns import Table
from engine.runtime.column_names import column_names


def row_name(table: Table, values: Mapping[str, Column]) -> Column:
    """The name of a row in quarantine: its source_row_id or other own id or, if it has none, its key joined by `/`."""
    if "source_row_id" in table.column_names:
        return values["source_row_id"]
    received = {"ndc": "ndc_raw"}
    parts = [F.coalesce(values[received.get(name, name)].cast("string"), F.lit("")) for name in table.key]
    joined = F.concat_ws("/", *parts)
    return joined if table.own_id is None else F.coalesce(values[table.own_id], joined)


def good_rows(conformed: DataFrame) -> DataFrame:
    """Rows that are neither quarantined nor dropped, with the keys derived from other columns.

    ndc9, labeler_code; script_key (RX: rx_key, MEDICAL: claim_id) and dispense_hash (see contracts/prepared.py).
    """
    good = conformed.where(F.col("problems").isNull() & F.col("left_as").isNull())
    names = set(column_names(conformed))
    made: dict[str, Column] = {}
    if "ndc11" in names:
        made |= {"ndc9": F.substring("ndc11", 1, 9), "labeler_code": F.substring("ndc11", 1, 5)}
    if "rx_key" in names:
        is_medical = F.col("claim_type") == ClaimType.MEDICAL.value if "claim_type" in names else F.lit(False)
        script = (
            F.when(is_medical, F.col("claim_id")).otherwise(F.col("rx_key")) if "claim_id" in names else F.col("rx_key")
        )
        has_key = F.col("pharmacy_key").isNotNull() & script.isNotNull()
        by_dispense, by_row = F.xxhash64("pharmacy_key", script), F.xxhash64("source_row_id")
        made |= {"script_key": script, "dispense_hash": F.when(has_key, by_dispense).otherwise(by_row)}
    missing = {name: column for name, column in made.items() if name not in names}
    return good.withColumns(missing) if missing else good


def repeated_hashes(rows: DataFrame, key_hash: Column, name: str) -> DataFrame:
    """Hashes that more than one row has, in one column `name`; a row with any other hash is unique."""
    counted = rows.select(key_hash.alias(name)).groupBy(name).agg(F.count(F.lit(1)).alias("rows"))
    return counted.where(F.col("rows") > 1).select(name)


def repeated_row_ids(rows: DataFrame, received_at: str | None) -> DataFrame:
    """All but the earliest of the rows that share a source_row_id: row_id, problem, and `nth` (2 for the second).

    Earliest: by `received_at` (NULL first), then by content, independent of file order and partitions. Only rows whose
    hashed id occurs twice are compared; if there are none, Spark skips the wide read.
    """
    id_hash = F.xxhash64("source_row_id")
    # only some rows keep raw, and the result must not depend on it
    compared = sorted(name for name in column_names(rows) if name not in ("row_id", "raw"))
    # xxhash64 skips NULLs: without the flags a value that moved to the next column would go unnoticed
    content = F.xxhash64(*compared, *(F.col(name).isNull() for name in compared))
    candidates = rows.select(
        "row_id",
        "source_row_id",
        id_hash.alias("id_hash"),
        (F.col(received_at) if received_at else F.lit(None).cast("timestamp")).alias("received"),
        content.alias("content"),
    ).join(F.broadcast(repeated_hashes(rows, id_hash, "id_hash")), on="id_hash", how="left_semi")
    arrival = Window.partitionBy("source_row_id").orderBy(
        F.col("received").asc_nulls_first(), F.col("content"), F.col("row_id")
    )
    return (
        candidates.withColumn("nth", F.row_number().over(arrival))
        .where(F.col("nth") > 1)
        .select("row_id", F.lit(Reason.SOURCE_ROW_ID_DUPLICATE.value).alias("problem"), "nth")
    )
