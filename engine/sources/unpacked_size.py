"""The limit on what a compressed file unpacks to, against files that are made to fill the disk."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable

# Claims compress 10 to 30 times; a file of one repeated byte, at most 1,000 times.
_LARGEST_RATIO = 200
_HARMLESS_BYTES = 1 << 30


class ArchiveError(Exception):
    """The reason why an archive is not unpacked."""


def check_unpacked_size(members: Iterable[zipfile.ZipInfo]) -> None:
    """Raise ArchiveError if the members unpack to more than 1 GiB and to more than 200 times their packed size."""
    members = list(members)
    packed = sum(member.compress_size for member in members)
    unpacked = sum(member.file_size for member in members)
    if unpacked > max(_HARMLESS_BYTES, _LARGEST_RATIO * packed):
        raise ArchiveError(
            f"{unpacked:,} bytes packed into {packed:,}, more than {_LARGEST_RATIO} times: it may be malicious"
        )
