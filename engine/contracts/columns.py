"""What a column and a table of the data contract are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum

from pyspark.sql import types as T


class Kind(Enum):
    """Logical column types of the contract and how Spark holds them.

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
        return _SPARK_TYPES.get(self, T.StringType())

    @property
    def is_identifier(self) -> bool:
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


@dataclass(frozen=True)
class Column:
    """One column of a contract table.

    `codes` lists the only values allowed (upper case); `default` replaces NULL on reading.
    """

    name: str
    kind: Kind
    required: bool = False
    codes: frozenset[str] | None = None
    default: str | int | bool | None = None

    @property
    def is_npi(self) -> bool:
        """True for identifiers whose name is, or ends in, `npi`."""
        return self.kind is Kind.IDENTIFIER and self.name.rpartition("_")[2] == "npi"

    @property
    def must_be_text(self) -> bool:
        """True if a number has already lost its leading zeros and must stop the run; no NPI begins with 0."""
        return self.kind.is_identifier and not self.is_npi


class TableRole(Enum):
    FEED = "feed"
    REFERENCE = "reference"


@dataclass(frozen=True)
class Table:
    """One table of the contract.

    `either` holds groups of which at least one member must be present as a column, and non-null in every row;
    each member is a tuple of columns that only serve together.
    `key` names the columns that identify a row in quarantine where there is no source_row_id. `received`: when a row
    was received is the first of these that is not NULL.
    """

    name: str
    role: TableRole
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    either: tuple[tuple[tuple[str, ...], ...], ...] = field(default=())
    received: tuple[str, ...] = ()

    def column(self, name: str) -> Column:
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(f"{self.name} has no column {name}")

    @property
    def column_names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    @property
    def required_names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns if column.required)

    @property
    def schema(self) -> T.StructType:
        return T.StructType([T.StructField(c.name, c.kind.spark_type) for c in self.columns])


def identifier(name: str, required: bool = False) -> Column:
    return Column(name, Kind.IDENTIFIER, required)


def columns_of(kind: Kind, names: str, required: bool = False) -> tuple[Column, ...]:
    """Several columns of one kind; `names` is separated by blanks."""
    return tuple(Column(name, kind, required) for name in names.split())


def code(name: str, values: Iterable[str], required: bool = False, default: str | None = None) -> Column:
    return Column(name, Kind.CODE, required, frozenset(values), default)
