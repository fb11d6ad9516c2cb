"""The interface of readers, for tables in files, in other Spark formats or elsewhere, and of file formats."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import NamedTuple, Protocol

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from engine.errors import InputError, Problem, counted
from engine.runtime.storage import Storage, StoredFile
from engine.sources.adapters import Adapter
from engine.sources.frames import is_data, plain
from engine.sources.location import Location
from engine.sources.odbc import MARK
from engine.sources.partitions import conflict, partition_values
from engine.sources.text_format import unknown_option

_MOST_FILES_NAMED = 5


class Reader(Protocol):
    """An opened table; only its names and types have been read.

    `names`: the columns as received, one spelling each. `repeated`: names, in plain form, that match more than one
    column of a file, so none of them can be used. `lacking`: by column in plain form, the files that lack it while
    others have it, for readers that read each file by its own columns. `notes`: for the run's summary.
    """

    names: tuple[str, ...]
    repeated: frozenset[str]
    lacking: Mapping[str, tuple[str, ...]] = {}
    notes: tuple[str, ...] = ()

    def rows(self, names: Sequence[str], identifiers: Collection[str]) -> DataFrame:
        """All rows with exactly these columns, named like this; `identifiers` must not mix numbers with text."""


class Opening(NamedTuple):
    """A location to be opened, and the adapter of its layout, if it has one."""

    spark: SparkSession
    storage: Storage
    location: Location
    adapter: Adapter | None

    @property
    def own_options(self) -> tuple[str, ...]:
        """Options that only the adapter reads."""
        return self.adapter.known_options(self.location.table.name) if self.adapter else ()

    @property
    def header_names(self) -> tuple[str, ...]:
        """Names by which the header of the layout is found."""
        return self.adapter.header_names if self.adapter else ()


@dataclass(frozen=True)
class FileFormat:
    """A format of files that every engine reads, declared in a module of `engine/sources/file_formats/`.

    name: in the setting `format`. endings: of files, in lower case, with which a file in the input folder is also found
    by its table's name. contents: what such a file is, for the page of file formats. open: its reader; None for
    archives, which are unpacked before. further: endings of files that a setting names. page: of docs/, on its options.
    """

    name: str
    endings: tuple[str, ...]
    contents: str
    open: Callable[[Opening], Reader] | None
    further: tuple[str, ...] = ()
    page: str = ""


def refuse_unknown_options(of: Opening, known: Sequence[str]) -> None:
    """Raise InputError for options that are neither `known`, in whatever case, nor the adapter's."""
    known = (*known, *of.own_options)
    by_letters = {name.lower() for name in known}
    unknown = [name for name in of.location.options if name.lower() not in by_letters]
    if unknown:
        raise InputError([unknown_option(of.location.table.name, name, known) for name in unknown])


def data_files(storage: Storage, location: Location) -> list[StoredFile]:
    """The data files of a table, without writers' marker files; if the location is one file, only that file.

    Raises InputError if there is none.
    """
    same_file = [file for file in location.files if file.uri == location.uri]
    files = same_file or list(location.files) or [file for file in storage.files(location.uri) if is_data(file)]
    if not files:
        raise InputError(
            Problem(
                f"the folder of table {location.table.name} contains no file",
                location.uri,
                to_do="put its files there; for a table without rows, a file with its columns",
            )
        )
    return files


def lacking(files: Iterable[tuple[StoredFile, Iterable[str]]]) -> dict[str, tuple[str, ...]]:
    """By column in plain form, the files that lack it while others have it; `files`: files with their columns."""
    columns = {file.uri: {plain(name) for name in names} for file, names in files}
    return {
        name: tuple(uri for uri, own in columns.items() if name not in own)
        for name in sorted(set().union(*columns.values()))
        if name and not all(name in own for own in columns.values())
    }


def damaged_files(table: str, damage: Iterable[tuple[str, str]], expected: str, to_do: str) -> InputError:
    """One problem per file that cannot be read; `damage`: pairs of file and damage."""
    named = list(damage)
    problems = [
        Problem(f"a file of table {table} cannot be read", file, what, expected, to_do)
        for file, what in named[:_MOST_FILES_NAMED]
    ]
    if len(named) > _MOST_FILES_NAMED:
        count = counted(len(named) - _MOST_FILES_NAMED, "more file", "more files")
        problems.append(Problem(f"{count} of table {table} too", "same folder"))
    return InputError(problems)


def folder_column(location: Location, name: str, files: Sequence[StoredFile], in_file: Column | None) -> Column:
    """A partition column (`state=AK/`), for rows that Spark reads from these files.

    Args:
        location: the table, for messages.
        name: the column as the folders spell it.
        files: all files that are read.
        in_file: the column of that name in the files, if any. Reading stops with InputError at a row whose value
            differs from the folder's; NULL agrees with every folder.
    """
    values = {local_name(file.uri).rpartition("/")[0]: partition_values(file).get(name) for file in files}
    if len(set(values.values())) == 1:
        in_folder = F.lit(next(iter(values.values()))).cast("string")
    else:
        path = F.url_decode(F.replace(F.col("_metadata.file_path"), F.lit("+"), F.lit("%2B")))
        folder = F.regexp_extract(F.regexp_replace(path, "^file:/+", "/"), "^(.*)/", 1)
        in_folder = F.create_map(*(F.lit(part) for pair in values.items() for part in pair))[folder]
    if in_file is None:
        return in_folder
    problem = conflict(location.table.name, name, files[0])
    error = F.raise_error(F.lit(marked([replace(problem, where=location.uri)]))).cast("string")
    is_same = in_file.isNull() | (F.trim(in_file) == F.trim(in_folder))
    return F.when(is_same, in_folder).otherwise(error)


def marked(problems: Iterable[Problem]) -> str:
    """An executor's message that `translate_read_error` turns back into these problems."""
    return f"{MARK}{json.dumps([asdict(problem) for problem in problems])}{MARK}"


def local_name(uri: str) -> str:
    """One spelling of a location: Spark and Hadoop write the root of local files differently."""
    return re.sub(r"^file:/+", "/", uri)
