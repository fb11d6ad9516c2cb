"""Settings of the input: where tables are and how they are read (`engine.sources`)."""

from __future__ import annotations

import typing
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from engine.contracts.columns import Kind
from engine.contracts.formats import (
    DEFAULT,
    NOTHING_DECLARED,
    NUMBER_SETTINGS,
    DatePattern,
    DeclaredFormats,
    FormatError,
    FormatSetting,
    PeriodPattern,
)
from engine.contracts.tables import TABLES
from engine.settings.base import Fraction, PositiveInt, Section

TableName = typing.Literal[tuple(TABLES)]  # type: ignore[valid-type]
_DATES, _NUMBERS = (Kind.DATE, Kind.TIMESTAMP), (Kind.INTEGER, Kind.UNITS, Kind.UNIT_PRICE, Kind.MONEY)
# Kinds of columns for which a format can be declared.
KINDS_WITH: dict[FormatSetting, tuple[Kind, ...]] = {
    "dates": _DATES,
    "periods": (Kind.QUARTER,),
    "decimal": _NUMBERS,
    "thousands": _NUMBERS,
    "currency": _NUMBERS,
}
_OPTIONS_OF_TABLE = ("header", "names", "widths")


class TableLocation(Section):
    """Where one table is: files at a `path`, or a `table` (view, too) or `query` of a `connection`.

    With none of them the table is found by name, and only how to read it is set here.
    A relative `path` is taken below `input.root`. It may be a file, a folder, a pattern or a list of them
    (docs/input-files.md).
    """

    path: str | tuple[str, ...] | None = Field(None, description="file, folder, pattern or a list of them")
    connection: str | None = Field(None, description="one of `databases`")
    table: str | None = Field(None, description="schema.table")
    query: str | None = Field(None, description="one SELECT without ORDER BY")
    partition_by: str | None = Field(None, description="the database's own column: read in several connections")
    partition_method: Literal["range", "hash"] | None = Field(
        None, description="default: ranges of equal rows for numbers and dates, hashes for text"
    )
    received_after: datetime | None = Field(None, description="only rows received later; rows without a time are kept")
    format: str | None = Field(None, description="Spark format; by default from the file's ending")
    adapter: (
        Literal[
            "sdud",
            "nadac",
            "mdrp_products",
            "fda_ndc",
            "asp_crosswalk",
            "r144",
            "opais_entities",
            "opais_contract_pharmacies",
            "opais_json",
            "opais_excel_entities",
            "opais_excel_contract_pharmacies",
            "medicaid_exclusion_file",
            "cms_pde",
        ]
        | None
    ) = Field(None, description="layout of a publisher, whose columns need no mapping (docs/public-data.md)")
    columns: dict[str, str] = Field(default_factory=dict, description="contract column: the file's own column")
    options: dict[str, Any] = Field(
        default_factory=dict, description="options of the format's reader: text, numbers, lists"
    )
    header: Any = Field(None, description="as in options")
    names: Any = Field(None, description="as in options")
    widths: Any = Field(None, description="as in options")
    complete: bool = Field(False, description="reference table lists everything: absence from it means something")
    fallback: TableLocation | None = Field(
        None, description="products only: another list, read for the NDCs that this one does not have"
    )
    dates: dict[str, str] = Field(
        default_factory=dict,
        description="pattern of dates that are text, such as MM/dd/yyyy, or patterns by column; `default`: all others",
    )
    periods: dict[str, str] = Field(
        default_factory=dict, description="pattern of quarters, or patterns by column; q'Q'yy reads 2Q26"
    )
    decimal: dict[str, str] = Field(default_factory=dict, description='decimal sign, or by column: "." or ","')
    thousands: dict[str, str] = Field(default_factory=dict, description="thousands separator, or by column")
    currency: dict[str, str] = Field(default_factory=dict, description="currency sign or code, or by column: $, EUR")
    nulls: tuple[str, ...] = Field((), description='words that are read as NULL, such as ["NULL", "\\\\N"]')

    @field_validator("dates", "periods", *NUMBER_SETTINGS, mode="before")
    @classmethod
    def _by_column(cls, declared: Any) -> Any:
        """One value for the whole table is the default of all its columns."""
        by_column = declared if isinstance(declared, Mapping) else {DEFAULT: declared}
        wrong = [value for value in by_column.values() if not isinstance(value, str)]
        if wrong:
            raise ValueError(f"expected text, or a mapping of columns to text; found {wrong[0]!r}")
        return dict(by_column)

    @property
    def formats(self) -> DeclaredFormats:
        """What is declared about dates, periods, numbers and NULL of the table."""
        return DeclaredFormats(
            {"dates": self.dates, "periods": self.periods, **{name: getattr(self, name) for name in NUMBER_SETTINGS}},
            self.nulls,
        )

    @field_validator("dates", "periods")
    @classmethod
    def _readable_patterns(cls, by_column: dict[str, str], info: ValidationInfo) -> dict[str, str]:
        parse = DatePattern.parse if info.field_name == "dates" else PeriodPattern.parse
        for column, pattern in by_column.items():
            try:
                parse(pattern)
            except FormatError as error:
                raise ValueError(f"{pattern!r}{'' if column == DEFAULT else f' of {column}'}: {error}") from None
        return by_column

    @model_validator(mode="after")
    def _readable_numbers(self) -> TableLocation:
        formats = self.formats
        for column in dict.fromkeys(name for setting in NUMBER_SETTINGS for name in formats.by_setting[setting]):
            try:
                formats.numbers(column)
            except FormatError as error:
                raise ValueError(f"{'numbers' if column == DEFAULT else column}: {error}") from None
        return self

    @field_validator("path", mode="before")
    @classmethod
    def _of_text(cls, path: Any) -> Any:
        """Names that YAML takes for numbers are names, too."""
        if isinstance(path, (list, tuple)):
            return tuple(str(name) for name in path)
        if isinstance(path, dict):
            raise ValueError("expected the name of a file or folder, a pattern, or a list of them")
        return path if path is None else str(path)

    @model_validator(mode="after")
    def _one_place(self) -> TableLocation:
        places = [name for name in ("path", "table", "query") if getattr(self, name) is not None]
        if len(places) > 1 or (self.connection is not None and not places):
            raise ValueError(f"expected one of path, table and query; found {' and '.join(places) or 'none'}")
        if places and self.path is None and self.connection is None:
            raise ValueError(f"expected the connection of the {places[0]}")
        of_files = [name for name in ("format", "adapter") if getattr(self, name)]
        of_files += ["options"] if self.reader_options else []
        of_databases = [
            name
            for name in ("connection", "partition_by", "partition_method", "received_after")
            if getattr(self, name) is not None
        ]
        wrong = of_files if self.connection is not None else of_databases
        if wrong:
            raise ValueError(f"{', '.join(wrong)} has no meaning for {f'a {places[0]}' if places else 'files'}")
        if self.fallback is not None and (self.complete or self.fallback.complete):
            raise ValueError("a table with a fallback cannot be complete: absence from one list no longer shows")
        if self.fallback is not None and self.fallback.path is None:
            raise ValueError("a fallback is read from a path")
        if self.fallback is not None and (any(self.fallback.formats.by_setting.values()) or self.fallback.nulls):
            raise ValueError("formats of values are declared for the table, and hold for its fallback too")
        twice = [name for name in _OPTIONS_OF_TABLE if name in self.options and getattr(self, name) is not None]
        if twice:
            raise ValueError(f"{', '.join(twice)} is set twice: under the table and in its options")
        if self.path is not None and not all(path.strip() for path in self.paths):
            raise ValueError("expected the name of a file or folder, a pattern, or a list of them")
        return self

    @property
    def paths(self) -> tuple[str, ...]:
        """Every path, in the order of the settings; ("",) for an empty list."""
        return ((self.path,) if isinstance(self.path, str) else self.path or ("",)) if self.path is not None else ()

    @property
    def reader_options(self) -> dict[str, Any]:
        """`options`, with those that may be set under the table itself."""
        of_table = {name: getattr(self, name) for name in _OPTIONS_OF_TABLE}
        return {**self.options, **{name: value for name, value in of_table.items() if value is not None}}


class InputSettings(Section):
    """Where input tables are."""

    root: str | None = Field(None, description="folder in which tables are found by name; --input sets it")
    connection: str | None = Field(None, description="one of `databases`, in which tables are found by name")
    database_schema: str = Field("dbo", description="schema of these tables")
    tables: dict[TableName, TableLocation] = Field(  # type: ignore[valid-type]
        default_factory=dict, description="where each table is and how it is read, by the contract's name"
    )
    most_quarantined: Fraction = Field(
        2 / 3, description="part of a table's rows that may be quarantined; with more of them the run stops"
    )

    def formats_of(self, table: str) -> DeclaredFormats:
        """What is declared for a table."""
        location = self.tables.get(table)
        return NOTHING_DECLARED if location is None else location.formats


class CheckSettings(Section):
    """The job `check`."""

    rows_per_file: PositiveInt = Field(
        2_000, description="rows sampled from the start of a file, or of each 128 MB of it"
    )
