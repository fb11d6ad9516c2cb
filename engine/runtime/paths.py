"""Paths for an engine's readers and writers, escaped so no character acts as a pattern."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from pyspark.sql import SparkSession

from engine.runtime.files import local
from engine.runtime.kinds import is_classic


def reader_path(spark: SparkSession, uri: str) -> str:
    """A location for `spark.read`.

    Spark takes `[`, `{`, `*` and `?` in paths for patterns unless they are escaped. The embedded engine reads a path
    with such letters as one without rows, so it gets a URL, in which they are encoded.
    """
    if is_classic(spark):
        return "".join("\\" + letter if letter in "[]{}*?\\" else letter for letter in uri)
    return _url(uri)


def writer_path(spark: SparkSession, uri: str) -> str:
    """A location for `DataFrame.write`, in which Spark knows no patterns."""
    return uri if is_classic(spark) else _url(uri)


def _url(uri: str) -> str:
    scheme, separator, path = uri.partition("://")
    if separator and scheme.lower() != "file":
        return f"{scheme}://{quote(path, safe='/@:')}"
    return Path(local(uri)).absolute().as_uri()
