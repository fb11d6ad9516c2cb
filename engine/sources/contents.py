"""Input for readers in Python: one row per file, with its path or its bytes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from engine.runtime.abilities import abilities
from engine.runtime.paths import reader_path
from engine.runtime.storage import Storage, StoredFile
from engine.sources.text_records import Opener

_OPENED = "uri string, path string, content binary"


def contents(spark: SparkSession, storage: Storage, files: Sequence[StoredFile]) -> DataFrame:
    """One row per file for `each_file`: its path on this machine, or its bytes if it is stored elsewhere."""
    paths = [(file.uri, storage.local_path(file.uri)) for file in files]
    if all(path is not None for _, path in paths):
        return spark.createDataFrame([(uri, str(path), None) for uri, path in paths], _OPENED)
    if not abilities(spark).names_files:
        return spark.createDataFrame([(uri, None, storage.read_bytes(uri)) for uri, _ in paths], _OPENED)
    loaded = spark.read.format("binaryFile").load([reader_path(spark, uri) for uri, _ in paths])
    return loaded.select(F.col("path").alias("uri"), F.lit(None).cast("string").alias("path"), "content")


def each_file(batches: Iterable[pa.RecordBatch], known: Iterable[str]) -> Iterator[tuple[str, Opener]]:
    """On an executor: the URI of each file, spelled as in `known`, and how to open it."""
    known = set(known)
    for batch in batches:
        for uri, path, content in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            yield uri if uri in known else unquote(uri), partial(_open, path, content)


def opener_of(path: Path) -> Opener:
    """A function without state that opens a local file, which executors can receive."""
    return partial(_open, str(path), None)


def _open(path: str | None, content: bytes | None) -> BinaryIO:
    return open(path, "rb") if path is not None else BytesIO(content or b"")
