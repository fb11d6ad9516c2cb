"""Rows of a DataFrame on the driver, in order, a few thousand at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from engine.runtime.fetching import batches_in_order, falling_ranges

ROWS_PER_PARTITION = 20_000
ROWS_PER_BATCH = 2_000
# On the embedded engine, each range is a query over all findings.
ROWS_PER_RANGE = 60_000


def ordered_batches(rows: DataFrame, order: Iterable[Column], count: int) -> Iterator[pa.RecordBatch]:
    """All rows in a total order as Arrow batches of at most ROWS_PER_BATCH.

    Fetched about ROWS_PER_PARTITION at a time, so memory does not grow with the number of rows; on the embedded engine,
    all at once (see `priority_batches`). `count`: the number of rows.
    """
    for batch in batches_in_order(rows, order, _parts(count, ROWS_PER_PARTITION)):
        for start in range(0, batch.num_rows, ROWS_PER_BATCH):
            yield batch.slice(start, ROWS_PER_BATCH)


def priority_batches(
    findings: DataFrame, count: int, shown: Callable[[DataFrame], DataFrame], priority: str
) -> Iterator[pa.RecordBatch]:
    """FINDINGS as transformed by `shown`, ordered by its column `priority` and finding_id, in batches as in
    `ordered_batches`. `shown` gets about ROWS_PER_RANGE findings at a time, so memory does not grow with their number
    on either engine.
    """
    for part in falling_ranges(findings, "priority", _parts(count, ROWS_PER_RANGE)):
        yield from ordered_batches(shown(part), in_priority_order(priority), count)


def _parts(count: int, rows: int) -> int:
    return max(1, -(-count // rows))


def in_priority_order(priority: str = "priority") -> list[Column]:
    """Order in which an analyst should review findings; `priority`: the name of the column."""
    return [F.col(priority).desc(), F.col("finding_id").asc()]


class Stream:
    """Batches, split into pieces with a requested number of rows."""

    def __init__(self, batches: Iterator[pa.RecordBatch]):
        self._batches = batches
        self._remaining: pa.RecordBatch | None = None
        self._skipped = 0

    def take(self, rows: int) -> Iterator[pa.RecordBatch]:
        """Pieces with `rows` rows in total; fewer only at the end of the stream."""
        skipped, self._skipped = self._skipped, 0
        for _ in self._pieces(skipped):
            pass
        yield from self._pieces(rows)

    def _pieces(self, rows: int) -> Iterator[pa.RecordBatch]:
        while rows > 0:
            batch = self._remaining or next(self._batches, None)
            if batch is None:
                return
            piece = batch.slice(0, rows)
            self._remaining = batch.slice(piece.num_rows) if piece.num_rows < batch.num_rows else None
            rows -= piece.num_rows
            yield piece

    def skip(self, rows: int) -> None:
        """Skip `rows` rows; they are fetched only if later rows are requested."""
        self._skipped += rows

    @property
    def is_empty(self) -> bool:
        """Whether no batch is left; reads the next one."""
        if self._remaining is None:
            self._remaining = next(self._batches, None)
        return self._remaining is None
