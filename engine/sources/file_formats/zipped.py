"""Zip archives; `engine/sources/archives.py` unpacks them before a reader of their content opens it."""

from __future__ import annotations

from engine.sources.reader import FileFormat

ZIP = FileFormat(
    "zip", (".zip",), "an archive with one table file of another format", open=None, page="input-excel.md#zip-archives"
)
