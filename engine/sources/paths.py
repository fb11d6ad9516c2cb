"""The files of a configured path: an existing file or folder of that name, otherwise a pattern."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from engine.runtime.storage import Storage, StoredFile, join, name_of
from engine.sources.frames import is_data, is_hidden

_IS_PATTERN = re.compile(r"[*?\[{]")
_ALTERNATIVES = re.compile(r"\{([^{}]*,[^{}]*)\}")
_ROOT = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]*:(?://[^/]*)?)?/+")
_DOCUMENT = re.compile(
    r"(?i)^(?:read[ _-]?me|licen[cs]e|notes?|changelog)\b|\.(?:md|pdf|docx?|rtf|html?|log|crc|md5|sha256)$"
)
_MOST_NAMED = 20


def files_at(storage: Storage, root: str | None, path: str) -> list[StoredFile]:
    """The data files of a path, sorted; none if nothing of that name exists and nothing matches it as a pattern.

    A relative path is taken below `root`. A part of the path that exists by exactly that name is literal, brackets
    included; otherwise `*`, `?`, `[ab]` and `{a,b}` match within a name and `**` matches any number of folders, except
    hidden names (`.x`, `_x`). Files below a folder are named relative to it, from the first partition folder
    (`state=AK/`) in the path on if it has one.
    """
    location = location_of(root, path)
    if storage.exists(location):
        above = _from_first_partition(path.strip("/").split("/"))
        if not storage.is_folder(location):
            return [replace(file, name="/".join(above) or file.name) for file in storage.files(location)]
        return [replace(file, name="/".join((*above, file.name))) for file in storage.files(location) if is_data(file)]
    start, relative = _start(root, path)
    matches: dict[str, StoredFile] = {}
    for alternative in _alternatives(relative):
        for uri, below in _matches(storage, start, [part for part in alternative.split("/") if part], ()):
            is_folder = storage.is_folder(uri)
            for file in storage.files(uri):
                if not is_folder or is_data(file):
                    parts = (*below, *file.name.split("/")) if is_folder else below
                    matches[file.uri] = replace(file, name="/".join(_from_first_partition(parts)) or parts[-1])
    return sorted(matches.values(), key=lambda file: file.uri)


def is_pattern(path: str) -> bool:
    """Whether a path names files by a pattern (`*`, `?`, `[...]`, `{...}`)."""
    return _IS_PATTERN.search(path) is not None


def location_of(root: str | None, path: str) -> str:
    """The path joined to its root."""
    return path if root is None or is_absolute(path) else join(root, path)


def is_absolute(path: str) -> bool:
    """Whether a path is complete, so that it does not depend on the input's root."""
    return path.startswith(("/", "file:")) or "://" in path


def is_document(file: StoredFile) -> bool:
    """A note of the sender next to data files: a README, a PDF, a checksum."""
    return _DOCUMENT.search(name_of(file.name)) is not None


def existing_part(storage: Storage, root: str | None, path: str) -> tuple[str, list[str]]:
    """The deepest folder of a path that exists, and up to 20 names in it, for messages."""
    folder, relative = _start(root, path)
    for part in relative.split("/"):
        if not storage.is_folder(join(folder, part)):
            break
        folder = join(folder, part)
    return folder, [name for name in _children(storage, folder) if not is_hidden(name)][:_MOST_NAMED]


def _start(root: str | None, path: str) -> tuple[str, str]:
    """The existing start of the path, and the remaining pattern."""
    if root is not None and not is_absolute(path):
        return root, path.lstrip("/")
    match = _ROOT.match(path)
    return (match.group(), path[match.end() :]) if match else (".", path)


def _matches(
    storage: Storage, folder: str, parts: list[str], below: tuple[str, ...]
) -> Iterator[tuple[str, tuple[str, ...]]]:
    if not parts:
        yield folder, below
        return
    part, remaining = parts[0], parts[1:]
    if part == "**":
        yield from _matches(storage, folder, remaining, below)
        for name in _children(storage, folder):
            if not is_hidden(name) and storage.is_folder(join(folder, name)):
                yield from _matches(storage, join(folder, name), parts, (*below, name))
    elif not is_pattern(part) or storage.exists(join(folder, part)):
        if storage.exists(join(folder, part)):
            yield from _matches(storage, join(folder, part), remaining, (*below, part))
    else:
        # Hadoop and shells write [^a] where Python writes [!a]
        pattern = part.replace("[^", "[!")
        for name in _children(storage, folder):
            is_wanted = not is_hidden(name) or part[0] == name[0]
            if is_wanted and fnmatch.fnmatchcase(name, pattern):
                yield from _matches(storage, join(folder, name), remaining, (*below, name))


def _children(storage: Storage, folder: str) -> list[str]:
    return storage.children(folder) if storage.is_folder(folder) else []


def _alternatives(pattern: str) -> list[str]:
    match = _ALTERNATIVES.search(pattern)
    if match is None:
        return [pattern]
    before, after = pattern[: match.start()], pattern[match.end() :]
    return [expanded for option in match.group(1).split(",") for expanded in _alternatives(f"{before}{option}{after}")]


def _from_first_partition(parts: Iterable[str]) -> tuple[str, ...]:
    names = tuple(parts)
    first = next((n for n, part in enumerate(names) if "=" in part), None)
    return () if first is None else names[first:]
