"""Names in SQL: double quotes serve in T-SQL and in standard SQL alike."""

from __future__ import annotations

import re

_PART = re.compile(r'"((?:[^"]|"")+)"|\[((?:[^\]]|\]\])+)\]|([^.\[\]"]+)')


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def parts_of(table: str) -> list[str]:
    """`database.schema.table` in its parts, each bare, in double quotes or in brackets. Raises ValueError."""
    parts, place = [], 0
    while True:
        match = _PART.match(table, place)
        if match is None:
            raise ValueError(f"{table} is no table's name")
        in_quotes, in_brackets, bare = match.groups()
        parts.append((in_quotes or "").replace('""', '"') or (in_brackets or "").replace("]]", "]") or bare.strip())
        place = match.end()
        if place == len(table):
            return parts
        if table[place] != ".":
            raise ValueError(f"{table} is no table's name")
        place += 1


def quoted_table(table: str) -> str:
    return ".".join(quoted(part) for part in parts_of(table))
