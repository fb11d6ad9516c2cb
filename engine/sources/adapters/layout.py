"""Helpers of adapters: a layout's columns under whatever spelling, and dates as publishers write them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.sources.frames import column_named

# Publishers' dates. Letters in month names count in any case, leading zeros may be missing.
_DATE_FORMATS = ("yyyy-MM-dd", "M/d/yyyy", "d-MMM-yyyy", "yyyyMMdd")
_ISO_TIMESTAMP = r"^(\d{4}-\d{2}-\d{2})(?:[T ].*)?\z"


@dataclass(frozen=True)
class Adapter:
    """A public layout: which contract tables it gives, and how.

    `convert` makes the contract's layout of one table of the layout's rows; it adds no row and drops none unless its
    docstring says so. `needs` are the layout's columns without which a file is not of this layout (alternatives joined
    by `|`). `format` and `options` are how such files are read unless the configuration says otherwise; `schema`, by
    table, is for JSON documents. `options_needed`, by table, are facts that a file does not hold itself;
    `own_options` are further options of the adapter. `header_names` find the header of a workbook whose sheets begin
    with titles: it is the first row that contains all of these names, compared by letters and digits only.
    `identifiers` are the layout's columns that must be text.
    """

    tables: tuple[str, ...]
    convert: Callable[[DataFrame, str, Mapping[str, str]], DataFrame]
    needs: tuple[str, ...]
    format: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    schema: Callable[[str], T.StructType] | None = None
    options_needed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    own_options: tuple[str, ...] = ()
    header_names: tuple[str, ...] = ()
    identifiers: tuple[str, ...] = ()

    def known_options(self, table: str) -> tuple[str, ...]:
        """Options for this table that are the adapter's own, not the reader's."""
        return (*self.options_needed.get(table, ()), *self.own_options)

    def missing(self, names: Iterable[str]) -> list[str]:
        there = {_letters(name) for name in names}
        return [need for need in self.needs if not there & {_letters(name) for name in need.split("|")}]

    def identifiers_among(self, names: Iterable[str]) -> set[str]:
        """The columns that readers refuse where they hold numbers, as their leading zeros are gone."""
        wanted = {_letters(name) for name in self.identifiers}
        return {name for name in names if _letters(name) in wanted}


class Layout:
    """The columns of a public file; `Units Reimbursed`, `units_reimbursed` and `UNITS REIMBURSED` are one."""

    def __init__(self, rows: DataFrame):
        self._schema = rows.schema
        self._names: dict[str, str] = {}
        for name in rows.columns:
            self._names.setdefault(_letters(name), name)

    def has(self, name: str) -> bool:
        return _letters(name) in self._names

    def received(self, *names: str) -> Column:
        """The first of these columns that is there, in its own type; text without blanks around it, blank is NULL."""
        name = next((self._names[_letters(name)] for name in names if self.has(name)), None)
        if name is None:
            return F.lit(None).cast("string")
        column = column_named(name)
        if not isinstance(self._schema[name].dataType, T.StringType):
            return column
        return F.when(F.trim(column) != "", F.trim(column))

    def text(self, *names: str) -> Column:
        return self.received(*names).cast("string")

    def is_number(self, name: str) -> bool:
        return self.has(name) and isinstance(self._schema[self._names[_letters(name)]].dataType, T.NumericType)

    def renamed(self, names: Mapping[str, str]) -> list[Column]:
        """Contract columns whose source (alternatives joined by `|`) is there; the others are left out."""
        return [
            self.received(*source.split("|")).alias(name)
            for name, source in names.items()
            if any(self.has(alternative) for alternative in source.split("|"))
        ]


def date_of(text: Column) -> Column:
    """The date in a text, NULL where it is none."""
    iso = F.when(text.rlike(_ISO_TIMESTAMP), F.regexp_extract(text, _ISO_TIMESTAMP, 1)).otherwise(text)
    return F.coalesce(*(F.to_date(F.try_to_timestamp(iso, F.lit(pattern))) for pattern in _DATE_FORMATS))


def iso_date(text: Column) -> Column:
    """A date as ISO text; what is no date stays as it is, for the contract's checks to name."""
    return F.coalesce(date_of(text).cast("string"), text)


def ndc_of(layout: Layout) -> Column:
    """The NDC as given, else of its three segments, hyphenated 5-4-2. A number stays one: its zeros are gone."""
    if layout.is_number("NDC"):
        return layout.received("NDC")
    labeler, product = layout.text("Labeler Code"), layout.text("Product Code")
    package, hyphen = layout.text("Package Size", "Package Size Code"), F.lit("-")
    return F.coalesce(layout.text("NDC"), F.concat(labeler, hyphen, product, hyphen, package))


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
