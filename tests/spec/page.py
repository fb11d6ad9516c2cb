"""The page of rules, with the specifications' cases as its examples."""

from __future__ import annotations

from collections import defaultdict

from engine.rules import REGISTRY
from engine.rules.page import Example, Examples, rules_page
from tests.spec.all_specs import all_specs
from tests.spec.rule_cases import Spec


def page() -> str:
    examples = defaultdict(list)
    for spec in all_specs():
        examples[spec.rule_id, spec.subject].append(examples_of(spec))
    return rules_page(REGISTRY, examples)


def examples_of(spec: Spec) -> Examples:
    shared = "; ".join(f"{name} = {_text(text)}" for name, text in spec.shared.items())
    cases = [
        (expected["fires"], Example(name, {fact: _text(text) for fact, text in own.items()}, _stated(expected)))
        for name, own, expected in spec.lines
    ]
    return Examples(
        shared,
        [case for fires, case in cases if fires == "yes"],
        [case for fires, case in cases if fires != "yes"],
    )


def _stated(expected: dict[str, str]) -> dict[str, str]:
    held_back = {"because": "suppressed by a guard"} if expected["fires"] == "held back" else {}
    return held_back | {name: text for name, text in expected.items() if name != "fires"}


def _text(cell: str) -> str:
    return cell.replace("&", "|")
