"""The tags by which MLflow identifies the run that created an entry."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from engine.runs import Run, code_version
from engine.sources import OpenedTable


def run_tags(run: Run, opened: Mapping[str, OpenedTable]) -> dict[str, str]:
    """Tags of a run on these tables."""
    fingerprints = {f"input.{name}": table.fingerprint for name, table in opened.items()}
    together = hashlib.sha256(json.dumps(fingerprints, sort_keys=True).encode()).hexdigest()
    return {
        "run_id": run.run_id,
        "data_fingerprint": together[:16],
        "as_of": str(run.settings.today),
        "config_hash": run.settings.config_hash,
        "code_version": code_version(),
        **fingerprints,
    }
