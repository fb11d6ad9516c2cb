"""Whether an interrupted run may be resumed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from engine.errors import OutputError
from engine.runs.code_version import code_version
from engine.runs.folders import RunFolders
from engine.runs.provenance import differences, digest
from engine.runs.run import BEGAN_WITH, Run
from engine.runs.run_ids import check_run_id
from engine.runtime.session import engine_facts
from engine.runtime.storage import Storage, join
from engine.settings import Settings

# Of runs that were interrupted before they noted their engine.
_ENGINE_BEFORE = "spark"


def check_resumable(run: Run, fingerprints: Mapping[str, str], models: Mapping[str, str | None]) -> None:
    """Check that an interrupted run is resumed only from what it began with: code, day, input, settings, files, models.

    fingerprints: of each input table; models: origin of each registered model that the run uses. Records what the run
    is made from in its work folder, and a digest of all but the models with every result that is written from now on.

    Raises:
        OutputError: with every difference.
    """
    began_with = join(run.folders.work, BEGAN_WITH)
    now: dict[str, Any] = {
        "code": code_version(),
        "engine": engine_facts(run.spark).name,
        "as_of": str(run.settings.today),
        "input": dict(fingerprints),
        "settings": run.settings.result_settings,
        "files": run.settings.shipped_digests,
        "models": dict(models),
    }
    now = json.loads(json.dumps(now))
    before = json.loads(run.storage.read_bytes(began_with)) if run.storage.exists(began_with) else {}
    if before != now and run.options.resume and (before or run.folders.has_results):
        raise OutputError(differences({"engine": _ENGINE_BEFORE, **before}, now, run.folders.work))
    if before != now:
        run.storage.write_text(began_with, json.dumps(now))
    run.work.origin = {"run": digest({name: value for name, value in now.items() if name != "models"})}


def interrupted_engine(settings: Settings, run_id: str) -> str | None:
    """The engine of the interrupted run that is to be resumed; None if there is none on this machine's disk."""
    began_with = join(RunFolders(Storage(), settings.output.root, check_run_id(run_id)).work, BEGAN_WITH)
    try:
        return str(json.loads(Storage().read_bytes(began_with)).get("engine", _ENGINE_BEFORE))
    except (OSError, ValueError):
        return None
