"""Files and folders at any location that Hadoop's file systems serve (local paths, hdfs://, abfss://, s3a://)."""

from __future__ import annotations

import os
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

    Failures while writing are OutputError with the location and the file system's own word.
    """

    def __init__(self, spark: SparkSession):
        self._jvm: Any = spark.sparkContext._jvm
        self._hadoop: Any = spark.sparkContext._jsc.hadoopConfiguration()

    def _path(self, uri: str) -> tuple[Any, Any]:
        path = self._jvm.org.apache.hadoop.fs.Path(uri)
        return path.getFileSystem(self._hadoop), path

    def exists(self, uri: str) -> bool:
        file_system, path = self._path(uri)
        return bool(file_system.exists(path))

    def is_folder(self, uri: str) -> bool:
        file_system, path = self._path(uri)
        return bool(file_system.exists(path) and file_system.getFileStatus(path).isDirectory())

    def children(self, uri: str) -> list[str]:
        """Names in a folder, sorted; none where it is not there."""
        file_system, path = self._path(uri)
        if not file_system.exists(path):
            return []
        return sorted(status.getPath().getName() for status in file_system.listStatus(path))

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
                file_system, path = self._path(uri)
                file_system.copyFromLocalFile(True, True, self._jvm.org.apache.hadoop.fs.Path(local.as_uri()), path)
                self._drop_checksum(file_system, path)

    def _drop_checksum(self, file_system: Any, path: Any) -> None:
        # Hadoop's local file system leaves a hidden .crc file beside each file; nobody reads ours.
        checksum = self._jvm.org.apache.hadoop.fs.Path(path.getParent(), f".{path.getName()}.crc")
        if file_system.getScheme() == "file" and file_system.exists(checksum):
            file_system.delete(checksum, False)

    def make_folder(self, uri: str) -> None:
        with _output_errors(uri, "cannot make the folder"):
            file_system, path = self._path(uri)
            if not file_system.mkdirs(path):
                raise OSError("the file system refused")

    def delete(self, uri: str) -> None:
        with _output_errors(uri, "cannot delete"):
            file_system, path = self._path(uri)
            file_system.delete(path, True)

    def rename(self, source: str, target: str) -> None:
        with _output_errors(target, "cannot move the finished run to its place"):
            file_system, path = self._path(source)
            if not file_system.rename(path, self._jvm.org.apache.hadoop.fs.Path(target)):
                raise OSError("the file system refused the rename")


@contextmanager
def _output_errors(uri: str, what: str) -> Iterator[None]:
    try:
        yield
    except (Py4JJavaError, Py4JError, OSError) as error:
        java = getattr(error, "java_exception", None)
        found = str(java.getMessage() or java) if java is not None else str(error)
        raise OutputError(
            Problem(what, uri, found, "a place that this user may write to", "mend output.root or its rights")
        ) from None
