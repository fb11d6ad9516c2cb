"""Any other format that the session's Spark reads (delta, orc, avro, xml, ...), and JSON documents."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import types as T
from pyspark.sql.pandas.types import to_arrow_schema

from engine.errors import InputError, Problem
from engine.runtime.abilities import abilities
from engine.runtime.paths import reader_path
from engine.runtime.storage import Storage, StoredFile
from engine.sources import json_records
from engine.sources.contents import opener_of
from engine.sources.frames import column_named, repeated_names, spark_options, stacked
from engine.sources.location import Location
from engine.sources.reader import Reader, damaged_files, data_files

_FIRST_BYTES = 1 << 16
_TO_DO = "ask the sender for the file again, or fix it"


class SparkFormat(Reader):
    """A location that Spark's own readers open; see `Reader`."""

    def __init__(self, spark: SparkSession, storage: Storage, location: Location):
        self._location = location
        paths = [file.uri for file in location.files] or ([location.uri] if storage.exists(location.uri) else [])
        reader = spark.read.format(location.format).options(**spark_options(location.options))
        # a path that does not exist may be a table of a catalog
        self._loaded = reader.load([reader_path(spark, path) for path in paths] if paths else location.uri)
        self.names = tuple(self._loaded.columns)
        self.repeated = frozenset(repeated_names(self.names))

    def rows(self, names: Sequence[str], identifiers: Collection[str]) -> DataFrame:
        """The rows with these columns."""
        wanted = self._loaded.select(*(column_named(name) for name in names))
        return stacked([wanted], names, identifiers, self._location.table.name, self._location.uri)


class JsonDocument(Reader):
    """One JSON object in a file, possibly over many lines, of a known schema; see `Reader`.

    Raises InputError if the first key of the schema is not in the file's first bytes; otherwise a document of another
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
        self.names = tuple(schema.names)
        self.repeated = frozenset()
        if not abilities(spark).reads_json:
            self._rows = _read_in_python(spark, storage, location, files, schema)
            return
        options: dict[str, Any] = {"multiLine": True, "mode": "FAILFAST", **spark_options(location.options)}
        paths = [reader_path(spark, file.uri) for file in files]
        self._rows = spark.read.schema(schema).options(**options).json(paths)

    def rows(self, names: Sequence[str], identifiers: Collection[str]) -> DataFrame:
        """The rows with these columns."""
        del identifiers
        return self._rows.select(*(column_named(name) for name in names))


def _read_in_python(
    spark: SparkSession, storage: Storage, location: Location, files: Sequence[StoredFile], schema: T.StructType
) -> DataFrame:
    """One row per document; keys that are not in the schema are ignored, and values are text."""
    documents = []
    for file in files:
        try:
            with storage.local_copy(file.uri) as path:
                documents += json_records.documents(opener_of(path), file.uri)
        except (ValueError, RecursionError):
            table = location.table.name
            raise damaged_files(
                table, [(file.uri, "a record that is not of the file's format")], "one JSON object", _TO_DO
            ) from None
    rows = [_of_type(record, schema) for record in documents]
    table = pa.Table.from_pylist(rows, to_arrow_schema(schema))
    return spark.createDataFrame(table, schema)


def _of_type(value: Any, kind: T.DataType) -> Any:
    """Convert a JSON value to the type; a value of another shape becomes NULL, or a structure of NULLs.

    Structures are never NULL, because the embedded engine shows the fields below a NULL structure as empty text.
    """
    if isinstance(kind, T.StructType):
        fields = value if isinstance(value, dict) else {}
        return {field.name: _of_type(fields.get(field.name), field.dataType) for field in kind}
    if isinstance(kind, T.ArrayType):
        return [_of_type(item, kind.elementType) for item in value] if isinstance(value, list) else None
    return json_records.as_text(value)
