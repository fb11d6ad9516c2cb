"""Message columns: plain sentences with the row's own values, never NULL."""

from __future__ import annotations

import string
from collections.abc import Callable, Mapping

from pyspark.sql import Column
from pyspark.sql import functions as F

from engine.runtime.expressions import format_number, to_decimal

UNKNOWN = "unknown"


def sentence(template: str, **values: Column) -> Column:
    """`sentence("{units:number} units on {day:date}", units=f.units, day=f.date_of_service)` as a string column.

    Formats: none (text as it is), `number` (up to 3 decimals, no trailing zeros), `ratio` (2 decimals, 4 under 1),
    `count` (integer with thousands separators), `money` (US dollars, 2 decimals), `price` (US dollars, 2 to 6
    decimals), `date` (ISO), `days` ("1 day", "76 days"), `percent`. A NULL value becomes "unknown". Raises ValueError
    if template and values do not match.
    """
    return F.concat(*_parts(template, values, lambda text: F.coalesce(text, F.lit(UNKNOWN))))


def if_known(template: str, **values: Column) -> Column:
    """As `sentence`, but empty if one of the values is NULL."""
    return F.coalesce(F.concat(*_parts(template, values, lambda text: text)), F.lit(""))


def words_for(column: Column, words: Mapping[str, str]) -> Column:
    """A code in words; the code itself if `words` does not contain it."""
    pairs = [F.lit(word) for pair in words.items() for word in pair]
    return F.coalesce(F.try_element_at(F.create_map(*pairs), column), column)


def _parts(template: str, values: Mapping[str, Column], shown: Callable[[Column], Column]) -> list[Column]:
    parts: list[Column] = []
    used: set[str] = set()
    for literal, name, spec, _ in string.Formatter().parse(template):
        if literal:
            parts.append(F.lit(literal))
        if name is not None:
            if name not in values or spec not in _FORMATS:
                raise ValueError(f"{{{name}:{spec}}} has no value or no such format in: {template}")
            used.add(name)
            parts.append(shown(_FORMATS[spec](values[name])))
    if used != set(values):
        raise ValueError(f"{sorted(set(values) - used)} not used in: {template}")
    return parts


def _digits(value: Column, scale: int) -> Column:
    return to_decimal(value, 30, scale).cast("string")


def _decimal(value: Column, scale: int) -> Column:
    """The value as text without trailing zeros."""
    return F.regexp_replace(_digits(value, scale), r"\.?0+\z", "")


def listed(ids: Column, count: Column) -> Column:
    """The ids of an array as text, and how many of `count` are not among them; NULL `count`: none."""
    more = F.concat(F.lit(" and "), format_number(count - F.size(ids), 0), F.lit(" more"))
    is_cut = F.coalesce(count > F.size(ids), F.lit(False))
    return F.concat(F.array_join(ids, ", "), F.when(is_cut, more).otherwise(F.lit("")))


def listed_rows(ids: Column, count: Column) -> Column:
    """`listed`, after the noun: `row E1`, or `rows E1, E2 and 3 more`."""
    noun = F.when(count > 1, F.lit("rows ")).otherwise(F.lit("row "))
    return F.concat(noun, listed(ids, count))


def _ratio(value: Column) -> Column:
    return F.when(F.abs(value) < 1, _decimal(value, 4)).otherwise(_decimal(value, 2))


def _money(value: Column) -> Column:
    sign = F.when(value < 0, F.lit("-$")).otherwise(F.lit("$"))
    return F.concat(sign, format_number(F.abs(value), 2))


_FORMATS: dict[str | None, Callable[[Column], Column]] = {
    "": lambda value: value.cast("string"),
    "number": lambda value: _decimal(value, 3),
    "ratio": _ratio,
    "count": lambda value: format_number(value, 0),
    "money": _money,
    "price": lambda value: F.concat(F.lit("$"), F.regexp_replace(_digits(value, 6), r"(\.[0-9]{2}[0-9]*?)0+\z", "$1")),
    "date": lambda value: value.cast("date").cast("string"),
    "days": lambda value: F.concat(value.cast("string"), F.when(value == 1, F.lit(" day")).otherwise(F.lit(" days"))),
    "percent": lambda value: F.concat(_decimal(value * 100, 1), F.lit(" %")),
}
