"""Fetch rows to the driver in a total order, without keeping all of them in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.runtime.kinds import is_classic

_PACKED = "stream binary"


def batches_in_order(rows: DataFrame, order: Iterable[Column], partitions: int) -> Iterator[pa.RecordBatch]:
    """All rows as Arrow batches of any size, in a total order.

    Spark sorts them on the executors in `partitions` ranges, which are fetched one at a time. The embedded engine has
    no range partitioning, and functions over batches lose the order there: it sorts all rows and streams them; for many
    rows see `falling_ranges`.
    """
    keys, names = list(order), rows.columns
    if is_classic(rows.sparkSession):
        batches = _of_ranges(rows.repartitionByRange(partitions, *keys).sortWithinPartitions(*keys))
    else:
        batches = _streamed(rows.orderBy(*keys))
    for batch in batches:
        yield batch.rename_columns(names)


def falling_ranges(rows: DataFrame, name: str, most: int) -> Iterator[DataFrame]:
    """On the embedded engine the rows in at most so many parts of about one size, those with the highest values of a
    column of numbers first and NULL last; on Spark, which fetches ranges itself, all rows.

    Each part is a query of its own, over all rows: time for memory.
    """
    if most <= 1 or is_classic(rows.sparkSession):
        yield rows
        return
    values = pc.drop_null(rows.select(name).toArrow().column(0)).to_numpy()
    shares = np.arange(1, most) / most
    edges = np.unique(np.quantile(values, shares, method="nearest")).tolist() if len(values) else []
    value = F.col(name)
    for low, high in zip(reversed([None, *edges]), reversed([*edges, None]), strict=True):
        condition = F.lit(True) if low is None else value >= low
        if high is not None:
            condition = condition & (value < high)
        yield rows.where(condition if low is not None else condition | value.isNull())


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
