"""Records of JSON files, strict about bytes, keys and values; numbers keep the text they were written as.

Plain Python without Spark. No message quotes the content of a file.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

from engine.sources.text_records import Opener, decompressed

NOT_UTF8 = "not_utf8"
NO_OBJECT = "no_object"
_MARK = b"\xef\xbb\xbf"
# Kinds of values of a key, named as in Spark's schema descriptions.
NUMBER, TEXT, BOOLEAN, OBJECT, ARRAY, VOID, MIXED = "DECIMAL", "STRING", "BOOLEAN", "OBJECT", "ARRAY", "VOID", "VARIANT"

Record = dict[str, Any]


class _Number(str):
    """A number as it was written."""


def records(opener: Opener, name: str, wrong: Counter[str] | None = None) -> Iterator[Record]:
    """Every object of a file with one per line; other lines are counted in `wrong` or raise ValueError.

    Raises:
        DamagedTextError: an unsupported codec.
        OSError, EOFError, zlib.error: a damaged archive.
    """
    with opener() as stored:
        content = decompressed(stored, name)
        for number, line in enumerate(part for long in content for part in long.splitlines()):
            text = line.removeprefix(_MARK) if number == 0 else line
            if not text.strip(b" "):
                continue
            try:
                yield parse(text.decode("utf-8"))
            except UnicodeDecodeError:
                if wrong is None:
                    raise
                wrong[NOT_UTF8] += 1
            except (ValueError, RecursionError):
                if wrong is None:
                    raise
                wrong[NO_OBJECT] += 1


def documents(opener: Opener, name: str) -> list[Record]:
    """The objects of a file that is one object or a list of them. Raises as `records`, without counting."""
    with opener() as stored:
        content = decompressed(stored, name)  # has a name, because the file is closed with it
        value = _loaded(content.read().removeprefix(_MARK).decode("utf-8"))
        listed = value if isinstance(value, list) else [value]
        if not all(isinstance(item, dict) for item in listed):
            raise ValueError
        return listed


def parse(text: str) -> Record:
    """Parse one object; ValueError for anything else and for a key that occurs twice in one object."""
    record = _loaded(text)
    if not isinstance(record, dict):
        raise ValueError
    return record


def kind_of(value: Any) -> str:
    """The kind of a JSON value, in the words of messages."""
    if isinstance(value, _Number):
        return NUMBER
    kinds = ((str, TEXT), (bool, BOOLEAN), (dict, OBJECT), (list, ARRAY))
    return next((kind for python, kind in kinds if isinstance(value, python)), VOID)


def common_kind(kinds: set[str]) -> str:
    """The common kind of values of several kinds; NULL fits any kind."""
    not_null = kinds - {VOID}
    return (not_null.pop() if len(not_null) == 1 else MIXED) if not_null else VOID


def as_text(value: Any) -> str | None:
    """A value as the column holds it: text as it is, others as JSON, null as NULL."""
    if value is None or isinstance(value, str):
        return None if value is None else str(value)
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _loaded(text: str) -> Any:
    # the text may escape half of a surrogate pair, which no column can hold
    value = json.loads(
        text, parse_int=_Number, parse_float=_Number, parse_constant=_refuse, object_pairs_hook=_with_keys_once
    )
    if "\\u" in text:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    return value


def _with_keys_once(pairs: list[tuple[str, Any]]) -> Record:
    record = dict(pairs)
    if len(record) != len(pairs):
        raise ValueError
    return record


def _refuse(constant: str) -> Any:
    raise ValueError(constant)
