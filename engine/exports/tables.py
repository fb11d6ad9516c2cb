"""Parquet outputs: findings, positions and quarantine."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.contracts.findings import FINDINGS, QUARANTINE
from engine.contracts.positions import POSITIONS
from engine.exports.details import DETAILS
from engine.runtime.parquet import write_parquet
from engine.runtime.storage import storage_of


def write_findings(findings: DataFrame, uri: str) -> None:
    """Parquet with exactly the columns of FINDINGS. What is there already is replaced, so a retry doubles nothing."""
    _write(findings, FINDINGS, uri)


def write_positions(positions: DataFrame, uri: str) -> None:
    """Parquet with exactly the columns of POSITIONS, in place of what is there."""
    _write(positions, POSITIONS, uri)


def write_details(details: DataFrame, uri: str) -> None:
    """Parquet with the columns of DETAILS."""
    _write(details, DETAILS, uri)


def write_quarantine(rows: DataFrame, uri: str) -> None:
    """Parquet with the columns of QUARANTINE."""
    _write(rows, QUARANTINE, uri)


def _write(rows: DataFrame, schema: T.StructType, uri: str) -> None:
    declared = [F.col(field.name).cast(field.dataType) for field in schema.fields]
    write_parquet(rows.select(*declared), storage_of(rows.sparkSession), uri)
