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

# Sample of a text file: enough lines for their mean length, and a complete block of bzip2.
_SAMPLE = 1 << 20
# Used if lines cannot be sampled, as in workbooks: the length of a short claim row.
_ROW_BYTES = 300
# With more files, this many are sampled and represent the others.
_MOST_FILES = 200
# Small files are skipped: even uncompressed they do not matter.
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
    """Rows and bytes as read: text uncompressed, Parquet encoded. Rows of text files are estimated."""

    bytes: float = 0
    rows: float = 0

    def __add__(self, other: InputSize) -> InputSize:
        """The size of two inputs together."""
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
    """Rows and bytes of the files. An unreadable file counts with its bytes; the job itself reports it."""
    lengths = {file: file.stat().st_size for file in files if file.exists()}
    looked_at = list(lengths)[:: max(1, -(-len(lengths) // _MOST_FILES))]
    seen = sum((_size(file) for file in looked_at), InputSize())
    bytes_seen = sum(lengths[file] for file in looked_at)
    share = sum(lengths.values()) / bytes_seen if bytes_seen else 1.0
    return InputSize(seen.bytes * share, seen.rows * share)


def _matches(path: str, root: str | None) -> list[Path]:
    """The files of a path: the existing file or folder of that name, else the matches of the pattern."""
    location = path if root is None or path.startswith(("/", "file:")) or "://" in path else os.path.join(root, path)
    if not location.strip() or _IS_REMOTE.match(location):
        return []
    place = str(local(location))
    if os.path.exists(place):
        return [Path(place)]
    return [Path(match) for pattern in _alternatives(place) for match in glob.glob(pattern, recursive=True)]


def _alternatives(pattern: str) -> Iterator[str]:
    """Expand a pattern with {a,b} into one with a and one with b."""
    match = _ALTERNATIVES.search(pattern)
    if match is None:
        yield pattern
        return
    for option in match.group(1).split(","):
        yield from _alternatives(pattern[: match.start()] + option + pattern[match.end() :])


def _below(place: Path) -> Iterator[Path]:
    """The files of a location, without hidden files and markers such as `_SUCCESS`."""
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
    # zlib, zipfile and pyarrow raise their own errors for damaged files
    except Exception:
        return InputSize(length, length / _ROW_BYTES)
    expanded = length * len(text) / max(1, len(start))
    lines = text.count(b"\n")
    return InputSize(expanded, expanded / (len(text) / lines if lines else _ROW_BYTES))


def _of_parquet(file: Path) -> InputSize:
    # imported late: the import takes longer than measuring a small input
    import pyarrow.parquet as pq

    footer = pq.read_metadata(file)
    groups = (footer.row_group(number) for number in range(footer.num_row_groups))
    return InputSize(sum(group.total_byte_size for group in groups), footer.num_rows)
