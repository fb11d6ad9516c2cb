"""The location of one table, and how it is read there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Literal

from engine.contracts.columns import Table
from engine.runtime.storage import StoredFile
from engine.settings import DatabaseSettings

# The format of tables that are not files.
DATABASE = "database"


@dataclass(frozen=True)
class DatabasePlace:
    """A table or a query of a connection, and which of its rows are read; see settings.TableLocation."""

    connection: str
    settings: DatabaseSettings
    as_of: date
    table: str | None = None
    query: str | None = None
    partition_by: str | None = None
    partition_method: Literal["range", "hash"] | None = None
    received_after: datetime | None = None


@dataclass(frozen=True)
class Location:
    """The location of one table and how to read it.

    `uri` is for people to read: a path, a pattern, several of them, or `connection: table` in a database. `files` are
    the data files there, named relative to the folder; none in a database, and for formats that are not files (a
    catalog's table, Delta).
    """

    table: Table
    uri: str
    format: str
    adapter: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=dict)
    complete: bool = False
    database: DatabasePlace | None = None
    fallback: Location | None = None
    files: tuple[StoredFile, ...] = ()
