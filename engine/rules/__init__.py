"""Rules: small functions from facts to a suspicion, declared with their metadata; their registry; the code table."""

from engine.rules.activation import SWITCHED_OFF, ActiveRules, active_rules
from engine.rules.apply import apply_rules, flagged_rows, rule_answers, that_fired
from engine.rules.catalog import REGISTRY
from engine.rules.dispute_codes import DISPUTE_CODES, DisputeCode, dispute_codes, parse_dispute_codes
from engine.rules.hit import FACTS_OF, SCORE_FACTS
from engine.rules.overview import (
    ANOMALY_RULE,
    BARRING_RULES,
    CLAIM_SCREEN,
    DATA_SOURCES,
    ROOT_CAUSES,
    anomaly_threshold,
    check_configuration,
    configuration_problems,
    explaining_rules,
    rule_titles,
    rule_versions,
    thresholds_in_force,
)
from engine.rules.registry import DataSource, Registry, Rule
from engine.rules.root_causes import Root, RootCause

__all__ = [
    "ANOMALY_RULE",
    "BARRING_RULES",
    "CLAIM_SCREEN",
    "DATA_SOURCES",
    "DISPUTE_CODES",
    "FACTS_OF",
    "REGISTRY",
    "ROOT_CAUSES",
    "SCORE_FACTS",
    "SWITCHED_OFF",
    "ActiveRules",
    "DataSource",
    "DisputeCode",
    "Registry",
    "Root",
    "RootCause",
    "Rule",
    "active_rules",
    "anomaly_threshold",
    "apply_rules",
    "check_configuration",
    "configuration_problems",
    "dispute_codes",
    "explaining_rules",
    "flagged_rows",
    "parse_dispute_codes",
    "rule_answers",
    "rule_titles",
    "rule_versions",
    "that_fired",
    "thresholds_in_force",
]
