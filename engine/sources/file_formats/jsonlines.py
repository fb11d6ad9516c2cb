"""JSON lines: one object per line. Types are inferred from the values; numbers keep every digit.

Spark's own inference would take text that looks like a number for one, hide a number among texts, and drop what
comes under a key spelled in another case.
"""

from __future__ import annotations

import re
import zlib
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from urllib.parse import unquote

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.errors import InputError, Problem, counted
from engine.runtime.abilities import abilities
from engine.runtime.paths import reader_path
from engine.runtime.storage import Storage, StoredFile
from engine.sources import json_records
from engine.sources.contents import contents, each_file
from engine.sources.frames import column_named, one_spelling, plain, repeated_names, stacked
from engine.sources.location import Location
from engine.sources.partitions import conflict, partition_names, partition_values
from engine.sources.reader import (
    FileFormat,
    Opening,
    Reader,
    damaged_files,
    data_files,
    folder_column,
    local_name,
    marked,
    refuse_unknown_options,
)
from engine.sources.spark_format import SparkFormat
from engine.sources.text_records import DamagedTextError

_STRICT: dict[str, str | bool] = {"mode": "FAILFAST", "ignoreCorruptFiles": False, "ignoreMissingFiles": False}
_NUMBERS = ("BIGINT", "DECIMAL", "DOUBLE", "FLOAT")
_NESTED = ("OBJECT", "ARRAY")
_MIXED = "VARIANT"
_ROWS_PER_BATCH = 20_000
_KEY_AND_KIND = re.compile(r"\s*(`(?:[^`]|``)*`|[^:]+): (.*)", re.DOTALL)


@dataclass
class _Part:
    """Files whose lines have the same keys with the same kinds of values; `kinds` by the key's plain form."""

    names: tuple[str, ...]
    kinds: dict[str, str]
    files: list[StoredFile] = field(default_factory=list)


class JsonLines(Reader):
    """A file of JSON lines or a folder of them; see `Reader`.

    Numbers arrive as the text they were written as, except in identifier columns: there a number stays a number, so
    it is detected. Raises InputError for lines that are not UTF-8 or not one JSON object.

    Args:
        is_document: each file is one object or a list of objects, over any lines.
    """

    def __init__(self, spark: SparkSession, storage: Storage, location: Location, is_document: bool = False):
        self._spark = spark
        self._storage = storage
        self._location = location
        self._is_document = is_document
        files = data_files(storage, location)
        in_folders = any("=" in file.name for file in files)
        self._partitions = partition_names(location.table.name, location.uri, files) if in_folders else ()
        self._in_python = is_document or not abilities(spark).reads_json
        self._parts = self._parts_in_python(files) if self._in_python else self._parts_by_kinds(files)
        self.names = one_spelling(name for part in self._parts for name in (*part.names, *self._partitions))
        self.repeated = frozenset(name for part in self._parts for name in repeated_names(part.names))

    def rows(self, names: Sequence[str], identifiers: Collection[str]) -> DataFrame:
        """The rows of all files with these columns, as text; a record without a field has NULL."""
        frames = [self._frame(part, names, identifiers) for part in self._parts]
        return stacked(frames, names, identifiers, self._location.table.name, self._location.uri)

    def _frame(self, part: _Part, names: Sequence[str], identifiers: Collection[str]) -> DataFrame:
        spelling = {plain(name): name for name in part.names}
        present = [(name, spelling[plain(name)]) for name in names if plain(name) in spelling]
        mixed = [name for name, _ in present if name in identifiers and part.kinds[plain(name)] == _MIXED]
        if mixed:
            raise InputError(
                Problem(
                    f"table {self._location.table.name} has identifiers that are numbers in some lines",
                    self._location.uri,
                    ", ".join(mixed),
                    'text in every line ("ndc": "00002143380")',
                    "have the file written again with identifiers as text",
                )
            )
        if self._in_python:
            return self._read_in_python(part, names, identifiers)
        schema = T.StructType(
            [T.StructField(theirs, _type_of(part.kinds[plain(name)], name in identifiers)) for name, theirs in present]
        )
        reader = self._spark.read.schema(schema).options(**_STRICT)
        read = reader.json([reader_path(self._spark, file.uri) for file in part.files])
        values = {name: column_named(theirs) for name, theirs in present}
        folders = {plain(name): name for name in self._partitions}
        for name in names:
            if plain(name) in folders:
                in_file = values[name].cast("string") if name in values else None
                values[name] = folder_column(self._location, folders[plain(name)], part.files, in_file)
        return read.select(*(value.alias(name) for name, value in values.items()))

    def _parts_by_kinds(self, files: Sequence[StoredFile]) -> list[_Part]:
        """One pass over the lines: are they UTF-8 and JSON objects, and what do they hold?"""
        by_path = {local_name(file.uri): file for file in files}
        lines = self._spark.read.options(ignoreCorruptFiles=False, ignoreMissingFiles=False).text(
            [reader_path(self._spark, file.uri) for file in files]
        )
        value, keys = F.try_parse_json("value"), F.json_object_keys("value")
        # a key that occurs twice in one object has no value; anything but an object has no keys
        is_object = value.isNotNull() & keys.isNotNull()
        is_blank = F.trim("value") == ""
        checked = (
            lines.select(
                F.col("_metadata.file_path").alias("file"),
                (~F.is_valid_utf8("value")).alias("is_not_utf8"),
                (~is_blank & ~is_object).alias("is_no_object"),
                F.when(is_object, value).alias("object"),
                keys.alias("keys"),
            )
            .groupBy("file")
            .agg(
                F.count_if("is_not_utf8").alias("not_utf8"),
                F.count_if("is_no_object").alias("no_object"),
                F.schema_of_variant_agg("object").alias("kinds"),
                # the description above takes keys that differ in case for one
                F.array_sort(F.array_distinct(F.flatten(F.collect_set("keys")))).alias("names"),
            )
            .orderBy("file")
            .collect()
        )
        parts: dict[tuple[str, tuple[str, ...]], _Part] = {}
        damaged = []
        for row in checked:
            if row["not_utf8"]:
                damaged.append((unquote(row["file"]), _not_utf8(row["not_utf8"])))
            elif row["no_object"]:
                damaged.append((unquote(row["file"]), _no_object(row["no_object"])))
            else:
                names = tuple(row["names"])
                kinds = {plain(name): kind for name, kind in kinds_of_object(row["kinds"]).items()}
                part = parts.setdefault((row["kinds"], names), _Part(names, kinds))
                part.files.append(by_path[local_name(unquote(row["file"]))])
        return self._checked_parts(parts, damaged, files)

    def _checked_parts(
        self,
        parts: Mapping[tuple[str, tuple[str, ...]], _Part],
        damaged: Sequence[tuple[str, str]],
        files: Sequence[StoredFile],
    ) -> list[_Part]:
        if not parts and not damaged:
            damaged = [(file.uri, "no line: the file is empty") for file in files]
        if damaged:
            raise damaged_files(
                self._location.table.name, damaged, "UTF-8, one JSON object per line", "have it written as JSON lines"
            )
        return list(parts.values())

    def _parts_in_python(self, files: Sequence[StoredFile]) -> list[_Part]:
        """The same pass for engines that cannot do it."""
        by_uri = {file.uri: file for file in files}
        describe = partial(_describe_files, known=[*by_uri], is_document=self._is_document)
        described = contents(self._spark, self._storage, files).mapInArrow(describe, _DESCRIBED)
        parts: dict[tuple[str, tuple[str, ...]], _Part] = {}
        damaged = []
        for row in described.orderBy("uri").collect():
            if row["problem"]:
                damaged.append((row["uri"], row["problem"]))
            elif row["keys"]:
                names = tuple(row["keys"])
                by_key: dict[str, set[str]] = defaultdict(set)
                for name, kind in zip(names, row["kinds"], strict=True):
                    by_key[plain(name)].add(kind)
                kinds = {key: json_records.common_kind(kinds_of_key) for key, kinds_of_key in by_key.items()}
                part = parts.setdefault((str(kinds), names), _Part(names, kinds))
                part.files.append(by_uri[row["uri"]])
        return self._checked_parts(parts, damaged, files)

    def _read_in_python(self, part: _Part, names: Sequence[str], identifiers: Collection[str]) -> DataFrame:
        """The part's rows; a column of the folders' names has their values, and stops the run at another."""
        spelling = {plain(name): name for name in part.names}
        folders = {plain(name): name for name in self._partitions}
        kinds = {
            name: _type_of(part.kinds[plain(name)], name in identifiers)
            if plain(name) in spelling and plain(name) not in folders
            else T.StringType()
            for name in names
            if plain(name) in spelling or plain(name) in folders
        }
        # a type that is refused when the columns are looked at, whatever is in it
        nested = {name for name, kind in kinds.items() if isinstance(kind, T.VariantType)}
        types = {name: T.ArrayType(T.StringType()) if name in nested else kind for name, kind in kinds.items()}
        if not types:
            types = {_NO_COLUMN: T.StringType()}
        in_folders = {
            file.uri: {
                plain(name): (value, marked([conflict(self._location.table.name, name, file)]))
                for name, value in partition_values(file).items()
            }
            for file in part.files
        }
        read = partial(
            _read_files,
            columns={name: spelling.get(plain(name)) for name in types},
            types={name: kind.simpleString() for name, kind in types.items()},
            folders=in_folders,
            is_document=self._is_document,
        )
        schema = T.StructType([T.StructField(name, kind) for name, kind in types.items()])
        rows = contents(self._spark, self._storage, part.files).mapInArrow(read, schema)
        return rows.select(*(column_named(name) for name in kinds))


_DESCRIBED = "uri string, keys array<string>, kinds array<string>, problem string"
# Placeholder column of rows from which no column is requested.
_NO_COLUMN = "row"


# -- on executors -----------------------------------------------------------------------------------------------------


def _describe_files(
    batches: Iterable[pa.RecordBatch], known: Sequence[str], is_document: bool
) -> Iterator[pa.RecordBatch]:
    """For each file: its keys in order, the kinds of their values, and the problem, if any."""
    for uri, opener in each_file(batches, known):
        kinds: dict[str, set[str]] = defaultdict(set)
        wrong: Counter[str] = Counter()
        problem = None
        try:
            objects = json_records.documents(opener, uri) if is_document else json_records.records(opener, uri, wrong)
            for record in objects:
                for key, value in record.items():
                    kinds[key].add(json_records.kind_of(value))
        except DamagedTextError as error:
            problem = str(error)
        except UnicodeDecodeError:
            problem = "bytes that are not UTF-8"
        except (ValueError, RecursionError):
            problem = "not one JSON object, nor a list of them"
        except (EOFError, zlib.error, OSError) as error:
            if getattr(error, "errno", None) is not None:
                raise
            problem = "a compressed file that is truncated or damaged"
        if wrong[json_records.NOT_UTF8]:
            problem = _not_utf8(wrong[json_records.NOT_UTF8])
        elif wrong[json_records.NO_OBJECT]:
            problem = _no_object(wrong[json_records.NO_OBJECT])
        keys = sorted(kinds)
        described = {"uri": [uri], "keys": [keys], "kinds": [[json_records.common_kind(kinds[key]) for key in keys]]}
        schema = pa.schema(
            {"uri": pa.string(), "keys": pa.list_(pa.string()), "kinds": pa.list_(pa.string()), "problem": pa.string()}
        )
        yield pa.RecordBatch.from_pydict({**described, "problem": [problem]}, schema)


def _read_files(
    batches: Iterable[pa.RecordBatch],
    columns: Mapping[str, str | None],
    types: Mapping[str, str],
    folders: Mapping[str, Mapping[str, tuple[str | None, str]]],
    is_document: bool,
) -> Iterator[pa.RecordBatch]:
    for uri, opener in each_file(batches, folders):
        objects = iter(json_records.documents(opener, uri) if is_document else json_records.records(opener, uri))
        while read := [record for _, record in zip(range(_ROWS_PER_BATCH), objects, strict=False)]:
            arrays = []
            for name, key in columns.items():
                values = [record.get(key) for record in read] if key is not None else [None] * len(read)
                if plain(name) in folders[uri]:
                    value, problem = folders[uri][plain(name)]
                    texts = [json_records.as_text(value) for value in values]
                    if any(text is not None and text.strip(" ") != (value or "").strip(" ") for text in texts):
                        raise RuntimeError(problem)
                    arrays.append(pa.array([value] * len(read), pa.string()))
                else:
                    arrays.append(_array(values, types[name]))
            yield pa.RecordBatch.from_arrays(arrays, names=[*columns])


def _array(values: Sequence[object], kind: str) -> pa.Array:
    if kind == "boolean":
        return pa.array(values, pa.bool_())
    if kind == "double":
        return pa.array([None if value is None else float(str(value)) for value in values], pa.float64())
    if kind.startswith("array"):
        return pa.nulls(len(values), pa.list_(pa.string()))
    return pa.array([json_records.as_text(value) for value in values], pa.string())


# -- helpers ----------------------------------------------------------------------------------------------------------


def _type_of(kind: str, is_identifier: bool) -> T.DataType:
    if kind == "BOOLEAN":
        return T.BooleanType()
    if kind.startswith(_NESTED):
        return T.VariantType()
    if is_identifier and kind.startswith(_NUMBERS):
        return T.DoubleType()
    return T.StringType()


def kinds_of_object(text: str) -> dict[str, str]:
    """Keys and kinds of Spark's description of a JSON object.

    >>> kinds_of_object("OBJECT<`a b`: BIGINT, c: ARRAY<OBJECT<d: STRING, e: VOID>>, f: DECIMAL(5,3)>")
    {'a b': 'BIGINT', 'c': 'ARRAY<OBJECT<d: STRING, e: VOID>>', 'f': 'DECIMAL(5,3)'}
    """
    kinds = {}
    inside = text.removeprefix("OBJECT<").removesuffix(">") if text.startswith("OBJECT<") else ""
    start, depth, is_quoted = 0, 0, False
    for place, letter in enumerate(inside + ","):
        if letter == "`":
            is_quoted = not is_quoted
        elif not is_quoted and letter in "<(":
            depth += 1
        elif not is_quoted and letter in ">)":
            depth -= 1
        elif not is_quoted and letter == "," and not depth and place > start:
            name, kind = _KEY_AND_KIND.fullmatch(inside[start:place]).groups()  # type: ignore[union-attr]
            kinds[name[1:-1].replace("``", "`") if name.startswith("`") else name] = kind
            start = place + 1
    return kinds


def _not_utf8(lines: int) -> str:
    return f"bytes that are not UTF-8 in {counted(lines, 'line', 'lines')}"


def _no_object(lines: int) -> str:
    return counted(lines, "line that is", "lines that are") + " not one JSON object"


def _opened(of: Opening) -> Reader:
    multiline = [value for option, value in of.location.options.items() if option.lower() == "multiline"]
    if not multiline:
        refuse_unknown_options(of, ())
        return JsonLines(of.spark, of.storage, of.location)
    if abilities(of.spark).reads_json:
        return SparkFormat(of.spark, of.storage, of.location)
    refuse_unknown_options(of, ("multiLine",))
    return JsonLines(of.spark, of.storage, of.location, is_document=str(multiline[0]).lower() == "true")


JSON = FileFormat(
    "json",
    (".json", ".json.gz", ".jsonl", ".jsonl.gz"),
    "JSON lines: one object per line; with the option `multiLine: true`, one object or a list of them over any lines",
    _opened,
)
