"""Digests of a model's files, stored with the training run: the artifact store must hold what was registered."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

from engine.errors import ConfigurationError, Problem

# Tag of the training run.
FILES_TAG = "model_files"
# Python creates this folder when a served model is loaded.
_CACHE = "__pycache__"


def file_digests(folder: Path) -> dict[str, str]:
    """SHA-256 of every file in the folder and its subfolders, by relative path."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and _CACHE not in path.parts)
    return {path.relative_to(folder).as_posix(): sha256(path.read_bytes()).hexdigest() for path in files}


def check_files(folder: Path, registered: str | None, model: str) -> None:
    """Raise ConfigurationError, which names the files, unless the folder holds exactly what was registered.

    `registered`: JSON of `file_digests` when the model was logged.
    """
    if registered is None:
        raise ConfigurationError(_problem(model, folder, "its training run records no digests of its files"))
    expected, actual = json.loads(registered), file_digests(folder)
    states = {
        "changed": {name for name in expected.keys() & actual.keys() if expected[name] != actual[name]},
        "missing": expected.keys() - actual.keys(),
        "added": actual.keys() - expected.keys(),
    }
    differing = [f"{name} ({state})" for state, names in states.items() for name in sorted(names)]
    if differing:
        raise ConfigurationError(_problem(model, folder, ", ".join(differing)))


def _problem(model: str, folder: Path, actual: str) -> Problem:
    return Problem(
        f"the files of {model} are not those that were registered",
        str(folder),
        actual,
        "the files as `train` logged them",
        "restore them, name another version with --model, or train a new one",
    )
