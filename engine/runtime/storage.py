"""Files and folders at any location that Hadoop's file systems serve (local paths, hdfs://, abfss://, s3a://)."""

from __future__ import annotations

import errno
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from py4j.protocol import Py4JError, Py4JJavaError
from pyspark.sql import SparkSession

from engine.errors import OutputError, Problem

SUCCESS_MARKER = "_SUCCESS"
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(?://[^/]*(?=/))?")


def join(root: str, *names: str) -> str:
    return "/".join([root.rstrip("/"), *names])


def name_of(uri: str) -> str:
    return uri.rstrip("/").rpartition("/")[2]


@dataclass(frozen=True)
class StoredFile:
    """`name` is relative to the folder that was listed; a file listed by itself has its own name."""

    name: str
    uri: str
    length: int


class Storage:
    """The few file operations that a run needs, through Hadoop's FileSystem.

    What a run does to its own folders works on local paths without the JVM, so that it can still be done when the JVM
    has gone. Failures while writing are OutputError with the location and the file system's message.
    """

    def __init__(self, spark: SparkSession):
        self._jvm: Any = spark.sparkContext._jvm
        self._hadoop: Any = spark.sparkContext._jsc.hadoopConfiguration()
        self._is_local_by_default = str(self._hadoop.get("fs.defaultFS", "file:///")).startswith("file:")

    def _path(self, uri: str) -> tuple[Any, Any]:
        path = self._jvm.org.apache.hadoop.fs.Path(uri)
        return path.getFileSystem(self._hadoop), path

    def _local(self, uri: str) -> Path | None:
        scheme = _SCHEME.match(uri)
        if scheme is None:
            return Path(uri) if self._is_local_by_default else None
        return Path(uri[scheme.end() :]) if scheme.group(1).lower() == "file" else None

    def exists(self, uri: str) -> bool:
        if (local := self._local(uri)) is not None:
            return os.path.exists(local)
        file_system, path = self._path(uri)
        return bool(file_system.exists(path))

    def is_folder(self, uri: str) -> bool:
        if (local := self._local(uri)) is not None:
            return os.path.isdir(local)
        file_system, path = self._path(uri)
        return bool(file_system.exists(path) and file_system.getFileStatus(path).isDirectory())

    def children(self, uri: str) -> list[str]:
        """Names in a folder, sorted; none where it is not there."""
        local = self._local(uri)
        if local is not None and not os.path.exists(local):
            return []
        if local is not None and local.is_dir() and os.access(local, os.R_OK):
            return sorted(os.listdir(local))
        file_system, path = self._path(uri)
        if not file_system.exists(path):
            return []
        return sorted(status.getPath().getName() for status in file_system.listStatus(path))

    def qualified(self, uri: str) -> str:
        """The location as `files` writes it: absolute, with its scheme."""
        file_system, path = self._path(uri)
        return str(file_system.makeQualified(path).toString())

    def files(self, uri: str) -> list[StoredFile]:
        """Every file in a folder and below, sorted by name; of a file, itself; none where nothing is there."""
        file_system, path = self._path(uri)
        if not file_system.exists(path):
            return []
        root = file_system.makeQualified(path).toString()
        found = []
        listing = file_system.listFiles(path, True)
        while listing.hasNext():
            status = listing.next()
            file = status.getPath().toString()
            name = name_of(file) if file == root else file.removeprefix(root).lstrip("/")
            found.append(StoredFile(name, file, int(status.getLen())))
        return sorted(found, key=lambda file: file.name)

    def local_path(self, uri: str) -> Path | None:
        """Where Python can open a file itself; None unless it is on this machine's own file system."""
        if (local := self._local(uri)) is not None:
            return local.absolute()
        file_system, path = self._path(uri)
        return Path(file_system.makeQualified(path).toUri().getPath()) if file_system.getScheme() == "file" else None

    def checksum(self, uri: str) -> str | None:
        """What the file system itself keeps as the content's checksum; None where it keeps none."""
        file_system, path = self._path(uri)
        checksum = file_system.getFileChecksum(path)
        return None if checksum is None else f"{checksum.getAlgorithmName()}:{bytes(checksum.getBytes()).hex()}"

    def first_bytes(self, uri: str, length: int) -> bytes:
        """The first bytes of a file, uncompressed where its ending names a codec (`.gz`)."""
        file_system, path = self._path(uri)
        codec = self._jvm.org.apache.hadoop.io.compress.CompressionCodecFactory(self._hadoop).getCodec(path)
        stream = file_system.open(path)
        try:
            content = stream if codec is None else codec.createInputStream(stream)
            return bytes(content.readNBytes(length))
        finally:
            stream.close()

    def last_bytes(self, uri: str, length: int) -> bytes:
        """The last bytes of a file, as stored."""
        local = self.local_path(uri)
        if local is not None:
            with local.open("rb") as file:
                file.seek(-length, os.SEEK_END)
                return file.read()
        file_system, path = self._path(uri)
        stream = file_system.open(path)
        try:
            stream.seek(file_system.getFileStatus(path).getLen() - length)
            return bytes(stream.readNBytes(length))
        finally:
            stream.close()

    @contextmanager
    def local_copy(self, uri: str) -> Iterator[Path]:
        """A file for libraries that open local paths only: the file itself if it is local, else a temporary copy."""
        local = self.local_path(uri)
        if local is not None:
            yield local
            return
        file_system, path = self._path(uri)
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder, name_of(uri))
            file_system.copyToLocalFile(False, path, self._jvm.org.apache.hadoop.fs.Path(copy.as_uri()), True)
            yield copy

    def size(self, uri: str) -> int:
        """Bytes of a file, or of everything in a folder."""
        file_system, path = self._path(uri)
        return int(file_system.getContentSummary(path).getLength())

    def read_bytes(self, uri: str) -> bytes:
        with self.local_copy(uri) as local:
            return local.read_bytes()

    def write_bytes(self, uri: str, content: bytes) -> None:
        with self.local_file(uri) as local:
            local.write_bytes(content)

    def write_text(self, uri: str, content: str) -> None:
        self.write_bytes(uri, content.encode("utf-8"))

    @contextmanager
    def local_file(self, uri: str) -> Iterator[Path]:
        """A local file to write with any library; it is moved to `uri` when the block ends well."""
        with tempfile.TemporaryDirectory() as folder:
            local = Path(folder, name_of(uri))
            yield local
            with _output_errors(uri, "cannot write the file"):
                if (target := self._local(uri)) is not None:
                    _move_local(local, target)
                else:
                    file_system, path = self._path(uri)
                    file_system.copyFromLocalFile(True, True, self._jvm.org.apache.hadoop.fs.Path(local.as_uri()), path)

    def create_new(self, uri: str, content: bytes) -> bool:
        """Write a file that does not exist yet; False if something is there, also if another process is first.

        One act on local file systems and HDFS. An object store may let two processes succeed: read the file again.
        """
        with _output_errors(uri, "cannot write the file"):
            if (local := self._local(uri)) is not None:
                try:
                    file = local.open("xb")
                except FileExistsError:
                    return False
                try:
                    with file:
                        file.write(content)
                except OSError:
                    local.unlink()
                    raise
                return True
            file_system, path = self._path(uri)
            if file_system.exists(path):
                return False
            try:
                stream = file_system.create(path, False)
            except Py4JJavaError as error:
                parent_is_folder = file_system.getFileStatus(path.getParent()).isDirectory()
                if parent_is_folder and "AlreadyExists" in error.java_exception.getClass().getName():
                    return False
                raise
            stream.write(content)
            stream.close()
            return True

    def refresh(self, uri: str) -> None:
        """Give a file the modification time of now, by the clock of its file system if that keeps time itself."""
        with _output_errors(uri, "cannot write the file"):
            if (local := self._local(uri)) is not None:
                os.utime(local)
            else:
                self.write_bytes(uri, self.read_bytes(uri))

    def modified(self, uri: str) -> float:
        """When a file was last written, in seconds since 1970 by the clock of its file system."""
        if (local := self._local(uri)) is not None:
            return local.stat().st_mtime
        file_system, path = self._path(uri)
        return int(file_system.getFileStatus(path).getModificationTime()) / 1000

    def real_location(self, uri: str) -> str:
        """The one name of a place, so that two can be compared: absolute, symbolic links resolved if it is local."""
        if (local := self._local(uri)) is not None:
            return str(local.resolve())
        file_system, path = self._path(uri)
        return str(file_system.makeQualified(path).toString())

    def make_folder(self, uri: str) -> None:
        with _output_errors(uri, "cannot create the folder"):
            if (local := self._local(uri)) is not None:
                local.mkdir(parents=True, exist_ok=True)
                return
            file_system, path = self._path(uri)
            if not file_system.mkdirs(path):
                raise OSError("the file system refused")

    def delete(self, uri: str) -> None:
        with _output_errors(uri, "cannot delete"):
            if (local := self._local(uri)) is not None:
                _delete_local(local)
                return
            file_system, path = self._path(uri)
            file_system.delete(path, True)

    def rename(self, source: str, target: str) -> None:
        """Move a folder to a name that nothing has yet. Raises OutputError if something has."""
        with _output_errors(target, "cannot move the finished run into place"):
            if self.exists(target):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
            old, new = self._local(source), self._local(target)
            if old is not None and new is not None:
                old.rename(new)
                return
            file_system, path = self._path(source)
            if not file_system.rename(path, self._jvm.org.apache.hadoop.fs.Path(target)):
                raise OSError("the file system refused the rename")

    def copy(self, source: str, target: str) -> None:
        """Copy a file or folder to a name that nothing has yet."""
        with _output_errors(target, "cannot copy the finished run into place"):
            old, new = self._local(source), self._local(target)
            if old is not None and new is not None:
                new.parent.mkdir(parents=True, exist_ok=True)
                (shutil.copytree if old.is_dir() else shutil.copyfile)(old, new)
                return
            file_system, path = self._path(source)
            target_path = self._jvm.org.apache.hadoop.fs.Path(target)
            copied = self._jvm.org.apache.hadoop.fs.FileUtil.copy(
                file_system, path, target_path.getFileSystem(self._hadoop), target_path, False, self._hadoop
            )
            if not copied:
                raise OSError("the file system refused the copy")


def _move_local(source: Path, target: Path) -> None:
    """Replace a file as a whole; what was there stays if the new one does not fit."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.part")
    try:
        shutil.move(source, part)
        part.replace(target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _delete_local(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


# What to do about it, by the system's word for it.
_REMEDIES = {
    "No space left on device": "free space there, or use another --output",
    "Disk quota exceeded": "free space there or raise the quota, or use another --output",
    "Read-only file system": "make it writable, or use another --output",
    "database or disk is full": "free space there, or use another --output",
}


def storage_fault(text: str) -> tuple[str, str] | None:
    """What a message reports about a full or read-only file system, and what to do about it; None for any other."""
    if re.search(r"\b[DN]SQuotaExceededException|quota .*is exceeded", text):
        return "Disk quota exceeded", _REMEDIES["Disk quota exceeded"]
    return next((fault for fault in _REMEDIES.items() if fault[0].lower() in text.lower()), None)


@contextmanager
def _output_errors(uri: str, what: str) -> Iterator[None]:
    try:
        yield
    except (Py4JJavaError, Py4JError, OSError) as error:
        java = getattr(error, "java_exception", None)
        found = str(java.getMessage() or java) if java is not None else str(error)
        _, to_do = storage_fault(found) or ("", "fix output.root or its permissions")
        raise OutputError(Problem(what, uri, found, "a place that this user may write to", to_do)) from None
