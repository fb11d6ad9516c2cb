"""JSON lines: one object per line. Types come from the values themselves, numbers keep every digit.

Spark's own inference would take text that looks like a number for one, hide a number among texts, and drop what
comes under a key spelled in another case.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.errors import InputError, Problem
from engine.runtime.storage import Storage, StoredFile
from engine.sources.frames import column_named, one_spelling, plain, repeated_names, stacked, unescaped_glob
from engine.sources.locations import Location
from engine.sources.partitions import partition_names
from engine.sources.reader import damaged_files, data_files, folder_column, local_name

_STRICT: dict[str, str | bool] = {"mode": "FAILFAST", "ignoreCorruptFiles": False, "ignoreMissingFiles": False}
_NUMBERS = ("BIGINT", "DECIMAL", "DOUBLE", "FLOAT")
_NESTED = ("OBJECT", "ARRAY")
_MIXED = "VARIANT"
_KEY_AND_KIND = re.compile(r"\s*(`(?:[^`]|``)*`|[^:]+): (.*)", re.DOTALL)


@dataclass
class _Part:
    """Files whose lines have the same keys with the same kinds of values; `kinds` by the key's plain form."""

    names: tuple[str, ...]
    kinds: dict[str, str]
    files: list[StoredFile] = field(default_factory=list)


class JsonLines:
    """A file of JSON lines or a folder of them; see `Reader`.

    Numbers arrive as the text they were written as, except in identifier columns: there a number stays a number, so
    that it is seen. Raises InputError for lines that are not UTF-8 or not one JSON object.
    """

    def __init__(self, spark: SparkSession, storage: Storage, location: Location):
        self._spark = spark
        self._location = location
        files = data_files(storage, location)
        in_folders = any("=" in file.name for file in files)
        self._partitions = partition_names(location.table.name, location.uri, files) if in_folders else ()
        self._parts = self._parts_by_kinds(files)
        self.names = one_spelling(name for part in self._parts for name in (*part.names, *self._partitions))
        self.repeated = frozenset(name for part in self._parts for name in repeated_names(part.names))

    def rows(self, names: Sequence[str], identifiers: Collection[str]) -> DataFrame:
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
                    "have the file written anew with identifiers as text",
                )
            )
        schema = T.StructType(
            [T.StructField(theirs, _type_of(part.kinds[plain(name)], name in identifiers)) for name, theirs in present]
        )
        reader = self._spark.read.schema(schema).options(**_STRICT)
        read = reader.json([unescaped_glob(file.uri) for file in part.files])
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
            [unescaped_glob(file.uri) for file in files]
        )
        value, keys = F.try_parse_json("value"), F.json_object_keys("value")
        # a key that stands twice in one object has no value; what is no object has no keys
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
                damaged.append((unquote(row["file"]), f"bytes that are not UTF-8 in {row['not_utf8']} lines"))
            elif row["no_object"]:
                damaged.append((unquote(row["file"]), f"{row['no_object']} lines that are not one JSON object"))
            else:
                names = tuple(row["names"])
                kinds = {plain(name): kind for name, kind in kinds_of_object(row["kinds"]).items()}
                part = parts.setdefault((row["kinds"], names), _Part(names, kinds))
                part.files.append(by_path[local_name(unquote(row["file"]))])
        if not parts and not damaged:
            damaged = [(file.uri, "no line: the file is empty") for file in files]
        if damaged:
            raise damaged_files(
                self._location.table.name, damaged, "UTF-8, one JSON object per line", "have it written as JSON lines"
            )
        return list(parts.values())


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
