"""Format options of text files: tables read as CSV or as fixed-width records."""

from __future__ import annotations

import codecs
import encodings.aliases
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from engine.errors import ConfigurationError, Problem, closest_name, counted
from engine.sources.frames import plain, repeated_names

# Option by its name in the settings.
_SPELLINGS = {
    "sep": "sep",
    "delimiter": "sep",
    "encoding": "encoding",
    "charset": "encoding",
    "header": "header",
    "names": "names",
    "widths": "widths",
    "quote": "quote",
    "escape": "escape",
    "mode": "mode",
}
TEXT_OPTIONS = frozenset(_SPELLINGS)
# Options of other readers, and their replacement.
_REPLACED = {
    "dateformat": "declare the format in input.tables.{table}.dates",
    "timestampformat": "declare the format in input.tables.{table}.dates",
    "timestampntzformat": "declare the format in input.tables.{table}.dates",
    "locale": "declare formats in input.tables.{table}.dates and .decimal",
    "nullvalue": "declare the word in input.tables.{table}.nulls",
    "inferschema": "remove it: every value is read as text, and types come from the data contract",
    "multiline": "remove it: line breaks in quoted values are always read",
    "linesep": "remove it: every line ending is recognized",
    "compression": "remove it: the file's extension determines it",
}
# Names that Windows and databases use, which Python does not know.
_OTHER_ENCODINGS = {"ansi": "cp1252", "unicode": "utf-16", "oem": "cp437", "win1252": "cp1252"}
_YES, _NO = ("true", "yes", "y", "1"), ("false", "no", "n", "0")


@dataclass(frozen=True)
class TextFormat:
    """How the files of one table are written.

    Attributes:
        encoding: name of Python's codec; a byte-order mark in a file takes precedence.
        separator: one or more characters between fields.
        quote, escape: characters, or None.
        has_header: the first record of every file is its header, or the first that has all `header_names`.
        header_names: names that identify the header, in plain form, if titles may be above it.
        names: the fields of files without a header, in order; empty if not declared.
        spans: positions of fixed-width fields, first counted from 0, last excluded; empty in delimited files.
        fills_short_rows: missing fields at the end of a row are empty, instead of an error.
    """

    encoding: str = "utf-8"
    separator: str = ","
    quote: str | None = '"'
    escape: str | None = None
    has_header: bool = True
    header_names: frozenset[str] = frozenset()
    names: tuple[str, ...] = ()
    spans: tuple[tuple[int, int], ...] = ()
    fills_short_rows: bool = False

    @property
    def is_plain(self) -> bool:
        """True if Spark's own reader reads such files as ours does, provided their lines are regular."""
        is_ascii_separator = len(self.separator) == 1 and self.separator.isascii()
        has_usual_quotes = self.quote == '"' and self.escape is None
        return self.encoding == "utf-8" and is_ascii_separator and has_usual_quotes and self._is_delimited_and_strict

    @property
    def _is_delimited_and_strict(self) -> bool:
        return not self.spans and not self.fills_short_rows and not self.header_names


def text_format(table: str, options: Mapping[str, Any], known: Sequence[str] = ()) -> TextFormat:
    """The format that a table's options describe.

    Args:
        table: name of the table, for messages.
        options: options as in the settings.
        known: further options, of the table's adapter.

    Raises:
        ConfigurationError: with every option that is unknown or wrong.
    """
    where = f"input.tables.{table}.options"
    problems: list[Problem] = []
    set_options: dict[str, Any] = {}
    for name, value in options.items():
        option = _SPELLINGS.get(name.lower())
        if option is not None:
            set_options[option] = value
        elif name not in known:
            problems.append(unknown_option(table, name, known=(*dict.fromkeys(_SPELLINGS.values()), *known)))

    def value_of(option: str, read: Any, default: Any) -> Any:
        if set_options.get(option) is None:
            return default
        try:
            return read(set_options[option])
        except ValueError as error:
            problems.append(
                Problem(f"wrong value for {option}", f"{where}.{option}", repr(set_options[option])[:200], str(error))
            )
            return default

    fields = value_of("widths", _fields, ((), ()))
    names, spans = fields if "widths" in set_options else ((), ())
    names = value_of("names", _names, names)
    has_header = value_of("header", _is_true, not spans)
    if set_options.get("names") is not None and has_header:
        problems.append(
            Problem(
                f"table {table} has names for files with a header",
                f"{where}.names",
                expected="header: false with names, for files without a header",
                to_do=f"add header: false; to rename columns of a header, use input.tables.{table}.columns",
            )
        )
    if spans and len(names) != len(spans):
        problems.append(
            Problem(
                f"table {table} needs a name for every fixed-width field",
                f"{where}.widths",
                f"{counted(len(spans), 'width', 'widths')}, {counted(len(names), 'name', 'names')}",
                to_do="list as many names as widths, or write widths as {column: [first, last]}",
            )
        )
    repeated = repeated_names(names)
    if repeated:
        problems.append(
            Problem(f"table {table} has names more than once", f"{where}.names", ", ".join(sorted(repeated)))
        )
    quote = value_of("quote", lambda text: _character(text, "quote"), '"')
    separator = value_of("sep", _separator, ",")
    if quote is not None and quote in separator:
        problems.append(Problem("separator and quotation mark are the same", where, separator, "two characters"))
    described = TextFormat(
        encoding=value_of("encoding", _encoding, "utf-8"),
        separator=separator,
        quote=quote,
        escape=value_of("escape", lambda text: _character(text, "escape"), None),
        has_header=has_header,
        names=names,
        spans=spans,
        fills_short_rows=value_of("mode", _fills_short_rows, False),
    )
    if problems:
        raise ConfigurationError(problems)
    # a doubled quotation mark is always read as one
    return described if described.escape != described.quote else TextFormat(**{**vars(described), "escape": None})


def unknown_option(table: str, name: str, known: Sequence[str]) -> Problem:
    """The problem of an option that the reader of a table does not have."""
    replaced = _REPLACED.get(name.lower())
    closest = closest_name(name, known, simplified=plain)
    to_do = "remove it"
    if replaced is not None:
        to_do = replaced.format(table=table)
    elif closest is not None:
        to_do = f"did you mean {closest}?"
    expected = "one of " + ", ".join(known) if known else "no options"
    return Problem(f"unknown option {name} of table {table}", f"input.tables.{table}.options", name, expected, to_do)


def _encoding(text: Any) -> str:
    name = str(text).strip()
    known = {plain(name): name for name in (*encodings.aliases.aliases, *encodings.aliases.aliases.values())}
    known |= _OTHER_ENCODINGS
    try:
        codec = codecs.lookup(known.get(plain(name), name))
    except (LookupError, ValueError):
        closest = closest_name(plain(name), known)
        hint = f"; did you mean {known[closest].replace('_', '-')}?" if closest else ""
        raise ValueError(f"the usual name of an encoding, such as windows-1252, utf-16 or latin-1{hint}") from None
    try:
        "".encode(codec.name)
    except LookupError:
        raise ValueError("an encoding of text, such as windows-1252, utf-16 or latin-1") from None
    return {"utf-8-sig": "utf-8", "ascii": "ascii"}.get(codec.name, codec.name)


def _separator(text: Any) -> str:
    separator = str(text)
    if len(separator) > 1 and "\\" in separator:
        try:
            separator = codecs.decode(separator, "unicode_escape")
        except UnicodeDecodeError:
            raise ValueError("a character or a few, such as ; or | or \\t") from None
    if not separator or set(separator) & set("\r\n"):
        raise ValueError("a character or a few, such as ; or | or \\t; no line end")
    return separator


def _character(text: Any, option: str) -> str | None:
    character = str(text)
    if character == "" or character.lower() == "none":
        return None
    if len(character) > 1 or character in "\r\n":
        raise ValueError(f"one character, or an empty text for files without {option}")
    return character


def _is_true(value: Any) -> bool:
    text = str(value).strip().lower()
    if text in (*_YES, *_NO):
        return text in _YES
    raise ValueError("true or false")


def _fills_short_rows(value: Any) -> bool:
    mode = str(value).strip().upper()
    if mode not in ("FAILFAST", "PERMISSIVE"):
        raise ValueError("FAILFAST (a short row stops the run), or PERMISSIVE (its missing fields are empty)")
    return mode == "PERMISSIVE"


def _names(value: Any) -> tuple[str, ...]:
    listed = value.split(",") if isinstance(value, str) else value
    if not isinstance(listed, (list, tuple)) or not listed or any(isinstance(name, (list, dict)) for name in listed):
        raise ValueError("a list of names, in the order of the fields: [ndc, units, period]")
    names = tuple(str(name).strip() for name in listed)
    if not all(plain(name) for name in names):
        raise ValueError("a name for every field, none of them blank")
    return names


def _fields(value: Any) -> tuple[tuple[str, ...], tuple[tuple[int, int], ...]]:
    """Names and spans of fixed-width fields: {column: [first, last]}, or a list of widths of fields side by side."""
    expected = "{column: [first, last]} with positions from 1, or a list of widths together with names"
    if isinstance(value, (list, tuple)) and value and all(_is_position(name) for name in value):
        ends = [sum(value[: n + 1]) for n in range(len(value))]
        return (), tuple(zip([0, *ends[:-1]], ends, strict=True))
    if not isinstance(value, Mapping) or not value:
        raise ValueError(expected)
    spans = {}
    for name, span in value.items():
        is_pair = isinstance(span, (list, tuple)) and len(span) == 2 and all(_is_position(name) for name in span)
        if not is_pair or span[0] > span[1]:
            raise ValueError(f"{expected}; wrong: {name}")
        spans[str(name)] = (span[0] - 1, span[1])
    in_order = sorted(spans.items(), key=lambda field: field[1])
    for (name, span), (following, next_span) in pairwise(in_order):
        if next_span[0] < span[1]:
            raise ValueError(f"{expected}; {name} and {following} overlap")
    return tuple(spans), tuple(spans.values())


def _is_position(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
