"""The catalogue of rules as a page for analysts, made from the registry."""

from __future__ import annotations

from collections.abc import Iterator

from engine.contracts.codes import Subject
from engine.rules.registry import Registry, Rule

_SUBJECTS = {
    Subject.REBATE_CLAIM: "rebate claims",
    Subject.ENTITY_CLAIM: "claims of covered entities",
    Subject.INVOICE: "invoice lines",
}


def rules_page(registry: Registry) -> str:
    """Markdown: one section per rule and subject with condition, guards, thresholds and what it leads to."""
    lines = [
        "# Rules",
        "",
        "Made from the registry by `python -m engine.rules`. A guard is a known innocent explanation: where it holds,",
        "the rule is silent or says less; where it cannot be checked, the evidence is one class lower. Thresholds are",
        "set in `conf/rules.yaml`.",
    ]
    for rule in registry.rules():
        lines += ["", f"## {rule.id} on {_SUBJECTS[rule.subject]}: {rule.title}", "", rule.explanation, ""]
        lines += _table(rule)
    return "\n".join(lines) + "\n"


def _table(rule: Rule) -> Iterator[str]:
    yield "| | |"
    yield "|---|---|"
    yield f"| programs | {', '.join(rule.programs) or '340B'} |"
    yield f"| evidence, at best | {rule.evidence} |"
    yield f"| code | {' or '.join(rule.codes) or 'none'} |"
    yield f"| route, party, action | {rule.route}, {rule.party}, {rule.action} |"
    yield f"| rests on | {rule.citation} |"
    if rule.document:
        yield f"| papers | {rule.document} |"
    yield f"| needs | {', '.join(need.replace('|', ' or ') for need in rule.needs)} |"
    for guard in rule.guards:
        effect = f"at most {guard.weakens_to}" if guard.weakens_to else "silent"
        needs = f"; needs {', '.join(guard.needs)}" if guard.needs else ""
        yield f"| guard {guard.name} | {guard.asks}: {effect}{needs} |"
    for threshold in rule.thresholds:
        default = ", ".join(threshold.default) if isinstance(threshold.default, list) else threshold.default
        yield f"| `{threshold.name}` | {threshold.means} (default {default}) |"
