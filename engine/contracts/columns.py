"""Declarations of columns and tables of the data contract."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from enum import Enum

from pyspark.sql import types as T


class Kind(Enum):
    """Logical column types of the contract and their Spark types.

    Units are NCPDP billing units or CMS units to three decimals, unit prices US dollars per unit to six,
    money US dollars to two. Times are UTC.
    """

    IDENTIFIER = "identifier"
    NDC = "ndc"
    TEXT = "text"
    CODE = "code"
    TWO_DIGIT_CODE = "two_digit_code"
    QUARTER = "quarter"
    INTEGER = "integer"
    UNITS = "units"
    UNIT_PRICE = "unit_price"
    MONEY = "money"
    DATE = "date"
    TIMESTAMP = "timestamp"
    BOOLEAN = "boolean"

    @property
    def spark_type(self) -> T.DataType:
        """The Spark type of prepared values; text for kinds without a type of their own."""
        return _SPARK_TYPES.get(self, T.StringType())

    @property
    def is_identifier(self) -> bool:
        """Whether values are compared as text, so leading zeros count."""
        return self in (Kind.IDENTIFIER, Kind.NDC)


_SPARK_TYPES: dict[Kind, T.DataType] = {
    Kind.INTEGER: T.LongType(),
    Kind.UNITS: T.DecimalType(15, 3),
    Kind.UNIT_PRICE: T.DecimalType(15, 6),
    Kind.MONEY: T.DecimalType(18, 2),
    Kind.DATE: T.DateType(),
    Kind.TIMESTAMP: T.TimestampType(),
    Kind.BOOLEAN: T.BooleanType(),
}


# Placeholders of source systems for an unknown date (0001 and 9999: many; 1753 and 1900: SQL Server's minimum and
# zero).
PLACEHOLDER_DATES = (date(1, 1, 1), date(1753, 1, 1), date(1900, 1, 1), date(9999, 12, 31))


_DECIDING = frozenset(
    ("transaction", "status", "line_kind", "units_basis", "claim_line", "is_340b", "rebate_type", "sub_program")
)


@dataclass(frozen=True)
class Column:
    """One column of a contract table.

    `codes` lists the only values allowed (upper case); `default` replaces a missing value on reading, never a bad one.
    `is_bound`: the column begins or ends an interval, so a placeholder date there means no bound and is read as NULL.
    `meaning` and `example` are documentation; the example is a value as in a CSV file.
    """

    name: str
    kind: Kind
    meaning: str
    example: str
    required: bool = False
    codes: tuple[str, ...] | None = None
    default: str | int | bool | None = None
    is_bound: bool = False

    @property
    def decides_row(self) -> bool:
        """True if the value determines the kind of row: a row with an unreadable value is quarantined."""
        return self.name in _DECIDING

    @property
    def is_npi(self) -> bool:
        """True for identifiers whose name is, or ends in, `npi`."""
        return self.kind is Kind.IDENTIFIER and self.name.rpartition("_")[2] == "npi"

    @property
    def must_be_text(self) -> bool:
        """True if a number has already lost its leading zeros and must stop the run; no NPI begins with 0."""
        return self.kind.is_identifier and not self.is_npi


class TableRole(Enum):
    """Feeds hold claims, whose rows are counted in the ledger; references describe them."""

    FEED = "feed"
    REFERENCE = "reference"


@dataclass(frozen=True)
class Table:
    """One table of the contract.

    `either` contains groups of which at least one member must be present as a column, and non-null in every row;
    each member is a tuple of columns that are only useful together.
    `key` names the columns that identify a row in quarantine if it has no source_row_id. `own_id`: a column that
    identifies a row alone, if present. `known_on`: days before which nobody knew of the row. `received`: the first of
    these that is not NULL is the time of receipt. `meaning` documents the rows.
    """

    name: str
    role: TableRole
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    either: tuple[tuple[tuple[str, ...], ...], ...] = field(default=())
    received: tuple[str, ...] = ()
    meaning: str = ""
    own_id: str | None = None
    known_on: tuple[str, ...] = ()

    def column(self, name: str) -> Column:
        """The declared column; KeyError if the table has none of that name."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(f"{self.name} has no column {name}")

    @property
    def example_row(self) -> dict[str, str]:
        """The example of every column, in contract order."""
        return {column.name: column.example for column in self.columns}

    @property
    def column_names(self) -> tuple[str, ...]:
        """All columns, in the order of the contract."""
        return tuple(column.name for column in self.columns)

    @property
    def required_names(self) -> tuple[str, ...]:
        """The columns that an input must have."""
        return tuple(column.name for column in self.columns if column.required)

    @property
    def schema(self) -> T.StructType:
        """The Spark schema of the prepared table; every field may be NULL."""
        return T.StructType([T.StructField(c.name, c.kind.spark_type) for c in self.columns])


def column(name: str, kind: Kind, meaning: str, example: str = "", *, required: bool = False) -> Column:
    """A column; its example defaults to that of its kind. Raises KeyError if the kind has none."""
    return Column(name, kind, meaning, example or _EXAMPLES[kind], required)


def identifier(name: str, meaning: str, example: str, *, required: bool = False) -> Column:
    """A column of text that is kept character by character."""
    return column(name, Kind.IDENTIFIER, meaning, example, required=required)


def text(name: str, meaning: str, example: str, *, required: bool = False) -> Column:
    """A column of free text or of a code."""
    return column(name, Kind.TEXT, meaning, example, required=required)


def code(
    name: str, values: Iterable[str], meaning: str, *, required: bool = False, default: str | None = None
) -> Column:
    """A column of fixed codes; its default, else the first code, is the example."""
    codes = tuple(str(value) for value in values)
    return Column(name, Kind.CODE, meaning, default or codes[0], required, codes, default)


def bound(name: str, meaning: str, example: str, *, required: bool = False) -> Column:
    """A date that begins or ends an interval."""
    return Column(name, Kind.DATE, meaning, example, required, is_bound=True)


_EXAMPLES = {
    Kind.NDC: "00002-7597-01",
    Kind.QUARTER: "2025Q3",
    Kind.INTEGER: "1",
    Kind.UNITS: "30.000",
    Kind.DATE: "2025-08-14",
    Kind.TIMESTAMP: "2025-11-05T08:30:00Z",
    Kind.BOOLEAN: "true",
}
