"""Object stores (s3://, gs://, abfss://) without a JVM, through pyarrow's file systems."""

from __future__ import annotations

import re
from collections.abc import Generator
from pathlib import Path
from typing import Any

from pyarrow import fs

from engine.runtime.files import CHUNK, Files, StorageError, StoredFile, name_of

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
# pyarrow's scheme by the schemes of Hadoop and others.
_SCHEMES = {"file": "file", "s3": "s3", "s3a": "s3", "s3n": "s3", "gs": "gs", "abfs": "abfs", "abfss": "abfss"}


class ObjectStores(Files):
    """Locations of the object stores that pyarrow knows; credentials come from each store's default sources.

    Names keep their spelling, including `s3a://`.
    """

    is_local_by_default = True

    def __init__(self) -> None:
        # by scheme and bucket: the file system, and the path of its root
        self._opened: dict[str, tuple[Any, str]] = {}

    def _at(self, uri: str) -> tuple[Any, str]:
        store, path = self._split(uri)
        if store not in self._opened:
            self._opened[store] = fs.FileSystem.from_uri(store)
        file_system, root = self._opened[store]
        return file_system, f"{root.rstrip('/')}/{path}"

    def _split(self, uri: str) -> tuple[str, str]:
        """The store or bucket as pyarrow names it, ending in a slash, and the path in it."""
        scheme, _, remainder = uri.partition(":") if _SCHEME.match(uri) else ("file", "", uri)
        store = _SCHEMES.get(scheme.lower())
        if store is None:
            raise StorageError(
                f'No FileSystem for scheme "{scheme}": the embedded engine reaches local paths, s3://, gs:// and '
                "abfss://; use --engine spark for others"
            )
        authority, _, path = (
            remainder[2:].partition("/") if remainder.startswith("//") else ("", "", remainder.lstrip("/"))
        )
        return f"{store}://{authority}/", path

    def exists(self, uri: str) -> bool:
        return self._info(uri).type != fs.FileType.NotFound

    def is_folder(self, uri: str) -> bool:
        return bool(self._info(uri).type == fs.FileType.Directory)

    def _info(self, uri: str) -> Any:
        file_system, path = self._at(uri)
        return file_system.get_file_info(path.rstrip("/") or path)

    def children(self, uri: str) -> list[str]:
        file_system, path = self._at(uri)
        entries = file_system.get_file_info(fs.FileSelector(path, allow_not_found=True))
        return sorted(info.base_name for info in entries)

    def files(self, uri: str) -> list[StoredFile]:
        file_system, path = self._at(uri)
        info = self._info(uri)
        root = self.qualified(uri)
        if info.type == fs.FileType.File:
            return [StoredFile(name_of(root), root, int(info.size))]
        below = fs.FileSelector(path.rstrip("/"), allow_not_found=True, recursive=True)
        listed = []
        for info in file_system.get_file_info(below):
            if info.type == fs.FileType.File:
                name = info.path[len(path.rstrip("/")) :].lstrip("/")
                listed.append(StoredFile(name, f"{root}/{name}", int(info.size)))
        return sorted(listed, key=lambda file: file.name)

    def qualified(self, uri: str) -> str:
        return uri.rstrip("/")

    def checksum(self, uri: str) -> str | None:
        del uri
        return None

    def chunks(self, uri: str) -> Generator[bytes, None, None]:
        file_system, path = self._at(uri)
        with file_system.open_input_stream(path, compression=None) as stream:
            while chunk := stream.read(CHUNK):
                yield chunk

    def last_bytes(self, uri: str, length: int) -> bytes:
        file_system, path = self._at(uri)
        with file_system.open_input_file(path) as file:
            file.seek(file.size() - length)
            return bytes(file.read())

    def download(self, uri: str, target: Path) -> None:
        with target.open("wb") as file:
            for chunk in self.chunks(uri):
                file.write(chunk)

    def upload(self, source: Path, uri: str) -> None:
        file_system, path = self._at(uri)
        self._make_parent(file_system, path)
        with source.open("rb") as file, file_system.open_output_stream(path) as stream:
            while chunk := file.read(CHUNK):
                stream.write(chunk)
        source.unlink()

    def _make_parent(self, file_system: Any, path: str) -> None:
        parent = path.rpartition("/")[0]
        if parent.strip("/"):
            file_system.create_dir(parent, recursive=True)

    def create_new(self, uri: str, content: bytes) -> bool:
        file_system, path = self._at(uri)
        if self.exists(uri):
            return False
        with file_system.open_output_stream(path) as stream:
            stream.write(content)
        return True

    def refresh(self, uri: str) -> None:
        file_system, path = self._at(uri)
        content = b"".join(self.chunks(uri))
        with file_system.open_output_stream(path) as stream:
            stream.write(content)

    def modified(self, uri: str) -> float:
        info = self._info(uri)
        if info.type == fs.FileType.NotFound:
            raise StorageError(f"no such file: {uri}")
        return float(info.mtime_ns) / 1e9

    def real_location(self, uri: str) -> str:
        store, path = self._split(uri)
        return store + path.rstrip("/")

    def make_folder(self, uri: str) -> None:
        file_system, path = self._at(uri)
        file_system.create_dir(path, recursive=True)

    def delete(self, uri: str) -> None:
        file_system, path = self._at(uri)
        kind = self._info(uri).type
        if kind == fs.FileType.Directory:
            file_system.delete_dir(path.rstrip("/"))
        elif kind == fs.FileType.File:
            file_system.delete_file(path)

    def rename(self, source: str, target: str) -> None:
        file_system, path = self._at(source)
        file_system.move(path.rstrip("/"), self._at(target)[1].rstrip("/"))

    def copy(self, source: str, target: str) -> None:
        old_system, old = self._at(source)
        new_system, new = self._at(target)
        if self._info(source).type == fs.FileType.Directory:
            new_system.create_dir(new, recursive=True)
        else:
            self._make_parent(new_system, new)
        fs.copy_files(old, new, source_filesystem=old_system, destination_filesystem=new_system)
