"""Files that the driver writes for Spark to read: unpacked archives, and Parquet in codecs that Spark lacks."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from pathlib import Path

from pyspark.sql import SparkSession

from engine.errors import InputError, Problem


class Staging:
    """A private folder on this machine's disk, deleted when the process ends; see TMPDIR for where."""

    def __init__(self, spark: SparkSession):
        self._is_local = str(spark.conf.get("spark.master", "")).startswith("local")
        self._root: Path | None = None

    def folder(self, name: str, where: str, what: str) -> Path:
        """A new, empty folder whose path ends in `name`.

        Args:
            name: last part of the path, so messages that show the path are understood.
            where, what: the file that needs it and what it is, for the message.

        Raises:
            InputError: the session has executors on other machines, which do not see this folder.
        """
        if not self._is_local:
            raise InputError(
                Problem(
                    f"{what} is not readable on a cluster",
                    where,
                    "executors on other machines, which do not see what the driver writes",
                    "files that Spark reads itself, on storage that every executor sees",
                    "unpack or rewrite it there, or run in local mode (spark.master: local[*])",
                )
            )
        if self._root is None:
            self._root = Path(tempfile.mkdtemp(prefix="engine-input-"))
            atexit.register(shutil.rmtree, self._root, ignore_errors=True)
        folder = Path(tempfile.mkdtemp(dir=self._root), name)
        folder.mkdir()
        return folder
