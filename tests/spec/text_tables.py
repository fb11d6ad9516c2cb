"""Reads the small text tables that specifications are written in.

    case        | units | price || fires
    too many    | 90    | 2.50  || yes
    enough      | 30    | 2.50  || no

    case        || guards             | message
    too many    || A_GUARD PASSED,    | 90 units, which
                || OTHER_GUARD FAILED | is too many

A line whose first cell is empty continues the line above it, cell by cell. A line that begins as the first one does is
the header of further columns; a case that has no entries there is omitted. Empty lines are for the eye.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import NamedTuple

Halves = list[list[str]]


class Line(NamedTuple):
    """The cells of a case by column, left and right of `||`; those on the right only if they are not empty."""

    left: dict[str, str]
    right: dict[str, str]


def read_table(text: str) -> dict[str, Line]:
    """The lines of a table by case, which is the first column; without `||`, all columns are on the left.

    Raises:
        ValueError: a line has more or fewer cells than its header; a case is twice in one block; a further block has a
            case that the first one lacks.
    """
    table: dict[str, Line] = {}
    for number, (header, *lines) in enumerate(_blocks(text)):
        cases = _continued(lines)
        if unknown := [name for name in cases if number and name not in table]:
            raise ValueError(f"not in the first block: {', '.join(unknown)}")
        for name, cells in cases.items():
            left, *right = (dict(zip(*half, strict=True)) for half in zip(header, cells, strict=True))
            line = table.setdefault(name, Line({}, {}))
            line.left.update({column: cell for column, cell in left.items() if column != header[0][0]})
            for half in right:
                line.right.update({column: cell for column, cell in half.items() if cell})
    return table


def cases_of_table(text: str) -> dict[str, dict[str, str]]:
    """The cells of each case by column, of a table without `||`; empty for a case that is omitted in a block."""
    table = read_table(text)
    columns = dict.fromkeys((column for line in table.values() for column in line.left), "")
    return {name: columns | line.left for name, line in table.items()}


def _blocks(text: str) -> list[list[Halves]]:
    lines = [_halves(line) for line in text.splitlines() if line.strip()]
    starts = [number for number, line in enumerate(lines) if line[0][0] == lines[0][0][0]]
    return [lines[start:end] for start, end in itertools.pairwise([*starts, len(lines)])]


def _halves(line: str) -> Halves:
    return [[cell.strip() for cell in half.split("|")] for half in line.split("||")]


def _continued(lines: Iterable[Halves]) -> dict[str, Halves]:
    """The cells of each case, with those of the lines that continue it."""
    cases: dict[str, Halves] = {}
    last: Halves = []
    for line in lines:
        name = line[0][0]
        if name in cases:
            raise ValueError(f"twice in one block: {name}")
        if name:
            cases[name] = last = line
            continue
        for half, more in zip(last, line, strict=True):
            half[:] = [" ".join(filter(None, pair)) for pair in zip(half, more, strict=True)]
    return cases
