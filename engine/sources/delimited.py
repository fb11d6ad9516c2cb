"""CSV and its relatives: a header, every value text, an empty field NULL; strict UTF-8, nothing dropped.

Spark by itself replaces bytes that are not UTF-8, cuts surplus fields off, fills short rows with NULL and lets a
quotation mark that is never closed swallow the rest of the file. All four stop the run here, with the file's name.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.errors import InputError
from engine.sources.frames import column_named, one_spelling, plain, repeated_names, stacked, unescaped_glob
from engine.sources.locations import Location
from engine.sources.reader import damaged_files, data_files
from engine.storage import Storage, StoredFile

_HEADER_BYTES = 1 << 18
_ESCAPED_BYTES = re.compile("[\udc80-\udcff]")
_NOT_UTF8 = "bytes that are not UTF-8"
_STRICT: dict[str, str | bool] = {
    "header": True,
    "mode": "FAILFAST",
    "quote": '"',
    "escape": '"',
    "unescapedQuoteHandling": "RAISE_ERROR",
    # a pruned column is not counted, and a row with a field too many would pass
    "columnPruning": False,
    "ignoreCorruptFiles": False,
    "ignoreMissingFiles": False,
}
# With one of these the rules for quotes are no longer the ones that are checked here.
_OTHER_QUOTING = {"quote", "escape", "encoding", "charset", "linesep", "comment", "multiline"}


@dataclass
class _Part:
    """Files of one and the same header. `multi_line`: some value of them has a line break in it."""

    header: tuple[str, ...]
    files: list[StoredFile] = field(default_factory=list)
    multi_line: bool = True


class DelimitedFiles:
    """A delimited text file or a folder of them; `.gz` and what else Hadoop has codecs for; see `Reader`.

    The location's `options` go to Spark's CSV reader and win over what is strict here (`sep`, `encoding`, `header`,
    `mode: PERMISSIVE` to have short rows filled up).
    """

    def __init__(self, spark: SparkSession, storage: Storage, location: Location):
        self._spark = spark
        self._location = location
        self._options = {name.lower(): value for name, value in location.options.items()}
        self._has_header = self._options.get("header", "true").lower() == "true"
        self._parts = self._parts_by_header(storage, data_files(storage, location))
        if not _OTHER_QUOTING & self._options.keys() and len(self._separator) == 1:
            self._check_lines()
        self.names = one_spelling(name for part in self._parts for name in part.header)
        self.repeated = frozenset(name for part in self._parts for name in repeated_names(part.header))

    def rows(self, names: Sequence[str], identifiers: Collection[str]) -> DataFrame:
        frames = [self._frame(part, names) for part in self._parts]
        return stacked(frames, names, identifiers, self._location.table.name, self._location.uri)

    def _frame(self, part: _Part, names: Sequence[str]) -> DataFrame:
        fields = _distinct(part.header)
        schema = T.StructType([T.StructField(name, T.StringType()) for name in fields])
        reader = self._spark.read.schema(schema).options(**_STRICT, multiLine=part.multi_line)
        rows = reader.options(**self._location.options).csv([unescaped_glob(file.uri) for file in part.files])
        if part.multi_line and part.header:
            # where line ends differ within a file, the last field keeps a carriage return
            rows = rows.withColumn(fields[-1], F.regexp_replace(column_named(fields[-1]), "\r\\z", ""))
        spelling = {plain(name): name for name in fields}
        present = [name for name in names if plain(name) in spelling]
        return rows.select(*(column_named(spelling[plain(name)]).alias(name) for name in present))

    def _parts_by_header(self, storage: Storage, files: Sequence[StoredFile]) -> list[_Part]:
        parts: dict[tuple[str, ...], _Part] = {}
        damaged = []
        for file in files:
            try:
                header = self._header(storage, file)
            except (EOFError, LookupError, UnicodeError, csv.Error) as error:
                damaged.append((file.uri, str(error)))
            else:
                parts.setdefault(header, _Part(header)).files.append(file)
        if damaged:
            raise self._damaged(damaged)
        return list(parts.values())

    def _header(self, storage: Storage, file: StoredFile) -> tuple[str, ...]:
        encoding = self._options.get("encoding", self._options.get("charset", "utf-8"))
        # incremental, as the last character may be cut in two; bad bytes below the header are counted later
        decoder = codecs.getincrementaldecoder(encoding)("surrogateescape")
        text = decoder.decode(storage.first_bytes(file.uri, _HEADER_BYTES)).removeprefix("\ufeff")
        first = next((record for record in self._records(text) if record), None)
        if first is None:
            raise EOFError("no header: the file is empty")
        if any(_ESCAPED_BYTES.search(name) for name in first):
            raise UnicodeError(f"{_NOT_UTF8} in the header")
        return tuple(first) if self._has_header else tuple(f"_c{n}" for n in range(len(first)))

    def _records(self, text: str) -> Iterator[list[str]]:
        if len(self._separator) > 1:
            return (line.split(self._separator) for line in text.splitlines() if line)
        quote = self._options.get("quote", '"')
        lines = io.StringIO(text, newline="")
        if not quote:
            return csv.reader(lines, delimiter=self._separator, quoting=csv.QUOTE_NONE)
        return csv.reader(lines, delimiter=self._separator, quotechar=quote)

    @property
    def _separator(self) -> str:
        return self._options.get("sep", self._options.get("delimiter", ",")).replace("\\t", "\t")

    def _check_lines(self) -> None:
        """One pass over the bytes: all of them UTF-8, and no quotation mark left open.

        Where every line is complete in itself, the file can be read in pieces, else only as a whole.
        """
        damaged = []
        for part in self._parts:
            lines = self._spark.read.options(ignoreCorruptFiles=False, ignoreMissingFiles=False).text(
                [unescaped_glob(file.uri) for file in part.files]
            )
            quotes = F.octet_length("value") - F.octet_length(F.replace("value", F.lit('"'), F.lit("")))
            has_quote = F.contains("value", F.lit('"'))
            is_complete = F.col("value").rlike(_complete_line(self._separator))
            checked = (
                lines.groupBy(F.col("_metadata.file_path").alias("file"))
                .agg(
                    F.count_if(~F.is_valid_utf8("value")).alias("not_utf8"),
                    F.count_if(has_quote & ~is_complete).alias("incomplete"),
                    F.sum(F.when(has_quote, quotes).otherwise(0)).alias("quotes"),
                )
                .orderBy("file")
                .collect()
            )
            part.multi_line = any(row["incomplete"] for row in checked)
            for row in checked:
                if row["not_utf8"]:
                    damaged.append((row["file"], f"{_NOT_UTF8} in {row['not_utf8']} lines"))
                elif row["incomplete"] and row["quotes"] % 2:
                    damaged.append((row["file"], "a quotation mark that is never closed"))
        if damaged:
            raise self._damaged(damaged)

    def _damaged(self, found: Sequence[tuple[str, str]]) -> InputError:
        table = self._location.table.name
        return damaged_files(
            table,
            found,
            "UTF-8 with a header; a quotation mark inside a quoted value doubled",
            f"have it written anew, or name its encoding in input.tables.{table}.options.encoding",
        )


def _distinct(header: Sequence[str]) -> list[str]:
    """The header's names; those that are blank or stand twice, and so cannot be asked for, by their position."""
    repeated = repeated_names(header)
    return [f"field {n} of file" if plain(name) in {*repeated, ""} else name for n, name in enumerate(header)]


def _complete_line(separator: str) -> str:
    """A line none of whose quoted values goes on in the next; possessive, so that it never backtracks.

    A quotation mark in the middle of an unquoted value (`5" pen`) is a letter like others. Only where values go on
    over line ends too is it refused: nothing tells it from a mark left open.
    """
    sep = re.escape(separator)
    value = f'(?:"[^"]*+(?:""[^"]*+)*+"|[^"{sep}][^{sep}]*+|)'
    return f"^{value}(?:{sep}{value})*+\\z"
