"""New decisions and outcomes laid into those that are kept: nothing twice, nothing lost, conflicts named."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from engine.errors import Problem

# What makes a decision the same one when it is read again; its time of day is not what people write.
_SAME_DECISION = ("decided_by", "decision", "reason", "units", "comment", "selection")
_SAME_OUTCOME = ("answer", "counterparty_reason", "units_credited", "amount_credited")
_OUTCOME_KEY = ("finding_id", "case_id", "answered_on")
# Between two decisions of one finding that name the same time.
_LATER = timedelta(seconds=1)


@dataclass
class Merged:
    """Rows to add to each table, rows that were there already, and people who disagree, in words."""

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
    """What to add. The latest decision on a finding holds; of two of one day, the one that was handed in later.

    Two decisions of one day in the same files that differ are a problem: nobody can tell which holds. So are two
    outcomes of one finding or case and day that differ, wherever they stand. `new_...` have `where`.
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
        same_day = [one for one in before if one["decided_at"].date() == row["decided_at"].date()]
        if any(not _differ(one, row, _SAME_DECISION) for one in same_day):
            result.known_already += 1
            continue
        added = {name: value for name, value in row.items() if name != "where"}
        taken = [one["decided_at"] for one in same_day]
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


def _differ(one: Mapping[str, Any], other: Mapping[str, Any], names: Sequence[str]) -> bool:
    return any(one[name] != other[name] for name in names)


def _two_decisions(one: Mapping[str, Any], other: Mapping[str, Any]) -> Problem:
    return Problem(
        "two decisions of one day on one finding",
        f"{one['where']} and {other['where']}",
        f"{one['decision']} by {one['decided_by']}, {other['decision']} by {other['decided_by']}",
        "one decision, or two with their own days",
        "agree on one and clear the other, or give the later one its day",
    )


def _conflict(before: Sequence[Mapping[str, Any]], added: Mapping[str, Any]) -> list[str]:
    """In words, if the decision that held was another person's and another one."""
    held = max(before, key=lambda row: row["decided_at"])
    if held["decision"] == added["decision"] or held["decided_by"] == added["decided_by"]:
        return []
    holds = max(held, added, key=lambda row: row["decided_at"])
    then, now = (f"{one['decision']} by {one['decided_by']} on {one['decided_at']:%Y-%m-%d}" for one in (held, added))
    return [f"finding {added['finding_id']}: {then}, {now}; {holds['decision']} holds"]
