"""Check the input against the contract and report all problems at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.contracts.codes import ClaimType
from engine.contracts.columns import Column, Table
from engine.contracts.tables import FEEDS, SUBJECT_FEEDS
from engine.errors import InputError, Problem
from engine.prepare import identifiers

_RX_NUMBER = ("rx_number",)
# Feeds that the engine checks: at least one is required (contract, general rules).
_SUBJECTS = [table.name for table in FEEDS if table.name in SUBJECT_FEEDS.values()]


class Opened(Protocol):
    """An opened table: its contract, its rows under contract names, and its location."""

    @property
    def table(self) -> Table:
        """The table of the contract."""

    @property
    def rows(self) -> DataFrame:
        """The rows as read, under the contract's column names."""

    @property
    def location(self) -> str:
        """Where the rows come from, for messages."""


def check_contract(opened: Mapping[str, Opened]) -> None:
    """Check all tables for missing required columns and for identifiers that are numbers.

    Reads data in two cases only: a numeric identifier column passes if all its values are NULL, and prescription
    numbers may be missing if no line is a pharmacy claim.

    Raises:
        InputError: with every problem of every table.
    """
    problems = [] if any(name in opened for name in _SUBJECTS) else [_no_subjects(opened)]
    for table in opened.values():
        problems += _missing_columns(table)
        problems += _numeric_identifiers(table)
    if problems:
        raise InputError(problems)


def _no_subjects(opened: Mapping[str, Opened]) -> Problem:
    return Problem(
        "there is nothing to check",
        "the input",
        f"tables: {', '.join(sorted(opened)) or 'none'}",
        f"at least one of {', '.join(_SUBJECTS)}",
        "name the folder in --input, or each table in input.tables",
    )


def _missing_columns(opened: Opened) -> Iterator[Problem]:
    table, present = opened.table, set(opened.rows.columns)
    lacking = [name for name in table.required_names if name not in present]
    for group in table.either:
        is_satisfied = any(present.issuperset(member) for member in group)
        if not is_satisfied and not (group[0] == _RX_NUMBER and not _has_rx_lines(opened)):
            lacking.append(", or ".join(" with ".join(member) for member in group))
    for column in lacking:
        yield Problem(
            f"required column is missing: {table.name}.{column}",
            opened.location,
            f"columns: {', '.join(sorted(present)) or 'none'}",
            to_do=f"add it, or name the file's own column in input.tables.{table.name}.columns",
        )


def _has_rx_lines(opened: Opened) -> bool:
    """True unless every line is a medical claim."""
    if "claim_type" not in opened.rows.columns:
        return True
    is_medical = F.upper(identifiers.stripped(F.col("claim_type").cast("string"))) == ClaimType.MEDICAL.value
    return not opened.rows.filter(~F.coalesce(is_medical, F.lit(False))).isEmpty()


def _numeric_identifiers(opened: Opened) -> Iterator[Problem]:
    types = {field.name: field.dataType for field in opened.rows.schema.fields}
    suspects = [column.name for column in opened.table.columns if _cannot_be(column, types.get(column.name))]
    if not suspects:
        return
    has_values = opened.rows.agg(
        *(F.bool_or(F.col(name).isNotNull() & ~F.isnan(F.col(name).cast("double"))).alias(name) for name in suspects)
    ).first()
    for name in suspects:
        if has_values is not None and has_values[name]:
            lost = "last digits" if opened.table.column(name).is_npi else "leading zeros"
            yield Problem(
                f"identifier column is numeric, its {lost} are gone: {opened.table.name}.{name}",
                opened.location,
                f"type {types[name].simpleString()}",
                "text",
                "export the column again as text",
            )


def _cannot_be(column: Column, arrived_as: T.DataType | None) -> bool:
    """An NPI may be a number, but a 32-bit float holds only seven of its ten digits."""
    if column.is_npi:
        return isinstance(arrived_as, T.FloatType)
    return column.must_be_text and isinstance(arrived_as, T.NumericType)
