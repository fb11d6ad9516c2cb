"""Facts in the review files of a run that are not in its tables, stored so the files can be written again."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from pydantic import TypeAdapter

from engine.contracts.codes import Subject
from engine.contracts.run_report import RunFacts
from engine.exports.json_files import write_json
from engine.exports.overview import Amounts, Overview
from engine.runtime.storage import Storage, join

FACTS_NAME = "run_facts.json"


@dataclass(frozen=True)
class ReviewFacts:
    """Facts of a run for its review files.

    lines_held: claim lines not drafted because their line of the tie-out is red. lines_sent_before: claim lines not
    drafted because they were sent before.
    """

    run: RunFacts
    overview: Overview
    lines_held: int
    lines_sent_before: int


@dataclass(frozen=True)
class _Kept:
    """ReviewFacts as JSON: amounts by subject as pairs, because a subject can be unknown (None)."""

    run: RunFacts
    overview: Overview
    amounts: list[tuple[Subject | None, Amounts]]
    lines_held: int
    lines_sent_before: int


def write_facts(facts: ReviewFacts, storage: Storage, folder: str) -> None:
    """Write the facts to a run's folder. Raises OutputError."""
    kept = asdict(facts)
    kept["amounts"] = list(kept["overview"].pop("amounts").items())
    write_json(storage, join(folder, FACTS_NAME), kept, sorts_keys=False)


def read_facts(storage: Storage, folder: str) -> ReviewFacts:
    """The facts of a published run, equal to the written ones. Raises OSError if there are none."""
    adapter: TypeAdapter[Any] = TypeAdapter(_Kept)
    kept: _Kept = adapter.validate_json(storage.read_bytes(join(folder, FACTS_NAME)))
    overview = Overview(
        amounts=dict(kept.amounts),
        precision=kept.overview.precision,
        volumes=kept.overview.volumes,
        sources_compared=kept.overview.sources_compared,
        names=kept.overview.names,
    )
    return ReviewFacts(kept.run, overview, kept.lines_held, kept.lines_sent_before)
