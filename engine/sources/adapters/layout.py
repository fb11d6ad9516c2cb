"""Helpers of adapters: a layout's columns under whatever spelling, and dates as publishers write them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.sources.frames import column_named

# Publishers' dates. Letters in month names count in any case, leading zeros may be missing.
_DATE_FORMATS = ("yyyy-MM-dd", "M/d/yyyy", "d-MMM-yyyy", "yyyyMMdd")
_TIME_OF_DAY = r"[T ]\d{1,2}:\d{2}.*\z"


@dataclass(frozen=True)
class Adapter:
    """A public layout: the contract tables it supplies, and how.

    Attributes:
        tables: the contract tables that the layout can supply.
        convert: turns the layout's rows into one table of the contract. Adds and drops no row unless its docstring
            states it.
        needs: columns without which a file is not of this layout; alternatives are joined by `|`.
        needs_once: columns that at least one of the files must have.
        header_names: in a spreadsheet, or below title lines, the first row with all of these names is the header.
        format, options: how such files are read by default.
        shipped_options: name of a YAML file in `reference_folder` with more default options, for facts about the
            layout that are not confirmed.
        schema: by table, for JSON documents.
        options_needed: by table, facts that a file does not contain.
        own_options: further options of the adapter, which the reader does not know.
        identifiers: columns that must be text: a number has lost its leading zeros.
        excluded: by reason, rows that do not belong in the table. They are counted in the ledger when the table is
            opened, and `convert` does not see them.
        by_file: files are converted one by one, and `options` has the name of the file as `file_name`.
    """

    tables: tuple[str, ...]
    convert: Callable[[DataFrame, str, Mapping[str, Any]], DataFrame]
    needs: tuple[str, ...]
    needs_once: tuple[str, ...] = ()
    header_names: tuple[str, ...] = ()
    format: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    shipped_options: str | None = None
    schema: Callable[[str], T.StructType] | None = None
    options_needed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    own_options: tuple[str, ...] = ()
    identifiers: tuple[str, ...] = ()
    excluded: Mapping[str, Callable[[Layout], Column]] = field(default_factory=dict)
    by_file: bool = False

    def missing(self, names: Iterable[str]) -> list[str]:
        """The needs that none of these column names satisfies."""
        columns = list(names)
        return [need for need in (*self.needs, *self.needs_once) if not satisfying(need, columns)]

    def known_options(self, table: str) -> tuple[str, ...]:
        """Options for this table that are the adapter's own, not the reader's."""
        return (*self.options_needed.get(table, ()), *self.own_options)

    def identifiers_among(self, names: Iterable[str]) -> set[str]:
        """The columns that readers refuse if they contain numbers."""
        wanted = {_letters(name) for name in self.identifiers}
        return {name for name in names if _letters(name) in wanted}


class Layout:
    """The columns of a public file by name; `Units Reimbursed`, `units_reimbursed` and `UNITS REIMBURSED` are one.

    Rows may come from files with different headers: a value is taken from the first of the alternatives that has one
    in that row.
    """

    def __init__(self, rows: DataFrame):
        self._schema = rows.schema
        self._names: dict[str, list[str]] = {}
        for name in rows.columns:
            self._names.setdefault(_letters(name), []).append(name)

    def has(self, *names: str) -> bool:
        """Whether the file has one of these columns."""
        return any(_letters(name) in self._names for name in names)

    def received(self, *names: str) -> Column:
        """The first value among these columns; text without white space around it, blank is NULL.

        The value keeps the type of its column if the columns present have one type, otherwise it is text.
        """
        columns = self._present(names)
        if not columns:
            return F.lit(None).cast("string")
        values = [self._value(name) for name in columns]
        if len({self._schema[name].dataType.json() for name in columns}) > 1:
            values = [value.cast("string") for value in values]
        return values[0] if len(values) == 1 else F.coalesce(*values)

    def text(self, *names: str) -> Column:
        """The first value among these columns as text; blank is NULL."""
        return self.received(*names).cast("string")

    def is_number(self, *names: str) -> bool:
        """Whether one of these columns holds numbers."""
        return any(isinstance(self._schema[name].dataType, T.NumericType) for name in self._present(names))

    def renamed(self, names: Mapping[str, str]) -> list[Column]:
        """Contract columns that have a source (alternatives joined by `|`); the others are omitted."""
        return [
            self.received(*source.split("|")).alias(name)
            for name, source in names.items()
            if self.has(*source.split("|"))
        ]

    def _present(self, names: Iterable[str]) -> list[str]:
        return [column for name in names for column in self._names.get(_letters(name), ())]

    def _value(self, name: str) -> Column:
        column = column_named(name)
        if not isinstance(self._schema[name].dataType, T.StringType):
            return column
        return F.when(F.trim(column) != "", F.trim(column))


def satisfying(need: str, names: Iterable[str]) -> list[str]:
    """The column names that are one of the alternatives of a need."""
    alternatives = {_letters(alternative) for alternative in need.split("|")}
    return [name for name in names if _letters(name) in alternatives]


def date_of(text: Column) -> Column:
    """The date in a text, with or without a time of day; NULL if it is none."""
    day = F.regexp_replace(text, _TIME_OF_DAY, "")
    return F.coalesce(*(F.to_date(F.try_to_timestamp(day, F.lit(pattern))) for pattern in _DATE_FORMATS))


def iso_date(text: Column) -> Column:
    """A date as ISO text; what is no date stays as it is, for the contract's checks to name."""
    return F.coalesce(date_of(text).cast("string"), text)


def without_decimals(text: Column) -> Column:
    """`4.0`, as a column of floats prints it, as `4`."""
    return F.regexp_replace(text, r"\.0+\z", "")


def quarter_start(year: Column, quarter: Column) -> Column:
    """The first day of a quarter; NULL if year or quarter is not a number."""
    month = quarter.try_cast("int") * 3 - 2
    return F.try_make_timestamp(year.try_cast("int"), month, F.lit(1), F.lit(0), F.lit(0), F.lit(0)).cast("date")


def period_of_qyyyy(text: Column) -> Column:
    """CMS's quarter and year (`32025`) as `2025Q3`; anything else stays as it is, for the contract's checks to name."""
    year, quarter = F.right(text, F.lit(4)), F.left(text, F.lit(1))
    return F.when(text.rlike(r"^[1-4](19|20)\d{2}\z"), F.concat(year, F.lit("Q"), quarter)).otherwise(text)


def ndc_of(layout: Layout) -> Column:
    """The NDC as received, else its three segments hyphenated 5-4-2. A number stays a number: its zeros are lost.

    Segments are padded with zeros, as 42 CFR 447.511 and CMS's record layouts define them.
    """
    if layout.is_number("NDC"):
        return layout.received("NDC")
    segments = (
        _padded(layout.text("Labeler Code", "NDC1"), 5),
        _padded(layout.text("Product Code", "NDC2"), 4),
        _padded(layout.text("Package Size", "Package Size Code", "NDC3"), 2),
    )
    return F.coalesce(layout.text("NDC"), F.concat(segments[0], F.lit("-"), segments[1], F.lit("-"), segments[2]))


def _padded(segment: Column, digits: int) -> Column:
    return F.when(F.length(segment) < digits, F.lpad(segment, digits, "0")).otherwise(segment)


def _letters(name: str) -> str:
    """Letters and digits of a column name. A leading year is not part of it (`_2025_CODE`): it changes every year."""
    return re.sub(r"^(19|20)\d\d(?=[a-z])", "", re.sub(r"[^a-z0-9]", "", name.lower()))
