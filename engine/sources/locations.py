"""Where each table is: by name in the input folder, or as the configuration says."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from py4j.protocol import Py4JJavaError

from engine.contracts.columns import Table
from engine.contracts.tables import TABLES
from engine.errors import Problem
from engine.settings import Settings, TableLocation
from engine.sources.adapters import ADAPTERS
from engine.sources.failures import java_message
from engine.storage import Storage, join

# A run needs one of these; everything else may be missing.
FEEDS_OF_WHICH_ONE = ("rebate_claims", "entity_claims", "invoices")
SHIPPED = "identifiers_340b"

_FORMAT_OF_ENDING = {
    ".parquet": "parquet",
    ".csv": "csv",
    ".csv.gz": "csv",
    ".json": "json",
    ".json.gz": "json",
    ".jsonl": "json",
    ".jsonl.gz": "json",
}
_ENDINGS_BY_NAME = (".parquet", ".csv", ".csv.gz", ".json")


@dataclass(frozen=True)
class Location:
    """One table's place and how to read it."""

    table: Table
    uri: str
    format: str
    adapter: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=dict)
    complete: bool = False


def locate_tables(storage: Storage, settings: Settings) -> tuple[list[Location], list[Problem]]:
    """Every table that is there, in the contract's order, and everything that is wrong with where they should be.

    A table that the configuration names wins over one of that name in the folder.
    """
    problems: list[Problem] = []
    root = settings.input.root
    names = _names_in(storage, root, problems) if root else []
    located: dict[str, Location] = {}
    for table in TABLES.values():
        configured = settings.input.tables.get(table.name)
        found = (
            _configured(storage, root, table, configured, problems)
            if configured
            else _by_name(storage, root or "", table, names, problems)
        )
        if found:
            located[table.name] = found
    if SHIPPED not in located and SHIPPED not in settings.input.tables:
        located |= _shipped(storage, settings, problems)
    if not problems and not any(feed in located for feed in FEEDS_OF_WHICH_ONE):
        problems.append(_no_feed(root, names))
    return [located[name] for name in TABLES if name in located], problems


def _names_in(storage: Storage, root: str, problems: list[Problem]) -> list[str]:
    try:
        if storage.is_folder(root):
            return storage.children(root)
        problems.append(Problem("the input folder is not there", root, to_do="mend --input or input.root"))
    except Py4JJavaError as error:
        problems.append(Problem("the input folder cannot be opened", root, java_message(error)))
    return []


def _by_name(
    storage: Storage, root: str, table: Table, names: Iterable[str], problems: list[Problem]
) -> Location | None:
    there = set(names)
    found = [table.name + ending for ending in _ENDINGS_BY_NAME if table.name + ending in there]
    if table.name in there and storage.is_folder(join(root, table.name)):
        found.insert(0, table.name)
    if len(found) > 1:
        problems.append(
            Problem(
                f"table {table.name} is there more than once",
                root,
                ", ".join(found),
                "one of them",
                f"remove the others, or name the right one in input.tables.{table.name}",
            )
        )
    if len(found) != 1:
        return None
    return Location(table, join(root, found[0]), _format_of(found[0]) or "parquet")


def _configured(
    storage: Storage, root: str | None, table: Table, configured: TableLocation, problems: list[Problem]
) -> Location | None:
    setting = f"input.tables.{table.name}"
    adapter = ADAPTERS[configured.adapter] if configured.adapter else None
    uri = configured.path if root is None or _is_absolute(configured.path) else join(root, configured.path)
    before = len(problems)
    if adapter and table.name not in adapter.tables:
        problems.append(
            Problem(
                f"adapter {configured.adapter} does not give table {table.name}",
                f"{setting}.adapter",
                expected="one of " + ", ".join(adapter.tables),
            )
        )
    needed = adapter.options_needed.get(table.name, ()) if adapter else ()
    problems.extend(
        Problem(f"adapter {configured.adapter} needs the option {option} for table {table.name}", f"{setting}.options")
        for option in needed
        if option not in configured.options
    )
    if adapter and configured.columns:
        problems.append(
            Problem(
                f"table {table.name} has both an adapter and column names",
                setting,
                to_do="drop one: an adapter knows its layout's own columns",
            )
        )
    problems.extend(_unknown_columns(setting, table, configured.columns))
    kind = configured.format or (adapter.format if adapter else None) or _format_of(configured.path)
    try:
        if kind is None and storage.is_folder(uri):
            kind = "parquet"
        # Other formats may live in a catalogue rather than at a path; they say themselves what is missing.
        is_of_files = kind is None or kind.lower() in _FORMAT_OF_ENDING.values()
        if is_of_files and not storage.exists(uri):
            problems.append(
                Problem(f"table {table.name} is not there", uri, to_do=f"mend {setting}.path, or remove {setting}")
            )
        elif kind is None:
            problems.append(
                Problem(
                    f"the format of table {table.name} is not known",
                    uri,
                    expected="an ending such as " + ", ".join(_ENDINGS_BY_NAME),
                    to_do=f"set {setting}.format",
                )
            )
    except Py4JJavaError as error:
        problems.append(Problem(f"table {table.name} cannot be opened", uri, java_message(error)))
    if len(problems) > before or kind is None:
        return None
    options = {**(adapter.options if adapter else {}), **configured.options}
    return Location(table, uri, kind, configured.adapter, options, configured.columns, configured.complete)


def _unknown_columns(setting: str, table: Table, columns: Iterable[str]) -> list[Problem]:
    problems = []
    for name in columns:
        if name not in table.column_names:
            closest = difflib.get_close_matches(name, table.column_names, n=1)
            problems.append(
                Problem(
                    f"table {table.name} has no column {name}",
                    f"{setting}.columns",
                    to_do=f"did you mean {closest[0]}?" if closest else "see the data contract for its columns",
                )
            )
    return problems


def _shipped(storage: Storage, settings: Settings, problems: list[Problem]) -> dict[str, Location]:
    uri = join(settings.reference_folder, f"{SHIPPED}.csv")
    try:
        return {SHIPPED: Location(TABLES[SHIPPED], uri, "csv")} if storage.exists(uri) else {}
    except Py4JJavaError as error:
        problems.append(
            Problem("the reference folder cannot be opened", settings.reference_folder, java_message(error))
        )
        return {}


def _no_feed(root: str | None, names: list[str]) -> Problem:
    endings = ", ".join(f"<table>{ending}" for ending in _ENDINGS_BY_NAME)
    shown = ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
    return Problem(
        "there is nothing to judge: none of the feeds is there",
        root or "input.tables",
        shown or "nothing",
        f"at least one of {', '.join(FEEDS_OF_WHICH_ONE)}, each a folder <table>/ of Parquet files or {endings}",
        "give the folder with --input, or name the tables in input.tables",
    )


def _format_of(path: str) -> str | None:
    name = path.rstrip("/").lower()
    return next((kind for ending, kind in _FORMAT_OF_ENDING.items() if name.endswith(ending)), None)


def _is_absolute(path: str) -> bool:
    return path.startswith(("/", "file:")) or "://" in path
