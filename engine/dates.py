"""Arithmetic with received dates.

A placeholder date states that the source knew no date: whatever is computed from one is NULL. No result leaves the
years 1 to 9999: Spark counts on beyond them, while Python, Arrow clients and databases fail.
Comparing days and naming the quarter of a day compute no date: placeholders take part in them as they are.

Each function repeats its argument two or three times, and nesting multiplies that: Spark plans long expressions slowly.
"""

from __future__ import annotations

import calendar
from datetime import date, timedelta

from pyspark.sql import Column
from pyspark.sql import functions as F

from engine.contracts.columns import PLACEHOLDER_DATES
from engine.runtime.expressions import days_from

EASTERN = "America/New_York"


def is_placeholder(day: Column) -> Column:
    """True for a placeholder date; NULL for NULL."""
    return day.isin(*(_literal(placeholder) for placeholder in PLACEHOLDER_DATES))


def known_day(day: Column) -> Column:
    """The day; NULL for a placeholder."""
    return F.when(~is_placeholder(day), day)


def add_days(day: Column, days: int) -> Column:
    """`days` after `day`, before it if negative; NULL for a placeholder and outside the calendar."""
    is_inside = day >= _literal(date.min - timedelta(days)) if days < 0 else day <= _literal(date.max - timedelta(days))
    return F.when(~is_placeholder(day) & is_inside, F.date_add(day, days))


def add_months(day: Column, months: int) -> Column:
    """`months` after `day`, at most the month's last day; NULL for a placeholder and outside the calendar."""
    if months < 0:
        years, month = divmod(-months, 12)
        is_inside = day >= _literal(date(1 + years, 1 + month, 1))
    else:
        year, month = divmod(9999 * 12 + 11 - months, 12)
        is_inside = day <= _literal(date(year, month + 1, calendar.monthrange(year, month + 1)[1]))
    return F.when(~is_placeholder(day) & is_inside, F.add_months(day, months))


def days_between(later: Column, earlier: Column) -> Column:
    """Days from `earlier` to `later`; NULL if one of them is a placeholder."""
    return F.when(~is_placeholder(later) & ~is_placeholder(earlier), days_from(earlier, later))


def eastern_day(moment: Column) -> Column:
    """The day of a UTC timestamp in US Eastern time, by which CMS counts days; NULL for NULL."""
    return F.from_utc_timestamp(moment, EASTERN).cast("date")


def _literal(day: date) -> Column:
    # by way of text: PySpark cannot write year 1 as a literal
    return F.lit(day.isoformat()).cast("date")
