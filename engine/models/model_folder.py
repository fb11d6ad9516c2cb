"""A model on disk: arrays, their description, and the Python that scores with them; no pickle."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import metadata, resources
from pathlib import Path
from typing import Any

from engine.errors import ConfigurationError, Problem
from engine.models.scorers import SCORER_FILE, load_scorer, save_scorer
from engine.models.scorers.base import Scorer

DESCRIPTION_FILE = "model.json"
SCORERS_FOLDER = "scorers"


def write_model(folder: str | Path, scorer: Scorer, description: Mapping[str, Any]) -> None:
    """Write a model. `description`: at least `kind` and `inputs`; the digest of the arrays is added."""
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    save_scorer(scorer, target)
    text = json.dumps({**description, "digest": scorer.digest}, indent=2, sort_keys=True)
    (target / DESCRIPTION_FILE).write_text(text + "\n", encoding="utf-8")
    (target / SCORERS_FOLDER).mkdir(exist_ok=True)
    for file in resources.files("engine.models.scorers").iterdir():
        if file.name.endswith(".py"):
            (target / SCORERS_FOLDER / file.name).write_bytes(file.read_bytes())


def read_model(folder: str | Path) -> tuple[Scorer, dict[str, Any]]:
    """Read a model that `write_model` wrote. Raises an error unless it is a complete model."""
    source = Path(folder)
    description = json.loads((source / DESCRIPTION_FILE).read_text(encoding="utf-8"))
    scorer = load_scorer(description["kind"], source)
    if (scorer.digest, scorer.features) != (description["digest"], len(description["inputs"])):
        raise ValueError(f"the arrays are not those that {DESCRIPTION_FILE} describes")
    return scorer, description


@contextmanager
def reading(folder: str | Path, what: str) -> Iterator[None]:
    """Convert errors of reading a file within the block to ConfigurationError."""
    try:
        yield
    # numpy and zipfile raise many kinds of errors on invalid files
    except Exception as error:
        raise ConfigurationError(
            Problem(
                "the model cannot be read",
                str(folder),
                f"{type(error).__name__}: {error}",
                f"{SCORER_FILE} and {DESCRIPTION_FILE} of {what}",
                "train a new model, or name another version with --model",
            )
        ) from error


def check_features(trained_on: Sequence[str], configured: Sequence[str], *, what: str, where: str, to_do: str) -> None:
    """Raise ConfigurationError unless a model was trained on exactly the configured features, in their order."""
    if tuple(configured) == tuple(trained_on):
        return
    raise ConfigurationError(
        Problem(
            f"the {what} was trained on other features than the configured ones",
            where,
            ", ".join(trained_on),
            ", ".join(configured),
            to_do,
        )
    )


def versions() -> dict[str, str]:
    """Versions of the libraries that fit models."""
    packages = {name: metadata.version(name) for name in ("scikit-learn", "pyod", "numpy")}
    try:
        engine = metadata.version("drug-discount-engine")
    except metadata.PackageNotFoundError:  # shipped as files, not installed
        engine = "unknown"
    return {"python": platform.python_version(), "engine": engine, **packages}
