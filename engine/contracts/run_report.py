"""What a run says of itself to those who read its review files."""

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
    """How links were scored, and how many claims link. learned: as linking.json holds it. examples: title and
    LINK_CONTRIBUTIONS of some links, without what identifies them. feed_problems: worst first."""

    learned: Mapping[str, Any]
    examples: Sequence[tuple[str, Sequence[Mapping[str, Any]]]] = ()
    match_rates: Sequence[MatchRate] = ()
    feed_problems: Sequence[FeedProblem] = ()


@dataclass(frozen=True)
class RunFacts:
    """`ledger`: as ledger.json holds it. `quarantined`: rows by table and reason; a row may have several reasons.

    `models`: what is judged, and the model's name and version. `rule_titles`: by rule id, `code_texts`: by dispute
    code. `about`: further facts of the run by label (config hash, code version). `inputs`: fingerprint by table.
    `linking`: None where nothing was linked to 340B claims.
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
        return [
            ("Run", self.run_id),
            ("As of", self.as_of.isoformat()),
            *((f"Model for {judged}", name) for judged, name in sorted(self.models.items())),
            *sorted(self.about.items()),
        ]


class LedgerLine(NamedTuple):
    """`stayed`: the reason was noticed on rows that go on."""

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
