"""Files in the input folder that belong to no table of the run."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import asdict, dataclass

from engine.runtime.storage import Storage, join
from engine.sources.frames import is_hidden
from engine.sources.location import Location
from engine.sources.locations import likely_table


@dataclass(frozen=True)
class UnreadFile:
    """A file, or a folder (its name ends with `/`), that is not read.

    Attributes:
        name: relative to the input folder.
        likely_table: the table that it was probably meant to be.
    """

    name: str
    likely_table: str | None

    @property
    def to_do(self) -> str:
        """What to do to read the file as the likely table."""
        return f"To read it, set input.tables.{self.likely_table}.path: {self.name.rstrip('/')}, or rename it."

    @property
    def as_json(self) -> dict[str, str | None]:
        """The columns of a line as `summary.json` holds them."""
        return asdict(self)


def unread_files(storage: Storage, root: str | None, locations: Iterable[Location]) -> tuple[UnreadFile, ...]:
    """Every file below the input folder that no table reads, except hidden files and markers; folders as a whole.

    Lists the input folder and those folders below it that contain a file the run reads.
    """
    if root is None or not storage.is_folder(root):
        return ()
    read: set[str] = set()
    for location in locations:
        read |= {file.uri for file in location.files}
        if location.database is None and not location.files:
            read.add(storage.qualified(location.uri))
    return tuple(_unread(storage, storage.qualified(root), "", read))


def _unread(storage: Storage, folder: str, above: str, read: Collection[str]) -> Iterator[UnreadFile]:
    for name in storage.children(folder):
        uri = join(folder, name)
        if is_hidden(name) or uri in read:
            continue
        if not storage.is_folder(uri):
            yield UnreadFile(above + name, likely_table(name))
        elif any(file.startswith(uri + "/") for file in read):
            yield from _unread(storage, uri, f"{above}{name}/", read)
        else:
            yield UnreadFile(f"{above}{name}/", likely_table(name))
