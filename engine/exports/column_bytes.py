"""Fast checks on the bytes of a complete column of text; a regular expression would check value by value."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa


def has_any(values: pa.Array, wanted: bytes) -> bool:
    """Whether any value of a column of text has any of these bytes."""
    _, text = _offsets_and_text(values)
    # bytes below the first of a range wrap around to large numbers
    return any((text - first <= last - first).any() for first, last in _ranges(wanted))


def begins_with_any(values: pa.Array, wanted: bytes) -> bool:
    """Whether any value begins with one of these bytes."""
    starts, ends, text = _starts_ends_text(values)
    return bool(_is_in(wanted)[text[starts[starts < ends]]].any())


def begins_or_ends_with_any(values: pa.Array, wanted: bytes) -> bool:
    """Whether any value begins or ends with one of these bytes."""
    starts, ends, text = _starts_ends_text(values)
    is_given = starts < ends
    is_wanted = _is_in(wanted)
    return bool(is_wanted[text[starts[is_given]]].any() or is_wanted[text[ends[is_given] - 1]].any())


def _starts_ends_text(values: pa.Array) -> tuple[Any, Any, Any]:
    offsets, text = _offsets_and_text(values)
    return offsets[:-1] - offsets[0], offsets[1:] - offsets[0], text


def _offsets_and_text(values: pa.Array) -> tuple[Any, Any]:
    _, offsets, text = values.buffers()
    if not len(values) or text is None:
        return np.zeros(1, np.int32), np.zeros(0, np.uint8)
    places = np.frombuffer(offsets, np.int32)[values.offset : values.offset + len(values) + 1]
    return places, np.frombuffer(text, np.uint8)[places[0] : places[-1]]


@cache
def _ranges(wanted: bytes) -> list[tuple[Any, Any]]:
    """Bytes as ranges, each with its first and last byte."""
    ranges: list[tuple[int, int]] = []
    for byte in sorted(set(wanted)):
        if ranges and ranges[-1][1] == byte - 1:
            ranges[-1] = (ranges[-1][0], byte)
        else:
            ranges.append((byte, byte))
    return [(np.uint8(first), np.uint8(last)) for first, last in ranges]


@cache
def _is_in(wanted: bytes) -> Any:
    table = np.zeros(256, dtype=bool)
    table[list(wanted)] = True
    return table
