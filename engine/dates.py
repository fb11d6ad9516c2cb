"""Arithmetic with received dates.

A placeholder date says that the source knew no date: whatever is computed from one is NULL. No result leaves the
years 1 to 9999: Spark counts on beyond them, while Python, Arrow clients and databases fail.
Comparing days and naming the quarter of a day compute no date: placeholders take part in them as they are.
"""

from __future__ import annotations

from datetime import date

from pyspark.sql import Column
from pyspark.sql import functions as F

from engine.contracts.columns import PLACEHOLDER_DATES


def is_placeholder(day: Column) -> Column:
    """True for a placeholder date; NULL for NULL."""
    # as text: PySpark cannot write year 1 as a literal
    return day.isin(*(F.lit(placeholder.isoformat()).cast("date") for placeholder in PLACEHOLDER_DATES))


def known_day(day: Column) -> Column:
    """The day; NULL for a placeholder."""
    return F.when(~is_placeholder(day), day)


def in_calendar(moment: Column) -> Column:
    """A date or UTC timestamp; NULL outside the years 1 to 9999."""
    return F.when(F.year(moment).between(date.min.year, date.max.year), moment)


def add_days(day: Column, days: int | Column) -> Column:
    """`days` after `day`, before it if negative; NULL for a placeholder and outside the calendar."""
    return in_calendar(F.date_add(known_day(day), days))


def add_months(day: Column, months: int | Column) -> Column:
    """`months` after `day`, at most the month's last day; NULL for a placeholder and outside the calendar."""
    return in_calendar(F.add_months(known_day(day), months))


def days_between(later: Column, earlier: Column) -> Column:
    """Days from `earlier` to `later`; NULL if one of them is a placeholder."""
    return F.datediff(known_day(later), known_day(earlier))
