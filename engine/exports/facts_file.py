"""What a run says of itself to readers of its review files, kept so that they can be written again."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from pydantic import TypeAdapter

from engine.exports.facts import RunFacts
from engine.exports.json_files import write_json
from engine.runtime.storage import Storage, join

FACTS_NAME = "run_facts.json"


def write_facts(facts: RunFacts, storage: Storage, folder: str) -> None:
    """Write the facts below a run's folder. Raises OutputError."""
    write_json(storage, join(folder, FACTS_NAME), asdict(facts), sorts_keys=False)


def read_facts(storage: Storage, folder: str) -> RunFacts:
    """The facts of a published run, equal to those that were written; OSError if there are none."""
    adapter: TypeAdapter[Any] = TypeAdapter(RunFacts)
    facts: RunFacts = adapter.validate_json(storage.read_bytes(join(folder, FACTS_NAME)))
    return facts
