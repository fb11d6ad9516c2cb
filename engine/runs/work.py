"""A run's intermediate results as Parquet, so a lost executor or a restart costs at most one step."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

import pyarrow.parquet as pq
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import types as T

from engine.errors import InternalError
from engine.runs.work_table import WorkTable
from engine.runtime.failures import ENGINE_ERRORS
from engine.runtime.parquet import is_data_file, read_parquet, stored_schema, write_parquet
from engine.runtime.paths import reader_path
from engine.runtime.storage import SUCCESS_MARKER, Storage, StoredFile, join
from engine.sources import translate_read_error, translate_run_fault, work_changed

# Manifest of each result: its rows, and its files with their lengths. Engines skip names that begin with `_`.
_MANIFEST = "_manifest.json"
_INTEGER = re.compile(r"(?<=[ :<])(?:int|bigint)\b")
_DECIMAL = re.compile(r"decimal\(\d+,\d+\)")


class WorkFolder:
    """Declared DataFrames below one folder; any location that the storage reaches.

    `resume`: complete results of an earlier run are read instead of computed; the caller checks that they are valid
    (same input, same settings). `before_write`: called before each result is written; raises if the folder no longer
    belongs to the caller. `origin`: what results are made from, which each result records; only a result of the same
    origin counts as complete.
    """

    def __init__(
        self,
        spark: SparkSession,
        storage: Storage,
        root: str,
        resume: bool,
        before_write: Callable[[], None] = lambda: None,
    ):
        self._spark = spark
        self._storage = storage
        self._root = root
        self._resume = resume
        self._before_write = before_write
        self.origin: Mapping[str, str] = {}
        self._rows: dict[str, int] = {}

    def path(self, table: WorkTable) -> str:
        """Where an intermediate result is, whether or not it was written yet."""
        return self._path(table.name)

    def _path(self, name: str) -> str:
        return join(self._root, *name.split("/"))

    def is_done(self, table: WorkTable, model: str | None = None) -> bool:
        """True if `write` would only read: the result is complete and this run resumes.

        A result is complete if its files have the names and lengths that were written, and it has the origin and the
        model version of this run. An observation on the DataFrame is then not filled.
        """
        name = table.name
        if not (self._resume and self._storage.exists(join(self._path(name), SUCCESS_MARKER))):
            return False
        if not self._storage.exists(join(self._path(name), _MANIFEST)):
            return False
        return self._is_complete(name) and self._manifest(name).get("made_from", {}) == self._origin(model)

    def write(
        self, table: WorkTable, rows: DataFrame, partitions: int | None = None, model: str | None = None
    ) -> DataFrame:
        """Write the rows and return them read back, in the schema they were declared in, every column nullable.

        `partitions`: number of files for small results (adds a shuffle). A result with another schema, from an earlier
        version of the engine, or with changed files is written again. `model`: name and version of the model whose
        scores the rows depend on.

        Raises:
            InputError: an input file is unreadable, which only the computation detects.
            OutputError: another program changed the work folder, or storage is full.
            InternalError: the rows do not have the schema that the table declares.
        """
        name = table.name
        if self.is_done(table, model) and self._has_schema(name, rows.schema):
            self._rows[name] = self._manifest(name)["rows"]
            schema = stored_schema(rows, self._path(name))
        else:
            self._before_write()
            spread = rows if partitions is None else rows.repartition(partitions)
            try:
                write_parquet(spread, self._storage, self._path(name))
                self._rows[name] = self._count(name)
            except (*ENGINE_ERRORS, OSError) as error:
                explained = translate_run_fault(error, [self._root]) or translate_read_error(error)
                if explained is None:
                    raise
                raise explained from None
            # of what was written: for a schema of the rows the embedded engine would plan them once more
            schema = stored_schema(rows, self._path(name))
            _check_schema(table, schema)
            manifest = {"rows": self._rows[name], "files": self._files(name), "made_from": self._origin(model)}
            self._storage.write_text(join(self._path(name), _MANIFEST), json.dumps(manifest))
        return read_parquet(self._spark, self._path(name), schema)

    def check(self) -> None:
        """Check that the files of every result are those that this run wrote.

        An engine may read a result whose files were removed as empty.

        Raises:
            OutputError: they differ.
        """
        for name in self._rows:
            if not (self._storage.exists(join(self._path(name), _MANIFEST)) and self._is_complete(name)):
                raise work_changed(self._root, f"files of {name} differ from those that were written")

    def _is_complete(self, name: str) -> bool:
        return bool(self._manifest(name)["files"] == self._files(name))

    def rows(self, table: WorkTable) -> int:
        """Number of rows of a result that this run wrote or reused, from its files."""
        return self._rows[table.name]

    def _count(self, name: str) -> int:
        files = [self._storage.local_path(file.uri) for file in self._data_files(name)]
        local = [file for file in files if file is not None]
        if len(local) == len(files):
            return sum(pq.read_metadata(file).num_rows for file in local)
        return self._spark.read.parquet(reader_path(self._spark, self._path(name))).count()

    def _data_files(self, name: str) -> list[StoredFile]:
        return [file for file in self._storage.files(self._path(name)) if is_data_file(file.name)]

    def _origin(self, model: str | None) -> dict[str, str]:
        return {**self.origin, **({} if model is None else {"model": model})}

    def _files(self, name: str) -> dict[str, int]:
        return {file.name: file.length for file in self._data_files(name)}

    def _manifest(self, name: str) -> dict[str, Any]:
        manifest: dict[str, Any] = json.loads(self._storage.read_bytes(join(self._path(name), _MANIFEST)))
        return manifest

    def _has_schema(self, name: str, schema: T.StructType) -> bool:
        there = self._spark.read.parquet(reader_path(self._spark, self._path(name))).schema
        # compared without nullability: every column that is read back is nullable
        return there.simpleString() == schema.simpleString()


def _check_schema(table: WorkTable, schema: T.StructType) -> None:
    """Raise InternalError unless names and kinds of the columns are those that the table declares, in any order."""
    declared, written = _by_kind(table.schema), _by_kind(schema)
    if declared.keys() != written.keys():
        other = [written[kind] for kind in sorted(written.keys() - declared.keys())]
        missing = [declared[kind] for kind in sorted(declared.keys() - written.keys())]
        raise InternalError(
            f"{table.name} has other columns than it declares: {', '.join(other) or 'none'} "
            f"instead of {', '.join(missing) or 'none'}"
        )


def _by_kind(schema: T.StructType) -> dict[str, str]:
    """Columns by name and kind. Widths of integers and decimals are no part of a kind: engines derive some of them."""
    columns = [f"{field.name} {field.dataType.simpleString()}" for field in schema]
    return {_DECIMAL.sub("decimal", _INTEGER.sub("integer", column)): column for column in columns}
