"""Prints the digest of everything that the lock files were resolved from."""

from __future__ import annotations

import hashlib
import json
import tomllib
from pathlib import Path

FOLDER = Path(__file__).resolve().parent


def digest() -> str:
    """Return the SHA-256 of the ranges in pyproject.toml and build.in, whatever their order and layout."""
    project = tomllib.loads((FOLDER.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    build = [line for line in (FOLDER / "build.in").read_text(encoding="utf-8").splitlines() if line[:1] != "#"]
    ranges = {
        "python": project["requires-python"],
        "run": sorted(project["dependencies"]),
        "dev": sorted(project["optional-dependencies"]["dev"]),
        "build": sorted(build),
    }
    return hashlib.sha256(json.dumps(ranges).encode()).hexdigest()


if __name__ == "__main__":
    print(digest())
