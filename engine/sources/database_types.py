"""Column types of databases and their Spark types: values are read without loss, or the column is rejected."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pyspark.sql import types as T

from engine.database import SQL_SERVER, Dialect

_BY_PYTHON_TYPE: dict[str, T.DataType] = {
    "bool": T.BooleanType(),
    "int": T.LongType(),
    "str": T.StringType(),
    "date": T.DateType(),
    # times without a zone are UTC (contract)
    "datetime": T.TimestampNTZType(),
}
# Precisions, in binary or decimal digits, of a number of 32 bits: SQL Server's, PostgreSQL's.
_REAL = (24, 9)
_MOST_DIGITS = 38

# Types that the server converts before its drivers see them, so that all drivers return the same.
_WITH_ZONE = "datetimeoffset"
_AS_TEXT = frozenset({"uniqueidentifier", "time"})
_CODE_PAGE_TEXTS = frozenset({"char", "varchar"})
# Neither ordered nor hashed by SQL Server.
_NO_KEYS = frozenset({"text", "ntext"})
# All other types of SQL Server (binary, varbinary, image, rowversion, xml, json, vector, sql_variant, hierarchyid,
# geometry, geography and other CLR types) correspond to no column type of the contract.
_READABLE_OF_SQL_SERVER = frozenset(
    {
        *("bigint", "int", "smallint", "tinyint", "bit", "decimal", "numeric", "money", "smallmoney", "float", "real"),
        *("date", "datetime", "datetime2", "smalldatetime", _WITH_ZONE, "time"),
        *("char", "varchar", "text", "nchar", "nvarchar", "ntext", "sysname", "uniqueidentifier"),
    }
)


@dataclass(frozen=True)
class DatabaseColumn:
    """A column under the database's own name.

    spark_type: None if the column cannot be read. type_name: as the server names it, without width; of other servers
    than SQL Server the Python type that the driver returns.
    """

    name: str
    spark_type: T.DataType | None
    type_name: str

    @property
    def has_zone(self) -> bool:
        """Whether values carry an offset from UTC."""
        return self.type_name == _WITH_ZONE

    @property
    def is_requested_as_text(self) -> bool:
        """Whether the server converts the values to text."""
        return self.type_name in _AS_TEXT

    @property
    def is_code_page_text(self) -> bool:
        """Whether values are text in a code page, which the server converts to Unicode."""
        return self.type_name in _CODE_PAGE_TEXTS

    @property
    def can_partition(self) -> bool:
        """Whether reads can be cut into ranges of this column."""
        return self.spark_type is not None and self.type_name not in _NO_KEYS


def database_column(described: Any, type_name: str | None, dialect: Dialect) -> DatabaseColumn:
    """A column of a cursor's description (PEP 249); `type_name`: as SQL Server describes it, None if it does not."""
    name = described[0]
    base = (type_name or described[1].__name__).partition("(")[0].strip().lower()
    if base == _WITH_ZONE:
        return DatabaseColumn(name, T.TimestampNTZType(), base)
    if base in _AS_TEXT:
        return DatabaseColumn(name, T.StringType(), base)
    is_unknown = dialect is SQL_SERVER and type_name is not None and base not in _READABLE_OF_SQL_SERVER
    return DatabaseColumn(name, None if is_unknown else spark_type(described), base)


def spark_type(described: Any) -> T.DataType | None:
    """The type of a column of a cursor's description (PEP 249); None if no contract column has such a type."""
    _, kind, _, _, precision, scale, _ = described
    name = kind.__name__
    if name == "Decimal":
        return T.DecimalType(min(precision, _MOST_DIGITS), scale)
    if name == "float":
        return T.FloatType() if precision in _REAL else T.DoubleType()
    return _BY_PYTHON_TYPE.get(name)
