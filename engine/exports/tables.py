"""Parquet outputs: findings, positions, form lines and quarantine."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.contracts.cases import CASES, QUEUE
from engine.contracts.findings import DISPUTE_LINES, FINDINGS, QUARANTINE
from engine.contracts.forms import EVIDENCE_ROWS, FORM_LINES
from engine.contracts.positions import POSITIONS
from engine.contracts.tie_out import TIE_OUT
from engine.exports.details import DETAILS
from engine.runtime.parquet import write_parquet
from engine.runtime.storage import storage_of


def write_findings(findings: DataFrame, uri: str) -> None:
    """Write Parquet with exactly the columns of FINDINGS; replaces existing files, so a retry duplicates nothing."""
    _write(findings, FINDINGS, uri)


def write_positions(positions: DataFrame, uri: str) -> None:
    """Write Parquet with exactly the columns of POSITIONS; replaces existing files."""
    _write(positions, POSITIONS, uri)


def write_dispute_lines(lines: DataFrame, uri: str) -> None:
    """Write Parquet with exactly the columns of DISPUTE_LINES; replaces existing files."""
    _write(lines, DISPUTE_LINES, uri)


def write_cases(cases: DataFrame, uri: str) -> None:
    """Write Parquet with exactly the columns of CASES; replaces existing files."""
    _write(cases, CASES, uri)


def write_queue(rows: DataFrame, uri: str) -> None:
    """Write Parquet with exactly the columns of QUEUE; replaces existing files."""
    _write(rows, QUEUE, uri)


def write_tie_out(rows: DataFrame, uri: str) -> None:
    """Write Parquet with exactly the columns of TIE_OUT; replaces existing files."""
    _write(rows, TIE_OUT, uri)


def write_form_lines(lines: DataFrame, uri: str) -> None:
    """Write Parquet with exactly the columns of FORM_LINES; replaces existing files."""
    _write(lines, FORM_LINES, uri)


def write_evidence(rows: DataFrame, uri: str) -> None:
    """Write Parquet with exactly the columns of EVIDENCE_ROWS; replaces existing files."""
    _write(rows, EVIDENCE_ROWS, uri)


def write_details(details: DataFrame, uri: str) -> None:
    """Write Parquet with the columns of DETAILS."""
    _write(details, DETAILS, uri)


def write_quarantine(rows: DataFrame, uri: str) -> None:
    """Write Parquet with the columns of QUARANTINE."""
    _write(rows, QUARANTINE, uri)


def _write(rows: DataFrame, schema: T.StructType, uri: str) -> None:
    declared = [F.col(field.name).cast(field.dataType) for field in schema.fields]
    write_parquet(rows.select(*declared), storage_of(rows.sparkSession), uri)
