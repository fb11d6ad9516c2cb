"""Fingerprint of an input table, to detect whether the data of two runs differ."""

from __future__ import annotations

import hashlib

from engine.runtime.storage import Storage
from engine.sources.location import Location


def fingerprint(storage: Storage, location: Location) -> str:
    """SHA-256 over the sorted files of a location: name relative to it, length, checksum of the content.

    The checksum is SHA-256 of the bytes for files on this machine (about a second per GB), otherwise the checksum that
    the file system stores (HDFS, object stores with it enabled), or empty if it stores none: then a file rewritten
    under the same name with the same length is not detected. A location without files (a catalog's table) is identified
    by its name only.
    """
    files = sorted(location.files or storage.files(location.uri), key=lambda file: (file.name, file.uri))
    described = [f"{file.name}\n{file.length}\n{_checksum(storage, file.uri)}\n" for file in files] or [location.uri]
    return hashlib.sha256("".join(described).encode()).hexdigest()


def _checksum(storage: Storage, uri: str) -> str:
    local = storage.local_path(uri)
    if local is None:
        return storage.checksum(uri) or ""
    with local.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
