"""The unit ledger of prepared rows, as the job posts it, for tests."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import date
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from engine import positions
from engine.contracts.findings import FINDINGS
from tests.unit.facts_rows import frame, reference

AS_OF = date(2026, 4, 1)


@dataclass(frozen=True)
class Ledger:
    """Rows of positions as dicts, entries that are not booked by reason, and keys that do not add up."""

    rows: list[dict[str, Any]]
    not_booked: Counter[Any]
    out_of_balance: int
    not_placed: int


def findings(spark: SparkSession, rows: list[dict[str, Any]]) -> DataFrame:
    return frame(spark, rows, FINDINGS)


def decisions(spark: SparkSession, rows: list[dict[str, Any]]) -> DataFrame:
    return reference(spark, "decisions", *rows)


def ledger_of(
    claims: DataFrame,
    invoices: DataFrame | None,
    settlements: DataFrame | None = None,
    decided: tuple[DataFrame, DataFrame] | None = None,
    all_in_sequence: bool = False,
    as_of: date = AS_OF,
) -> Ledger:
    """Without a run. `decided`: decisions and findings; `all_in_sequence`: no account is posted by expressions."""
    lines = None if invoices is None else _kept(positions.invoice_lines(invoices))
    claimed = _kept(positions.claim_lines(claims))
    events = None
    if settlements is not None:
        events = positions.settlement_events(settlements, claimed, lines, as_of)
    if decided is not None:
        of_decisions = positions.decision_events(decided[0], decided[1], claims, invoices, as_of)
        events = of_decisions if events is None else events.unionByName(of_decisions)
    events = None if events is None else _kept(events)
    ledger = positions.LedgerInput(claimed, lines, events)
    in_sequence = positions.accounts_in_sequence(ledger)
    if all_in_sequence:
        in_sequence = in_sequence.union(claimed.select("account"))
        in_sequence = in_sequence if lines is None else in_sequence.union(lines.select("account"))
        in_sequence = in_sequence.distinct()
    sequential, quick = positions.entries_of(ledger, _kept(in_sequence))
    sequential = _kept(sequential)
    rows = _kept(positions.summed(quick.unionByName(sequential)))
    not_placed = 0 if events is None else events.where(F.col("account").isNull()).count()
    return Ledger(
        [row.asDict() for row in rows.collect()],
        Counter(positions.not_booked(sequential)),
        0 if lines is None else positions.keys_out_of_balance(rows, lines),
        not_placed,
    )


def _kept(rows: DataFrame) -> DataFrame:
    """The rows, computed once, as a run has them in its work folder."""
    return rows.sparkSession.createDataFrame(rows.collect(), rows.schema)


__all__ = ["AS_OF", "Ledger", "decisions", "findings", "ledger_of"]
