"""Expressions with one meaning on every engine.

Spark and the embedded engine give different values, types or errors for the plain functions that these replace. A check
in the tests forbids the plain forms elsewhere in the engine. Each docstring states the meaning, NULL included, and what
differs. None of them needs a schema: on Spark Connect asking for one plans the whole frame.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from pyspark.sql import Column, DataFrame, WindowSpec
from pyspark.sql import functions as F
from pyspark.sql import types as T

_Part = TypeVar("_Part")

SIGNIFICANT_DIGITS = 12
LOG_DECIMALS = 11
# Adding and subtracting it leaves a double of no more than half its size rounded to a whole number, half to even.
_TO_WHOLE = 1.5 * 2.0**52
_MOST_WHOLE = 2.0**51
# 10 to the power of 0 to 22 is a double without error, on every engine.
_MOST_EXACT_POWER = 22
# From here on doubles have no cents.
_LARGE = 1e15

# Parts of regular expressions: what Java calls \s, \S and \b. In those of the embedded engine these letters, \d and \w
# mean Unicode. It knows no look-around, no references to groups within an expression, and no possessive repetition.
SPACE, NOT_SPACE = r"[ \t\n\x0B\f\r]", r"[^ \t\n\x0B\f\r]"
WORD_BOUNDARY = r"(?-u:\b)"


# Long chains. Messages of Spark Connect nest up to 100 deep, and each member of a chain nests the ones before it.


def any_of(conditions: Iterable[Column]) -> Column:
    """Whether one of the conditions holds, as `|` between them; false for none."""
    return _balanced(parts, operator.or_) if (parts := list(conditions)) else F.lit(False)


def all_of(conditions: Iterable[Column]) -> Column:
    """Whether every condition holds, as `&` between them; true for none."""
    return _balanced(parts, operator.and_) if (parts := list(conditions)) else F.lit(True)


def union_all(frames: Sequence[DataFrame]) -> DataFrame:
    """The rows of all frames, at least one, which have the same columns by name."""
    return _balanced(frames, DataFrame.unionByName)


def _balanced(parts: Sequence[_Part], join: Callable[[_Part, _Part], _Part]) -> _Part:
    if len(parts) == 1:
        return parts[0]
    middle = len(parts) // 2
    return join(_balanced(parts[:middle], join), _balanced(parts[middle:], join))


# Collections


def collect_list_over(column: Column, window: WindowSpec) -> Column:
    """The values of a window that are not NULL; an empty array where there are none, never NULL.

    The order is that of the window, where it has one. The embedded engine keeps NULLs and gives NULL for none.
    """
    return F.array_compact(F.coalesce(F.collect_list(column).over(window), _array_of_null(column)))


def collect_set_over(column: Column, window: WindowSpec) -> Column:
    """The distinct values of a window that are not NULL, in no order; an empty array where there are none, never NULL.

    The embedded engine keeps NULL and gives NULL for none.
    """
    return F.array_compact(F.coalesce(F.collect_set(column).over(window), _array_of_null(column)))


def _array_of_null(column: Column) -> Column:
    """An array of the column's type; whoever compacts it has an empty one of that type."""
    return F.array(F.when(F.lit(False), column))


def array_contains(array: Column, value: Column) -> Column:
    """Whether an element of the array equals the value; NULL only if the array or the value is.

    Spark gives NULL instead of false where an element is NULL, the embedded engine false also for a value of NULL.
    """
    is_known = array.isNotNull() & value.isNotNull()
    return F.when(is_known, F.coalesce(F.array_contains(array, value), F.lit(False)))


def arrays_overlap(array: Column, other: Column) -> Column:
    """Whether the arrays share an element that is not NULL. Where they do not: NULL if one holds NULL and the other is
    not empty, or if one of them is NULL.

    The embedded engine gives NULL even if the other is empty.
    """
    is_empty = (F.size(array) == 0) | (F.size(other) == 0)
    is_known = array.isNotNull() & other.isNotNull()
    return F.when(is_known & is_empty, F.lit(False)).otherwise(F.arrays_overlap(array, other))


def array_except(array: Column, other: Column, element_type: str = "string") -> Column:
    """The distinct elements of `array` that are not in `other`; NULL equals NULL, and NULL if one of the arrays is.

    The embedded engine refuses arrays of which only one may hold NULL.
    """
    both = f"array<{element_type}>"
    return F.array_except(array.cast(both), other.cast(both))


def sort(array: Column, *, descending: bool = False) -> Column:
    """The array in order, NULL before everything, also in the fields of structs; `descending`: the reverse.

    Takes the place of `array_sort`, which on the embedded engine puts NULL fields last, and on both NULL elements.
    """
    return F.sort_array(array, asc=not descending)


def greatest_of(array: Column) -> Column:
    """The last element in the order of `sort`; NULL for an empty array or NULL.

    Takes the place of `array_max` of structs: on the embedded engine their NULL fields come after everything.
    """
    return F.get(sort(array, descending=True), F.lit(0))


def least_of(array: Column) -> Column:
    """The first element in the order of `sort` that is not NULL; NULL for an empty array or NULL. See `greatest_of`."""
    return F.get(sort(F.array_compact(array)), F.lit(0))


# Structs


def max_struct(*fields: Column | str) -> Column:
    """An aggregate: the greatest of the structs of these fields, compared field by field, NULL before everything.

    For groups and windows. The result has the fields by their names, and flags that no caller reads.
    `max(struct(...))` on the embedded engine puts NULL fields after everything. Aggregates of structs are slow there:
    where groups are many, take the first of a window, and leave groups of one row out of it (see `pharmacy_dispenses`).
    """
    return F.max(_null_first(fields))


def min_struct(*fields: Column | str) -> Column:
    """An aggregate: the least of the structs of these fields. See `max_struct`."""
    return F.min(_null_first(fields))


def _null_first(fields: tuple[Column | str, ...]) -> Column:
    columns = [F.col(one) if isinstance(one, str) else one for one in fields]
    parts = [part for n, one in enumerate(columns) for part in (one.isNotNull().alias(f"is_known_{n}"), one)]
    return F.struct(*parts)


def differ_over(column: Column | str, window: WindowSpec) -> Column:
    """Whether the rows of a window differ in the column, NULL being a value; never NULL. `window` has no order."""
    least, most = F.min(column).over(window), F.max(column).over(window)
    known = F.count(column).over(window)
    is_partly_known = (known > 0) & (known < F.count(F.lit(1)).over(window))
    return is_partly_known | F.coalesce(least != most, F.lit(False))


def nullable(column: Column, kind: T.DataType) -> Column:
    """The column as `kind` in which every field and element may be NULL.

    The embedded engine puts arrays and structs together only if they agree in what may be NULL, which depends on how
    each was made. Both sides of `concat`, `array`, `coalesce` and `when` are to be cast.
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
    """The quotient as a double; NULL where the divisor is zero, NULL, or the dividend is.

    `try_divide` of the embedded engine takes no doubles.
    """
    over = divisor.cast("double")
    return dividend.cast("double") / F.when(F.abs(over) > 0, over)


def divide_decimals(
    dividend: Column, divisor: Column, precision: int, scale: int, dividend_type: str = "decimal(27,14)"
) -> Column:
    """The quotient of two decimals as decimal(precision, scale), half-up; NULL where the divisor is zero or the result
    does not fit. The dividend must fit `dividend_type`, which needs at least `scale` decimals, and the divisor have no
    more than 6.

    The engines give quotients of different scales, and the embedded one cuts them off.
    """
    quotient = dividend.cast(dividend_type) / F.when(F.abs(divisor) > 0, divisor)
    return quotient.try_cast(f"decimal({precision},{scale})")


def rint(number: Column) -> Column:
    """A double as the nearest whole double, half to even. Half goes away from zero in `rint` of the embedded engine."""
    value = number.cast("double")
    return F.when(F.abs(value) < _MOST_WHOLE, (value + F.lit(_TO_WHOLE)) - F.lit(_TO_WHOLE)).otherwise(value)


def round_double(number: Column, digits: int) -> Column:
    """A double rounded half-up to decimal digits, from its shortest decimal text: 1.005 to two digits is 1.01.

    `digits`: up to 4 so; beyond, from the product with a power of ten, which differs where that text ends in a 5.
    Decimals are rounded by `F.round`, alike on all engines; doubles by the embedded one from their binary value.
    """
    value = number.cast("double")
    if digits > 4:
        power = F.lit(10.0**digits)
        whole = F.floor(F.abs(value) * power + 0.5).cast("double")
        # never the zero that is below zero
        rounded = F.when((value < 0) & (whole > 0), -whole).otherwise(whole) / power
        return F.when(F.abs(value) < _LARGE / 10.0**digits, rounded).otherwise(value)
    of_text = value.cast("string").try_cast(f"decimal(38,{digits})").cast("double")
    # texts of small and of large numbers have an exponent, with which the embedded engine reads no decimals
    is_zero = F.abs(value) < 0.1 ** (digits + 1)
    return F.when(is_zero, F.lit(0.0)).when(F.abs(value) < _LARGE, of_text).otherwise(value)


def round_bounded(number: Column, digits: int) -> Column:
    """A double below 2**51 / 10**digits in size, rounded to decimal digits, half to even, as in `rint`.

    The number is repeated nowhere: for long expressions.
    """
    power = F.lit(10.0**digits)
    return ((number * power + F.lit(_TO_WHOLE)) - F.lit(_TO_WHOLE)) / power


def decimal_of_double(number: Column, precision: int, scale: int) -> Column:
    """A double as decimal(precision, scale), half-up from its shortest decimal text; NULL where it does not fit.

    `cast` of the embedded engine rounds the binary value: 0.285 is 0.28 there and 0.29 here. Under 0.001 and from
    10**15 on the text is not looked at.
    """
    value, kind = number.cast("double"), f"decimal({precision},{scale})"
    has_no_text = (F.abs(value) < 1e-3) | (F.abs(value) >= _LARGE)
    return F.when(has_no_text, value.try_cast(kind)).otherwise(value.cast("string").try_cast(kind))


def decimal_of_text(text: Column, precision: int, scale: int) -> Column:
    """A text as decimal(precision, scale), half-up; NULL where it is no number or does not fit.

    A number with an exponent goes by way of a double: the embedded engine reads no decimals from such texts.
    """
    kind = f"decimal({precision},{scale})"
    double = text.try_cast("double")
    # a small double has an exponent in its text too
    by_double = F.coalesce(double.cast("string").try_cast(kind), double.try_cast(kind))
    return F.when(text.rlike("[eE]"), by_double).otherwise(text.try_cast(kind))


def significant(number: Column) -> Column:
    """A double rounded half to even to 12 significant digits, at most 22 decimals; 10**15 and more stay as they are.

    The last digit of `log`, `exp` and `pow` differs between engines. Values that people see, or that are
    compared, are rounded where they are computed.
    """
    size = F.abs(number)
    wanted = F.lit(SIGNIFICANT_DIGITS - 1) - F.floor(F.log10(size))
    decimals = F.greatest(F.lit(0), F.least(wanted, F.lit(_MOST_EXACT_POWER)))
    power = F.pow(F.lit(10.0), decimals.cast("double"))
    rounded = ((number * power + F.lit(_TO_WHOLE)) - F.lit(_TO_WHOLE)) / power
    return F.when((size > 0) & (size < _LARGE), rounded).otherwise(number)


def log(number: Column) -> Column:
    """The natural logarithm of a double to 11 decimals, 12 digits from 1 on; NULL where the number is not positive.

    Decimals rather than significant digits, since logarithms are subtracted from each other, and this is one short
    expression: Spark Connect takes no plan of more than 100 levels.
    """
    value = number.cast("double")
    return _to_decimals(F.log(F.when(value > 0, value)))


def log10(number: Column) -> Column:
    """The logarithm to base 10 of a double to 11 decimals; NULL where the number is not positive. See `log`."""
    value = number.cast("double")
    return _to_decimals(F.log10(F.when(value > 0, value)))


def _to_decimals(logarithm: Column) -> Column:
    """Rounded half to even. No double has a logarithm beyond 745, which is far below what can be so rounded."""
    return ((logarithm * F.lit(10.0**LOG_DECIMALS) + F.lit(_TO_WHOLE)) - F.lit(_TO_WHOLE)) / F.lit(10.0**LOG_DECIMALS)


def exp(number: Column) -> Column:
    """e to the power of a double, to 12 significant digits."""
    return significant(F.exp(number))


def days_from(earlier: Column | str, later: Column | str) -> Column:
    """Whole days from one date to another as int, negative if `later` comes first. Elsewhere `datediff` is bigint."""
    return F.datediff(later, earlier).cast("int")


def first_of_month(day: Column | str) -> Column:
    """First day of a date's month; NULL of NULL. The embedded engine truncates dates from 1677 to 2262 only."""
    return F.make_date(F.year(day), F.month(day), F.lit(1))


def first_of_quarter(day: Column | str) -> Column:
    """First day of a date's calendar quarter; NULL of NULL. As `first_of_month`."""
    return F.make_date(F.year(day), F.quarter(day) * 3 - 2, F.lit(1))


def to_decimal(number: Column, precision: int, scale: int) -> Column:
    """A number of any type as decimal(precision, scale), half-up from its shortest decimal text; NULL where it does not
    fit. For decimals the same as `try_cast`; see `decimal_of_double`.
    """
    kind = f"decimal({precision},{scale})"
    # the embedded engine reads no texts with an exponent
    return F.coalesce(number.cast("string").try_cast(kind), number.try_cast(kind))


# Texts


def format_number(number: Column, digits: int) -> Column:
    """The number, as a double, with `digits` decimals and thousands separated by commas: `1,234.50`.

    Half goes to even, judged by the binary value. The embedded engine rounds decimals half-up.
    """
    return F.format_number(number.cast("double"), digits)


def double_text(number: Column) -> Column:
    """A double or float as its shortest text, with an exponent below 0.001 and from 10,000,000 on: `0.5`, `1.25E7`.

    The embedded engine writes exponents elsewhere and in another form.
    """
    text = number.cast("string")
    sign = F.when(text.startswith("-"), F.lit("-")).otherwise(F.lit(""))
    mantissa = F.regexp_extract(text, r"^-?([0-9.]+)", 1)
    exponent = F.coalesce(F.regexp_extract(text, r"[eE](-?[0-9]+)\z", 1).try_cast("int"), F.lit(0))
    whole = F.regexp_extract(mantissa, r"^([0-9]+)", 1)
    digits = F.replace(mantissa, F.lit("."), F.lit(""))
    leading = F.length(F.regexp_extract(digits, r"^(0*)", 1))
    shown = F.regexp_replace(F.regexp_replace(digits, r"^0+", ""), r"0+\z", "")
    rest = F.substring(shown, 2, 400)
    power = exponent + F.length(whole) - 1 - leading
    scientific = F.concat(
        sign,
        F.substring(shown, 1, 1),
        F.lit("."),
        F.when(rest == "", F.lit("0")).otherwise(rest),
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
    """A column of type `kind` as text, as `cast` does it on Spark; see `double_text`."""
    is_binary_fraction = isinstance(kind, (T.FloatType, T.DoubleType))
    return double_text(column) if is_binary_fraction else column.cast("string")


def to_json(column: Column, kind: T.DataType) -> Column:
    """The JSON text of a column of type `kind`: NULL fields are `null`, decimals keep their scale and sign, timestamps
    are UTC and have milliseconds; NULL for NULL.

    The embedded engine drops the sign and trailing zeros of decimals, writes microseconds, and leaves NULL fields out.
    """
    return F.when(column.isNotNull(), _json(column, kind))


def json_object(values: Mapping[str, tuple[Column, T.DataType]]) -> Column:
    """The JSON text of an object with these fields, in order, each of its type; see `to_json`. Never NULL."""
    if all(isinstance(kind, T.StringType) for _, kind in values.values()):
        # NULLs of maps are written by every engine, and one function is quicker than a long concatenation
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
        texts = F.array_join(F.transform(column, lambda one: _json(one, element)), ",")
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
    # text, and types that the contract has not; an array writes its NULL
    whole = F.to_json(F.array(column))
    return F.coalesce(F.substr(whole, F.lit(2), F.length(whole) - 2), null)


def _quoted(text: Column) -> Column:
    return F.concat(F.lit('"'), text, F.lit('"'))
