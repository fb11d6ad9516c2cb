"""Expressions with one meaning on every engine.

Spark and the embedded engine return different values, types or errors for the plain functions that these replace. A
test forbids the plain forms elsewhere in the engine. Each docstring states the meaning, including NULL, and the
difference. None of them needs a schema: on Spark Connect, requesting one plans the frame again.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from pyspark.sql import Column, DataFrame, Window, WindowSpec
from pyspark.sql import functions as F
from pyspark.sql import types as T

_Part = TypeVar("_Part")

SIGNIFICANT_DIGITS = 12
LOG_DECIMALS = 11
# Adding and subtracting it rounds a double of at most half its size to an integer, half to even.
_TO_WHOLE = 1.5 * 2.0**52
_MOST_WHOLE = 2.0**51
# 10 to the power of 0 to 22 is exact as a double, on every engine.
_MOST_EXACT_POWER = 22
# From here on doubles cannot represent cents.
_LARGE = 1e15

# Java's \s, \S and \b for regular expressions. In the embedded engine these classes, \d and \w are Unicode. It supports
# no look-around, no back-references and no possessive quantifiers.
SPACE, NOT_SPACE = r"[ \t\n\x0B\f\r]", r"[^ \t\n\x0B\f\r]"
WORD_BOUNDARY = r"(?-u:\b)"


# Long chains. Messages of Spark Connect nest up to 100 deep, and each member of a chain nests the ones before it.


def any_of(conditions: Iterable[Column]) -> Column:
    """True if any condition is true (`|`); false for no conditions."""
    return _balanced(parts, operator.or_) if (parts := list(conditions)) else F.lit(False)


def all_of(conditions: Iterable[Column]) -> Column:
    """True if all conditions are true (`&`); true for no conditions."""
    return _balanced(parts, operator.and_) if (parts := list(conditions)) else F.lit(True)


def union_all(frames: Sequence[DataFrame]) -> DataFrame:
    """The rows of all frames (at least one), which have the same columns by name."""
    return _balanced(frames, DataFrame.unionByName)


def _balanced(parts: Sequence[_Part], join: Callable[[_Part, _Part], _Part]) -> _Part:
    if len(parts) == 1:
        return parts[0]
    middle = len(parts) // 2
    return join(_balanced(parts[:middle], join), _balanced(parts[middle:], join))


# Groups


def greatest_of_groups(
    rows: DataFrame, keys: Sequence[str], fields: Sequence[str], into: str, others: Sequence[str] = ()
) -> DataFrame:
    """Grain: group. The keys and `into`, a struct of the row whose `fields` are greatest, compared field by field, NULL
    first, with its `others`, which must not differ if the fields are equal.

    Replaces `max(struct(...))`: on the embedded engine its NULL fields sort last, and it takes 0.1 ms a group, twenty
    times as long.
    """
    return _first_of_groups(rows, keys, [F.col(name).desc_nulls_last() for name in fields], into, (*fields, *others))


def least_of_groups(
    rows: DataFrame, keys: Sequence[str], fields: Sequence[str], into: str, others: Sequence[str] = ()
) -> DataFrame:
    """The row whose fields are least. See `greatest_of_groups`."""
    return _first_of_groups(rows, keys, [F.col(name).asc_nulls_first() for name in fields], into, (*fields, *others))


def _first_of_groups(
    rows: DataFrame, keys: Sequence[str], order: Sequence[Column], into: str, names: Sequence[str]
) -> DataFrame:
    place = F.row_number().over(Window.partitionBy(*keys).orderBy(*order))
    first = rows.withColumn("place_in_group", place).where(F.col("place_in_group") == 1)
    return first.select(*keys, F.struct(*names).alias(into))


# Collections


def collect_distinct(column: Column | str) -> Column:
    """An aggregate: the distinct values of small groups without NULL, in no order.

    Replaces `collect_set`, which takes 0.02 ms a group on the embedded engine, and 0.05 for structs: at least ten times
    as long.
    """
    return F.array_distinct(F.collect_list(column))


def collect_list_over(column: Column, window: WindowSpec) -> Column:
    """The values of a window that are not NULL; an empty array if there are none, never NULL.

    In the order of the window, if it has one. The embedded engine keeps NULLs and returns NULL if there are none.
    """
    return F.array_compact(F.coalesce(F.collect_list(column).over(window), _array_of_null(column)))


def collect_set_over(column: Column, window: WindowSpec) -> Column:
    """The distinct values of a window that are not NULL, unordered; an empty array if there are none, never NULL."""
    return F.array_distinct(collect_list_over(column, window))


def _array_of_null(column: Column) -> Column:
    """An array with one NULL of the column's type; compacting it yields an empty array of that type."""
    return F.array(F.when(F.lit(False), column))


def array_contains(array: Column, value: Column) -> Column:
    """True if an element of the array equals the value; NULL only if the array or the value is NULL.

    Spark returns NULL instead of false if an element is NULL; the embedded engine returns false for a NULL value.
    """
    is_known = array.isNotNull() & value.isNotNull()
    return F.when(is_known, F.coalesce(F.array_contains(array, value), F.lit(False)))


def arrays_overlap(array: Column, other: Column) -> Column:
    """True if the arrays share an element that is not NULL. Otherwise NULL if one contains NULL and the other is not
    empty, or if one of them is NULL; else false.

    The embedded engine returns NULL even if the other is empty.
    """
    is_empty = (F.size(array) == 0) | (F.size(other) == 0)
    is_known = array.isNotNull() & other.isNotNull()
    return F.when(is_known & is_empty, F.lit(False)).otherwise(F.arrays_overlap(array, other))


def array_except(array: Column, other: Column, element_type: str = "string") -> Column:
    """The distinct elements of `array` that are not in `other`; NULL equals NULL, and the result is NULL if one of the
    arrays is.

    The embedded engine rejects two arrays if only one of them may contain NULL.
    """
    both = f"array<{element_type}>"
    return F.array_except(array.cast(both), other.cast(both))


def sort(array: Column, *, descending: bool = False) -> Column:
    """The sorted array, NULL first, also in the fields of structs; `descending`: the reverse.

    Replaces `array_sort`, which puts NULL elements last on both engines, and NULL fields last on the embedded one.
    """
    return F.sort_array(array, asc=not descending)


def greatest_of(array: Column) -> Column:
    """The last element in the order of `sort`; NULL for an empty array or NULL.

    Replaces `array_max`: of structs, it sorts NULL fields last on the embedded engine, and takes forty times as long.
    """
    return F.get(sort(array, descending=True), F.lit(0))


def least_of(array: Column) -> Column:
    """The first element in the order of `sort` that is not NULL; NULL for an empty array or NULL. See `greatest_of`."""
    return F.get(sort(F.array_compact(array)), F.lit(0))


# Structs


def differ_over(column: Column | str, window: WindowSpec) -> Column:
    """True if the rows of a window differ in the column; NULL counts as a value; never NULL. `window` has no order."""
    least, most = F.min(column).over(window), F.max(column).over(window)
    not_null = F.count(column).over(window)
    is_partly_known = (not_null > 0) & (not_null < F.count(F.lit(1)).over(window))
    return is_partly_known | F.coalesce(least != most, F.lit(False))


def nullable(column: Column, kind: T.DataType) -> Column:
    """Cast the column to `kind` with every field and element nullable.

    The embedded engine combines arrays and structs only if their nullability agrees, which depends on how each was
    made. Cast both sides of `concat`, `array`, `coalesce` and `when`.
    """
    return column.cast(_with_nulls(kind))


def _with_nulls(kind: T.DataType) -> T.DataType:
    if isinstance(kind, T.StructType):
        return T.StructType([T.StructField(field.name, _with_nulls(field.dataType)) for field in kind.fields])
    if isinstance(kind, T.ArrayType):
        return T.ArrayType(_with_nulls(kind.elementType))
    if isinstance(kind, T.MapType):
        return T.MapType(kind.keyType, _with_nulls(kind.valueType))
    return kind


def nulls(kinds: Mapping[str, T.DataType | str]) -> dict[str, Column]:
    """NULL columns of these types, for the side of a union that lacks them.

    `unionByName(allowMissingColumns=True)` on the embedded engine declares the missing columns as `void`.
    """
    return {name: F.lit(None).cast(kind) for name, kind in kinds.items()}


# Numbers


def divide(dividend: Column, divisor: Column) -> Column:
    """The quotient as a double; NULL if the divisor is zero or an operand is NULL.

    `try_divide` of the embedded engine does not accept doubles.
    """
    over = divisor.cast("double")
    return dividend.cast("double") / F.when(F.abs(over) > 0, over)


def divide_decimals(
    dividend: Column, divisor: Column, precision: int, scale: int, dividend_type: str = "decimal(27,14)"
) -> Column:
    """The quotient of two decimals as decimal(precision, scale), half-up; NULL if the divisor is zero or the result
    does not fit. The dividend must fit `dividend_type`, which needs at least `scale` decimals, and the divisor must
    have at most 6.

    The engines return quotients of different scales, and the embedded one truncates them.
    """
    quotient = dividend.cast(dividend_type) / F.when(F.abs(divisor) > 0, divisor)
    return quotient.try_cast(f"decimal({precision},{scale})")


def rint(number: Column) -> Column:
    """A double rounded to the nearest integer, half to even. The embedded engine's rounds half away from zero."""
    value = number.cast("double")
    return F.when(F.abs(value) < _MOST_WHOLE, (value + F.lit(_TO_WHOLE)) - F.lit(_TO_WHOLE)).otherwise(value)


def as_double(name: str) -> Column:
    """A column as a double."""
    return F.col(name).cast("double")


def round_double(number: Column, digits: int) -> Column:
    """A double rounded half-up to decimal digits, from its shortest decimal text: 1.005 to two digits is 1.01.

    For more than 4 `digits`, from the product with a power of ten, which differs if that text ends in a 5. `F.round`
    rounds decimals the same on all engines; the embedded one rounds doubles from their binary value.
    """
    value = number.cast("double")
    if digits > 4:
        power = F.lit(10.0**digits)
        integral = F.floor(F.abs(value) * power + 0.5).cast("double")
        # never a negative zero
        rounded = F.when((value < 0) & (integral > 0), -integral).otherwise(integral) / power
        return F.when(F.abs(value) < _LARGE / 10.0**digits, rounded).otherwise(value)
    of_text = value.cast("string").try_cast(f"decimal(38,{digits})").cast("double")
    # texts of small and large numbers have an exponent, which the embedded engine cannot cast to decimal
    is_zero = F.abs(value) < 0.1 ** (digits + 1)
    return F.when(is_zero, F.lit(0.0)).when(F.abs(value) < _LARGE, of_text).otherwise(value)


def round_bounded(number: Column, digits: int) -> Column:
    """A double below 2**51 / 10**digits in size, rounded to decimal digits, half to even, as in `rint`.

    The number occurs once in the expression, so it may be long.
    """
    power = F.lit(10.0**digits)
    return ((number * power + F.lit(_TO_WHOLE)) - F.lit(_TO_WHOLE)) / power


def decimal_of_double(number: Column, precision: int, scale: int) -> Column:
    """A double as decimal(precision, scale), half-up from its shortest decimal text; NULL if it does not fit.

    `cast` of the embedded engine rounds the binary value: 0.285 is 0.28 there and 0.29 here. Below 0.001 and from
    10**15 on the text is not used.
    """
    value, kind = number.cast("double"), f"decimal({precision},{scale})"
    has_no_text = (F.abs(value) < 1e-3) | (F.abs(value) >= _LARGE)
    return F.when(has_no_text, value.try_cast(kind)).otherwise(value.cast("string").try_cast(kind))


def decimal_of_text(text: Column, precision: int, scale: int) -> Column:
    """A text as decimal(precision, scale), half-up; NULL if it is not a number or does not fit.

    A number with an exponent is cast through double: the embedded engine cannot cast such a text to decimal.
    """
    kind = f"decimal({precision},{scale})"
    double = text.try_cast("double")
    # a small double has an exponent in its text too
    by_double = F.coalesce(double.cast("string").try_cast(kind), double.try_cast(kind))
    return F.when(text.rlike("[eE]"), by_double).otherwise(text.try_cast(kind))


def significant(number: Column) -> Column:
    """A double rounded half to even to 12 significant digits, at most 22 decimals; 10**15 and more stay as they are.

    The last digit of `log`, `exp` and `pow` differs between engines. Values that people see, or that are
    compared, are rounded when they are computed.
    """
    size = F.abs(number)
    wanted = F.lit(SIGNIFICANT_DIGITS - 1) - F.floor(F.log10(size))
    decimals = F.greatest(F.lit(0), F.least(wanted, F.lit(_MOST_EXACT_POWER)))
    power = F.pow(F.lit(10.0), decimals.cast("double"))
    rounded = ((number * power + F.lit(_TO_WHOLE)) - F.lit(_TO_WHOLE)) / power
    return F.when((size > 0) & (size < _LARGE), rounded).otherwise(number)


def log(number: Column) -> Column:
    """The natural logarithm of a double to 11 decimals, 12 digits from 1 on; NULL if the number is not positive.

    Decimals rather than significant digits, because logarithms are subtracted from each other, and because this is one
    short expression: Spark Connect accepts no plan of more than 100 levels.
    """
    value = number.cast("double")
    return _to_decimals(F.log(F.when(value > 0, value)))


def log10(number: Column) -> Column:
    """The logarithm to base 10 of a double to 11 decimals; NULL if the number is not positive. See `log`."""
    value = number.cast("double")
    return _to_decimals(F.log10(F.when(value > 0, value)))


def _to_decimals(logarithm: Column) -> Column:
    """Rounded half to even. No double has a logarithm beyond 745, far below the limit of this rounding."""
    return ((logarithm * F.lit(10.0**LOG_DECIMALS) + F.lit(_TO_WHOLE)) - F.lit(_TO_WHOLE)) / F.lit(10.0**LOG_DECIMALS)


def exp(number: Column) -> Column:
    """e to the power of a double, to 12 significant digits."""
    return significant(F.exp(number))


def days_from(earlier: Column | str, later: Column | str) -> Column:
    """Whole days from one date to another as int, negative if `later` comes first. `datediff` of the embedded engine is
    bigint.
    """
    return F.datediff(later, earlier).cast("int")


def first_of_month(day: Column | str) -> Column:
    """First day of a date's month; NULL for NULL. The embedded engine truncates dates from 1677 to 2262 only."""
    return F.make_date(F.year(day), F.month(day), F.lit(1))


def first_of_quarter(day: Column | str) -> Column:
    """First day of a date's calendar quarter; NULL for NULL. See `first_of_month`."""
    return F.make_date(F.year(day), F.quarter(day) * 3 - 2, F.lit(1))


def to_decimal(number: Column, precision: int, scale: int) -> Column:
    """A number of any type as decimal(precision, scale), half-up from its shortest decimal text; NULL if it does not
    fit. For decimals the same as `try_cast`; see `decimal_of_double`.
    """
    kind = f"decimal({precision},{scale})"
    # the embedded engine cannot cast texts with an exponent
    return F.coalesce(number.cast("string").try_cast(kind), number.try_cast(kind))


# Texts


def format_number(number: Column, digits: int) -> Column:
    """The number, as a double, with `digits` decimals and thousands separated by commas: `1,234.50`.

    Rounds the binary value half to even. The embedded engine rounds decimals half-up.
    """
    return F.format_number(number.cast("double"), digits)


def double_text(number: Column) -> Column:
    """A double or float as its shortest text, with an exponent below 0.001 and from 10,000,000 on: `0.5`, `1.25E7`.

    The embedded engine writes exponents for other ranges and in another form.
    """
    text = number.cast("string")
    sign = F.when(text.startswith("-"), F.lit("-")).otherwise(F.lit(""))
    mantissa = F.regexp_extract(text, r"^-?([0-9.]+)", 1)
    exponent = F.coalesce(F.regexp_extract(text, r"[eE](-?[0-9]+)\z", 1).try_cast("int"), F.lit(0))
    integral = F.regexp_extract(mantissa, r"^([0-9]+)", 1)
    digits = F.replace(mantissa, F.lit("."), F.lit(""))
    leading = F.length(F.regexp_extract(digits, r"^(0*)", 1))
    shown = F.regexp_replace(F.regexp_replace(digits, r"^0+", ""), r"0+\z", "")
    fraction = F.substring(shown, 2, 400)
    power = exponent + F.length(integral) - 1 - leading
    scientific = F.concat(
        sign,
        F.substring(shown, 1, 1),
        F.lit("."),
        F.when(fraction == "", F.lit("0")).otherwise(fraction),
        F.lit("E"),
        power.cast("string"),
    )
    size = F.abs(number)
    infinity = F.concat(sign, F.lit("Infinity"))
    return (
        F.when(F.isnan(number) | (size == 0) | ((size >= 1e-3) & (size < 1e7)), text)
        .when(size == F.lit(float("inf")), infinity)
        .otherwise(scientific)
    )


def text_of(column: Column, kind: T.DataType) -> Column:
    """A column of type `kind` as text, as Spark's `cast` converts it; see `double_text`."""
    is_binary_fraction = isinstance(kind, (T.FloatType, T.DoubleType))
    return double_text(column) if is_binary_fraction else column.cast("string")


def to_json(column: Column, kind: T.DataType) -> Column:
    """The JSON text of a column of type `kind`: NULL fields are `null`, decimals keep their scale and sign, timestamps
    are UTC and have milliseconds; NULL for NULL.

    The embedded engine drops the sign and trailing zeros of decimals, writes microseconds, and omits NULL fields.
    """
    return F.when(column.isNotNull(), _json(column, kind))


def json_object(values: Mapping[str, tuple[Column, T.DataType]]) -> Column:
    """The JSON text of an object with these fields, in order, each of its type; see `to_json`. Never NULL."""
    if all(isinstance(kind, T.StringType) for _, kind in values.values()):
        # every engine writes NULLs of maps, and one function is faster than a long concatenation
        pairs = [part for name, (column, _) in values.items() for part in (F.lit(name), column)]
        return F.to_json(F.create_map(*pairs)) if pairs else F.lit("{}")
    parts = [F.lit("{")]
    for place, (name, (column, kind)) in enumerate(values.items()):
        shown = name.replace("\\", "\\\\").replace('"', '\\"')
        parts += [F.lit(f'{"," if place else ""}"{shown}":'), _json(column, kind)]
    return F.concat(*parts, F.lit("}"))


def _json(column: Column, kind: T.DataType) -> Column:
    """Never NULL: `null` for NULL."""
    null = F.lit("null")
    if isinstance(kind, T.StructType):
        fields = {field.name: (column[field.name], field.dataType) for field in kind.fields}
        return F.when(column.isNull(), null).otherwise(json_object(fields))
    if isinstance(kind, T.ArrayType):
        element = kind.elementType
        texts = F.array_join(F.transform(column, lambda item: _json(item, element)), ",")
        return F.when(column.isNull(), null).otherwise(F.concat(F.lit("["), texts, F.lit("]")))
    if isinstance(kind, (T.DecimalType, T.IntegralType, T.BooleanType)):
        return F.coalesce(column.cast("string"), null)
    if isinstance(kind, (T.FloatType, T.DoubleType)):
        text = double_text(column)
        return F.coalesce(F.when(text.rlike(r"[0-9]\z"), text).otherwise(_quoted(text)), null)
    if isinstance(kind, T.DateType):
        return F.coalesce(_quoted(column.cast("string")), null)
    if isinstance(kind, T.TimestampType):
        return F.coalesce(_quoted(F.date_format(column, "yyyy-MM-dd'T'HH:mm:ss.SSSXXX")), null)
    # text, and types that are not in the contract; an array writes its NULL
    array_text = F.to_json(F.array(column))
    return F.coalesce(F.substr(array_text, F.lit(2), F.length(array_text) - 2), null)


def _quoted(text: Column) -> Column:
    return F.concat(F.lit('"'), text, F.lit('"'))
