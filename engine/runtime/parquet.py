"""Write and read the engine's own Parquet folders, with the same layout on every engine."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow.parquet as pq
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import types as T
from pyspark.sql.pandas.types import to_arrow_schema

from engine.runtime.column_names import declare_columns
from engine.runtime.files import name_of
from engine.runtime.kinds import is_classic
from engine.runtime.paths import reader_path, writer_path
from engine.runtime.storage import SUCCESS_MARKER, Storage, join

_EMPTY = "part-00000.parquet"


def write_parquet(rows: DataFrame, storage: Storage, folder: str) -> None:
    """Replace a folder by the rows as Parquet files and `_SUCCESS`, which is written last.

    An empty result has a file with its columns. Spark does this itself; the embedded engine writes only data files.
    """
    spark = rows.sparkSession
    writer = rows.write.mode("overwrite")
    if is_classic(spark):
        writer.parquet(folder)
        return
    storage.delete(folder)
    writer.parquet(writer_path(spark, folder))
    if not storage.exists(folder) or not any(is_data_file(name) for name in storage.children(folder)):
        with storage.local_file(join(folder, _EMPTY)) as file:
            pq.write_table(to_arrow_schema(rows.schema, timezone="UTC").empty_table(), file)
    storage.write_text(join(folder, SUCCESS_MARKER), "")


def read_parquet(spark: SparkSession, folders: str | Sequence[str], schema: T.StructType) -> DataFrame:
    """Read folders that the engine wrote, with a known schema; nothing is inferred."""
    paths = [folders] if isinstance(folders, str) else folders
    rows = spark.read.schema(read_schema(spark, schema)).parquet(*(reader_path(spark, path) for path in paths))
    return declare_columns(rows, schema.names)


def stored_schema(rows: DataFrame, folder: str) -> T.StructType:
    """The schema of rows written to a folder: from the frame on Spark, which has it without a query; from the files on
    the embedded engine, which would otherwise plan the frame again.
    """
    if is_classic(rows.sparkSession):
        return rows.schema
    spark = rows.sparkSession
    return spark.read.parquet(reader_path(spark, folder)).schema


def read_schema(spark: SparkSession, schema: T.StructType) -> T.StructType | str:
    """A schema for `spark.read`: as it is, or as DDL for engines that would add metadata to every field of it."""
    return schema if is_classic(spark) else ddl(schema)


def ddl(schema: T.StructType) -> str:
    """Columns with their types; every column may be NULL.

    >>> ddl(T.StructType().add("a b", "string").add("n", "array<decimal(3,1)>"))
    '`a b` string, `n` array<decimal(3,1)>'
    """
    return ", ".join(f"`{field.name.replace('`', '``')}` {field.dataType.simpleString()}" for field in schema)


def is_data_file(name: str) -> bool:
    """False for names of marker files, which no engine reads."""
    return not name_of(name).startswith(("_", "."))
