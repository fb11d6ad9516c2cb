"""Determines which rules and guards are on, from the configuration and the available input."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import date

from engine.contracts.codes import Subject
from engine.contracts.needs import is_available
from engine.rules.configuration import check_rules, thresholds_of
from engine.rules.dispute_codes import DisputeCode, dispute_codes
from engine.rules.registry import REGISTRY, Parameters, Registry, Rule, ThresholdValue
from engine.settings import Settings

SWITCHED_OFF = "switched off in the configuration"
OFF_BY_ITSELF = "off unless the configuration switches it on"
COMPLETE = "complete"
SCORES = "scores"


@dataclass(frozen=True)
class ActiveRules:
    """The rules that are on for one subject, by id, and why other rules and guards are off.

    `guards_off`: by "rule id, guard name", why the guard stays UNCHECKED. `parts_off`: by "rule id, part" of rules that
    are on, why the part is off.
    """

    subject: Subject
    as_of: date
    rules: tuple[Rule, ...]
    off: dict[str, str]
    guards_off: dict[str, str]
    parts_off: dict[str, str]
    thresholds: dict[str, dict[str, ThresholdValue]] = field(repr=False)
    available: frozenset[str] = field(repr=False)

    def parameters_of(self, rule: Rule, settings: Settings) -> Parameters:
        """The parameters that a rule receives in this run."""
        return Parameters(self.thresholds[rule.id], self.as_of, settings, self.available)

    def guard_is_off(self, rule_id: str, guard_name: str) -> bool:
        """Whether the guard lacks input, so that it is unchecked on every row."""
        return _guard_key(rule_id, guard_name) in self.guards_off

    def only(self, *rule_ids: str) -> ActiveRules:
        """The same with only these rules."""
        return replace(self, rules=tuple(rule for rule in self.rules if rule.id in rule_ids))


def active_rules(
    settings: Settings,
    available: frozenset[str],
    subject: Subject,
    as_of: date,
    codes: Iterable[DisputeCode] | None = None,
    registry: Registry = REGISTRY,
) -> ActiveRules:
    """The rules on `subject` that are enabled by the configuration and whose needs the input satisfies.

    `available`: "table" and "table.column" for everything in the input, "table.complete" for reference tables that are
    declared complete, and "scores" if a model scored the rows. `codes`: the code table, by default read from
    `settings.reference_folder`. Raises ConfigurationError with every error in `settings.rules` and in the codes.
    """
    check_rules(settings.rules, registry, dispute_codes(settings.reference_folder) if codes is None else codes)
    on: list[Rule] = []
    off: dict[str, str] = {}
    guards_off: dict[str, str] = {}
    parts_off: dict[str, str] = {}
    for rule in registry.rules(subject):
        why = switched_off(rule, settings) or why_off(rule.needs, available)
        if why:
            off[rule.id] = why
            continue
        on.append(rule)
        for part in rule.parts:
            why = None if why_off(part.where, available) else why_off(part.needs, available)
            if why:
                parts_off[f"{rule.id}, {part.name}"] = why
        for guard in rule.guards:
            why = why_off(guard.needs, available)
            if why:
                guards_off[_guard_key(rule.id, guard.name)] = why
    thresholds = {rule.id: thresholds_of(rule, settings.rules) for rule in on}
    return ActiveRules(subject, as_of, tuple(on), off, guards_off, parts_off, thresholds, available)


def switched_off(rule: Rule, settings: Settings) -> str | None:
    """Why the rule is off, by the configuration or else by its own default; None if it is on."""
    configured = settings.rules.get(rule.id)
    enabled = None if configured is None else configured.enabled
    if enabled is None:
        return None if rule.enabled else OFF_BY_ITSELF
    return None if enabled else SWITCHED_OFF


def why_off(needs: Iterable[str], available: frozenset[str]) -> str | None:
    """The missing tables and columns of `needs`, in words; None if none is missing. For columns of a missing table,
    only the table is named.
    """
    missing: list[str] = []
    for need in needs:
        if is_available(need, available):
            continue
        alternatives = need.split("|")
        tables = {name.partition(".")[0] for name in alternatives}
        absent = sorted(table for table in tables if table not in available)
        what = absent if len(absent) == len(tables) else alternatives
        noun = "table" if "." not in what[0] else "column"
        text = f"{noun} {what[0]} is missing" if len(what) == 1 else f"none of {', '.join(what)} is available"
        if what == [SCORES]:
            text = "no anomaly model scored the rows: too few to train one"
        if what == [f"{next(iter(tables))}.{COMPLETE}"]:
            text = f"table {next(iter(tables))} is not declared complete, or has quarantined rows"
        if text not in missing:
            missing.append(text)
    return "; ".join(missing) or None


def _guard_key(rule_id: str, guard_name: str) -> str:
    return f"{rule_id}, {guard_name}"
