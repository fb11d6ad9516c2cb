"""Names in SQL, in double quotes: valid in T-SQL and standard SQL."""

from __future__ import annotations

import re

# server.database.schema.table
MOST_PARTS = 4
_PART = re.compile(r'\s*(?:"(?P<quoted>(?:[^"]|"")+)"|\[(?P<bracketed>(?:[^\]]|\]\])+)\]|(?P<bare>[^.\[\]"]*))\s*')


def quoted(name: str) -> str:
    """A quoted name, with any characters."""
    return '"' + name.replace('"', '""') + '"'


def parts_of(name: str) -> list[str]:
    """Split `server.database.schema.table` into names without quotes.

    Each part is bare, in double quotes or in brackets; blanks around a part are ignored. A part between two others may
    be empty (`database..table`: the schema is the login's default), the first and the last may not.

    Raises:
        ValueError: The text is not a table's name.
    """
    parts, place = [], 0
    while True:
        match = _PART.match(name, place)
        assert match is not None  # every group may be empty
        parts.append(_unquoted(match))
        place = match.end()
        if place == len(name):
            break
        if name[place] != ".":
            raise ValueError(f"{name} is not a table's name")
        place += 1
    if not parts[0] or not parts[-1] or len(parts) > MOST_PARTS:
        raise ValueError(f"{name} is not a table's name")
    return parts


def quoted_table(table: str) -> str:
    """A table's name as SQL. Raises ValueError, as `parts_of` does."""
    return ".".join(quoted(part) if part else "" for part in parts_of(table))


def column_name(name: str) -> str:
    """A column's name without the brackets or quotes that people put around it in SQL."""
    match = _PART.fullmatch(name)
    return name if match is None or match["bare"] is not None else _unquoted(match)


class Schema:
    """A schema, or `database.schema`, as the settings name it.

    Raises:
        ValueError: The text is not a schema's name.
    """

    def __init__(self, text: str):
        parts = parts_of(text)
        if len(parts) > 2 or not all(parts):
            raise ValueError(f"{text} is not a schema's name")
        self.name = parts[-1]
        self.database = parts[0] if len(parts) == 2 else None
        self.quoted = ".".join(map(quoted, parts))

    def table(self, name: str) -> str:
        """A table of the schema as SQL; `name` is taken as it is."""
        return f"{self.quoted}.{quoted(name)}"

    def information(self, view: str) -> str:
        """A view of INFORMATION_SCHEMA of the schema's database, as SQL."""
        place = f"INFORMATION_SCHEMA.{view}"
        return place if self.database is None else f"{quoted(self.database)}.{place}"


def _unquoted(match: re.Match[str]) -> str:
    if match["quoted"] is not None:
        return match["quoted"].replace('""', '"')
    if match["bracketed"] is not None:
        return match["bracketed"].replace("]]", "]")
    return match["bare"].strip()
