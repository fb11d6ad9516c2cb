"""A folder of input files, opened as a run would open it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from engine.errors import InputError
from engine.runtime.storage import storage_of
from engine.settings import Settings
from engine.sources import OpenedTable, open_tables

# One invoice line as text, so that the input has a feed.
INVOICE_CSV = b"program,state,ndc,period\nMDRP_FFS,AK,00002143380,2025Q3\n"


class Folder:
    def __init__(self, spark: SparkSession, path: Path) -> None:
        self.spark = spark
        self.path = path
        self.storage = storage_of(spark)

    def put(self, name: str, content: bytes) -> Path:
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        return file

    def open(
        self, tables: Mapping[str, Any] | None = None, reference_folder: str = "no such folder", **settings: Any
    ) -> dict[str, OpenedTable]:
        values = {"input": {"root": str(self.path), "tables": dict(tables or {})}, "reference_folder": reference_folder}
        return open_tables(self.spark, self.storage, Settings.model_validate({**values, **settings}))

    def table(self, name: str, location: Mapping[str, Any] | None = None) -> OpenedTable:
        return self.open({name: dict(location)} if location else None)[name]

    def refusal(self, tables: Mapping[str, Any] | None = None) -> str:
        with pytest.raises(InputError) as raised:
            self.open(tables)
        return str(raised.value)


def values(opened: OpenedTable, *columns: str) -> list[tuple[Any, ...]]:
    """Rows as tuples, in the order of their first column; times as Spark prints them, in UTC."""
    in_utc = [F.col(name).cast("string") if kinds(opened)[name] == "timestamp" else F.col(name) for name in columns]
    rows = opened.rows.select(*in_utc).collect()
    return sorted((tuple(row) for row in rows), key=lambda row: str(row[0]))


def kinds(opened: OpenedTable) -> dict[str, str]:
    return dict(opened.rows.dtypes)
