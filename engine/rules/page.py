"""The catalog of rules as a page for analysts, generated from the registry and the cases that specify each rule."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from engine.contracts.codes import Subject
from engine.rules.registry import Registry, Rule
from engine.rules.unsupported import UNSUPPORTED

_SUBJECTS = {
    Subject.REBATE_CLAIM: "rebate claims",
    Subject.ENTITY_CLAIM: "claims of covered entities",
    Subject.INVOICE: "invoice lines",
    Subject.INFLATION_REPORT: "reports of inflation rebates",
}


@dataclass(frozen=True)
class Example:
    """A case of a rule's specification: facts by name, as text, and expected results by name."""

    name: str
    facts: Mapping[str, str]
    expected: Mapping[str, str]


@dataclass(frozen=True)
class Examples:
    """Cases of one rule on one subject. shared_facts: facts that all cases share, in words."""

    shared_facts: str
    fires: Sequence[Example]
    is_silent: Sequence[Example]


def rules_page(registry: Registry, examples: Mapping[tuple[str, Subject], Sequence[Examples]]) -> str:
    """Markdown: one section per rule and subject with condition, guards, thresholds, consequences, and `examples` of
    when it fires and when it must not.
    """
    lines = [
        "# Rules",
        "",
        "Made from the registry and the rules' specifications (`tests/spec/`) by `python -m docs_pages`; do not edit.",
        "A guard is a known innocent explanation: if it holds, the rule does not fire or is weaker; if it cannot be",
        "checked, the evidence is one class lower. Thresholds are set in `conf/rules.yaml`. In the examples `-` is",
        "unknown, and what is not named is unknown too. `not supported` is what the catalog of rules requires and no",
        "table of the input can answer.",
    ]
    for rule in registry.rules():
        lines += ["", f"## {rule.id} on {_SUBJECTS[rule.subject]}: {rule.title}", "", rule.explanation, ""]
        lines += _table(rule)
        for several in examples[rule.key]:
            lines += _examples(several)
    return "\n".join(lines) + "\n"


def _examples(examples: Examples) -> Iterator[str]:
    yield ""
    yield f"All examples: {examples.shared_facts}."
    for words, cases in (("It fires", examples.fires), ("It must not fire", examples.is_silent)):
        if not cases:
            continue
        facts = list(dict.fromkeys(name for case in cases for name in case.facts))
        expected = list(dict.fromkeys(name for case in cases for name in case.expected))
        yield ""
        yield f"{words}:"
        yield ""
        yield _row(["case", *facts, *(f"*{name}*" for name in expected)])
        yield _row(["---"] * (1 + len(facts) + len(expected)))
        for case in cases:
            cells = [case.facts.get(name, "") for name in facts] + [case.expected.get(name, "") for name in expected]
            yield _row([case.name, *cells])


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _listed(needs: Sequence[str]) -> str:
    return ", ".join(need.replace("|", " or ") for need in needs)


def _table(rule: Rule) -> Iterator[str]:
    yield "| | |"
    yield "|---|---|"
    yield f"| programs | {', '.join(rule.programs) or '340B'} |"
    yield f"| evidence, at best | {rule.evidence} |"
    yield f"| code | {' or '.join(rule.codes) or 'none'} |"
    yield f"| route, party, action | {rule.route}, {rule.party}, {rule.action} |"
    yield f"| rests on | {rule.citation} |"
    yield f"| data source | {rule.data_source or 'none: it only informs, and supports no other rule'} |"
    yield f"| version | {rule.version} |"
    if rule.in_force != (None, None):
        words = [f"{word} {day}" for word, day in zip(("from", "before"), rule.in_force, strict=True) if day]
        yield f"| in force | {' and '.join(words)} |"
    if rule.document:
        yield f"| papers | {rule.document} |"
    yield f"| needs | {_listed(rule.needs)} |"
    for part in rule.parts:
        where = f", if the input has {_listed(part.where)}" if part.where else ""
        yield f"| part: {part.name} | needs {_listed(part.needs)}{where} |"
    if rule.accompanies:
        yield "| speaks | only of rows on which another rule does |"
    if rule.explains_unusual:
        yield "| anomaly model | flags no row on which this rule fires, and counts none among the peers |"
    if not rule.enabled:
        yield "| off | unless the configuration switches it on |"
    for guard in rule.guards:
        effect = f"at most {guard.weakens_to}" if guard.weakens_to else "silent" if guard.fails else "one class down"
        needs = f"; needs {', '.join(guard.needs)}" if guard.needs else ""
        yield f"| guard {guard.name} | {guard.question}: {effect}{needs} |"
    for condition in UNSUPPORTED:
        if rule.id in condition.rules:
            yield f"| not supported | {condition.what}: {condition.why} |"
    for threshold in rule.thresholds:
        default = ", ".join(threshold.default) if isinstance(threshold.default, list) else threshold.default
        yield f"| `{threshold.name}` | {threshold.means} (default {default}) |"
