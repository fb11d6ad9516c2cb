"""What claims that share one prescription number cost: the facts on duplicates, as they are written.

    .venv/bin/python benchmarks/crowds.py [ROWS] [DATES]

Makes that many live claims (default 100000) of one pharmacy and prescription number on so many dates of service
(default 120), finds for each what it repeats, writes that, and prints seconds, related ids and bytes.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from engine.contracts.prepared import PREPARED_REBATE_CLAIMS
from engine.facts import duplicates
from engine.runtime.session import build_session
from engine.settings import SparkSettings


def main() -> None:
    rows, dates = (int(word) for word in [*sys.argv[1:], *("100000", "120")[len(sys.argv) - 1 :]])
    spark = build_session("crowds", SparkSettings(master="local[2]", conf={"spark.ui.enabled": False}))
    with tempfile.TemporaryDirectory() as folder:
        crowd(spark, rows, dates).write.parquet(f"{folder}/claims")
        began = time.perf_counter()
        duplicates(spark.read.parquet(f"{folder}/claims")).write.parquet(f"{folder}/duplicates")
        seconds = time.perf_counter() - began
        ids = F.size("duplicate_source_row_ids")
        found = spark.read.parquet(f"{folder}/duplicates").agg(F.sum(ids), F.max(ids)).collect()[0]
        size = sum(path.stat().st_size for path in Path(folder, "duplicates").glob("*.parquet"))
    print("| claims | dates | seconds | related ids | longest list | MB written |\n|---|---|---|---|---|---|")
    print(f"| {rows:,} | {dates:,} | {seconds:.1f} | {found[0]:,} | {found[1]:,} | {size / 1e6:.1f} |")
    spark.stop()


def crowd(spark: SparkSession, rows: int, dates: int) -> DataFrame:
    """PREPARED_REBATE_CLAIMS of one prescription, each received a minute after the one before."""
    number = F.col("id")
    values = {
        "source_row_id": F.format_string("row-%09d", number),
        "program": F.lit("MDRP_FFS"),
        "payer_id": F.lit("GA"),
        "state": F.lit("GA"),
        "claim_id": F.format_string("C%09d", number),
        "claim_line": F.lit(1),
        "claim_type": F.lit("RX"),
        "transaction": F.lit("ORIGINAL"),
        "pharmacy_key": F.lit("1003000126"),
        "script_key": F.lit("9999999"),
        "rx_key": F.lit("9999999"),
        "fill_number": F.lit(0),
        "date_of_service": F.date_add(F.lit("2025-01-01").cast("date"), (number % dates).cast("int")),
        "ndc11": F.lit("00002000101"),
        "ndc9": F.lit("000020001"),
        "units": F.lit(30),
        "ndc_units": F.lit(30),
        "period": F.lit("2025Q1"),
        "received_at": F.timestamp_seconds(F.lit(1_750_000_000) + number * 60),
    }
    return spark.range(rows).select(
        *(
            values.get(field.name, F.lit(None)).cast(field.dataType).alias(field.name)
            for field in PREPARED_REBATE_CLAIMS
        )
    )


if __name__ == "__main__":
    main()
