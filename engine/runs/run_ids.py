"""Run ids: names that a run's folder can have."""

from __future__ import annotations

import re

from engine.errors import OutputError, Problem

_RUN_ID = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,98}[A-Za-z0-9_-])?")
# What the engine and MLflow keep in the output folder next to the runs.
_RESERVED = {"compare", "explain", "mlartifacts", "mlruns", "runs"}
_RESERVED_PREFIX = "mlflow.db"


def check_run_id(run_id: str, where: str = "--run-id") -> str:
    """Return `run_id` if it can name a run's folder.

    Every job that takes a run id calls this before the id becomes part of a path. `where` names the option.
    Reserved names are refused in any case, since a file system may not distinguish case.

    Raises:
        OutputError: not a plain folder name, or a name that the output folder needs for something else.
    """
    if not _RUN_ID.fullmatch(run_id):
        expected = "up to 100 letters, digits, '.', '_' and '-'; the first a letter or digit, the last not '.'"
        raise OutputError(Problem("a run id must be usable as a folder name", where, run_id, expected))
    name = run_id.lower()
    if name in _RESERVED or name.startswith(_RESERVED_PREFIX):
        raise OutputError(
            Problem(
                "the run id is a name that the output folder uses itself",
                where,
                run_id,
                f"none of {', '.join(sorted(_RESERVED))}, and nothing that begins with {_RESERVED_PREFIX}",
                "use another --run-id",
            )
        )
    return run_id
