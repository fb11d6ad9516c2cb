"""Arrow columns from numpy arrays: exact decimals, dates, times and padded digits, without Python loops."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import types as T

from engine.contracts.columns import Kind, Table
from synthetic.identifiers import digits_of

TIMESTAMP = pa.timestamp("us", tz="UTC")
UNITS = pa.decimal128(15, 3)
UNIT_PRICE = pa.decimal128(15, 6)
MONEY = pa.decimal128(18, 2)

_ARROW_TYPES = {
    Kind.INTEGER: pa.int64(),
    Kind.UNITS: UNITS,
    Kind.UNIT_PRICE: UNIT_PRICE,
    Kind.MONEY: MONEY,
    Kind.DATE: pa.date32(),
    Kind.TIMESTAMP: TIMESTAMP,
    Kind.BOOLEAN: pa.bool_(),
}


def decimals(unscaled: np.ndarray, kind: pa.Decimal128Type, valid: np.ndarray | None = None) -> pa.Array:
    """Decimals from their unscaled values (thousandths, cents...) as 64-bit integers; NULL where not `valid`."""
    words = np.empty((len(unscaled), 2), dtype=np.int64)
    words[:, 0] = unscaled
    words[:, 1] = words[:, 0] >> 63
    bitmap = None if valid is None else pa.py_buffer(np.packbits(valid, bitorder="little").tobytes())
    return pa.Array.from_buffers(kind, len(unscaled), [bitmap, pa.py_buffer(words.tobytes())])


def dates(days: np.ndarray, valid: np.ndarray | None = None) -> pa.Array:
    """Dates of days since 1970; NULL where not `valid`."""
    return pa.array(days.astype(np.int32), mask=_mask(valid)).cast(pa.date32())


def timestamps(microseconds: np.ndarray, valid: np.ndarray | None = None) -> pa.Array:
    """Timestamps of microseconds since 1970, UTC; NULL where not `valid`."""
    return pa.array(microseconds.astype(np.int64), mask=_mask(valid)).cast(TIMESTAMP)


def integers(values: np.ndarray, valid: np.ndarray | None = None) -> pa.Array:
    """Whole numbers of 64 bits; NULL where not `valid`."""
    return pa.array(values.astype(np.int64), mask=_mask(valid))


def booleans(values: np.ndarray, valid: np.ndarray | None = None) -> pa.Array:
    """Truth values; NULL where not `valid`."""
    return pa.array(values, mask=_mask(valid))


def chosen(words: pa.Array | Sequence[str | None], index: np.ndarray) -> pa.Array:
    """The word at each index; NULL for negative indices."""
    words = words if isinstance(words, pa.Array) else pa.array(words, pa.string())
    return words.take(pa.array(index.astype(np.int64), mask=index < 0))


def constant(word: str, rows: int) -> pa.Array:
    """The same text on each of `rows` rows."""
    return pa.array([word], pa.string()).take(pa.array(np.zeros(rows, dtype=np.int8)))


def padded(numbers: np.ndarray, width: int) -> pa.Array:
    """Digits with leading zeros."""
    letters = (digits_of(numbers, width) + ord("0")).astype(np.uint8)
    offsets = np.arange(0, (len(numbers) + 1) * width, width, dtype=np.int32)
    return pa.StringArray.from_buffers(len(numbers), pa.py_buffer(offsets.tobytes()), pa.py_buffer(letters.tobytes()))


def plain(numbers: np.ndarray) -> pa.Array:
    """Numbers as text, without leading zeros."""
    return pa.array(numbers).cast(pa.string())


def joined(*parts: pa.Array | str) -> pa.Array:
    """Concatenated texts; NULL if a part is NULL."""
    return pc.binary_join_element_wise(*parts, "")


def either(condition: np.ndarray, yes: pa.Array | None, no: pa.Array | None) -> pa.Array:
    """`yes` where the condition holds, else `no`; None is NULL."""
    kind = (yes if yes is not None else no).type  # type: ignore[union-attr]
    nothing = pa.scalar(None, kind)
    return pc.if_else(pa.array(condition), nothing if yes is None else yes, nothing if no is None else no)


def hexadecimal(keys: np.ndarray) -> pa.Array:
    """Sixteen hexadecimal digits of each 64-bit key."""
    octets = np.frombuffer(keys.astype(">u8").tobytes(), dtype=np.uint8)
    nibbles = np.stack([octets >> 4, octets & 15], axis=1).reshape(len(keys), 16)
    letters = np.frombuffer(b"0123456789abcdef", dtype=np.uint8)[nibbles]
    offsets = np.arange(0, (len(keys) + 1) * 16, 16, dtype=np.int32)
    return pa.StringArray.from_buffers(len(keys), pa.py_buffer(offsets.tobytes()), pa.py_buffer(letters.tobytes()))


def spark_schema(table: Table, columns: tuple[str, ...]) -> T.StructType:
    """Some columns of a contract table, in this order."""
    return T.StructType([T.StructField(name, table.column(name).kind.spark_type) for name in columns])


def arrow_schema(table: Table, columns: tuple[str, ...]) -> pa.Schema:
    """The Arrow types of some columns of a contract table, in this order."""
    return pa.schema([(name, _ARROW_TYPES.get(table.column(name).kind, pa.string())) for name in columns])


def batch(columns: Mapping[str, pa.Array], schema: pa.Schema) -> pa.RecordBatch:
    """A record batch with exactly the schema's columns."""
    return pa.RecordBatch.from_arrays([columns[name] for name in schema.names], schema=schema)


def _mask(valid: np.ndarray | None) -> np.ndarray | None:
    return None if valid is None else ~valid
