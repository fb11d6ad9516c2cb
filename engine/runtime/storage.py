"""Files and folders at any location: local paths without the JVM, others through the session's engine."""

from __future__ import annotations

import bz2
import errno
import os
import re
import shutil
import tempfile
import weakref
import zlib
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession

from engine.errors import OutputError, Problem
from engine.runtime.files import Files, LocalFiles, StorageError, StoredFile, local, name_of
from engine.runtime.kinds import is_classic

__all__ = ["SUCCESS_MARKER", "Storage", "StorageError", "StoredFile", "join", "name_of", "storage_fault", "storage_of"]

SUCCESS_MARKER = "_SUCCESS"
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")


def join(root: str, *names: str) -> str:
    """A location below a folder; a trailing slash of the folder is ignored."""
    return "/".join([root.rstrip("/"), *names])


def storage_of(spark: SparkSession) -> Storage:
    """The storage that a session's engine reads and writes: Hadoop's file systems on Spark, else object stores."""
    if is_classic(spark):
        # py4j is imported only if there is a JVM
        from engine.runtime.hadoop import HadoopFiles

        return Storage(HadoopFiles(spark))
    from engine.runtime.object_stores import ObjectStores

    return Storage(ObjectStores())


class Storage:
    """The few file operations that a run needs.

    Local paths never need the JVM, so a run can still manage its own folders after the JVM has ended.
    Failures while reading are OSError; failures while writing are OutputError with the location and the file system's
    message.

    Args:
        remote: the file system of locations that are not on this machine; None if there are none.
    """

    def __init__(self, remote: Files | None = None):
        self._local_files = LocalFiles()
        # one for all files: making and removing a folder takes longer than writing a small file
        self._scratch = Path(tempfile.mkdtemp())
        weakref.finalize(self, shutil.rmtree, self._scratch, ignore_errors=True)
        self._numbers = count()
        self._remote = remote
        self._is_local_by_default = getattr(remote, "is_local_by_default", True)

    def _local(self, uri: str) -> Path | None:
        scheme = _SCHEME.match(uri)
        if scheme is None:
            return Path(uri) if self._is_local_by_default else None
        return local(uri) if scheme.group(1).lower() == "file" else None

    def _files(self, *uris: str) -> Files:
        """The file system that has all of these locations."""
        if all(self._local(uri) is not None for uri in uris):
            return self._local_files
        if self._remote is None:
            raise StorageError(f"not a local path: {uris[0]}")
        return self._remote

    def exists(self, uri: str) -> bool:
        """Whether a file or folder is at this location."""
        return self._files(uri).exists(uri)

    def is_folder(self, uri: str) -> bool:
        """Whether it is a folder; false if nothing exists at it."""
        return self._files(uri).is_folder(uri)

    def children(self, uri: str) -> list[str]:
        """Names in a folder, sorted; none if it does not exist."""
        return self._files(uri).children(uri)

    def qualified(self, uri: str) -> str:
        """The location as `files` writes it: absolute, with its scheme."""
        return self._files(uri).qualified(uri)

    def files(self, uri: str) -> list[StoredFile]:
        """Every file in a folder and below, sorted by name; for a file, the file; none if nothing exists there."""
        return self._files(uri).files(uri)

    def local_path(self, uri: str) -> Path | None:
        """The path that Python can open directly; None unless the file is local."""
        path = self._local(uri)
        return None if path is None else path.absolute()

    def checksum(self, uri: str) -> str | None:
        """The checksum that the file system stores for the content; None if it stores none."""
        return self._files(uri).checksum(uri)

    def first_bytes(self, uri: str, length: int) -> bytes:
        """The first bytes of a file, uncompressed if its extension is `.gz` or `.bz2`.

        Raises:
            StorageError: the file's codec is not that of its extension.
        """
        content = bytearray()
        with closing(_unpacked(self._files(uri).chunks(uri), uri)) as chunks:
            while len(content) < length and (chunk := next(chunks, None)) is not None:
                content += chunk
        return bytes(content[:length])

    def last_bytes(self, uri: str, length: int) -> bytes:
        """The last bytes of a file, as stored."""
        return self._files(uri).last_bytes(uri, length)

    @contextmanager
    def local_copy(self, uri: str) -> Iterator[Path]:
        """A file for libraries that open local paths only: the file itself if it is local, else a temporary copy."""
        path = self.local_path(uri)
        if path is not None:
            yield path
            return
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder, name_of(uri))
            self._files(uri).download(uri, copy)
            yield copy

    def read_bytes(self, uri: str) -> bytes:
        """The content of a file, as stored, all of it in memory."""
        with self.local_copy(uri) as path:
            return path.read_bytes()

    def write_bytes(self, uri: str, content: bytes) -> None:
        """Write a file; an existing one is replaced when the content is complete."""
        with self.local_file(uri) as path:
            path.write_bytes(content)

    def write_text(self, uri: str, content: str) -> None:
        """Write a file in UTF-8; an existing one is replaced when the content is complete."""
        self.write_bytes(uri, content.encode("utf-8"))

    @contextmanager
    def local_file(self, uri: str) -> Iterator[Path]:
        """A local file to write with any library; it is moved to `uri` when the block succeeds."""
        path = Path(self._scratch, f"{next(self._numbers)}-{name_of(uri)}")
        try:
            yield path
            with _output_errors(uri, "cannot write the file"):
                self._files(uri).upload(path, uri)
        finally:
            path.unlink(missing_ok=True)

    def create_new(self, uri: str, content: bytes) -> bool:
        """Write a file that does not exist yet; False if something exists, also if another process is first.

        Atomic on local file systems and HDFS. An object store may let two processes succeed: read the file again.
        """
        with _output_errors(uri, "cannot write the file"):
            return self._files(uri).create_new(uri, content)

    def refresh(self, uri: str) -> None:
        """Set a file's modification time to now, by the clock of its file system if it has one."""
        with _output_errors(uri, "cannot write the file"):
            self._files(uri).refresh(uri)

    def modified(self, uri: str) -> float:
        """When a file was last written, in seconds since 1970 by the clock of its file system."""
        return self._files(uri).modified(uri)

    def real_location(self, uri: str) -> str:
        """The canonical name of a location, for comparison: absolute, with symbolic links resolved if it is local."""
        return self._files(uri).real_location(uri)

    def make_folder(self, uri: str) -> None:
        """Create the folder with its parents. Raises OutputError if the file system refuses."""
        with _output_errors(uri, "cannot create the folder"):
            self._files(uri).make_folder(uri)

    def delete(self, uri: str) -> None:
        """Delete a file, or a folder with its content. Raises OutputError if the file system refuses."""
        with _output_errors(uri, "cannot delete"):
            self._files(uri).delete(uri)

    def rename(self, source: str, target: str) -> None:
        """Move a folder to an unused name. Raises OutputError if the name exists."""
        with _output_errors(target, "cannot move the finished run into place"):
            if self.exists(target):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
            self._files(source, target).rename(source, target)

    def copy(self, source: str, target: str) -> None:
        """Copy a file or folder to an unused name."""
        with _output_errors(target, "cannot copy the finished run into place"):
            self._files(source, target).copy(source, target)


def _unpacked(chunks: Generator[bytes, None, None], uri: str) -> Generator[bytes, None, None]:
    """The content of a file, uncompressed by the codec of its extension."""
    is_gzip = uri.endswith(".gz")
    if not is_gzip and not uri.endswith(".bz2"):
        yield from chunks
        return
    codec: Any = None
    try:
        for chunk in chunks:
            packed = chunk
            while packed:
                if codec is None:
                    codec = zlib.decompressobj(zlib.MAX_WBITS | 16) if is_gzip else bz2.BZ2Decompressor()
                yield codec.decompress(packed)
                # a file may be a concatenation of several
                packed = codec.unused_data.lstrip(b"\0") if codec.eof else b""
                codec = None if codec.eof else codec
    except (zlib.error, OSError) as error:
        if getattr(error, "errno", None) is not None or isinstance(error, StorageError):
            raise
        kind = "gzip" if is_gzip else "bzip2"
        raise StorageError(f"the file is damaged, or it is not {kind} despite its extension") from None


# What to do, by the system's message.
_REMEDIES = {
    "No space left on device": "free space there, or use another --output",
    "Disk quota exceeded": "free space there or raise the quota, or use another --output",
    "Read-only file system": "make it writable, or use another --output",
    "database or disk is full": "free space there, or use another --output",
}


def storage_fault(text: str) -> tuple[str, str] | None:
    """The fault of a full or read-only file system in a message, and what to do; None for any other message."""
    if re.search(r"\b[DN]SQuotaExceededException|quota .*is exceeded", text):
        return "Disk quota exceeded", _REMEDIES["Disk quota exceeded"]
    return next((fault for fault in _REMEDIES.items() if fault[0].lower() in text.lower()), None)


@contextmanager
def _output_errors(uri: str, what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        message = str(error)
        _, to_do = storage_fault(message) or ("", "fix output.root or its permissions")
        raise OutputError(Problem(what, uri, message, "a location that this user may write to", to_do)) from None
