"""Files that the driver writes for Spark to read: unpacked archives, and Parquet in codecs that Spark lacks."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

from pyspark.sql import SparkSession

from engine.errors import InputError, Problem
from engine.runtime.abilities import abilities


def staging_folder(spark: SparkSession, name: str, where: str, what: str) -> Path:
    """A new, empty folder on this machine's disk whose path ends in `name`; deleted when the process ends.

    Only this user can open it. TMPDIR sets its location.

    Args:
        name: last part of the path, so messages that show the path are understood.
        where, what: location and description of the file that needs it, for the message.

    Raises:
        InputError: the session has executors on other machines, which cannot read this folder.
    """
    if not abilities(spark).sees_driver_files:
        raise InputError(
            Problem(
                f"{what} is not readable on a cluster",
                where,
                "executors on other machines, which cannot read the driver's files",
                "files that Spark reads directly, on storage that every executor can reach",
                "unpack or rewrite it there, or run in local mode (spark.master: local[*])",
            )
        )
    folder = Path(tempfile.mkdtemp(dir=_root()), name)
    folder.mkdir()
    return folder


@cache
def _root() -> Path:
    root = Path(tempfile.mkdtemp(prefix="engine-input-"))
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    return root
