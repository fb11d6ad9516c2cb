"""Hadoop's file systems (hdfs://, abfss://, s3a://, ...), through the JVM of a classic Spark session."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from py4j.protocol import Py4JError, Py4JJavaError
from pyspark.sql import SparkSession

from engine.runtime.files import CHUNK, Files, StorageError, StoredFile, name_of


class HadoopFiles(Files):
    """Locations of the session's Hadoop configuration; Java exceptions become StorageError."""

    def __init__(self, spark: SparkSession):
        self._jvm: Any = spark.sparkContext._jvm
        self._hadoop: Any = spark.sparkContext._jsc.hadoopConfiguration()
        # the file system of locations without a scheme
        self.is_local_by_default = str(self._hadoop.get("fs.defaultFS", "file:///")).startswith("file:")

    def _path(self, uri: str) -> tuple[Any, Any]:
        path = self._jvm.org.apache.hadoop.fs.Path(uri)
        return path.getFileSystem(self._hadoop), path

    def exists(self, uri: str) -> bool:
        with _java_errors():
            file_system, path = self._path(uri)
            return bool(file_system.exists(path))

    def is_folder(self, uri: str) -> bool:
        with _java_errors():
            file_system, path = self._path(uri)
            return bool(file_system.exists(path) and file_system.getFileStatus(path).isDirectory())

    def children(self, uri: str) -> list[str]:
        with _java_errors():
            file_system, path = self._path(uri)
            if not file_system.exists(path):
                return []
            return sorted(status.getPath().getName() for status in file_system.listStatus(path))

    def files(self, uri: str) -> list[StoredFile]:
        with _java_errors():
            file_system, path = self._path(uri)
            if not file_system.exists(path):
                return []
            root = file_system.makeQualified(path).toString()
            listed = []
            listing = file_system.listFiles(path, True)
            while listing.hasNext():
                status = listing.next()
                file = status.getPath().toString()
                name = name_of(file) if file == root else file.removeprefix(root).lstrip("/")
                listed.append(StoredFile(name, file, int(status.getLen())))
            return sorted(listed, key=lambda file: file.name)

    def qualified(self, uri: str) -> str:
        with _java_errors():
            file_system, path = self._path(uri)
            return str(file_system.makeQualified(path).toString())

    def checksum(self, uri: str) -> str | None:
        with _java_errors():
            file_system, path = self._path(uri)
            checksum = file_system.getFileChecksum(path)
            return None if checksum is None else f"{checksum.getAlgorithmName()}:{bytes(checksum.getBytes()).hex()}"

    def chunks(self, uri: str) -> Generator[bytes, None, None]:
        with _java_errors():
            file_system, path = self._path(uri)
            stream = file_system.open(path)
            try:
                while chunk := bytes(stream.readNBytes(CHUNK)):
                    yield chunk
            finally:
                stream.close()

    def last_bytes(self, uri: str, length: int) -> bytes:
        with _java_errors():
            file_system, path = self._path(uri)
            stream = file_system.open(path)
            try:
                stream.seek(file_system.getFileStatus(path).getLen() - length)
                return bytes(stream.readNBytes(length))
            finally:
                stream.close()

    def download(self, uri: str, target: Path) -> None:
        with _java_errors():
            file_system, path = self._path(uri)
            file_system.copyToLocalFile(False, path, self._jvm.org.apache.hadoop.fs.Path(target.as_uri()), True)

    def upload(self, source: Path, uri: str) -> None:
        with _java_errors():
            file_system, path = self._path(uri)
            file_system.copyFromLocalFile(True, True, self._jvm.org.apache.hadoop.fs.Path(source.as_uri()), path)

    def create_new(self, uri: str, content: bytes) -> bool:
        with _java_errors():
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
        with _java_errors():
            file_system, path = self._path(uri)
            content = b"".join(self.chunks(uri))
            stream = file_system.create(path, True)
            stream.write(content)
            stream.close()

    def modified(self, uri: str) -> float:
        with _java_errors():
            file_system, path = self._path(uri)
            return int(file_system.getFileStatus(path).getModificationTime()) / 1000

    def real_location(self, uri: str) -> str:
        return self.qualified(uri)

    def make_folder(self, uri: str) -> None:
        with _java_errors():
            file_system, path = self._path(uri)
            if not file_system.mkdirs(path):
                raise StorageError("the file system refused")

    def delete(self, uri: str) -> None:
        with _java_errors():
            file_system, path = self._path(uri)
            file_system.delete(path, True)

    def rename(self, source: str, target: str) -> None:
        with _java_errors():
            file_system, path = self._path(source)
            if not file_system.rename(path, self._jvm.org.apache.hadoop.fs.Path(target)):
                raise StorageError("the file system refused the rename")

    def copy(self, source: str, target: str) -> None:
        with _java_errors():
            file_system, path = self._path(source)
            target_path = self._jvm.org.apache.hadoop.fs.Path(target)
            copied = self._jvm.org.apache.hadoop.fs.FileUtil.copy(
                file_system, path, target_path.getFileSystem(self._hadoop), target_path, False, self._hadoop
            )
            if not copied:
                raise StorageError("the file system refused the copy")


@contextmanager
def _java_errors() -> Iterator[None]:
    try:
        yield
    except Py4JJavaError as error:
        java = error.java_exception
        raise StorageError(str(java.getMessage() or java)) from error
    except Py4JError as error:
        # the JVM has ended, or does not answer
        raise StorageError(str(error)) from error
