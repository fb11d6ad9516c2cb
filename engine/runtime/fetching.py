"""Rows on the driver in a total order, without holding all of them."""

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

    On Spark they are sorted on the executors in ranges, `partitions` of them, and fetched one range at a time. The
    embedded engine knows no ranges, and functions over batches lose the order there: it sorts as a whole and streams.
    """
    keys, names = list(order), rows.columns
    if is_classic(rows.sparkSession):
        found = _of_ranges(rows.repartitionByRange(partitions, *keys).sortWithinPartitions(*keys))
    else:
        found = _streamed(rows.orderBy(*keys))
    for batch in found:
        yield batch.rename_columns(names)


def _of_ranges(ranged: DataFrame) -> Iterator[pa.RecordBatch]:
    for row in ranged.mapInArrow(_packed, _PACKED).toLocalIterator():
        with pa.ipc.open_stream(row["stream"]) as stream:
            yield from stream


def _packed(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Each batch as one row of Arrow's stream format: far cheaper to fetch than pickled rows."""
    for batch in batches:
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, batch.schema) as stream:
            stream.write_batch(batch)
        yield pa.record_batch({"stream": pa.array([sink.getvalue().to_pybytes()], pa.binary())})


def _streamed(ordered: Any) -> Iterator[pa.RecordBatch]:
    """What `toLocalIterator` of Spark Connect reads, before it makes Python rows of it."""
    client, plan = ordered.sparkSession.client, ordered._plan
    for part in client.to_table_as_iterator(plan.to_proto(client), plan.observations):
        if not isinstance(part, T.StructType):  # the schema comes first
            yield from part.to_batches()
