"""Every row accounted for: at each step, rows in = rows out + rows dropped, by reason."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from engine.contracts.codes import Step
from engine.errors import InternalError


class LedgerError(InternalError):
    """Rows went missing or appeared; the run must not be published."""


@dataclass
class Ledger:
    """Row counts per table and step. `counted` reasons are noticed on rows that stay; they drop nothing."""

    tables: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def record(
        self,
        table: str,
        step: Step,
        rows_in: int,
        rows_out: int,
        dropped: dict[str, int] | None = None,
        counted: dict[str, int] | None = None,
    ) -> None:
        """Raises LedgerError where the step does not balance or does not take up where the last one ended."""
        dropped = {reason: rows for reason, rows in sorted((dropped or {}).items()) if rows}
        counted = {reason: rows for reason, rows in sorted((counted or {}).items()) if rows}
        entries = self.tables.setdefault(table, [])
        left = sum(dropped.values())
        if rows_in != rows_out + left:
            raise LedgerError(
                f"{table}, step {step}: {rows_in} rows in, but {rows_out} out and {left} dropped {dropped}"
            )
        if entries and entries[-1]["rows_out"] != rows_in:
            last = entries[-1]
            raise LedgerError(
                f"{table}: step {last['step']} ended with {last['rows_out']} rows, step {step} began with {rows_in}"
            )
        entry: dict[str, Any] = {"step": step.value, "rows_in": rows_in, "rows_out": rows_out, "dropped": dropped}
        if counted:
            entry["counted"] = counted
        entries.append(entry)

    def check(self, table: str, step: Step, what: str, measured: int, expected: int) -> None:
        """Compare a number of rows, measured on what the step wrote, with the number that it should be.

        Raises:
            LedgerError: they differ.
        """
        if measured != expected:
            raise LedgerError(f"{table}, step {step}: {measured:,} {what}, {expected:,} expected")

    def check_at_most(self, table: str, step: Step, what: str, measured: int, limit: int) -> None:
        """Compare a number of rows with the number that it cannot exceed. Raises LedgerError if it does."""
        if measured > limit:
            raise LedgerError(f"{table}, step {step}: {measured:,} {what}, at most {limit:,} expected")

    def rows_out(self, table: str) -> int:
        """Rows of a table after the last recorded step; KeyError before the first."""
        return int(self.tables[table][-1]["rows_out"])
