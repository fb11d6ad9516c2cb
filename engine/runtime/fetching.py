"""Fetch rows to the driver in a total order, without keeping all of them in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import types as T

from engine.runtime.kinds import is_classic

_PACKED = "stream binary"


def batches_in_order(rows: DataFrame, order: Iterable[Column], partitions: int) -> Iterator[pa.RecordBatch]:
    """All rows as Arrow batches of any size, in a total order.

    Spark sorts them on the executors in `partitions` ranges, which are fetched one at a time. The embedded engine has
    no range partitioning, and functions over batches lose the order there: it sorts all rows and streams them.
    """
    keys, names = list(order), rows.columns
    if is_classic(rows.sparkSession):
        batches = _of_ranges(rows.repartitionByRange(partitions, *keys).sortWithinPartitions(*keys))
    else:
        batches = _streamed(rows.orderBy(*keys))
    for batch in batches:
        yield batch.rename_columns(names)


def _of_ranges(ranged: DataFrame) -> Iterator[pa.RecordBatch]:
    for row in ranged.mapInArrow(_packed, _PACKED).toLocalIterator():
        with pa.ipc.open_stream(row["stream"]) as stream:
            yield from stream


def _packed(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Each batch as one row of Arrow's stream format: much cheaper to fetch than pickled rows."""
    for batch in batches:
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, batch.schema) as stream:
            stream.write_batch(batch)
        yield pa.record_batch({"stream": pa.array([sink.getvalue().to_pybytes()], pa.binary())})


def _streamed(ordered: Any) -> Iterator[pa.RecordBatch]:
    """The Arrow batches that `toLocalIterator` of Spark Connect reads, before their conversion to Python rows."""
    client, plan = ordered.sparkSession.client, ordered._plan
    for part in client.to_table_as_iterator(plan.to_proto(client), plan.observations):
        if not isinstance(part, T.StructType):  # the schema comes first
            yield from part.to_batches()
