"""The file operations that inputs and runs need, and their implementation for local files."""

from __future__ import annotations

import os
import shutil
from abc import ABC, abstractmethod
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

CHUNK = 1 << 18


class StorageError(OSError):
    """An error of a file system other than the local one, with its message."""


@dataclass(frozen=True)
class StoredFile:
    """`name` is relative to the folder that was listed; a single file has its own name."""

    name: str
    uri: str
    length: int


def name_of(uri: str) -> str:
    """The last part of a location; a trailing slash is ignored."""
    return uri.rstrip("/").rpartition("/")[2]


class Files(ABC):
    """The operations on one kind of file system. All raise OSError; see `Storage` for their meaning."""

    @abstractmethod
    def exists(self, uri: str) -> bool:
        """Whether a file or folder is at this location."""

    @abstractmethod
    def is_folder(self, uri: str) -> bool:
        """Whether it is a folder; false if nothing exists at it."""

    @abstractmethod
    def children(self, uri: str) -> list[str]:
        """Names of the entries of a folder, sorted; empty if it does not exist."""

    @abstractmethod
    def files(self, uri: str) -> list[StoredFile]:
        """All files below a folder, sorted by name; the file itself for a file; empty if nothing exists at it."""

    @abstractmethod
    def qualified(self, uri: str) -> str:
        """The location with its scheme, as Spark writes it."""

    @abstractmethod
    def checksum(self, uri: str) -> str | None:
        """The checksum that the file system stores; None if it stores none."""

    @abstractmethod
    def chunks(self, uri: str) -> Generator[bytes, None, None]:
        """The content as stored, piece by piece; closing the iterator closes the file."""

    @abstractmethod
    def last_bytes(self, uri: str, length: int) -> bytes:
        """The end of a file, `length` bytes, as stored."""

    @abstractmethod
    def download(self, uri: str, target: Path) -> None:
        """Copy a file to this machine; an existing `target` is replaced."""

    @abstractmethod
    def upload(self, source: Path, uri: str) -> None:
        """Move a local file; an existing file at `uri` is replaced."""

    @abstractmethod
    def create_new(self, uri: str, content: bytes) -> bool:
        """Create a file; False, without a change, if one exists."""

    @abstractmethod
    def refresh(self, uri: str) -> None:
        """Set the time of modification to now."""

    @abstractmethod
    def modified(self, uri: str) -> float:
        """Time of the last modification, in seconds since 1970 by the file system's clock."""

    @abstractmethod
    def real_location(self, uri: str) -> str:
        """The location without symbolic links and with one spelling, for comparison."""

    @abstractmethod
    def make_folder(self, uri: str) -> None:
        """Create the folder with its parents; an existing one is kept."""

    @abstractmethod
    def delete(self, uri: str) -> None:
        """Delete a file, or a folder with its content; a missing one is no error."""

    @abstractmethod
    def rename(self, source: str, target: str) -> None:
        """Move a file or folder within one file system."""

    @abstractmethod
    def copy(self, source: str, target: str) -> None:
        """Copy a file, or a folder with its content."""


class LocalFiles(Files):
    """This machine's file system; a location is a path, or a path after `file:`.

    `files` skips Hadoop's checksum files (`.x.crc`), as Hadoop does.
    """

    def exists(self, uri: str) -> bool:
        return os.path.exists(local(uri))

    def is_folder(self, uri: str) -> bool:
        return os.path.isdir(local(uri))

    def children(self, uri: str) -> list[str]:
        path = local(uri)
        if not path.exists():
            return []
        return sorted(os.listdir(path)) if path.is_dir() else [path.name]

    def files(self, uri: str) -> list[StoredFile]:
        root = Path(os.path.abspath(local(uri)))
        if not root.is_dir():
            return [_stored(root.name, root)] if root.exists() else []
        listed = []
        for folder, _, names in os.walk(root, onerror=_raise, followlinks=True):
            paths = (Path(folder, name) for name in names if not _is_checksum(name))
            # a broken link is not a file
            listed += [_stored(path.relative_to(root).as_posix(), path) for path in paths if path.exists()]
        return sorted(listed, key=lambda file: file.name)

    def qualified(self, uri: str) -> str:
        return f"file:{os.path.abspath(local(uri))}"

    def checksum(self, uri: str) -> str | None:
        del uri
        return None

    def chunks(self, uri: str) -> Generator[bytes, None, None]:
        with local(uri).open("rb") as file:
            while chunk := file.read(CHUNK):
                yield chunk

    def last_bytes(self, uri: str, length: int) -> bytes:
        with local(uri).open("rb") as file:
            file.seek(-length, os.SEEK_END)
            return file.read()

    def download(self, uri: str, target: Path) -> None:
        shutil.copyfile(local(uri), target)

    def upload(self, source: Path, uri: str) -> None:
        target = local(uri)
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f".{target.name}.part")
        try:
            shutil.move(source, part)
            part.replace(target)
        except BaseException:
            part.unlink(missing_ok=True)
            raise

    def create_new(self, uri: str, content: bytes) -> bool:
        path = local(uri)
        try:
            file = path.open("xb")
        except FileExistsError:
            return False
        try:
            with file:
                file.write(content)
        except OSError:
            path.unlink()
            raise
        return True

    def refresh(self, uri: str) -> None:
        os.utime(local(uri))

    def modified(self, uri: str) -> float:
        return local(uri).stat().st_mtime

    def real_location(self, uri: str) -> str:
        return str(local(uri).resolve())

    def make_folder(self, uri: str) -> None:
        local(uri).mkdir(parents=True, exist_ok=True)

    def delete(self, uri: str) -> None:
        path = local(uri)
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)

    def rename(self, source: str, target: str) -> None:
        local(source).rename(local(target))

    def copy(self, source: str, target: str) -> None:
        old, new = local(source), local(target)
        new.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if old.is_dir() else shutil.copyfile)(old, new)


def local(uri: str) -> Path:
    """The path of a location on this machine: `/a`, `a`, `file:/a` and `file:///a`."""
    if uri[:5].lower() != "file:":
        return Path(uri)
    path = uri[5:]
    return Path("/" + path[2:].partition("/")[2] if path.startswith("//") else path)


def _stored(name: str, path: Path) -> StoredFile:
    return StoredFile(name, f"file:{path}", path.stat().st_size)


def _is_checksum(name: str) -> bool:
    return name.startswith(".") and name.endswith(".crc")


def _raise(error: OSError) -> None:
    raise error
