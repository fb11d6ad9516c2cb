"""The version of the program, with a hash over its sources."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import cache
from importlib import resources
from importlib.metadata import PackageNotFoundError, version
from importlib.resources.abc import Traversable

from engine.errors import InternalError


@cache
def code_version() -> str:
    """The package's version and a hash over the sources of `engine`, so that the code of two runs can be compared.

    The jobs and the generator of claims do not count: what a run finds does not depend on them.
    Equal for a folder and for an archive of it, from which a cluster's driver imports. Raises InternalError if no
    source is found: the hash of nothing would be equal for all code.
    """
    sources = sorted(_sources(resources.files("engine")))
    if not sources:
        raise InternalError("the sources of the program cannot be read, so that its version is unknown")
    hashed = hashlib.sha256()
    for name, content in sources:
        hashed.update(name.encode())
        hashed.update(content)
    try:
        number = version("drug-discount-engine")
    except PackageNotFoundError:
        number = "unreleased"
    return f"{number}+{hashed.hexdigest()[:12]}"


def _sources(folder: Traversable, below: str = "") -> Iterator[tuple[str, bytes]]:
    """Name, relative to the package, and content of each Python file."""
    for entry in folder.iterdir():
        name = f"{below}{entry.name}"
        if entry.is_dir():
            yield from _sources(entry, f"{name}/")
        elif name.endswith(".py"):
            yield name, entry.read_bytes()
