"""Queries on the complete catalog of rules, for other packages of the engine."""

from __future__ import annotations

from collections.abc import Mapping

from engine.contracts.codes import Subject
from engine.contracts.facts import claim_screen_schema
from engine.errors import ConfigurationError, Problem
from engine.rules.activation import switched_off
from engine.rules.catalog import REGISTRY
from engine.rules.configuration import check_rules, problems_of_rules, thresholds_of
from engine.rules.dispute_codes import dispute_codes
from engine.rules.registry import ThresholdValue
from engine.settings import RuleSettings, Settings

(ANOMALY_RULE,) = {rule.id for rule in REGISTRY.rules() if rule.is_model}
BARRING_RULES = tuple(sorted({rule.id for rule in REGISTRY.rules() if rule.bars_disputes}))
# The facts on every rebate claim.
CLAIM_SCREEN = claim_screen_schema({name for rule in REGISTRY.rules() for name in rule.reads})
# By rule id.
ROOT_CAUSES = {rule.id: rule.root_cause for rule in REGISTRY.rules()}
# Data source by rule id, for rules that can support another rule.
DATA_SOURCES = {rule.id: rule.data_source for rule in REGISTRY.rules() if rule.data_source is not None}


def check_configuration(settings: Settings) -> None:
    """Raise ConfigurationError with every error in `settings.rules`, before any row is read."""
    check_rules(settings.rules, REGISTRY, dispute_codes(settings.reference_folder))


def configuration_problems(configured: Mapping[str, RuleSettings], reference_folder: str) -> list[Problem]:
    """The same errors as problems, to be reported together with those in other settings."""
    try:
        codes = dispute_codes(reference_folder)
    except ConfigurationError as error:
        return list(error.problems)
    return problems_of_rules(configured, REGISTRY, codes)


def rule_titles() -> dict[str, str]:
    """Title by rule id; a rule with different titles on several subjects has all of them."""
    titles: dict[str, list[str]] = {}
    for rule in REGISTRY.rules():
        titles.setdefault(rule.id, []).append(rule.title)
    return {rule_id: " / ".join(dict.fromkeys(reversed(of_rule))) for rule_id, of_rule in titles.items()}


def anomaly_threshold(settings: Settings) -> float:
    """The largest p-value at which R052 fires on a row."""
    rule = next(rule for rule in REGISTRY.rules(Subject.REBATE_CLAIM) if rule.id == ANOMALY_RULE)
    return float(str(thresholds_of(rule, settings.rules)["p_value"]))


def explaining_rules(subject: Subject) -> tuple[str, ...]:
    """Ids of the subject's rules of class STRONG or MEDIUM on quantity, price, amount or conversion.

    The class is the one declared by the rule; failed guards can lower it on single rows later.
    """
    return tuple(rule.id for rule in REGISTRY.rules(subject) if rule.explains_unusual)


def rule_versions(subject: Subject) -> dict[str, int]:
    """Version by rule id, for all rules on the subject."""
    return {rule.id: rule.version for rule in REGISTRY.rules(subject)}


def thresholds_in_force(settings: Settings, subject: Subject) -> dict[str, dict[str, ThresholdValue]]:
    """Thresholds by rule id, for rules on the subject that have any and that the configuration does not switch off."""
    return {
        rule.id: thresholds_of(rule, settings.rules)
        for rule in REGISTRY.rules(subject)
        if rule.thresholds and switched_off(rule, settings) is None
    }
