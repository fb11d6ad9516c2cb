"""Column types of databases and what Spark makes of them, so that every value stays what it is."""

from __future__ import annotations

from typing import Any

from pyspark.sql import types as T

_BY_PYTHON_TYPE: dict[str, T.DataType] = {
    "bool": T.BooleanType(),
    "int": T.LongType(),
    "str": T.StringType(),
    "date": T.DateType(),
    # times without zone are UTC, as the contract has it
    "datetime": T.TimestampNTZType(),
}
# Precisions, in binary or decimal digits, of a number of 32 bits: SQL Server's, PostgreSQL's.
_REAL = (24, 9)
_MOST_DIGITS = 38


def spark_type(column: Any) -> T.DataType | None:
    """The type of a column of a cursor's description (PEP 249); None for what no contract column is made of."""
    _, kind, _, _, precision, scale, _ = column
    name = kind.__name__
    if name == "Decimal":
        return T.DecimalType(min(precision, _MOST_DIGITS), scale)
    if name == "float":
        return T.FloatType() if precision in _REAL else T.DoubleType()
    return _BY_PYTHON_TYPE.get(name)
