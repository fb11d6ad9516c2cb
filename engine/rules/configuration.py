"""Reads the configured thresholds of rules and reports all errors in them at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date

from engine.errors import ConfigurationError, Problem, did_you_mean
from engine.rules.dispute_codes import DisputeCode
from engine.rules.registry import Registry, Rule, Threshold, ThresholdValue
from engine.settings import RuleSettings


def check_rules(configured: Mapping[str, RuleSettings], registry: Registry, codes: Iterable[DisputeCode]) -> None:
    """Raise ConfigurationError with every problem of `problems_of_rules`."""
    problems = problems_of_rules(configured, registry, codes)
    if problems:
        raise ConfigurationError(problems)


def problems_of_rules(
    configured: Mapping[str, RuleSettings], registry: Registry, codes: Iterable[DisputeCode]
) -> list[Problem]:
    """Problems: unknown rules and thresholds, values of a wrong type, and rules with a code that is missing from the
    code table or not verified there.
    """
    problems = [
        problem for rule_id in sorted(configured) for problem in _problems(rule_id, configured[rule_id], registry)
    ]
    return [*problems, *_code_problems(registry.rules(), codes)]


def thresholds_of(rule: Rule, configured: Mapping[str, RuleSettings]) -> dict[str, ThresholdValue]:
    """The rule's thresholds: the configured value if set, else the default. Checked by `check_rules`."""
    thresholds = configured[rule.id].thresholds if rule.id in configured else {}
    return {t.name: _read(t, thresholds[t.name]) if t.name in thresholds else t.default for t in rule.thresholds}


def _problems(rule_id: str, settings: RuleSettings, registry: Registry) -> Iterable[Problem]:
    if rule_id not in registry.ids:
        yield _unknown("rule", rule_id, f"rules.{rule_id}", registry.ids)
        return
    thresholds = registry.thresholds(rule_id)
    for name, value in settings.thresholds.items():
        place = f"rules.{rule_id}.thresholds.{name}"
        if name not in thresholds:
            yield _unknown("threshold", name, place, sorted(thresholds))
            continue
        try:
            _read(thresholds[name], value)
        except ValueError:
            yield Problem(f"wrong value for {place}", place, repr(value), _expected(thresholds[name]))


def _unknown(what: str, name: str, place: str, known: Iterable[str]) -> Problem:
    names = list(known)
    hint = did_you_mean(name, names, "remove it", cutoff=0.5)
    return Problem(f"unknown {what} {name}", place, name, "one of " + ", ".join(names) if names else "none", hint)


def _read(threshold: Threshold, value: object) -> ThresholdValue:
    """The value, converted to the type of the threshold. Raises ValueError."""
    default = threshold.default
    if isinstance(value, bool):
        raise ValueError(f"{threshold.name}: {value!r}")
    if isinstance(default, list) and isinstance(value, list):
        return [str(word) for word in value]
    if isinstance(default, date) and isinstance(value, str):
        return date.fromisoformat(value)
    if isinstance(default, str) and isinstance(value, str):
        return value
    if isinstance(default, int) and isinstance(value, int | float) and float(value).is_integer():
        return int(value)
    if isinstance(default, float) and isinstance(value, int | float) and value == value:
        return float(value)
    raise ValueError(f"{threshold.name}: {value!r}")


def _expected(threshold: Threshold) -> str:
    kind = "a list of words" if isinstance(threshold.default, list) else _KINDS[type(threshold.default)]
    return f"{kind}: {threshold.means} (default {threshold.default})"


_KINDS: dict[type, str] = {int: "a whole number", float: "a number", str: "a word", date: "an ISO date in quotes"}


def _code_problems(rules: Iterable[Rule], codes: Iterable[DisputeCode]) -> Iterable[Problem]:
    known = {code.code: code.verified for code in sorted(codes, key=lambda code: code.verified)}
    for rule in rules:
        for code in rule.codes:
            place = f"dispute_codes.csv in reference_folder, code {code} of rule {rule.id}"
            if code not in known:
                yield Problem("a rule's code is not in the table of dispute codes", place, to_do="add the code")
            elif not known[code]:
                yield Problem("a rule's code is not verified", place, "verified is false", to_do="verify its text")
