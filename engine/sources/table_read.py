"""The read of a database table: columns, rows and ranges, as SQL of both dialects."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from engine.database import Dialect, quoted
from engine.settings import DatabaseSettings

# Boundaries are parameters, of which SQL Server takes 2,100.
_MOST_RANGES = 1_000
_MOST_BUCKETS = 256
_NO_DAY = datetime(9999, 12, 31)  # what systems write for an unknown day


class TableRead(BaseModel):
    """One read of one table, as sent to the executors; it contains no secret and no value of any row.

    source: the text after FROM. columns: the database's own names. texts: columns requested as text, times_with_zone:
    columns requested in UTC, code_page_texts: columns whose order is that of a code page. received: columns whose first
    known value is the time a row was received; rows of `received_before` on and up to `received_after` are excluded,
    UTC. dated: columns that date a row of a reference table; rows dated after the as-of day do not count as read in the
    fingerprint, since no run of that day uses them.
    """

    model_config = ConfigDict(frozen=True)

    table: str
    connection: str
    settings: DatabaseSettings
    source: str
    columns: tuple[str, ...]
    texts: frozenset[str] = frozenset()
    times_with_zone: frozenset[str] = frozenset()
    code_page_texts: frozenset[str] = frozenset()
    dated: tuple[str, ...] = ()
    received: tuple[str, ...] = ()
    received_before: datetime | None = None
    received_after: datetime | None = None
    partition_by: str | None = None
    partition_method: Literal["range", "hash"] = "range"
    rows: int = 0
    sees_one_state: bool = False

    def select(self, dialect: Dialect, columns: Sequence[str] | None = None) -> str:
        """The query of all rows; no columns, for a count, select a constant."""
        chosen = self.columns if columns is None else columns
        # COUNT(*) of Spark needs no column
        return f"SELECT {', '.join(self._output(name, dialect) for name in chosen) or '1'} FROM {self.source}"

    def _output(self, name: str, dialect: Dialect) -> str:
        column = quoted(name)
        if name in self.texts:
            return f"{dialect.to_text(column)} AS {column}"
        if name in self.times_with_zone:
            return f"{dialect.as_utc(column)} AS {column}"
        return column

    def conditions(self, dialect: Dialect) -> Condition:
        """The condition for rows that are read."""
        parts = [self.is_late(dialect), self.is_old(dialect)]
        return all_of(Condition(f"NOT ({part.sql})", part.values) for part in parts if part is not None)

    def is_late(self, dialect: Dialect) -> Condition | None:
        """Received after the as-of day; never NULL. The placeholder 9999-12-31 is not a day; preparation decides on
        such rows.
        """
        received_at = self.received_at(dialect)
        parts = [
            self._compared(received_at, ">=", self.received_before),
            None if self.received_before is None else self._compared(received_at, "<", _NO_DAY),
        ]
        known = [part for part in parts if part is not None]
        return all_of(known) if known else None

    def is_old(self, dialect: Dialect) -> Condition | None:
        """Received at or before the mark after which rows are read; never NULL."""
        return self._compared(self.received_at(dialect), "<=", self.received_after)

    def is_dated_late(self, dialect: Dialect) -> Condition | None:
        """A row of a reference table dated after the as-of day; never NULL."""
        parts = [self._compared(self._comparable(name, dialect), ">=", self.received_before) for name in self.dated]
        return any_of(part for part in parts if part is not None) if parts else None

    def received_at(self, dialect: Dialect) -> str | None:
        """SQL of the time at which a row was received, UTC without a zone; None if the table has none."""
        values = [self._comparable(name, dialect) for name in self.received]
        if not values:
            return None
        return values[0] if len(values) == 1 else f"COALESCE({', '.join(values)})"

    def _compared(self, value: str | None, operator: str, moment: datetime | None) -> Condition | None:
        if value is None or moment is None:
            return None
        return Condition(f"{value} IS NOT NULL AND {value} {operator} ?", (_naive(moment),))

    def _comparable(self, name: str, dialect: Dialect) -> str:
        """SQL of a column in a form that drivers can return and that compares with a parameter in column order."""
        column = quoted(name)
        if name in self.times_with_zone:
            return dialect.as_utc(column)
        return dialect.to_unicode(column) if name in self.code_page_texts else column

    def ranges(self, boundaries: Sequence[Any], dialect: Dialect) -> list[Condition]:
        """Conditions such that each row satisfies exactly one, even if the table changes in the meantime."""
        if self.partition_by is None:
            return [Condition("", ())]
        if self.partition_method == "hash":
            bucket_of = dialect.bucket(quoted(self.partition_by), self.ranges_wanted)
            return [Condition(f"{bucket_of} = {bucket}", ()) for bucket in range(self.ranges_wanted)]
        key = self._comparable(self.partition_by, dialect)
        if not boundaries:
            return [Condition("", ())]
        first = Condition(f"({key} < ? OR {key} IS NULL)", (boundaries[0],))
        between = [Condition(f"{key} >= ? AND {key} < ?", pair) for pair in itertools.pairwise(boundaries)]
        return [first, *between, Condition(f"{key} >= ?", (boundaries[-1],))]

    @property
    def ranges_wanted(self) -> int:
        """Into how many ranges the table is cut: a multiple of the connections, within limits."""
        connections = self.settings.concurrent_connections
        by_rows = math.ceil(self.rows / self.settings.rows_per_range)
        if self.partition_method == "hash":
            # each bucket is a scan of the whole table
            return min(connections, _MOST_BUCKETS)
        # as many for each connection
        return min(_MOST_RANGES, math.ceil(max(by_rows, 1) / connections) * connections)

    def boundaries_query(self, dialect: Dialect) -> tuple[str, tuple[Any, ...]]:
        """Query for the key values that split the rows into ranges of equal size; one pass in index order."""
        key, filtered = self._comparable(str(self.partition_by), dialect), self.conditions(dialect)
        places = sorted({round(self.rows * part / self.ranges_wanted) + 1 for part in range(1, self.ranges_wanted)})
        known = all_of([Condition(f"{key} IS NOT NULL", ()), filtered])
        numbered = (
            f"SELECT {key} AS boundary, ROW_NUMBER() OVER (ORDER BY {key}) AS place FROM {self.source}{known.where}"
        )
        marks = ", ".join("?" * len(places))
        sql = f"SELECT boundary FROM ({numbered}) AS numbered WHERE place IN ({marks}) ORDER BY boundary"
        return sql, (*known.values, *places)


@dataclass(frozen=True)
class Condition:
    """A condition of SQL with its parameters; an empty one holds for all rows."""

    sql: str
    values: tuple[Any, ...]

    @property
    def where(self) -> str:
        """The clause, or nothing for a condition that holds for all rows."""
        return f" WHERE {self.sql}" if self.sql else ""


def all_of(conditions: Iterable[Condition]) -> Condition:
    """A condition that holds if all of these hold; empty if none restricts."""
    parts = [part for part in conditions if part.sql]
    return Condition(
        " AND ".join(f"({part.sql})" for part in parts), tuple(value for part in parts for value in part.values)
    )


def any_of(conditions: Iterable[Condition]) -> Condition:
    """A condition that holds if one of these holds."""
    parts = list(conditions)
    return Condition(
        " OR ".join(f"({part.sql})" for part in parts), tuple(value for part in parts for value in part.values)
    )


def distinct_in_order(values: Iterable[Any]) -> Iterator[Any]:
    """Values of an ordered sequence, each once: a key that fills several ranges bounds one."""
    before: list[Any] = []
    for value in values:
        if before != [value]:
            yield value
        before = [value]


def _naive(moment: datetime) -> datetime:
    """The database's times are UTC without a zone; a setting without zone is UTC too."""
    return moment if moment.tzinfo is None else moment.astimezone(UTC).replace(tzinfo=None)
