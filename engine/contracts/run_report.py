"""Facts about a run for the readers of its review files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, NamedTuple

from engine.contracts.match_rates import FeedProblem, MatchRate


class Off(NamedTuple):
    """A rule, guard or feature that was off, and why."""

    kind: str
    name: str
    why: str


@dataclass(frozen=True)
class Linking:
    """How links were scored, and how many claims link.

    learned: as in linking.json. examples: title and LINK_CONTRIBUTIONS of some links, without identifiers.
    feed_problems: worst first.
    """

    learned: Mapping[str, Any]
    examples: Sequence[tuple[str, Sequence[Mapping[str, Any]]]] = ()
    match_rates: Sequence[MatchRate] = ()
    feed_problems: Sequence[FeedProblem] = ()


@dataclass(frozen=True)
class RunFacts:
    """Facts about a run.

    `ledger`: as in ledger.json. `quarantined`: rows by table and reason; a row can have several reasons.

    `models`: name and version of the model, by judged table. `rule_titles`: by rule id, `code_texts`: by dispute
    code. `about`: further facts of the run by label (config hash, code version). `inputs`: fingerprint by table.
    `linking`: None if the input has nothing to link to 340B claims.
    """

    run_id: str
    as_of: date
    ledger: Mapping[str, Sequence[Mapping[str, Any]]]
    rule_titles: Mapping[str, str] = field(default_factory=dict)
    code_texts: Mapping[str, str] = field(default_factory=dict)
    models: Mapping[str, str] = field(default_factory=dict)
    off: Sequence[Off] = ()
    notes: Sequence[str] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)
    about: Mapping[str, str] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)
    quarantined: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    linking: Linking | None = None

    @property
    def about_lines(self) -> list[tuple[str, str]]:
        """Label and value of what identifies the run, for the first page."""
        return [
            ("Run", self.run_id),
            ("As of", self.as_of.isoformat()),
            *((f"Model for {judged}", name) for judged, name in sorted(self.models.items())),
            *sorted(self.about.items()),
        ]


class LedgerLine(NamedTuple):
    """A line of the ledger. `stayed`: the reason is a fact about rows that were kept."""

    table: str
    step: str
    rows_in: int
    rows_out: int
    reason: str
    rows: int
    stayed: bool


def ledger_lines(ledger: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[LedgerLine]:
    """One line per table, step and reason; a step without reasons has one line."""
    lines: list[LedgerLine] = []
    for table in sorted(ledger):
        for entry in ledger[table]:
            reasons = [(reason, rows, False) for reason, rows in sorted((entry.get("dropped") or {}).items())]
            reasons += [(reason, rows, True) for reason, rows in sorted((entry.get("counted") or {}).items())]
            for reason, rows, stayed in reasons or [("", 0, False)]:
                lines.append(
                    LedgerLine(table, entry["step"], entry["rows_in"], entry["rows_out"], reason, rows, stayed)
                )
    return lines
