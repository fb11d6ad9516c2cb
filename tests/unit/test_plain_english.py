"""The words that this project replaced stay out of the packages and pages that were cleaned of them.

A later pass adds its packages and pages to CLEAN_PACKAGES and CLEAN_PAGES; a new honest use goes into ALLOWED with its
reason. The words and their replacements are those of the project's language rules: plain American English, and the
standard terms of record linkage and claims processing (`docs/glossary.md`).
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]

CLEAN_PACKAGES = (
    "engine/pipeline",
    "engine/prepare",
    "engine/link",
    "engine/sources",
    "engine/runs",
    "engine/database",
    "engine/runtime",
    "engine/cases",
    "engine/positions",
    "engine/tracking",
    "engine/feedback",
    "engine/models",
    "engine/findings",
    "engine/contracts",
    "engine/exports",
    "engine/facts",
    "engine/settings",
    "engine/rules",
    "engine/claim_key.py",
    "engine/dates.py",
    "engine/entity_families.py",
    "engine/errors.py",
    "engine/intervals.py",
    "engine/ndc.py",
    "engine/npi.py",
    "engine/permissions.py",
    "engine/redaction.py",
    "synthetic",
    "docs_pages",
    "jobs",
)

CLEAN_PAGES = (
    "docs/input-files.md",
    "docs/input-excel.md",
    "docs/input-parquet.md",
    "docs/formats.md",
    "docs/databases.md",
    "docs/linking.md",
    "docs/pharmacy-identity.md",
    "docs/engines.md",
    "docs/operations.md",
    "docs/faults.md",
    "docs/public-data.md",
    "docs/installing.md",
    "docs/security.md",
    "docs/glossary.md",
    "docs/calibration.md",
    "docs/detectors.md",
    "docs/models.md",
    "docs/index.md",
    "docs/input.md",
    "docs/positions.md",
    "docs/dispute-forms.md",
    "docs/redaction.md",
    "docs/report.md",
    "docs/workbook.md",
    "README.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
)

_BRITISH = (
    "colour",
    "behaviour",
    "favour",
    "neighbour",
    "labelled",
    "cancelled",
    "modelled",
    "totalled",
    "catalogue",
    "judgement",
)
_IZED = ("normal", "organ", "minim", "maxim", "optim", "recogn", "summar", "categor", "priorit", "standard")

# In docstrings, comments, texts and pages: a regular expression, and what to write instead.
WORDS = {
    r"told|tells?|telling": "reports, states, contains, shows; or distinguish",
    r"says?|said|saying": "contains, states, reports, shows",
    r"ask|asks|asked|asking": "requires, requests; billed or invoiced of claims",
    r"found out|finds? out|what (?:is|was|were) found": "results, findings, detected; identify, check",
    r"stands?|stood|standing": "is, exists, is live, represents",
    r"lies|lay|lying": "is, is in",
    r"(?:is|are|was|were|be|been|not) there": "exists, is present, is available",
    r"meet|meets|met|meeting": "match, blocked by, joined on, satisfy",
    r"mend|mends|mended|mending": "fix, correct",
    r"anew": "again",
    r"besides?": "next to, in addition",
    r"(?:set|sets|put|laid) aside": "quarantined, excluded",
    r"(?:left|leaves?|leaving) out": "excluded, dropped, omitted",
    r"(?:left|leaves?|leaving) the way|the way of": "dropped; the pipeline",
    r"odd": "unusable, unusual",
    r"crowd(?:s|ed)?": "oversized block, repeated",
    r"heirs?": "current NPI, succession",
    r"(?:broken|breaks?|broke) off|go(?:es)? on with": "interrupted, resumes, continues",
    r"(?:taken?|takes|took|gives?) back": "reversed, credited, returns",
    r"(?:held|holds?|kept|keeps?) back": "suppressed, held out",
    r"lessons?|teach|teaches|taught": "training data, trains",
    r"by (?:itself|themselves)": "automatically, alone",
    r"so that (?:it|they) may|where (?:it|they) can": "so it can, if it can",
    r"where (?:it|they|there|none|nothing|neither|both)": "if, when",
    r"or not at all": "(leave it out)",
    r"nothing of (?:it|them|those)": "none of it, no part of it",
    r"rooms?|houses?": "package, project layout",
    r"in vain|heaps?|what became of|at hand": "failed, component, outcome, available",
    rf"\w*(?:{'|'.join(_BRITISH)})\w*|grey": "the American spelling",
    rf"\w*(?:{'|'.join(_IZED)})is(?:e|ed|es|er|ing|ation)": "-ize, the American spelling",
}

# Words that no identifier contains, and names that say nothing about their value.
WORDS_IN_NAMES = {
    "told": "name the value: report, rows, features",
    "tells": "name the value or the check",
    "asked": "requested, required, billed",
    "asks": "requests, requires",
    "said": "results, reported",
    "says": "states, reports",
    "heir": "current_npi",
    "crowded": "oversized, repeated",
    "odd": "unusual, unusable",
    "mend": "fix",
    "beside": "next_to, compared",
    "lesson": "training_data",
    "stands": "is_live, exists",
    "standing": "live, distinct",
}
NAMES = {
    **dict.fromkeys(("one", "ones", "them"), "name the thing: claim, row, rule, column"),
    "found": "name the result: matches, located, problems",
    "rest": "remaining, remainder",
    "whole": "complete, or name the thing",
    "given": "parameters, thresholds, received",
    "met": "matched, blocked",
}

# Honest uses: a phrase, and why it stays. A phrase matches in any case and across line breaks.
ALLOWED = {
    "ask the sender": "people do ask each other",
    "ask the database's owner": "people do ask each other",
    "ask the server's owner": "people do ask each other",
    "ask its owner": "people do ask each other",
    "house number": "part of a street address",
    "zip, house": "a street address",
    "covered entities that stand out": "of months, as in the messages of their rule",
    "in-house pharmacies": "a term of the 340B program",
    "state, house": "a street address",
    "UNIT|ROOM|RM": "parts of a street address",
    "beyond the heap": "memory of the JVM",
    "What was found": "title of the workbook's first sheet",
    "too few rows to say": "an output of the model card, where people do say",
    '"crowded"': "name of an intermediate result in the work folder",
    '"standing"': "name of a stored column of the review queue",
    "standing string": "type of the same column",
    "say: callback": "name of a parameter that prints messages",
    "the description of each says what it did": "text that MLflow shows with an experiment",
    "difference that lies above zero": "text of a message of the job promote",
    "appears to leave out the 340B modifier": "text of a root cause, stored in cases",
    "ask whether the": "people do ask each other",
    "more units than the row asks for": "text of a message about a decision",
    "not met": "the answer of a rule's condition, as explain shows and stores it",
    "`normaliser` is": "name of an array in stored models",
}
ALLOWED_NAMES = {
    "engine/errors.py: found": "what a message shows as found",
    "engine/sources/workbook.py: found": "as Problem.found, and read by engine/feedback",
}


class Finding(NamedTuple):
    line: int
    word: str
    instead: str


def words_in_text(text: str, first_line: int = 1) -> Iterator[Finding]:
    """The words of a text that are to be replaced, with their line."""
    for phrase in ALLOWED:
        text = re.sub(_as_pattern(phrase), lambda match: re.sub(r"\S", "_", match[0]), text)
    for match in _ANY_WORD.finditer(text):
        instead = next(write for word, write in _WORDS.items() if word.fullmatch(match[0]))
        yield Finding(first_line + text.count("\n", 0, match.start()), " ".join(match[0].split()), instead)


def _as_pattern(phrase: str) -> str:
    return r"(?i)(?<!\w)" + r"\s+".join(map(re.escape, phrase.split())) + r"(?!\w)"


_WORDS = {re.compile(word.replace(" ", r"\s+"), re.IGNORECASE): write for word, write in WORDS.items()}
_ANY_WORD = re.compile(rf"\b(?:{'|'.join(word.pattern for word in _WORDS)})\b", re.IGNORECASE)


def words_in_names(tree: ast.AST, file: str) -> Iterator[Finding]:
    """The names that a module defines and that are to be replaced, with their line."""
    for node in ast.walk(tree):
        for name in _defined(node):
            parts = [part.lower() for part in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)]
            instead = NAMES.get(name.lower().strip("_")) or next(filter(None, map(WORDS_IN_NAMES.get, parts)), None)
            if instead and f"{file}: {name}" not in ALLOWED_NAMES:
                yield Finding(getattr(node, "lineno", 0), name, instead)


def _defined(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.arg):
        yield node.arg
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        yield node.id
    elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
        yield node.attr
    elif isinstance(node, ast.ExceptHandler) and node.name:
        yield node.name


def words_in_module(source: str, file: str = "") -> list[Finding]:
    findings = list(words_in_names(ast.parse(source), file))
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type in (tokenize.STRING, tokenize.COMMENT):
            findings += words_in_text(token.string, token.start[0])
    return findings


def words_in(path: Path) -> list[Finding]:
    source = path.read_text()
    return words_in_module(source, str(path.relative_to(ROOT))) if path.suffix == ".py" else list(words_in_text(source))


def _paths(name: str) -> list[Path]:
    place = ROOT / name
    assert place.exists(), f"{name} does not exist: correct the lists of this test"
    return sorted(place.rglob("*.py")) if place.is_dir() else [place]


@pytest.mark.parametrize("name", [*CLEAN_PACKAGES, *CLEAN_PAGES])
def test_no_word_that_was_replaced(name: str) -> None:
    listed = [
        f"{path.relative_to(ROOT)}:{finding.line}: {finding.word!r}; write: {finding.instead}"
        for path in _paths(name)
        for finding in words_in(path)
    ]
    assert not listed, "\n" + "\n".join(listed)


def _defines(file: str, name: str) -> bool:
    return any(name in _defined(node) for node in ast.walk(ast.parse((ROOT / file).read_text())))


def test_every_allowed_use_occurs() -> None:
    texts = [path.read_text() for name in (*CLEAN_PACKAGES, *CLEAN_PAGES) for path in _paths(name)]
    unused = [phrase for phrase in ALLOWED if not any(re.search(_as_pattern(phrase), text) for text in texts)]
    unused += [name for name in ALLOWED_NAMES if not _defines(*name.split(": "))]
    assert unused == []


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ('"""What was told."""', (1, "told")),
        ("x = 1\n# rows that a key\n# meets", (3, "meets")),
        ('f"""Rows\nleft\nout"""', (2, "left out")),
        ('message = "the table is there"', (1, "is there")),
        ("for one in rows: pass", (1, "one")),
        ("def asked_rows(): pass", (1, "asked_rows")),
        ("class Odd: pass", (1, "Odd")),
        ("def f(heir_of): pass", (1, "heir_of")),
        ("x.crowded = 1", (1, "crowded")),
    ],
)
def test_a_replaced_word_is_reported_with_its_line(source: str, expected: tuple[int, str]) -> None:
    assert [(finding.line, finding.word) for finding in words_in_module(source)] == [expected]


@pytest.mark.parametrize(
    "source",
    [
        '"""The earliest of the rows that match, and the others."""',
        "prior_not_found = left_as = alone = None",
        '"met_by"  # a stored column',
        "raise FileNotFoundError",
    ],
)
def test_other_words_are_not_reported(source: str) -> None:
    assert words_in_module(source) == []
