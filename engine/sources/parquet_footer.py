"""Column types and statistics from the footer of a Parquet file, read without a JVM."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.runtime.storage import Storage, StoredFile

_MAGIC = b"PAR1"
_ENCRYPTED_MAGIC = b"PARE"
_TAIL_BYTES = 1 << 16
_MOST_DIGITS = 38
_PER_SECOND = {"milliseconds": 1_000, "microseconds": 1_000_000, "nanoseconds": 1_000_000_000}


class FooterError(Exception):
    """The file is not a readable Parquet file, for the reason in the message."""


@dataclass(frozen=True)
class StoredColumn:
    """One top-level column of a file.

    stored_as: the Parquet type, for messages. read_as: the type to read it in, None if it cannot be read.
    decode: turns the stored value into the final value. leaves: positions of its physical columns in the footer.
    """

    name: str
    stored_as: str
    leaves: tuple[int, ...]
    read_as: Any = None
    decode: Callable[[Column], Column] | None = None
    is_nested: bool = False
    has_no_type: bool = False
    is_half_float: bool = False
    is_bytes: bool = False

    @property
    def is_readable(self) -> bool:
        """Whether values can be read; a column without a type holds NULL only."""
        return self.read_as is not None or self.has_no_type or self.is_half_float

    @property
    def value_type(self) -> T.DataType:
        """The type of the values, after `decode`."""
        if self.is_half_float:
            return T.FloatType()
        if self.decode is None:
            kind: T.DataType = self.read_as
            return kind
        return T.TimestampType() if self.decode is _timestamp_of_nanoseconds else T.StringType()

    @property
    def kind(self) -> str:
        """The kind of the column for `parquet_arrow`."""
        if self.decode is not None:
            return _KINDS.get(self.decode, "time")
        if isinstance(self.value_type, (T.TimestampType, T.TimestampNTZType)):
            return "timestamp"
        return self.value_type.simpleString()

    @property
    def is_text(self) -> bool:
        """Whether the file states that the values are text."""
        return self.decode is None and isinstance(self.read_as, T.StringType)

    @property
    def is_number(self) -> bool:
        """Whether the values are numbers."""
        return self.is_half_float or (isinstance(self.read_as, T.NumericType) and self.decode is None)

    @property
    def is_float(self) -> bool:
        """Whether the values are binary floating-point numbers."""
        return self.is_half_float or isinstance(self.read_as, (T.FloatType, T.DoubleType))


@dataclass(frozen=True)
class Footer:
    """The columns of a file in its own order, its row groups, and its columns' types in Arrow."""

    file: StoredFile
    columns: tuple[StoredColumn, ...]
    metadata: Any
    arrow: Any = None

    def is_plain(self, column: StoredColumn) -> bool:
        """True if Arrow stores the column in its final type, so every engine reads it the same way."""
        kind = None if self.arrow is None else self.arrow.field(column.name).type
        return column.decode is None and kind == _PLAIN.get(column.kind, _decimal(column.read_as))

    def column(self, name: str) -> StoredColumn:
        """The column of this name; StopIteration if the file has none."""
        return next(column for column in self.columns if column.name == name)

    def holds_nothing_but_nulls(self, column: StoredColumn) -> bool:
        """True if the statistics prove it; False without statistics."""
        return column.has_no_type or all(
            chunk.statistics is not None
            and chunk.statistics.has_null_count
            and chunk.statistics.null_count == chunk.num_values
            for chunk in self._chunks(column)
        )

    def bounds(self, column: StoredColumn) -> set[Any] | None:
        """Smallest and largest value of every row group, None among them for NULL; None if they are not known."""
        bounds: set[Any] = set()
        for chunk in self._chunks(column):
            statistics = chunk.statistics
            if statistics is None or not statistics.has_null_count:
                return None
            if statistics.null_count:
                bounds.add(None)
            if statistics.has_min_max:
                bounds |= {statistics.min, statistics.max}
            elif statistics.num_values:
                return None
        return bounds

    def codecs(self, columns: Iterable[StoredColumn]) -> set[str]:
        """The codecs that the values of these columns are compressed with."""
        return {chunk.compression for column in columns for chunk in self._chunks(column)}

    def _chunks(self, column: StoredColumn) -> Iterator[Any]:
        for group in range(self.metadata.num_row_groups):
            for leaf in column.leaves:
                yield self.metadata.row_group(group).column(leaf)


def read_footer(storage: Storage, file: StoredFile) -> Footer:
    """Read only the footer, from any storage. Raises FooterError."""
    if file.length < 12:
        raise FooterError("it is not a Parquet file: too short")
    tail = storage.last_bytes(file.uri, min(_TAIL_BYTES, file.length))
    if tail.endswith(_ENCRYPTED_MAGIC):
        raise FooterError("an encrypted Parquet file, which is not supported")
    if not tail.endswith(_MAGIC):
        raise FooterError("it is not a Parquet file, or is truncated: no footer at its end")
    needed = int.from_bytes(tail[-8:-4], "little") + 8
    if needed > file.length:
        raise FooterError("a damaged Parquet footer: longer than the file")
    if needed > len(tail):
        tail = storage.last_bytes(file.uri, needed)
    try:
        parquet = pq.ParquetFile(io.BytesIO(_MAGIC + tail[-needed:]))
        return Footer(file, tuple(_columns(parquet)), parquet.metadata, _arrow_schema(parquet))
    except (pa.ArrowException, OSError) as error:
        raise FooterError(f"a damaged Parquet footer: {str(error).splitlines()[0][:200]}") from None


def _arrow_schema(parquet: Any) -> Any:
    """None if a column has a type that Arrow does not know."""
    try:
        return parquet.schema_arrow
    except pa.ArrowException:
        return None


def _decimal(kind: T.DataType) -> Any:
    return pa.decimal128(kind.precision, kind.scale) if isinstance(kind, T.DecimalType) else None


_PLAIN: dict[str, Any] = {
    "string": pa.string(),
    "boolean": pa.bool_(),
    "int": pa.int32(),
    "bigint": pa.int64(),
    "double": pa.float64(),
    "date": pa.date32(),
}


def _columns(parquet: Any) -> Iterator[StoredColumn]:
    leaves: dict[str, list[int]] = {}
    for position, name in enumerate(_top_level_names(parquet)):
        leaves.setdefault(name, []).append(position)
    seen: set[str] = set()
    for position, name in enumerate(_top_level_names(parquet)):
        leaf = parquet.schema.column(position)
        if leaf.path == name:
            yield _flat_column(name, position, leaf)
        elif name not in seen:
            seen.add(name)
            yield StoredColumn(name, "a list or structure", tuple(leaves[name]), is_nested=True)


def _top_level_names(parquet: Any) -> list[str]:
    """The top-level column of each physical column; a name may contain dots, as paths do."""
    paths = [parquet.schema.column(position).path for position in range(len(parquet.schema))]
    try:
        known = set(parquet.schema.to_arrow_schema().names)
    except pa.ArrowException:
        known = set()
    return [_top_level_name(path, known) for path in paths]


def _top_level_name(path: str, known: set[str]) -> str:
    if path in known:
        return path
    parts = path.split(".")
    prefixes = [".".join(parts[:length]) for length in range(1, len(parts))]
    return next((prefix for prefix in prefixes if prefix in known), parts[0])


def _flat_column(name: str, position: int, leaf: Any) -> StoredColumn:
    logical = leaf.logical_type.type
    annotation = "" if logical == "NONE" else f" {leaf.logical_type}"
    stored_as = f"{leaf.physical_type}{annotation}"
    read_as, decode = _read_as(leaf)
    return StoredColumn(
        name,
        stored_as,
        (position,),
        read_as,
        decode,
        is_nested=leaf.max_repetition_level > 0,
        has_no_type=logical == "UNKNOWN",
        is_half_float=logical == "FLOAT16",
        is_bytes=decode is _text_without_padding,
    )


_Reading = tuple[T.DataType | None, Callable[[Column], Column] | None]


def _read_as(leaf: Any) -> _Reading:
    """How a physical and logical type is read; (None, None) for one that no contract column can have."""
    logical = leaf.logical_type.type
    details = json.loads(leaf.logical_type.to_json()) if logical in ("INT", "TIME", "TIMESTAMP") else {}
    if leaf.max_repetition_level:
        return None, None
    if logical == "DECIMAL":
        fits = leaf.precision <= _MOST_DIGITS
        return (T.DecimalType(leaf.precision, leaf.scale), None) if fits else (None, None)
    if logical == "TIMESTAMP":
        if details["timeUnit"] == "nanoseconds":
            return T.LongType(), _timestamp_of_nanoseconds
        return (T.TimestampType() if details["isAdjustedToUTC"] else T.TimestampNTZType()), None
    if logical == "TIME":
        per_second = _PER_SECOND[details["timeUnit"]]
        read_as = T.IntegerType() if leaf.physical_type == "INT32" else T.LongType()
        return read_as, lambda column: _time_of_day(column, per_second)
    if logical == "INT" and not details["isSigned"]:
        return {32: T.LongType(), 64: T.DecimalType(20, 0)}.get(details["bitWidth"], T.IntegerType()), None
    return _READ_AS.get((leaf.physical_type, logical), (None, None))


def _timestamp_of_nanoseconds(column: Column) -> Column:
    """Nanoseconds since 1970, truncated to the microseconds of Spark."""
    thousand = F.lit(1000).cast("bigint")
    return F.timestamp_micros(F.call_function("div", column - F.pmod(column, thousand), thousand))


def _time_of_day(column: Column, per_second: int) -> Column:
    """A time without a date as text, to the microsecond."""
    microseconds = F.floor(column.cast("decimal(20,0)") * 1_000_000 / per_second).cast("bigint")
    moment = F.timestamp_micros(microseconds)
    return F.date_format(moment, "HH:mm:ss.SSSSSS")


def _text_without_padding(column: Column) -> Column:
    """Read bytes without annotation as text; NUL characters pad fixed lengths."""
    return F.rtrim(column.cast("string"), F.lit("\0"))


def _uuid(column: Column) -> Column:
    return F.regexp_replace(F.lower(F.hex(column)), "^(.{8})(.{4})(.{4})(.{4})(.{12})$", "$1-$2-$3-$4-$5")


_KINDS: dict[Any, str] = {
    _timestamp_of_nanoseconds: "timestamp",
    _text_without_padding: "text",
    _uuid: "uuid",
}
_READ_AS: dict[tuple[str, str], _Reading] = {
    ("BOOLEAN", "NONE"): (T.BooleanType(), None),
    ("INT32", "NONE"): (T.IntegerType(), None),
    ("INT32", "INT"): (T.IntegerType(), None),
    ("INT32", "DATE"): (T.DateType(), None),
    ("INT64", "NONE"): (T.LongType(), None),
    ("INT64", "INT"): (T.LongType(), None),
    ("INT96", "NONE"): (T.TimestampType(), None),
    ("FLOAT", "NONE"): (T.FloatType(), None),
    ("DOUBLE", "NONE"): (T.DoubleType(), None),
    ("BYTE_ARRAY", "STRING"): (T.StringType(), None),
    ("BYTE_ARRAY", "ENUM"): (T.StringType(), None),
    ("BYTE_ARRAY", "JSON"): (T.StringType(), None),
    ("BYTE_ARRAY", "NONE"): (T.StringType(), _text_without_padding),
    ("FIXED_LEN_BYTE_ARRAY", "NONE"): (T.BinaryType(), _text_without_padding),
    ("FIXED_LEN_BYTE_ARRAY", "UUID"): (T.BinaryType(), _uuid),
}
