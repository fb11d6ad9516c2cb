"""Union of files with different layouts, without guessing."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import reduce
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.errors import InputError, Problem
from engine.runtime.storage import StoredFile

_INTEGERS = (T.ByteType, T.ShortType, T.IntegerType, T.LongType)
_EXACT_IN_DOUBLE = (T.ByteType, T.ShortType, T.IntegerType)
_DIGITS_OF_BIGINT = 19
_MOST_DIGITS = 38
_TIMES = (T.DateType, T.TimestampType, T.TimestampNTZType)
_NOT_COUNTED = re.compile(r"[\s_.\-\ufeff\0]+")
NESTED = (T.ArrayType, T.MapType, T.StructType, T.VariantType)


def plain(name: str) -> str:
    r"""The plain form of a column name: no case, blanks, underscores, hyphens and dots. Equal forms are one column.

    >>> plain("\ufeffDate of\xa0Service "), plain("date_of_service"), plain("DATE-OF.SERVICE")
    ('dateofservice', 'dateofservice', 'dateofservice')
    """
    return _NOT_COUNTED.sub("", name).lower()


def repeated_names(names: Iterable[str]) -> set[str]:
    """Names, in plain form, of more than one column."""
    counted = Counter(plain(name) for name in names)
    return {name for name, times in counted.items() if name and times > 1}


def one_spelling(names: Iterable[str]) -> tuple[str, ...]:
    """Each column once, in its first spelling; columns without a name are dropped."""
    spellings: dict[str, str] = {}
    for name in names:
        spellings.setdefault(plain(name), name)
    return tuple(name for key, name in spellings.items() if key)


def column_named(name: str) -> Column:
    """A column by its exact name, with any characters."""
    return F.col("`" + name.replace("`", "``") + "`")


def spark_options(options: Mapping[str, Any]) -> dict[str, str | bool | int | float]:
    """Options for Spark's own reader, which takes single values only; the others belong to the table's adapter."""
    return {name: value for name, value in options.items() if isinstance(value, (str, bool, int, float))}


def is_data(file: StoredFile) -> bool:
    """Whether a file is data: neither it nor a folder above it is hidden."""
    return not any(is_hidden(part) for part in file.name.split("/"))


def is_hidden(name: str) -> bool:
    """True for names that begin with `_` or `.`: writers' marker files (`_SUCCESS`, checksums), except partitions."""
    return name.startswith(("_", ".")) and "=" not in name


def stacked(
    frames: Sequence[DataFrame], names: Sequence[str], identifiers: Collection[str], table: str, where: str
) -> DataFrame:
    """All rows of all frames with exactly the columns `names`; a column that a frame lacks is NULL in its rows.

    A column of one type keeps it. Integers become bigint, integers and decimals a decimal that can hold both, small
    integers and doubles a double, dates and times a timestamp (without zone = UTC); any other mixture becomes text,
    which keeps each value as it was. Raises InputError if an identifier is text in some files and a number in others:
    no cast restores its leading zeros.
    """
    frames = [_without_empty_numbers(frame, frames, identifiers) for frame in frames]
    mixed = [name for name in names if name in identifiers and _is_number_and_text(frames, name)]
    if mixed:
        raise InputError(
            Problem(
                f"table {table} has identifiers that are numbers in some files and text in others",
                where,
                ", ".join(mixed),
                "text in every file: leading zeros of a number are gone",
                "have the files written again with identifiers as text",
            )
        )
    kinds = {name: _common_kind(_kinds(frames, name)) for name in names}
    same = [
        frame.select(
            *(
                (_as_kind(frame, name, kinds[name]) if name in frame.columns else F.lit(None).cast(kinds[name])).alias(
                    name
                )
                for name in names
            )
        )
        for frame in frames
    ]
    return reduce(DataFrame.unionByName, same)


def _kinds(frames: Iterable[DataFrame], name: str) -> list[T.DataType]:
    return [frame.schema[name].dataType for frame in frames if name in frame.columns]


def _common_kind(kinds: Sequence[T.DataType]) -> T.DataType:
    if not kinds:
        return T.StringType()
    if all(isinstance(kind, _TIMES) for kind in kinds) and not all(isinstance(kind, T.DateType) for kind in kinds):
        return T.TimestampType()
    if len({kind.json() for kind in kinds}) == 1:
        return T.StringType() if isinstance(kinds[0], T.NullType) else kinds[0]
    if all(isinstance(kind, _INTEGERS) for kind in kinds):
        return T.LongType()
    if all(isinstance(kind, (*_EXACT_IN_DOUBLE, T.DoubleType)) for kind in kinds):
        return T.DoubleType()
    if all(isinstance(kind, (*_INTEGERS, T.DecimalType)) for kind in kinds):
        return _common_decimal(kinds)
    return T.StringType()


def _common_decimal(kinds: Sequence[T.DataType]) -> T.DataType:
    decimals = [kind if isinstance(kind, T.DecimalType) else T.DecimalType(_DIGITS_OF_BIGINT, 0) for kind in kinds]
    scale = max(kind.scale for kind in decimals)
    precision = scale + max(kind.precision - kind.scale for kind in decimals)
    return T.DecimalType(precision, scale) if precision <= _MOST_DIGITS else T.StringType()


def _as_kind(frame: DataFrame, name: str, kind: T.DataType) -> Column:
    """The column as another type; as text, integral floats have neither decimals nor an exponent; NaN is NULL."""
    column = column_named(name)
    if isinstance(kind, T.StringType) and isinstance(frame.schema[name].dataType, (T.FloatType, T.DoubleType)):
        integral = column.try_cast("bigint")
        return F.when(integral == column, integral.cast(kind)).when(~F.isnan(column), column.cast(kind))
    return column.cast(kind)


def _is_number_and_text(frames: Iterable[DataFrame], name: str) -> bool:
    numeric = {isinstance(kind, T.NumericType) for kind in _kinds(frames, name)}
    return len(numeric) > 1


def _without_empty_numbers(frame: DataFrame, frames: Sequence[DataFrame], identifiers: Collection[str]) -> DataFrame:
    """Drop number columns without any value, as pandas writes empty columns, if other files have text in the column."""
    doubtful = [
        name
        for name in frame.columns
        if name in identifiers
        and isinstance(frame.schema[name].dataType, T.NumericType)
        and _is_number_and_text(frames, name)
    ]
    empty = [name for name in doubtful if frame.where(column_named(name).isNotNull()).isEmpty()]
    return frame.drop(*empty)
