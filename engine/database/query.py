"""A query of the settings, before it becomes a derived table: `SELECT ... FROM (<query>) AS source`."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass

_TOKEN = re.compile(
    r"(?P<blank>\s+|--[^\n]*)|(?P<comment>/\*)|(?P<text>'(?:[^']|'')*')|(?P<name>\"(?:[^\"]|\"\")*\"|\[(?:[^\]]|\]\])*\])"
    r"|(?P<word>[\w@#$]+)|(?P<other>.)",
    re.S,
)
_COMMENT_EDGE = re.compile(r"/\*|\*/")


@dataclass(frozen=True)
class _Token:
    """Upper-case words and single characters of SQL; `depth`: parentheses around it; `end`: its end position."""

    text: str
    depth: int
    end: int


@dataclass(frozen=True)
class QueryMistake:
    """A mistake in a query, and what to write instead."""

    what: str
    to_do: str


def without_end(query: str) -> str:
    """The query without semicolons, comments and blanks after its last word."""
    tokens = [token for token in _tokens(query) if token.text != ";"]
    return query[: tokens[-1].end].lstrip() if tokens else query.strip()


def query_mistake(query: str) -> QueryMistake | None:
    """A mistake that keeps SQL Server from reading a query as a derived table, detected from its tokens; None if there
    is none.
    """
    tokens = list(_tokens(query))
    while tokens and tokens[-1].text == ";":
        tokens.pop()
    if not tokens:
        return QueryMistake("the query is empty", "write one SELECT")
    first = next((token.text for token in tokens if token.text != "("), "")
    outer = [token.text for token in tokens if token.depth == 0]
    pairs = set(itertools.pairwise(outer))
    if first == "WITH":
        return QueryMistake(
            "the query begins with WITH",
            "put the common table expression into FROM (SELECT ...) AS name, or make a view",
        )
    if first != "SELECT":
        return QueryMistake(f"the query begins with {first[:20]}", "write one SELECT, or make a view")
    if ";" in outer:
        return QueryMistake("the query has a second statement", "write one SELECT, or make a view")
    if tokens[-1].text in ("'", '"', "[", "/*") or _has_open_parenthesis(tokens):
        return QueryMistake("the query has a quotation mark, comment or parenthesis without its end", "close it")
    if "INTO" in outer:
        return QueryMistake("the query writes into a table (INTO)", "remove INTO: the engine only reads")
    if ("ORDER", "BY") in pairs and not {"TOP", "OFFSET"} & set(outer):
        return QueryMistake("the query has ORDER BY", "remove it: the order of rows has no meaning")
    if "OPTION" in outer:
        return QueryMistake("the query has OPTION", "remove it, or make a view")
    return None


def _has_open_parenthesis(tokens: list[_Token]) -> bool:
    return sum(token.text == "(" for token in tokens) != sum(token.text == ")" for token in tokens)


def _tokens(query: str) -> Iterator[_Token]:
    """Tokens without blanks and comments; an unterminated token consists of its first characters."""
    place = depth = 0
    while place < len(query):
        match = _TOKEN.match(query, place)
        assert match is not None  # one of its groups takes any character
        place = match.end()
        if match["comment"]:
            end = _end_of_comment(query, place)
            if end is None:
                yield _Token("/*", depth, len(query))
                return
            place = end
        elif match["other"] in ("'", '"', "["):
            yield _Token(match["other"], depth, len(query))
            return
        elif not match["blank"]:
            depth -= match["other"] == ")"
            yield _Token(match.group().upper() if match["word"] else match.group(), depth, place)
            depth += match["other"] == "("


def _end_of_comment(query: str, place: int) -> int | None:
    """The end of a comment that began before `place`; comments nest in T-SQL and PostgreSQL."""
    level = 1
    for edge in _COMMENT_EDGE.finditer(query, place):
        level += 1 if edge.group() == "/*" else -1
        if level == 0:
            return edge.end()
    return None
