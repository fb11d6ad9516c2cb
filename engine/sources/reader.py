"""What every reader offers, so that a table may live in files, in another Spark format or elsewhere."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Protocol

from pyspark.sql import DataFrame

from engine.errors import InputError, Problem
from engine.sources.frames import is_data
from engine.sources.locations import Location
from engine.storage import Storage, StoredFile

_MOST_FILES_NAMED = 5


class Reader(Protocol):
    """A table opened, nothing of it read yet but names and types.

    `names`: the columns as received, one spelling each. `repeated`: names, in plain form, that stand for more than one
    column of a file, so that neither can be taken.
    """

    names: tuple[str, ...]
    repeated: frozenset[str]

    def rows(self, names: Sequence[str], identifiers: Collection[str]) -> DataFrame:
        """All rows with exactly these columns, named like this; `identifiers` must not mix numbers with text."""


def data_files(storage: Storage, location: Location) -> list[StoredFile]:
    """The files of a table, without writers' own marks. Raises InputError where there is none."""
    files = [file for file in storage.files(location.uri) if is_data(file)]
    if not files:
        raise InputError(
            Problem(
                f"the folder of table {location.table.name} holds no file",
                location.uri,
                to_do="put its files there; for a table without rows, a file with its columns",
            )
        )
    return files


def damaged_files(table: str, found: Iterable[tuple[str, str]], expected: str, to_do: str) -> InputError:
    """One problem per file that cannot be read: (file, what was found)."""
    named = list(found)
    problems = [
        Problem(f"a file of table {table} cannot be read", file, what, expected, to_do)
        for file, what in named[:_MOST_FILES_NAMED]
    ]
    if len(named) > _MOST_FILES_NAMED:
        problems.append(Problem(f"{len(named) - _MOST_FILES_NAMED} more files of table {table} too", "same folder"))
    return InputError(problems)
