"""Parquet read with pyarrow on the executors, for types, codecs and folders that an engine's own reader lacks.

Every column gets the type that `parquet_footer` assigns, with the same values as on Spark.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from engine.sources.contents import each_file

_BATCH_ROWS = 50_000
_UUID_PARTS = r"^(.{8})(.{4})(.{4})(.{4})(.{12})$"


@dataclass(frozen=True)
class WantedColumn:
    """A column of the result: the name of the stored column, or the value from the folder's name.

    Attributes:
        kind: `text`, `uuid`, `time`, `timestamp` or the name of an Arrow type that the stored one is cast to.
        not_text: the message an executor raises for bytes that are not UTF-8.
    """

    name: str
    stored: str | None
    kind: str
    folder_value: str | None = None
    not_text: str = ""


def read_files(
    batches: Iterable[pa.RecordBatch], wanted: Mapping[str, Sequence[WantedColumn]], damaged: Mapping[str, str]
) -> Iterator[pa.RecordBatch]:
    """The wanted columns of each file, by its URI. `damaged`: by URI, the message to raise for a file that cannot be
    read.
    """
    for uri, opener in each_file(batches, wanted):
        columns = wanted[uri]
        stored = [column.stored for column in columns if column.stored is not None]
        with opener() as file:
            try:
                # INT96 is otherwise read as nanoseconds, which end in 2262
                parquet = pq.ParquetFile(file, coerce_int96_timestamp_unit="us")
                for batch in parquet.iter_batches(_BATCH_ROWS, columns=stored):
                    arrays = [_column(column, batch) for column in columns]
                    yield pa.RecordBatch.from_arrays(arrays, names=[column.name for column in columns])
            except (pa.ArrowException, OSError) as error:
                if getattr(error, "errno", None) is not None:
                    raise
                raise RuntimeError(damaged[uri]) from None


def _column(column: WantedColumn, batch: pa.RecordBatch) -> pa.Array:
    if column.stored is None:
        return pa.array([column.folder_value] * batch.num_rows, pa.string())
    array = batch.column(batch.schema.get_field_index(column.stored))
    if isinstance(array, pa.DictionaryArray):
        array = array.dictionary_decode()
    if isinstance(array, pa.ExtensionArray):
        array = array.storage
    if column.kind == "text":
        return _text(array, column.not_text)
    if column.kind == "uuid":
        return _hyphenated(array)
    if column.kind == "time":
        return _microseconds_of_day(array).cast(pa.string())
    if column.kind == "timestamp":
        return _microseconds(array)
    if column.kind == "string":
        return _checked(array.cast(pa.string()), column.not_text)
    return array.cast(_ARROW[column.kind] if column.kind in _ARROW else _decimal(column.kind))


def _checked(text: pa.Array, not_text: str) -> pa.Array:
    try:
        text.validate(full=True)
    except pa.ArrowInvalid:
        raise RuntimeError(not_text) from None
    return text


def _text(array: pa.Array, not_text: str) -> pa.Array:
    """Read bytes without annotation as text; NUL characters pad fixed lengths."""
    try:
        text = array.cast(pa.binary()).cast(pa.string())
    except pa.ArrowInvalid:
        raise RuntimeError(not_text) from None
    return pc.utf8_rtrim(text, "\0")


def _hyphenated(array: pa.Array) -> pa.Array:
    digits = pa.array([None if value is None else value.hex() for value in array.to_pylist()], pa.string())
    return pc.replace_substring_regex(digits, _UUID_PARTS, r"\1-\2-\3-\4-\5")


def _microseconds_of_day(array: pa.Array) -> pa.Array:
    if array.type == pa.time64("ns"):
        return pc.divide(array.cast(pa.int64()), 1000).cast(pa.time64("us"))
    return array.cast(pa.time64("us"))


def _microseconds(array: pa.Array) -> pa.Array:
    """Times in UTC; nanoseconds are cut to the microsecond at or before them."""
    if array.type.unit == "ns":
        nanoseconds = array.cast(pa.timestamp("ns")).cast(pa.int64())
        thousand = pa.scalar(1000, pa.int64())
        quotient = pc.divide(nanoseconds, thousand)
        is_below = pc.less(nanoseconds, pc.multiply(quotient, thousand))
        return pc.subtract(quotient, is_below.cast(pa.int64())).cast(pa.timestamp("us", "UTC"))
    zone = None if array.type.tz is None else "UTC"
    return array.cast(pa.timestamp("us", array.type.tz)).cast(pa.timestamp("us", zone))


def _decimal(kind: str) -> Any:
    precision, scale = kind.removeprefix("decimal(").removesuffix(")").split(",")
    return pa.decimal128(int(precision), int(scale))


_ARROW: dict[str, Any] = {
    "string": pa.string(),
    "boolean": pa.bool_(),
    "int": pa.int32(),
    "bigint": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
    "date": pa.date32(),
}
