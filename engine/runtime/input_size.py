"""Rows and bytes of a run's input files, from Parquet footers and the first part of texts."""

from __future__ import annotations

import bz2
import glob
import os
import re
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from engine.contracts.tables import TABLES
from engine.runtime.files import LocalFiles, local
from engine.settings import Settings

# Of a text: enough lines for their mean length, and a whole block of bzip2.
_SAMPLE = 1 << 20
# Where lines cannot be sampled, as in workbooks: a short row of claims.
_ROW_BYTES = 300
# Of more files, this many are looked at and stand for the others.
_MOST_FILES = 200
# Uncompressed bytes may be many times those of the file, but not so many that these would matter.
SMALL_INPUT = 10_000_000

_IS_REMOTE = re.compile(r"(?!file:)[A-Za-z][A-Za-z0-9+.-]*://", re.IGNORECASE)
_ALTERNATIVES = re.compile(r"\{([^{}]*)\}")
_ZIPPED = {".zip", ".xlsx", ".xlsm", ".xlsb", ".ods"}
_INFLATERS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": lambda content: zlib.decompressobj(wbits=31).decompress(content),
    ".bz2": lambda content: bz2.BZ2Decompressor().decompress(content),
}


@dataclass(frozen=True)
class InputSize:
    """Bytes as read: uncompressed, and of Parquet encoded. Rows of texts are estimated."""

    bytes: float = 0
    rows: float = 0

    def __add__(self, other: InputSize) -> InputSize:
        return InputSize(self.bytes + other.bytes, self.rows + other.rows)


def input_files(settings: Settings) -> list[Path]:
    """The input's files on this machine: tables by name in the input folder, and those of the tables' own paths."""
    root = settings.input.root
    places: list[Path] = []
    if root and not _IS_REMOTE.match(root) and (folder := local(root)).is_dir():
        places += [entry for entry in folder.iterdir() if entry.name.partition(".")[0].lower() in TABLES]
    for table in settings.input.tables.values():
        for place in (table, table.fallback):
            for path in place.paths if place else ():
                places += _matches(path, root)
    return sorted({file for place in places for file in _below(place)})


def input_size(files: Iterable[Path]) -> InputSize:
    """What the files hold. A file that cannot be read counts with its bytes: the job reports what is wrong with it."""
    lengths = {file: file.stat().st_size for file in files if file.exists()}
    looked_at = list(lengths)[:: max(1, -(-len(lengths) // _MOST_FILES))]
    seen = sum((_size(file) for file in looked_at), InputSize())
    bytes_seen = sum(lengths[file] for file in looked_at)
    share = sum(lengths.values()) / bytes_seen if bytes_seen else 1.0
    return InputSize(seen.bytes * share, seen.rows * share)


def _matches(path: str, root: str | None) -> list[Path]:
    """What a path names: what exists by that name, else what matches it as a pattern."""
    whole = path if root is None or path.startswith(("/", "file:")) or "://" in path else os.path.join(root, path)
    if not whole.strip() or _IS_REMOTE.match(whole):
        return []
    place = str(local(whole))
    if os.path.exists(place):
        return [Path(place)]
    return [Path(found) for one in _alternatives(place) for found in glob.glob(one, recursive=True)]


def _alternatives(pattern: str) -> Iterator[str]:
    """A pattern with {a,b} as one with a and one with b."""
    found = _ALTERNATIVES.search(pattern)
    if found is None:
        yield pattern
        return
    for one in found.group(1).split(","):
        yield from _alternatives(pattern[: found.start()] + one + pattern[found.end() :])


def _below(place: Path) -> Iterator[Path]:
    """The files of a place, without hidden ones and those of no rows, such as `_SUCCESS`."""
    for file in LocalFiles().files(str(place)):
        if not file.name.rpartition("/")[2].startswith((".", "_")):
            yield Path(os.path.abspath(place), file.name) if place.is_dir() else Path(os.path.abspath(place))


def _size(file: Path) -> InputSize:
    length = file.stat().st_size
    ending = file.suffix.lower()
    try:
        if ending == ".parquet":
            return _of_parquet(file)
        if ending in _ZIPPED:
            with zipfile.ZipFile(file) as archive:
                content = sum(member.file_size for member in archive.infolist())
            return InputSize(content, content / _ROW_BYTES)
        with file.open("rb") as opened:
            start = opened.read(_SAMPLE)
        text = _INFLATERS[ending](start) if ending in _INFLATERS else start
    # zlib, zipfile and pyarrow raise errors of their own on files that are damaged
    except Exception:
        return InputSize(length, length / _ROW_BYTES)
    expanded = length * len(text) / max(1, len(start))
    lines = text.count(b"\n")
    return InputSize(expanded, expanded / (len(text) / lines if lines else _ROW_BYTES))


def _of_parquet(file: Path) -> InputSize:
    # takes longer to import than a small input to measure
    import pyarrow.parquet as pq

    footer = pq.read_metadata(file)
    groups = (footer.row_group(number) for number in range(footer.num_row_groups))
    return InputSize(sum(group.total_byte_size for group in groups), footer.num_rows)
