"""Whether the tables can be read as the contract says, before any row is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.contracts.codes import ClaimType
from engine.contracts.columns import Table
from engine.errors import InputError, Problem


class ReceivedTable(Protocol):
    """A table as it was received: its contract, its rows with the contract's names, and where it came from."""

    @property
    def table(self) -> Table: ...
    @property
    def rows(self) -> DataFrame: ...
    @property
    def location(self) -> str: ...


def check_contract(tables: Iterable[ReceivedTable]) -> None:
    """Raises InputError that lists every missing required column and every numeric identifier column of all tables.

    An identifier column of numbers is let through only where it holds nothing but nulls, a feed without Rx numbers only
    where it has no RX lines (one small job for each such column).
    """
    problems = [problem for received in tables for problem in (*_missing(received), *_numeric(received))]
    if problems:
        raise InputError(problems)


def _missing(received: ReceivedTable) -> Iterator[Problem]:
    present, table = set(received.rows.columns), received.table
    alternatives = {name for group in table.either for member in group for name in member}
    missing = [name for name in table.required_names if name not in present and name not in alternatives]
    missing += [
        " or ".join("+".join(member) for member in group)
        for group in table.either
        if not any(set(member) <= present for member in group) and _is_needed(received, group)
    ]
    if missing:
        yield Problem(
            f"table {table.name} lacks required columns",
            received.location,
            f"columns {', '.join(sorted(present)) or 'none'}",
            ", ".join(missing),
            f"rename them in input.tables.{table.name}.columns, or ask the sender for them",
        )


def _is_needed(received: ReceivedTable, group: tuple[tuple[str, ...], ...]) -> bool:
    """Rx numbers are asked of RX lines alone."""
    if group[0] != ("rx_number",) or "claim_type" not in received.rows.columns:
        return True
    kind = F.upper(F.trim(F.coalesce(F.col("claim_type").cast("string"), F.lit(ClaimType.RX.value))))
    return received.rows.where(kind == ClaimType.RX.value).limit(1).count() > 0


def _numeric(received: ReceivedTable) -> Iterator[Problem]:
    for column in received.table.columns:
        if not column.kind.is_identifier or column.name not in received.rows.columns:
            continue
        arrived = received.rows.schema[column.name].dataType
        if isinstance(arrived, T.NumericType) and not _is_all_null(received.rows, column.name):
            yield Problem(
                f"column {column.name} of table {received.table.name} holds numbers: its leading zeros are gone",
                received.location,
                arrived.simpleString(),
                "text",
                "export the identifier as text",
            )


def _is_all_null(rows: DataFrame, name: str) -> bool:
    return rows.select(name).where(F.col(name).isNotNull()).limit(1).count() == 0
