"""Partition columns: values in folder names, as Hive, Spark, polars and others write them (`state=AK/`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import unquote

from engine.errors import InputError, Problem
from engine.runtime.storage import StoredFile

_NULL = "__HIVE_DEFAULT_PARTITION__"


def partition_values(file: StoredFile) -> Mapping[str, str | None]:
    """Columns and values of the folders above a file, outermost first; text, so `state=06` is `06`.

    Names and values are URL-decoded; `__HIVE_DEFAULT_PARTITION__` is NULL.
    """
    folders = [folder.partition("=") for folder in file.name.split("/")[:-1] if "=" in folder]
    return {unquote(name): None if value == _NULL else unquote(value) for name, _, value in folders}


def partition_names(table: str, where: str, files: Sequence[StoredFile]) -> tuple[str, ...]:
    """The partition columns in the folder names, the same for every file.

    Raises InputError for folders that are not partitions, have several layouts, or lack a value.
    """
    folders = {file.name: file.name.split("/")[:-1] for file in files}
    unusable = sorted(name for name, parts in folders.items() if any(not all(part.partition("=")) for part in parts))
    layouts = {tuple(partition_values(file)) for file in files}
    if unusable or len(layouts) > 1:
        raise InputError(
            Problem(
                f"the folder of table {table} contains folders that are not its partitions",
                where,
                ", ".join((unusable or sorted(folders))[:3]),
                "files side by side, or all of them below folders such as state=AK/",
            )
        )
    return next(iter(layouts), ())


def is_same_value(text: str | None, value: Any) -> bool:
    """True if a folder's text and a file's typed value are equal, ignoring blanks and leading zeros of numbers.

    NULL in the file agrees with every folder; a value in the file does not agree with a NULL folder.
    """
    if value is None:
        return True
    if text is None:
        return False
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace").rstrip("\0")
    if isinstance(value, bool):
        return text.strip().lower() in ({"true", "1"} if value else {"false", "0"})
    if isinstance(value, (int, float, Decimal)):
        with suppress(InvalidOperation):
            return Decimal(text.strip()) == Decimal(str(value))
        return False
    if isinstance(value, date):
        written = text.strip().replace("T", " ")
        return str(value) == written or (str(value).removesuffix(" 00:00:00") == written)
    return text.strip() == str(value).strip()


def conflict(table: str, column: str, file: StoredFile) -> Problem:
    """The folder and the file disagree; the message quotes the folder's value only, which is part of a path."""
    folder = next(part for part in file.name.split("/") if unquote(part.partition("=")[0]) == column)
    return Problem(
        f"column {column} of table {table} has one value in the folder's name and another in the file",
        file.uri,
        f"folder {folder}/, and rows with another {column}",
        "equal values in both, or the column in one of them only",
        f"move the rows to the folder of their {column}, or remove the column from the files",
    )
