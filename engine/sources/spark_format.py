"""Any other format that the session's Spark reads (delta, orc, avro, xml, ...), and JSON documents."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import types as T

from engine.errors import InputError, Problem
from engine.runtime.storage import Storage
from engine.sources.frames import column_named, repeated_names, spark_options, stacked, unescaped_glob
from engine.sources.locations import Location
from engine.sources.reader import data_files

_FIRST_BYTES = 1 << 16


class SparkFormat:
    """A location that Spark opens by itself; see `Reader`."""

    def __init__(self, spark: SparkSession, storage: Storage, location: Location):
        self._location = location
        paths = [file.uri for file in location.files] or ([location.uri] if storage.exists(location.uri) else [])
        reader = spark.read.format(location.format).options(**spark_options(location.options))
        # a name that does not exist may be a table of a catalog
        self._loaded = reader.load([unescaped_glob(path) for path in paths] if paths else location.uri)
        self.names = tuple(self._loaded.columns)
        self.repeated = frozenset(repeated_names(self.names))

    def rows(self, names: Sequence[str], identifiers: Collection[str]) -> DataFrame:
        wanted = self._loaded.select(*(column_named(name) for name in names))
        return stacked([wanted], names, identifiers, self._location.table.name, self._location.uri)


class JsonDocument:
    """One JSON object in a file, possibly over many lines, of a known schema; see `Reader`.

    Raises InputError where the first key of the schema is not among the file's first bytes: a document of another
    layout would be read as one without rows.
    """

    def __init__(self, spark: SparkSession, storage: Storage, location: Location, schema: T.StructType):
        files = data_files(storage, location)
        for file in files:
            if f'"{schema.names[0]}"'.encode() not in storage.first_bytes(file.uri, _FIRST_BYTES):
                raise InputError(
                    Problem(
                        f"the file of table {location.table.name} is not of the layout that its adapter reads",
                        file.uri,
                        expected=f"a JSON object with the key {schema.names[0]}",
                        to_do=f"fix input.tables.{location.table.name}",
                    )
                )
        options: dict[str, Any] = {"multiLine": True, "mode": "FAILFAST", **spark_options(location.options)}
        paths = [unescaped_glob(file.uri) for file in files]
        self._rows = spark.read.schema(schema).options(**options).json(paths)
        self.names = tuple(schema.names)
        self.repeated: frozenset[str] = frozenset()

    def rows(self, names: Sequence[str], identifiers: Collection[str]) -> DataFrame:
        del identifiers
        return self._rows.select(*(column_named(name) for name in names))
