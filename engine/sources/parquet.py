"""Parquet as Spark, pandas and others write it.

The files' own footers say what Spark's reader would refuse or misread: nanosecond timestamps, columns without a type
because they hold nothing, and part files that disagree on a column's type.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from py4j.protocol import Py4JJavaError
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.errors import InputError, Problem
from engine.sources.failures import SPARK_ERRORS, java_message
from engine.sources.frames import column_named, one_spelling, plain, repeated_names, stacked, unescaped_glob
from engine.sources.locations import Location
from engine.sources.reader import damaged_files, data_files
from engine.storage import Storage, StoredFile

_NANOSECONDS = "TIMESTAMP(NANOS"
_WITHOUT_TYPE = "UNKNOWN"
_HIDDEN_LOGS = {"_delta_log": "delta"}


@dataclass(frozen=True)
class _Field:
    """One column of a file: its Parquet type, and what Spark makes of it (None: nothing)."""

    parquet: Any
    logical_type: str
    spark_type: T.DataType | None


@dataclass
class _Part:
    """Files of one and the same schema."""

    fields: dict[str, _Field]
    files: list[StoredFile] = field(default_factory=list)


class ParquetFiles:
    """A Parquet file, or a folder of them, as Hive partitions (`state=AK/`) or flat; see `Reader`.

    Raises InputError naming each file whose footer cannot be read.
    """

    def __init__(self, spark: SparkSession, storage: Storage, location: Location):
        self._spark = spark
        self._storage = storage
        self._location = location
        _refuse_table_formats(storage, location)
        files = data_files(storage, location)
        self._partitions = _partition_names(location, files)
        self._parts = _parts_of(spark, location, files)
        columns = [(*part.fields, *self._partitions) for part in self._parts]
        self.names = one_spelling(name for names in columns for name in names)
        self.repeated = frozenset(name for names in columns for name in repeated_names(names))
        by_part = [{plain(name) for name in names} for names in columns]
        self.lacking = {
            name: tuple(
                file.uri
                for part, own in zip(self._parts, by_part, strict=True)
                if name not in own
                for file in part.files
            )
            for name in set().union(*by_part)
        }

    def rows(self, names: Sequence[str], identifiers: Collection[str]) -> DataFrame:
        frames = [self._frame(part, names) for part in self._parts]
        return stacked(frames, names, identifiers, self._location.table.name, self._location.uri)

    def _frame(self, part: _Part, names: Sequence[str]) -> DataFrame:
        spelling = {plain(name): name for name in (*self._partitions, *part.fields)}
        wanted = [(name, spelling[plain(name)]) for name in names if plain(name) in spelling]
        schema, columns = T.StructType(), []
        for name, theirs in wanted:
            received = part.fields.get(theirs)
            if received is None:
                schema.add(theirs, T.StringType())
                columns.append(column_named(theirs).alias(name))
            elif received.logical_type == _WITHOUT_TYPE:
                continue
            else:
                schema.add(theirs, self._type_of(theirs, received, part))
                columns.append(_as_spark_has_it(theirs, received).alias(name))
        reader = self._spark.read.schema(schema).options(ignoreCorruptFiles=False, ignoreMissingFiles=False)
        if self._partitions:
            # partitions are text in the schema, so that state=06 stays "06"
            reader = reader.option("basePath", part.files[0].uri.removesuffix(part.files[0].name))
        # many paths cost Spark a job to list them
        is_one_place = len(self._parts) == 1 and len(self._location.files) == len(part.files)
        is_folder = is_one_place and self._storage.is_folder(self._location.uri)
        paths = [self._location.uri] if is_folder else [file.uri for file in part.files]
        reader = reader.options(**self._location.options)
        return reader.parquet(*map(unescaped_glob, paths)).select(*columns)

    def _type_of(self, name: str, received: _Field, part: _Part) -> T.DataType:
        if received.spark_type is None:
            raise InputError(
                Problem(
                    f"column {name} of table {self._location.table.name} has a type that Spark cannot read",
                    part.files[0].uri,
                    str(received.parquet),
                    "numbers, text, dates, timestamps or booleans",
                )
            )
        return received.spark_type


def _as_spark_has_it(name: str, received: _Field) -> Column:
    """Nanoseconds arrive as a bigint since 1970; they are cut to the microsecond that Spark holds."""
    column = column_named(name)
    if not received.logical_type.startswith(_NANOSECONDS):
        return column
    thousand = F.lit(1000).cast("bigint")
    microseconds = F.call_function("div", column - F.pmod(column, thousand), thousand)
    return F.timestamp_micros(microseconds)


def _refuse_table_formats(storage: Storage, location: Location) -> None:
    """The Parquet files of a Delta table hold rows that were deleted since: only its log says which."""
    for name in storage.children(location.uri) if storage.is_folder(location.uri) else []:
        if name in _HIDDEN_LOGS:
            raise InputError(
                Problem(
                    f"the folder of table {location.table.name} is a {_HIDDEN_LOGS[name]} table",
                    location.uri,
                    f"{name}/",
                    "a folder of Parquet files",
                    f"set input.tables.{location.table.name}.format: {_HIDDEN_LOGS[name]}",
                )
            )


def _partition_names(location: Location, files: Sequence[StoredFile]) -> tuple[str, ...]:
    """Columns that the folders' names carry (`state=AK`)."""
    layouts = {tuple(unquote(part.partition("=")[0]) for part in file.name.split("/")[:-1]) for file in files}
    plain_folders = sorted(file.name for file in files if any("=" not in part for part in file.name.split("/")[:-1]))
    if plain_folders or len(layouts) > 1:
        raise InputError(
            Problem(
                f"the folder of table {location.table.name} holds folders that are no partitions of it",
                location.uri,
                ", ".join((plain_folders or sorted(file.name for file in files))[:3]),
                "Parquet files side by side, or all below folders such as state=AK/",
            )
        )
    return next(iter(layouts))


def _parts_of(spark: SparkSession, location: Location, files: Sequence[StoredFile]) -> list[_Part]:
    parts: dict[str, _Part] = {}
    damaged = []
    for file in files:
        try:
            schema = _footer_schema(spark, file.uri)
        except Py4JJavaError as error:
            damaged.append((file.uri, java_message(error)))
            continue
        key = schema.toString()
        if key not in parts:
            parts[key] = _Part(_fields(spark, schema))
        parts[key].files.append(file)
    if damaged:
        raise damaged_files(
            location.table.name, damaged, "a whole Parquet file", "ask for it anew, or move it out of the folder"
        )
    return list(parts.values())


def _footer_schema(spark: SparkSession, uri: str) -> Any:
    jvm: Any = spark.sparkContext._jvm
    hadoop: Any = spark.sparkContext._jsc.hadoopConfiguration()
    path = jvm.org.apache.hadoop.fs.Path(uri)
    file = jvm.org.apache.parquet.hadoop.util.HadoopInputFile.fromPath(path, hadoop)
    reader = jvm.org.apache.parquet.hadoop.ParquetFileReader.open(file)
    try:
        return reader.getFileMetaData().getSchema()
    finally:
        reader.close()


def _fields(spark: SparkSession, schema: Any) -> dict[str, _Field]:
    jvm: Any = spark.sparkContext._jvm
    conf: Any = spark._jsparkSession.sessionState().conf()
    converter = jvm.org.apache.spark.sql.execution.datasources.parquet.ParquetToSparkSchemaConverter(conf)
    fields = {}
    for parquet in schema.getFields():
        single = jvm.java.util.ArrayList()
        single.add(parquet)
        try:
            converted = converter.convert(jvm.org.apache.parquet.schema.MessageType("column", single))
            spark_type = T.StructType.fromJson(json.loads(converted.json()))[0].dataType
        except SPARK_ERRORS:
            # only a column that nobody asks for may have such a type
            spark_type = None
        annotation = parquet.getLogicalTypeAnnotation()
        fields[parquet.getName()] = _Field(parquet, annotation.toString() if annotation else "", spark_type)
    return fields
