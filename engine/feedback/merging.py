"""Merge new decisions and outcomes with the stored ones: no duplicates, no losses, and conflicts are reported."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from engine.errors import Problem

# The columns that identify a repeated decision; people do not write its time of day.
_SAME_DECISION = ("decided_by", "decision", "reason", "units", "comment", "selection")
_SAME_OUTCOME = ("answer", "counterparty_reason", "units_credited", "amount_credited")
_OUTCOME_KEY = ("finding_id", "case_id", "answered_on")
# The interval between two decisions on one finding that state the same time.
_LATER = timedelta(seconds=1)


@dataclass
class Merged:
    """Rows to add to each table, the number of rows that are already stored, and conflicts between people, as text."""

    decisions: list[dict[str, Any]] = field(default_factory=list)
    outcomes: list[dict[str, Any]] = field(default_factory=list)
    known_already: int = 0
    conflicts: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def merged(
    new_decisions: Sequence[Mapping[str, Any]],
    new_outcomes: Sequence[Mapping[str, Any]],
    kept_decisions: Iterable[Mapping[str, Any]],
    kept_outcomes: Iterable[Mapping[str, Any]],
) -> Merged:
    """The rows to add. The latest decision on a finding counts; of two of one day, the one submitted later.

    Different decisions of one day on one finding in the same files are a problem, because it is not known which counts.
    So are different outcomes of one day for one finding or case, in the files or in the store. `new_...` have `where`.
    """
    result = Merged()
    _merge_decisions(result, new_decisions, kept_decisions)
    _merge_outcomes(result, new_outcomes, kept_outcomes)
    return result


def _merge_decisions(result: Merged, new: Sequence[Mapping[str, Any]], kept: Iterable[Mapping[str, Any]]) -> None:
    history: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in kept:
        history[row["finding_id"]].append(row)
    handed_in: dict[tuple[str, Any], Mapping[str, Any]] = {}
    for row in new:
        earlier = handed_in.setdefault((row["finding_id"], row["decided_at"]), row)
        if earlier is row:
            continue
        if _differ(earlier, row, _SAME_DECISION):
            result.problems.append(_two_decisions(earlier, row))
        else:
            result.known_already += 1
    for row in handed_in.values():
        before = history[row["finding_id"]]
        same_day = [earlier for earlier in before if earlier["decided_at"].date() == row["decided_at"].date()]
        if any(not _differ(earlier, row, _SAME_DECISION) for earlier in same_day):
            result.known_already += 1
            continue
        added = {name: value for name, value in row.items() if name != "where"}
        taken = [earlier["decided_at"] for earlier in same_day]
        if taken and max(taken) >= added["decided_at"]:
            added["decided_at"] = max(taken) + _LATER
        if before:
            result.conflicts += _conflict(before, added)
        before.append(added)
        result.decisions.append(added)


def _merge_outcomes(result: Merged, new: Sequence[Mapping[str, Any]], kept: Iterable[Mapping[str, Any]]) -> None:
    known = {_key(row): row for row in kept}
    for row in new:
        before = known.get(_key(row))
        if before is None:
            added = {name: value for name, value in row.items() if name != "where"}
            result.outcomes.append(added)
            known[_key(row)] = row
        elif _differ(before, row, _SAME_OUTCOME):
            result.problems.append(
                Problem(
                    "two answers of one day to one finding or case",
                    str(row["where"]),
                    f"{row['answer']}, and {before['answer']} in {before.get('where', 'what is kept')}",
                    "one answer",
                    "correct the row, or give the later answer its own day",
                )
            )
        else:
            result.known_already += 1


def _key(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in _OUTCOME_KEY)


def _differ(first: Mapping[str, Any], other: Mapping[str, Any], names: Sequence[str]) -> bool:
    return any(first[name] != other[name] for name in names)


def _two_decisions(first: Mapping[str, Any], other: Mapping[str, Any]) -> Problem:
    return Problem(
        "two decisions of one day on one finding",
        f"{first['where']} and {other['where']}",
        f"{first['decision']} by {first['decided_by']}, {other['decision']} by {other['decided_by']}",
        "one decision, or two with their own days",
        "agree on one and clear the other, or give the later one its day",
    )


def _conflict(before: Sequence[Mapping[str, Any]], added: Mapping[str, Any]) -> list[str]:
    """The conflict as text, if the previous decision was another person's and a different one; else empty."""
    held = max(before, key=lambda row: row["decided_at"])
    if held["decision"] == added["decision"] or held["decided_by"] == added["decided_by"]:
        return []
    holds = max(held, added, key=lambda row: row["decided_at"])
    then, now = (f"{row['decision']} by {row['decided_by']} on {row['decided_at']:%Y-%m-%d}" for row in (held, added))
    return [f"finding {added['finding_id']}: {then}, {now}; {holds['decision']} holds"]
