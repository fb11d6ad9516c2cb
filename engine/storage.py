"""Files and folders at any location that Hadoop's file systems serve (local paths, hdfs://, abfss://, s3a://)."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
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


class Storage:
    """The few file operations that a run needs, through Hadoop's FileSystem.

    Failures while writing are OutputError with the location and the file system's own word.
    """

    def __init__(self, spark: SparkSession):
        self._jvm: Any = spark.sparkContext._jvm
        self._hadoop: Any = spark.sparkContext._jsc.hadoopConfiguration()  # type: ignore[attr-defined]

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

    def size(self, uri: str) -> int:
        """Bytes of a file, or of everything in a folder."""
        file_system, path = self._path(uri)
        return int(file_system.getContentSummary(path).getLength())

    def read_bytes(self, uri: str) -> bytes:
        file_system, path = self._path(uri)
        with tempfile.TemporaryDirectory() as folder:
            local = Path(folder, "file")
            file_system.copyToLocalFile(False, path, self._jvm.org.apache.hadoop.fs.Path(local.as_uri()), True)
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
