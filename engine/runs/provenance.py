"""Provenance of a run's results: an interrupted run is resumed only with the same provenance."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from engine.errors import Problem

# Kinds of provenance, each a value or a mapping of names to values, and their names in messages.
_KINDS = {
    "code": "version of the program",
    "as_of": "day",
    "engine": "engine",
    "input": "input",
    "settings": "setting",
    "files": "reference file",
    "models": "model version",
}
_MOST_NAMED = 12
_LONGEST_VALUE = 100
_START_AGAIN = "--overwrite starts again"


def digest(provenance: Mapping[str, Any]) -> str:
    """SHA-256 of a provenance."""
    return hashlib.sha256(json.dumps(provenance, sort_keys=True).encode()).hexdigest()


def differences(before: Mapping[str, Any], now: Mapping[str, Any], where: str) -> list[Problem]:
    """Differences between the provenance of an interrupted run and the present one, each with what to do; the list is
    capped.

    Args:
        before: recorded when the run started; a kind that is not recorded is a difference.
        now: the provenance of this start.
        where: the run's work folder, for the messages.
    """
    problems = [problem for kind in now for problem in _of_kind(kind, before, now, where)]
    if len(problems) > _MOST_NAMED:
        summary = Problem(f"and {len(problems) - _MOST_NAMED} more differences", where, to_do=_START_AGAIN)
        problems = [*problems[:_MOST_NAMED], summary]
    return problems


def _of_kind(kind: str, before: Mapping[str, Any], now: Mapping[str, Any], where: str) -> Iterator[Problem]:
    called = _KINDS.get(kind, kind)
    if kind not in before:
        yield Problem(f"the interrupted run does not record the {called} it started with", where, to_do=_START_AGAIN)
        return
    for name, then, value in _changed(before[kind], now[kind]):
        label = f"another {called}: {name}" if name else f"another {called}"
        yield Problem(
            f"the interrupted run started with {label}", where, _shown(value), _shown(then), _to_do(kind, name, then)
        )


def _changed(then: Any, now: Any, name: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Name, former and present value of each difference."""
    if isinstance(then, Mapping) and isinstance(now, Mapping):
        for key in sorted({*then, *now}):
            yield from _changed(then.get(key), now.get(key), f"{name}.{key}" if name else str(key))
    elif then != now:
        yield name, then, now


def _to_do(kind: str, name: str, then: Any) -> str:
    resume = {
        "code": "resume with that version of the program",
        "engine": f"--engine {then} resumes",
        "as_of": f"--as-of {then} resumes",
        "input": "restore the input as it was",
        "settings": f"restore {name} to its former value",
        "files": f"restore {name}",
        # a version is stated as `<number>, <digest of its files>`
        "models": f"--model {name}/{str(then).partition(',')[0]} resumes" if then else "remove the alias",
    }.get(kind, "")
    return f"{resume}; {_START_AGAIN}" if resume else _START_AGAIN


def _shown(value: Any) -> str:
    if value is None:
        return "none"
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 1] + "…"
