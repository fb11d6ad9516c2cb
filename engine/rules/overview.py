"""What the rest of the engine asks of the catalogue as a whole."""

from __future__ import annotations

from engine.rules.catalogue import REGISTRY
from engine.rules.configuration import check_rules, thresholds_of
from engine.rules.dispute_codes import dispute_codes
from engine.settings import Settings

ANOMALY_RULE = "R052"


def check_configuration(settings: Settings) -> None:
    """Raises ConfigurationError with every mistake in `settings.rules`, before any row is read."""
    check_rules(settings.rules, REGISTRY, dispute_codes(settings.reference_folder))


def rule_titles() -> dict[str, str]:
    """Title by rule id; of a rule on several subjects the first by subject."""
    return {rule.id: rule.title for rule in reversed(REGISTRY.rules())}


def anomaly_threshold(settings: Settings) -> float:
    """The p-value up to which R052 calls a row unusual."""
    rule = next(rule for rule in REGISTRY.rules() if rule.id == ANOMALY_RULE)
    return float(str(thresholds_of(rule, settings.rules)["p_value"]))
