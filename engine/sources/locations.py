"""Location of each table: by name in the input folder, or from the settings."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import yaml

from engine.contracts.columns import Table
from engine.contracts.tables import TABLES
from engine.database import Schema, column_name, quoted_table
from engine.errors import InputError, Problem, UserError, closest_name, did_you_mean
from engine.runtime.storage import Storage, StoredFile, join, name_of
from engine.settings import Settings, TableLocation
from engine.sources.adapters import ADAPTERS, Adapter
from engine.sources.database_access import opened
from engine.sources.failures import one_line
from engine.sources.file_formats import FILE_FORMATS, format_of
from engine.sources.file_formats.delimited import CSV
from engine.sources.file_formats.parquet import PARQUET
from engine.sources.frames import plain
from engine.sources.location import DATABASE, DatabasePlace, Location
from engine.sources.paths import existing_part, files_at, is_document, is_pattern, location_of
from engine.sources.text_format import TEXT_OPTIONS

# A run needs one of these; everything else may be missing.
FEEDS_OF_WHICH_ONE = ("rebate_claims", "entity_claims", "invoices")
SHIPPED = ("identifiers_340b", "state_340b_policies")
# Tables that the job `feedback` keeps.
KEPT = ("decisions", "outcomes")
# A second list supplies the NDCs that the first lacks.
WITH_FALLBACK = "products"

_ENDINGS_BY_NAME = tuple(ending for kind in FILE_FORMATS.values() for ending in kind.endings)

# Minimum similarity of a file's name and a table's name.
_CLOSE = 0.82


def locate_tables(storage: Storage, settings: Settings) -> tuple[list[Location], list[Problem]]:
    """Every table of the input, in the contract's order, and all problems with their locations.

    A configured table takes precedence over one of that name in the folder.
    """
    problems: list[Problem] = []
    root = settings.input.root
    names = _names_in(storage, root, problems) if root else []
    silent = _silent_connections(settings, problems)
    in_database = {} if settings.input.connection in silent else _in_database(settings, problems)
    located: dict[str, Location] = {}
    for table in TABLES.values():
        configured = settings.input.tables.get(table.name)
        if configured and configured.connection in silent:
            location = None
        elif configured and configured.connection:
            location = _configured_in_database(settings, table, configured, problems)
        elif configured and configured.path is not None:
            location = _configured_with_fallback(storage, settings, table, configured, problems)
        else:
            before = len(problems)
            by_name = _by_name(storage, root or "", table, names, problems)
            location = _only_one(table, by_name, in_database.get(table.name), problems)
            if configured and len(problems) == before:
                location = _located_and_configured(storage, settings, table, configured, location, problems)
        if location:
            located[table.name] = location
    for name in SHIPPED:
        if name not in located and name not in settings.input.tables:
            located |= _shipped(storage, settings, name, problems)
    for name in KEPT:
        if name not in settings.input.tables:
            located |= _kept(storage, settings, TABLES[name], located.get(name), problems)
    if not problems and not any(feed in located for feed in FEEDS_OF_WHICH_ONE):
        problems.append(_no_feed(root, names))
    return [located[name] for name in TABLES if name in located], problems


def _kept(
    storage: Storage, settings: Settings, table: Table, location: Location | None, problems: list[Problem]
) -> dict[str, Location]:
    """The rows of a table that the job `feedback` keeps; an empty mapping if it has none yet."""
    feedback = settings.feedback
    kept: Location | None = None
    if feedback.connection is not None:
        try:
            kept = _in_schema(settings, feedback.connection, feedback.database_schema, "feedback.database_schema").get(
                table.name
            )
        except InputError as error:
            problems.extend(error.problems)
    else:
        uri = join(settings.feedback_root, f"{table.name}.parquet")
        if storage.exists(uri):
            kept = Location(table, uri, PARQUET.name, files=_data_files(files_at(storage, None, uri)))
    if kept is None or (location is not None and location.uri == kept.uri):
        return {}
    if location is not None:
        problems.append(
            Problem(
                f"table {table.name} exists more than once",
                "the input and what the job feedback keeps",
                f"{location.uri}, {kept.uri}",
                "one of them",
                f"hand the input's rows in with the job feedback, or name the right one in input.tables.{table.name}",
            )
        )
    return {table.name: kept}


def _names_in(storage: Storage, root: str, problems: list[Problem]) -> list[str]:
    try:
        if storage.is_folder(root):
            return storage.children(root)
        problems.append(Problem("the input folder does not exist", root, to_do="fix --input or input.root"))
    except OSError as error:
        problems.append(Problem("the input folder cannot be opened", root, one_line(error)))
    return []


def _by_name(
    storage: Storage, root: str, table: Table, names: Iterable[str], problems: list[Problem]
) -> Location | None:
    """The folder or file with the table's name, ignoring case."""
    wanted = {table.name + ending for ending in _ENDINGS_BY_NAME}
    names_of_table = [name for name in names if name.lower() in wanted]
    names_of_table += [name for name in names if name.lower() == table.name and storage.is_folder(join(root, name))]
    if len(names_of_table) > 1:
        problems.append(
            Problem(
                f"table {table.name} exists more than once",
                root,
                ", ".join(sorted(names_of_table)),
                "one of them",
                f"remove the others, or name the right one in input.tables.{table.name}",
            )
        )
    if len(names_of_table) != 1:
        return None
    uri = join(root, names_of_table[0])
    files = _data_files(files_at(storage, None, uri))
    return Location(table, uri, format_of(names_of_table[0]) or _format_of_files(files) or PARQUET.name, files=files)


def _located_and_configured(
    storage: Storage,
    settings: Settings,
    table: Table,
    configured: TableLocation,
    location: Location | None,
    problems: list[Problem],
) -> Location | None:
    """A table located by name, read with its settings."""
    if location is None:
        setting = f"input.tables.{table.name}"
        problems.append(
            Problem(
                f"table {table.name} does not exist",
                settings.input.root or setting,
                expected=f"a file or folder named {table.name}, since {setting} names no place",
                to_do=f"set {setting}.path, or remove {setting}",
            )
        )
        return None
    if location.database is not None:
        place = {"connection": location.database.connection, "table": location.database.table}
        return _configured_in_database(settings, table, configured.model_copy(update=place), problems)
    placed = configured.model_copy(update={"path": name_of(location.uri)})
    return _configured_with_fallback(storage, settings, table, placed, problems)


def _silent_connections(settings: Settings, problems: list[Problem]) -> set[str]:
    """Connections that cannot be opened: reported once, not for each of their tables."""
    configured = settings.input.tables.values()
    used = {settings.input.connection, *(location.connection for location in configured)} - {None}
    silent = set()
    for name in sorted(str(name) for name in used):
        try:
            with opened(name, settings.databases[name], "connecting", f"databases.{name}"):
                continue
        except UserError as error:
            problems.extend(error.problems)
            silent.add(name)
    return silent


def database_locations(settings: Settings, connection: str) -> tuple[list[Location], list[Problem]]:
    """The tables that a run would read over a connection, in the contract's order, and what is wrong with them."""
    problems: list[Problem] = []
    located = _in_database(settings, problems) if settings.input.connection == connection else {}
    for name, configured in settings.input.tables.items():
        if configured.connection != connection:
            located.pop(name, None)
        elif location := _configured_in_database(settings, TABLES[name], configured, problems):
            located[name] = location
    return [located[name] for name in TABLES if name in located], problems


def _in_database(settings: Settings, problems: list[Problem]) -> dict[str, Location]:
    """Tables of the contract's names in the schema of `input.connection`."""
    name = settings.input.connection
    if name is None:
        return {}
    try:
        return _in_schema(settings, name, settings.input.database_schema, "input.database_schema")
    except InputError as error:
        problems.extend(error.problems)
        return {}


def _in_schema(settings: Settings, name: str, schema_text: str, setting: str) -> dict[str, Location]:
    """Tables of the contract's names in a schema of a connection. Raises InputError."""
    try:
        schema = Schema(schema_text)
    except ValueError:
        raise InputError(Problem("a schema's name cannot be read", setting, schema_text, "schema")) from None
    where = f"{name}: {schema_text}"
    with opened(name, settings.databases[name], "listing the tables", where) as database:
        there = {table.lower(): table for table in database.tables_in(schema)}
        if not there and not database.has_schema(schema):
            raise InputError(_no_schema(where, setting))
    located = {}
    for table in (table for table in TABLES.values() if table.name in there):
        place = DatabasePlace(name, settings.databases[name], settings.today, table=schema.table(there[table.name]))
        located[table.name] = Location(table, f"{where}.{there[table.name]}", DATABASE, database=place)
    return located


def _no_schema(where: str, setting: str) -> Problem:
    return Problem(
        "the schema is not in the database, or the user may not see it",
        where,
        to_do=f"fix {setting}, or ask the database's owner for SELECT on the schema",
    )


def _only_one(
    table: Table, in_folder: Location | None, in_database: Location | None, problems: list[Problem]
) -> Location | None:
    if in_folder and in_database:
        problems.append(
            Problem(
                f"table {table.name} exists more than once",
                "input.root and input.connection",
                f"{in_folder.uri}, {in_database.uri}",
                "one of them",
                f"name the right one in input.tables.{table.name}",
            )
        )
    return in_folder or in_database


def _configured_in_database(
    settings: Settings, table: Table, configured: TableLocation, problems: list[Problem]
) -> Location | None:
    setting = f"input.tables.{table.name}"
    unknown = _unknown_columns(setting, table, configured.columns)
    problems.extend(unknown)
    if configured.table is not None:
        try:
            quoted_table(configured.table)
        except ValueError:
            unreadable = Problem(
                "a table's name cannot be read",
                f"{setting}.table",
                configured.table,
                "schema.table, database.schema.table or database..table; a name with a dot in brackets: [a.b]",
            )
            unknown.append(unreadable)
            problems.append(unreadable)
    if unknown:
        return None
    name = str(configured.connection)
    place = DatabasePlace(
        connection=name,
        settings=settings.databases[name],
        as_of=settings.today,
        table=configured.table,
        query=configured.query,
        partition_by=None if configured.partition_by is None else column_name(configured.partition_by),
        partition_method=configured.partition_method,
        received_after=configured.received_after,
    )
    uri = f"{name}: {configured.table or 'query of ' + setting}"
    columns = {_contract_name(table, name): column_name(theirs) for name, theirs in configured.columns.items()}
    return Location(table, uri, DATABASE, columns=columns, complete=configured.complete, database=place)


def _configured_with_fallback(
    storage: Storage,
    settings: Settings,
    table: Table,
    configured: TableLocation,
    problems: list[Problem],
    setting: str | None = None,
) -> Location | None:
    setting = setting or f"input.tables.{table.name}"
    main = _configured(storage, settings, table, configured, problems, setting)
    if configured.fallback is None:
        return main
    if table.name != WITH_FALLBACK:
        problems.append(
            Problem(
                f"table {table.name} cannot have a fallback", f"{setting}.fallback", expected=f"{WITH_FALLBACK} only"
            )
        )
        return None
    fallback = _configured_with_fallback(storage, settings, table, configured.fallback, problems, f"{setting}.fallback")
    return replace(main, fallback=fallback) if main and fallback else None


def _configured(
    storage: Storage,
    settings: Settings,
    table: Table,
    configured: TableLocation,
    problems: list[Problem],
    setting: str,
) -> Location | None:
    root = settings.input.root
    adapter = ADAPTERS[configured.adapter] if configured.adapter else None
    uri = ", ".join(location_of(root, path) for path in configured.paths)
    before = len(problems)
    if adapter and table.name not in adapter.tables:
        problems.append(
            Problem(
                f"adapter {configured.adapter} does not supply table {table.name}",
                f"{setting}.adapter",
                expected="one of " + ", ".join(adapter.tables),
            )
        )
    needed = adapter.options_needed.get(table.name, ()) if adapter else ()
    problems.extend(
        Problem(f"adapter {configured.adapter} needs the option {option} for table {table.name}", f"{setting}.options")
        for option in needed
        if option not in configured.reader_options
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
    shipped = _shipped_options(storage, settings, adapter) if adapter else {}
    options = {**shipped, **(adapter.options if adapter else {}), **configured.reader_options}
    kind = configured.format
    files: tuple[StoredFile, ...] = ()
    try:
        # Other formats may be in a catalog instead of at a path; their own reader reports what is missing.
        if kind is None or kind.lower() in FILE_FORMATS:
            files = _files_of(storage, root, table, configured, problems, setting)
            kind = kind or _format_of_files(files) or (adapter.format if adapter else None)
            kind = kind or (CSV.name if TEXT_OPTIONS & options.keys() else None)
            if kind is None and len(configured.paths) == 1 and storage.is_folder(uri):
                kind = PARQUET.name
            if kind is None and files:
                problems.append(_unknown_format(table, uri, files))
        elif len(configured.paths) > 1 or (is_pattern(uri) and not storage.exists(uri)):
            files = _files_of(storage, root, table, configured, problems, setting)
    except OSError as error:
        problems.append(Problem(f"table {table.name} cannot be opened", uri, one_line(error)))
    if len(problems) > before or kind is None:
        return None
    columns = {_contract_name(table, name): theirs for name, theirs in configured.columns.items()}
    return Location(table, uri, kind, configured.adapter, options, columns, configured.complete, files=files)


def _files_of(
    storage: Storage,
    root: str | None,
    table: Table,
    configured: TableLocation,
    problems: list[Problem],
    setting: str,
) -> tuple[StoredFile, ...]:
    """The data files of every path, each file once."""
    by_uri: dict[str, StoredFile] = {}
    for path in configured.paths:
        files = files_at(storage, root, path)
        by_uri |= {file.uri: file for file in files}
        if not files and not storage.exists(location_of(root, path)):
            problems.append(_nothing_at(storage, root, table, path, setting))
    return _data_files(by_uri.values())


def _nothing_at(storage: Storage, root: str | None, table: Table, path: str, setting: str) -> Problem:
    folder, names = existing_part(storage, root, path)
    closest = None if is_pattern(path) else closest_name(name_of(path), names, 0.8, str.lower)
    return Problem(
        f"no file matches the path of table {table.name}" if is_pattern(path) else f"table {table.name} does not exist",
        location_of(root, path),
        f"in {folder}: {', '.join(names) or 'nothing'}",
        to_do=f"did you mean {closest}?" if closest else f"fix {setting}.path, or remove {setting}",
    )


def _unknown_format(table: Table, uri: str, files: Iterable[StoredFile]) -> Problem:
    return Problem(
        f"the format of table {table.name} is not known",
        uri,
        ", ".join(sorted({name_of(file.uri) for file in files})[:5]),
        "files of one format, with an ending such as " + ", ".join(_ENDINGS_BY_NAME),
        f"set input.tables.{table.name}.format",
    )


def _data_files(files: Iterable[StoredFile]) -> tuple[StoredFile, ...]:
    """The files without the sender's notes, unless there is nothing else."""
    listed = tuple(files)
    return tuple(file for file in listed if not is_document(file)) or listed


def _format_of_files(files: Iterable[StoredFile]) -> str | None:
    """The format that the endings of all files agree on."""
    formats = {format_of(file.uri) for file in files}
    return formats.pop() if len(formats) == 1 else None


def _shipped_options(storage: Storage, settings: Settings, adapter: Adapter) -> dict[str, Any]:
    """Unconfirmed facts about a layout; none if the reference folder lacks the file."""
    if adapter.shipped_options is None:
        return {}
    uri = join(settings.reference_folder, adapter.shipped_options)
    return yaml.safe_load(storage.read_bytes(uri)) if storage.exists(uri) else {}


def _unknown_columns(setting: str, table: Table, columns: Iterable[str]) -> list[Problem]:
    problems = []
    for name in columns:
        if _contract_name(table, name) not in table.column_names:
            problems.append(
                Problem(
                    f"the contract has no column {name} in table {table.name}",
                    f"{setting}.columns",
                    to_do=did_you_mean(name, table.column_names, "see the data contract for its columns"),
                )
            )
    return problems


def _contract_name(table: Table, name: str) -> str:
    """The contract's spelling of a column name; the name itself if the contract has none."""
    return next((known for known in table.column_names if plain(known) == plain(name)), name)


def _shipped(storage: Storage, settings: Settings, name: str, problems: list[Problem]) -> dict[str, Location]:
    uri = join(settings.reference_folder, f"{name}.csv")
    try:
        files = tuple(files_at(storage, None, uri))
        return {name: Location(TABLES[name], uri, CSV.name, files=files)} if files else {}
    except OSError as error:
        problems.append(Problem("the reference folder cannot be opened", settings.reference_folder, one_line(error)))
        return {}


def _no_feed(root: str | None, names: list[str]) -> Problem:
    endings = ", ".join(f"<table>{ending}" for ending in _ENDINGS_BY_NAME)
    shown = ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
    closest = {name: table for name in names if (table := likely_table(name)) in FEEDS_OF_WHICH_ONE}
    hints = [
        f"did you mean {table} by {name}? Rename it, or set input.tables.{table}.path"
        for name, table in closest.items()
    ]
    return Problem(
        "there is nothing to check: none of the feeds is available",
        root or "input.tables",
        shown or "nothing",
        f"at least one of {', '.join(FEEDS_OF_WHICH_ONE)}, each a folder <table>/ or {endings}",
        "; ".join(hints)
        or "set the folder with --input, the tables in input.tables, or a database in input.connection",
    )


def likely_table(name: str) -> str | None:
    """The table that a file or folder of this name was probably meant to be.

    >>> likely_table("pharmacy_claim.csv"), likely_table("Rebate Claims 2025Q3.xlsx"), likely_table("truth")
    ('pharmacy_claims', 'rebate_claims', None)
    """
    stem = plain(name_of(name).partition(".")[0])
    tables = {plain(table): table for table in TABLES}
    closest = closest_name(stem, tables, _CLOSE)
    within = sorted((table for table in tables if stem.startswith(table) or stem.endswith(table)), key=len)
    return tables[closest] if closest else tables[within[-1]] if within else None
