"""Abilities of an engine's readers, so other packages test for an ability and not for an engine."""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import SparkSession

from engine.runtime.kinds import is_embedded


@dataclass(frozen=True)
class Abilities:
    """Abilities of a session's engine.

    Attributes:
        names_files: rows have the path of their file (`_metadata.file_path`), folders are read as partitions, and text
            may be compressed.
        reads_every_parquet_type: any physical and logical type, or an error for the declared type; other engines cast
            silently.
        checks_text: text columns of Parquet files that are not UTF-8 fail; other engines show other characters.
        reads_json: JSON lines strictly, with descriptions of their content.
        reads_further_formats: formats that are looked up by name (delta, orc, avro, ...).
        reads_data_sources: data sources in Python. The embedded engine holds Python's lock while it waits for the
            consumer of the rows, so a client in the same process waits forever.
        backtracks: regular expressions need possessive quantifiers to avoid repeated attempts on long texts.
        sees_driver_files: executors can open files on the driver's disk.
    """

    names_files: bool
    reads_every_parquet_type: bool
    checks_text: bool
    reads_json: bool
    reads_further_formats: bool
    reads_data_sources: bool
    backtracks: bool
    sees_driver_files: bool


def abilities(spark: SparkSession) -> Abilities:
    """What the readers of this session's engine can do."""
    if is_embedded(spark):
        return Abilities(
            names_files=False,
            reads_every_parquet_type=False,
            checks_text=True,
            reads_json=False,
            reads_further_formats=False,
            reads_data_sources=False,
            backtracks=False,
            sees_driver_files=True,
        )
    return Abilities(
        names_files=True,
        reads_every_parquet_type=True,
        checks_text=False,
        reads_json=True,
        reads_further_formats=True,
        reads_data_sources=True,
        backtracks=True,
        sees_driver_files=str(spark.conf.get("spark.master", "")).startswith("local"),
    )


def without_backtracking(spark: SparkSession, pattern: str) -> str:
    """A pattern with possessive quantifiers (`*+`) as the session's engine understands it.

    Only for patterns that match the same texts with greedy quantifiers: engines that never backtrack support no
    possessive ones.
    """
    return pattern if abilities(spark).backtracks else pattern.replace("*+", "*")
