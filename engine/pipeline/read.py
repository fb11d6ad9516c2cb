"""Step read: every table of the input, opened."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from engine import exports, prepare, sources
from engine.contracts.codes import Step
from engine.pipeline.stages import Inputs
from engine.runs import Run, check_resumable
from engine.sources import FoundTables

_MOST_NAMED = 12
_MOST_NAMES, _LONGEST_NAME = 20, 100


def read_tables(run: Run, models: Mapping[str, str | None]) -> Inputs:
    """Open every table and check that the run can start or resume. models: see `check_resumable`."""
    unread: list[dict[str, str | None]] = []

    with run.progress.step(Step.READ) as words:

        def report(located: FoundTables) -> None:
            """Add the tables to the step's progress line, and note files that are not read, before any is read."""
            words.append(str(located))
            unread.extend(file.as_json for file in located.unread)
            for note in unread_notes(located):
                run.progress.note(note)

        opened = sources.open_tables(run.spark, run.storage, run.settings, report)
        prepare.check_contract(opened)
        check_resumable(run, {name: table.fingerprint for name, table in opened.items()}, models)
        for name, table in opened.items():
            for text in table.notes:
                run.progress.note(text)
            if table.unknown_columns:
                ignored = _listed(table.unknown_columns)
                run.progress.note(f"{name}: columns that the contract does not name are ignored: {ignored}")
    return Inputs(opened, unread)


def unread_notes(located: FoundTables) -> Iterator[str]:
    """One sentence per unread file that looks like a table, and one about all other unread files."""
    for file in located.unread:
        if file.likely_table is not None:
            yield f"not read: {file.name}. Did you mean table {file.likely_table}? {file.to_do}"
    others = [file.name for file in located.unread if file.likely_table is None]
    if others:
        more = (
            f" and {len(others) - _MOST_NAMED} more (summary.json of a run lists all)"
            if len(others) > _MOST_NAMED
            else ""
        )
        yield f"not read: {', '.join(others[:_MOST_NAMED])}{more}"


def _listed(names: Sequence[str]) -> str:
    """The first names and the number of further names: a file with a wrong separator or orientation has thousands."""
    shown = ", ".join(exports.plain(name, _LONGEST_NAME) for name in names[:_MOST_NAMES])
    return shown if len(names) <= _MOST_NAMES else f"{shown} and {len(names) - _MOST_NAMES:,} more"
