"""A finished run below the output folder, read again."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

from engine.errors import ConfigurationError, OutputError, Problem
from engine.settings import Settings
from engine.storage import SUCCESS_MARKER, Storage, join


def finished_run(storage: Storage, settings: Settings, run_id: str) -> tuple[str, dict[str, Any], Settings]:
    """Folder and summary of a finished run, and the settings as of its day.

    Raises OutputError where there is none, ConfigurationError where the settings are not those it was made with.
    """
    folder, summary = published(storage, settings, run_id)
    if summary["config_hash"] != settings.config_hash:
        raise ConfigurationError(
            Problem(
                "the settings are not those that the run was made with",
                folder,
                to_do="give the same --config and --set as for the run",
            )
        )
    return folder, summary, settings.model_copy(update={"as_of": date.fromisoformat(summary["as_of"])})


def published(storage: Storage, settings: Settings, run_id: str) -> tuple[str, dict[str, Any]]:
    """Folder and summary of a finished run. Raises OutputError where there is none."""
    folder = join(settings.output.root, run_id)
    if not storage.exists(join(folder, SUCCESS_MARKER)):
        raise OutputError(Problem("there is no finished run of this id", folder, to_do="mend --run-id or --output"))
    return folder, json.loads(storage.read_bytes(join(folder, "summary.json")))
