"""A `.zip` with one table file in it is read like that file (docs/input-excel.md)."""

from __future__ import annotations

import shutil
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from pyspark.sql import SparkSession

from engine.errors import InputError, Problem, UserError
from engine.runtime.storage import Storage, StoredFile, name_of
from engine.sources.file_formats import FILE_FORMATS, format_of
from engine.sources.file_formats.delimited import CSV
from engine.sources.file_formats.zipped import ZIP
from engine.sources.location import Location
from engine.sources.reader import damaged_files, data_files
from engine.sources.staging import staging_folder
from engine.sources.unpacked_size import ArchiveError, check_unpacked_size

_ENCRYPTED = 0x1
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
_MEMBER = "member"
_FORMATS_OF_MEMBERS = ", ".join(name for name in FILE_FORMATS if name != ZIP.name)


@contextmanager
def unpacked(spark: SparkSession, storage: Storage, location: Location) -> Iterator[Location]:
    """The location for readers: an archive is replaced by its one table file, unpacked to a temporary folder.

    The option `member` names the file in an archive that has several. Problems that are raised within the block name
    the archive and its member instead of the temporary file. A folder or pattern may have several archives, with one
    file of the same format in each.

    Raises:
        InputError: no table file or several, a password, a damaged archive, one that unpacks to far more than claims
            do, or more than the disk holds; a session with executors on other machines.
    """
    if location.format != ZIP.name and not (location.files and all(_is_archive(file) for file in location.files)):
        yield location
        return
    files = data_files(storage, location)
    name = name_of(files[0].uri) if len(files) == 1 else location.table.name
    folder = staging_folder(spark, name, location.uri, f"the archive of table {location.table.name}")
    members = {file.uri: _unpack(storage, file, location, folder, number) for number, file in enumerate(files)}
    formats = sorted({_format(member) for member in members.values()})
    kind = location.format if location.format != ZIP.name else formats[0]
    if location.format == ZIP.name and len(formats) > 1:
        raise _refusal(location, location.uri, "has archives with files of several formats", ", ".join(formats))
    options = {name: value for name, value in location.options.items() if name != _MEMBER}
    uri = str(next(iter(members.values())) if len(members) == 1 else folder)
    try:
        yield replace(location, uri=uri, format=kind, options=options, files=())
    except UserError as error:
        named = {str(path): f"{_tidy(archive)}/{path.name}" for archive, path in members.items()}
        raise type(error)(_renamed(problem, named) for problem in error.problems) from None


def _is_archive(file: StoredFile) -> bool:
    return file.uri.lower().endswith(".zip")


def _renamed(problem: Problem, named: dict[str, str]) -> Problem:
    where, received = problem.where, problem.found
    for path, name in named.items():
        where, received = _tidy(where).replace(path, name), received.replace(path, name)
    return replace(problem, where=where, found=received)


def _tidy(uri: str) -> str:
    return uri.removeprefix("file://").removeprefix("file:")


def _unpack(storage: Storage, file: StoredFile, location: Location, folder: Path, number: int) -> Path:
    with storage.local_copy(file.uri) as path:
        try:
            with zipfile.ZipFile(path) as archive:
                member = _member(archive.infolist(), file, location)
                check_unpacked_size([member])
                if member.file_size > shutil.disk_usage(folder).free:
                    raise ArchiveError(f"{member.file_size:,} bytes, more than is free in {folder.parent.parent}")
                # archives of one folder may contain files of the same name
                target = folder / str(number) / name_of(member.filename)
                target.parent.mkdir()
                with archive.open(member) as source, target.open("wb") as unpacked_file:
                    shutil.copyfileobj(source, unpacked_file)
                return target
        except ArchiveError as error:
            raise _refusal(location, file.uri, "has an archive that is not unpacked", str(error)) from None
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError) as error:
            table = location.table.name
            raise damaged_files(
                table, [(file.uri, str(error)[:200])], "a complete zip archive", "ask the sender for it again"
            ) from None


def _member(members: Sequence[zipfile.ZipInfo], file: StoredFile, location: Location) -> zipfile.ZipInfo:
    files = [member for member in members if not member.is_dir() and not _is_hidden(member.filename)]
    wanted = location.options.get(_MEMBER)
    chosen = [member for member in files if wanted in (member.filename, name_of(member.filename))]
    if wanted is None:
        tables = [member for member in files if format_of(member.filename) not in (None, ZIP.name)]
        chosen = tables or [member for member in files if member.filename.lower().endswith(".txt")]
    names = ", ".join(member.filename for member in files[:20]) or "no file"
    if len(chosen) != 1:
        expected = f"one file {wanted}" if wanted else "one table file"
        raise _refusal(location, file.uri, f"has an archive without exactly {expected}", names)
    (member,) = chosen
    if member.flag_bits & _ENCRYPTED:
        raise ArchiveError(f"{member.filename} is protected by a password")
    if member.compress_type not in _METHODS:
        raise ArchiveError(
            f"{member.filename} is compressed in method {member.compress_type}, which Python does not support"
        )
    return member


def _is_hidden(name: str) -> bool:
    """Folders of macOS, hidden files, and the owner files of open workbooks."""
    return name.startswith("__MACOSX/") or any(part.startswith((".", "~$")) for part in name.split("/"))


def _format(member: Path) -> str:
    return format_of(member.name) or CSV.name


def _refusal(location: Location, uri: str, what: str, received: str) -> InputError:
    table = location.table.name
    return InputError(
        Problem(
            f"table {table} {what}",
            uri,
            received,
            f"a zip archive without a password, with one file in it: text, {_FORMATS_OF_MEMBERS}",
            f"unpack it, or name the file in input.tables.{table}.options.{_MEMBER}",
        )
    )
