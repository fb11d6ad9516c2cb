"""Plain functions whose values differ between engines occur in engine/runtime/expressions.py alone."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ENGINE = Path(__file__).parents[2] / "engine"
ONLY_IN = ENGINE / "runtime" / "expressions.py"

# What is not called of pyspark.sql.functions, and what takes its place.
FUNCTIONS = {
    "array_contains": "array_contains",
    "array_except": "array_except",
    "array_max": "greatest_of",
    "array_min": "least_of",
    "array_sort": "sort",
    "arrays_overlap": "arrays_overlap",
    "bround": "round_bounded",
    "collect_set": "collect_distinct, or collect_set_over for a window",
    "datediff": "days_from",
    "date_diff": "days_from",
    "date_trunc": "first_of_month, first_of_quarter",
    "exp": "exp",
    "format_number": "format_number",
    "log": "log",
    "log10": "log10",
    "max_by": "greatest_of_groups",
    "min_by": "least_of_groups",
    "rint": "rint",
    "round": "round_double",
    "to_json": "to_json",
    "trunc": "first_of_month, first_of_quarter",
    "try_divide": "divide",
    "zip_with": "transform, or array of when",
    # of doubles, whose sum depends on the order of rows, and so on partitions
    **dict.fromkeys(
        ("avg", "mean", "std", "stddev", "stddev_pop", "stddev_samp", "variance", "var_pop", "var_samp", "corr"),
        "divide, of a sum of decimals and a count",
    ),
    **dict.fromkeys(("approx_percentile", "percentile_approx", "approx_count_distinct"), "an exact form"),
    # whose last digit differs
    **dict.fromkeys(("pow", "power", "sin", "cos", "tan", "asin", "acos", "atan", "atan2"), "significant, around it"),
    **dict.fromkeys(("cbrt", "log2", "log1p", "expm1"), "significant, around it"),
}
# Uses that were looked at: `array_sort` of texts and numbers without NULL, `round` of decimals, `to_json` of texts;
# distances and probabilities that are rounded.
HARMLESS = {
    "prepare": {"round"},
    "rules": {"round"},
    "findings": {"array_sort", "round", "to_json"},
    "cases": {"round"},
    "facts": {"array_sort", "asin", "cos", "pow", "sin"},
    "link": {"pow"},
    "exports": {"array_sort"},
    "intervals": {"array_sort"},
}
# The readers of files, whose expressions are not those of findings; they check their own.
NOT_CHECKED = {"sources"}
# Packages whose raw forms are still to be replaced. Empty in the end.
NOT_YET_PORTED: set[str] = set()

# Regular expressions of the embedded engine lack these, or mean Unicode by them.
LOOK_AROUND = re.compile(r"\(\?<?[=!]")
POSSESSIVE = re.compile(r"(?<!\\)[*+?}]\+")
BACK_REFERENCE = re.compile(r"(?<!\\)\\[1-9]")
UNICODE_CLASS = re.compile(r"(?<!\\)\\[dDwWsSbB]")
OF_PATTERN = ("rlike", "regexp_replace", "regexp_extract", "regexp_extract_all", "split", "regexp_like")


def _modules() -> Iterator[Path]:
    for path in sorted(ENGINE.rglob("*.py")):
        if path != ONLY_IN and _package(path) not in NOT_CHECKED | NOT_YET_PORTED:
            yield path


def _package(path: Path) -> str:
    return path.relative_to(ENGINE).parts[0].removesuffix(".py")


def problems(source: str, package: str = "") -> list[str]:
    """What a module's text has of the forms above: line and what to use instead."""
    tree = ast.parse(source)
    found = [problem for node in ast.walk(tree) if isinstance(node, ast.Call) for problem in _of_call(node, package)]
    return found + list(_of_patterns(tree))


def _of_call(call: ast.Call, package: str) -> Iterator[str]:
    name = _function(call)
    if name in FUNCTIONS and name not in HARMLESS.get(package, ()):
        yield f"line {call.lineno}: F.{name}; use expressions.{FUNCTIONS[name]}"
    if name in ("max", "min") and any(_function(argument) == "struct" for argument in call.args):
        yield f"line {call.lineno}: F.{name} of a struct; use expressions.greatest_of_groups or least_of_groups"
    windowed = call.func.value if isinstance(call.func, ast.Attribute) and call.func.attr == "over" else None
    if windowed is not None and _function(windowed) == "collect_list":
        yield f"line {call.lineno}: a window that collects; use expressions.collect_list_over"
    if any(keyword.arg == "allowMissingColumns" for keyword in call.keywords):
        yield f"line {call.lineno}: allowMissingColumns; add expressions.nulls to the side that lacks columns"
    if name == "reduce" or (isinstance(call.func, ast.Name) and call.func.id == "reduce"):
        yield f"line {call.lineno}: reduce nests each member in the next; use expressions.any_of, all_of or union_all"


def _function(node: ast.AST) -> str | None:
    """The name of a called function of `pyspark.sql.functions`, imported as F."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name):
        return node.func.attr if node.func.value.id == "F" else None
    return None


def _of_patterns(tree: ast.Module) -> Iterator[str]:
    """Of texts in calls with a pattern, and of the module's constants if the module makes such calls."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and _takes_pattern(node)]
    constants = [node.value for node in tree.body if isinstance(node, ast.Assign)] if calls else []
    texts = {text for node in (*calls, *constants) for text in ast.walk(node) if isinstance(text, ast.Constant)}
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call) and _is_of_python(node)):
        texts.difference_update(text for text in ast.walk(call) if isinstance(text, ast.Constant))
    for text in sorted(texts, key=lambda one: one.lineno):
        plain = text.value.replace(r"(?-u:\b)", "") if isinstance(text.value, str) else ""
        if any(pattern.search(plain) for pattern in (LOOK_AROUND, POSSESSIVE, BACK_REFERENCE, UNICODE_CLASS)):
            yield f"line {text.lineno}: {plain!r} is no regular expression of both engines"


def _takes_pattern(call: ast.Call) -> bool:
    return isinstance(call.func, ast.Attribute) and call.func.attr in OF_PATTERN and not _is_of_python(call)


def _is_of_python(call: ast.Call) -> bool:
    """A call of Python's own `re`."""
    return isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Name) and call.func.value.id == "re"


def test_no_module_uses_a_form_that_engines_differ_in() -> None:
    found = {str(path.relative_to(ENGINE)): problems(path.read_text(), _package(path)) for path in _modules()}
    assert {name: lines for name, lines in found.items() if lines} == {}


@pytest.mark.parametrize(
    "source",
    [
        "F.try_divide(a, b)",
        "F.trunc('a', 'month')",
        "F.zip_with(a, b, f)",
        "F.format_number(a, 2)",
        "F.avg('a').over(w)",
        "F.log1p(a)",
        "F.max(F.struct('a', 'b'))",
        "F.min(F.struct('a')).over(w)",
        "F.collect_list('a').over(w)",
        "F.collect_set(F.when(a, b)).over(Window.partitionBy('k'))",
        "a.unionByName(b, allowMissingColumns=True)",
        "reduce(operator.or_, conditions)",
        "a.rlike(r'^(?!0000)[0-9]')",
        "a.rlike(r'(?<=x)y')",
        "a.rlike(r'[0-9]*+x')",
        "a.rlike(r'^([0-9])\\1')",
        "F.regexp_replace(a, r'\\s', '')",
        "_DIGITS = r'^\\d+'\na.rlike(_DIGITS)",
        "_DIGITS = rf'^\\d+{x}'\na.rlike(_DIGITS)",
    ],
)
def test_each_form_is_seen(source: str) -> None:
    assert len(problems(source)) == 1, source


@pytest.mark.parametrize(
    "source",
    [
        "F.collect_list('a')",
        "F.max('a').over(w)",
        "expressions.divide(a, b)",
        "a.rlike(r'^[0-9]+(?-u:\\b)')",
        "a.rlike(r'(?i:usd)|(?:x)\\z')",
        "_IN_PYTHON = re.compile(r'(?=x)')\na.rlike('^x')",
        "math.log(x)",
    ],
)
def test_other_forms_are_not(source: str) -> None:
    assert problems(source) == []
