"""Bad values of a table, by column: how many, a masked example, what was expected, and which format would read them.

`detect` stops or warns on the report; `check` prints it for a sample of each table:

    conformed = conform(sample, table, as_of=day, formats=location.formats).localCheckpoint()
    report = value_report(conformed, table, location.formats)
    report.bad                        # BadValues by column: quarantined rows and values that became NULL
    report.null_words                 # columns that contain undeclared words for NULL
    coerced_notes(report), null_word_notes(report)                 # one sentence each
    quarantine_problem(table, location.uri, rows, reasons, report)  # the message of a mostly quarantined table

No value of the input leaves this module: examples are masked, digits as 9 and letters as A.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import yaml
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from engine.contracts.codes import Reason, damaged, invalid, missing
from engine.contracts.columns import Column as ContractColumn
from engine.contracts.columns import Kind, Table
from engine.contracts.formats import (
    NOTHING_DECLARED,
    NUMBER_SETTINGS,
    DatePattern,
    DeclaredFormats,
    FormatSetting,
    NumberFormat,
    PeriodPattern,
)
from engine.errors import Problem, counted
from engine.prepare import identifiers

_MOST_FREQUENT = 200  # distinct values per column on which formats are tried
_MOST_SHOWN = 40  # characters of an example
_FITS = 0.95  # share of the tried values that a format must read if no format reads all
_PLAUSIBLE_YEARS = range(1900, 2200)
_PLACEHOLDERS = (date.min, date.max)
_MOST_REASONS = 5
_DAMAGED = "DAMAGED"

# Formats in common use, tried in this order.
_DATES = (
    *("MM/dd/yyyy", "dd/MM/yyyy", "yyyy/MM/dd", "MM-dd-yyyy", "dd-MM-yyyy", "MM.dd.yyyy", "dd.MM.yyyy", "yyyy.MM.dd"),
    *("MM/dd/yy", "dd/MM/yy", "MM-dd-yy", "dd-MM-yy", "dd.MM.yy", "dd-MMM-yyyy", "dd-MMM-yy", "ddMMMyyyy", "ddMMMyy"),
    *("dd MMM yyyy", "MMM d, yyyy", "MMM d yyyy", "yyyy-M-d", "yyyyMMdd", "MMddyyyy", "ddMMyyyy", "yyyyMMddHHmmss"),
)
_PERIODS = (
    *("q'Q'yy", "q'Q'yyyy", "q'Q' yy", "q'Q' yyyy", "'Q'qyy", "'Q'qyyyy", "'Q'q yyyy", "'Q'q-yyyy", "'Q'q/yyyy"),
    *(
        "yyyyq",
        "qyyyy",
        "yyyy-q",
        "yyyy/q",
        "yyyy.q",
        "q/yyyy",
        "q-yyyy",
        "yyyy 'Q'q",
        "yyyy/'Q'q",
        "yy'Q'q",
        "yyyy'0'q",
    ),
)
_SIGNS = ((".", None), (".", ","), (",", None), (",", "."), (",", " "), (".", " "), (".", "'"), (",", "'"))
_CURRENCIES = (None, "$", "USD", "US$", "EUR", "\u20ac")
Reader = Callable[[str], object]  # text to value, None if it cannot be read


@dataclass(frozen=True)
class BadValues:
    """Values of one column that could not be read, or are missing although required.

    reason: as in quarantine and ledger, such as `DATE_OF_SERVICE_INVALID`. is_quarantined: True if the rows are
    quarantined, False if the values became NULL. rows: how many rows. example: the most frequent form, masked; None if
    nothing was received. expected: a description for people. fits: settings that would read the values, one mapping of
    setting to value per format that fits.
    """

    table: str
    column: str
    reason: str
    is_quarantined: bool
    rows: int
    example: str | None
    expected: str
    fits: tuple[Mapping[FormatSetting, str], ...] = ()


@dataclass(frozen=True)
class NullWord:
    """Number of rows in which a column contains a word for NULL that the configuration does not declare."""

    column: str
    word: str
    rows: int


@dataclass(frozen=True)
class ValueReport:
    """Bad values and words for NULL, most frequent first; ties in the order of the table's columns."""

    table: str
    bad: tuple[BadValues, ...]
    null_words: tuple[NullWord, ...]
    formats: DeclaredFormats = NOTHING_DECLARED

    @property
    def coerced(self) -> tuple[BadValues, ...]:
        """The values that became NULL and whose rows were kept."""
        return tuple(values for values in self.bad if not values.is_quarantined)

    @property
    def counted(self) -> dict[str, int]:
        """For the ledger: values that became NULL, by `<COLUMN>_INVALID` or `<COLUMN>_DAMAGED`."""
        return {values.reason: values.rows for values in self.coerced}


def value_report(conformed: DataFrame, table: Table, formats: DeclaredFormats = NOTHING_DECLARED) -> ValueReport:
    """Report the bad values that `conform` recorded for a table, with the same `formats`; one Spark job.

    Rows dropped as `AFTER_AS_OF` are not counted.
    """
    entries = _entries(conformed, [column.name for column in table.columns if column.kind.is_identifier])
    counted = entries.groupBy("what", "reason", "column", "value").agg(F.count(F.lit(1)).alias("rows"))
    of_reason = Window.partitionBy("what", "reason", "column")
    place = F.row_number().over(of_reason.orderBy(F.col("rows").desc(), F.col("value").asc_nulls_last()))
    top = counted.withColumns({"place": place, "of_reason": F.sum("rows").over(of_reason)})
    rows = top.where(F.col("place") <= _MOST_FREQUENT).orderBy("what", "reason", "column", "place").collect()
    bad, words = [], []
    groups: dict[tuple[str, str, str], list[Any]] = {}
    for row in rows:
        groups.setdefault((row["what"], row["reason"], row["column"]), []).append(row)
    for (what, reason, name), top_rows in groups.items():
        if what == "null word":
            words.append(NullWord(name, top_rows[0]["value"], top_rows[0]["of_reason"]))
        elif name in table.column_names:
            values = {row["value"].strip(): row["rows"] for row in top_rows if row["value"] is not None}
            bad.append(_bad_values(table, table.column(name), what, reason, top_rows[0]["of_reason"], values, formats))
    order = {name: place for place, name in enumerate(table.column_names)}
    return ValueReport(
        table.name,
        tuple(sorted(bad, key=lambda values: (-values.rows, order[values.column], values.reason))),
        tuple(sorted(words, key=lambda word: (-word.rows, order[word.column], word.word))),
        formats,
    )


def _entries(conformed: DataFrame, identifier_columns: list[str]) -> DataFrame:
    """One row per bad value: its outcome (`what`), reason (for values that became NULL: `DAMAGED` or empty), column,
    and the value as text.
    """
    column = F.lower(F.regexp_replace("reason", "_(MISSING|INVALID|DAMAGED|AMBIGUOUS)$", ""))
    quarantined = (
        conformed.where(F.col("problems").isNotNull())
        .select(F.explode("problems").alias("reason"), F.from_json("raw", "map<string,string>").alias("received"))
        .select(
            F.lit("quarantined").alias("what"),
            "reason",
            column.alias("column"),
            F.when(~F.col("reason").endswith("_MISSING"), F.try_element_at("received", column)).alias("value"),
        )
    )
    is_damaged = F.col("pair.coerced").isin(*identifier_columns) & identifiers.is_damaged(F.col("pair.coerced_values"))
    pair = F.explode(F.arrays_zip("coerced", "coerced_values")).alias("pair")
    coerced = (
        conformed.where(F.col("coerced").isNotNull())
        .select(pair)
        .select(
            F.lit("coerced").alias("what"),
            F.when(is_damaged, _DAMAGED).otherwise(F.lit("")).alias("reason"),
            F.col("pair.coerced").alias("column"),
            F.col("pair.coerced_values").alias("value"),
        )
    )
    word = F.col("word")
    words = (
        conformed.where(F.col("null_words").isNotNull())
        .select(F.explode("null_words").alias("word"))
        .select(
            F.lit("null word").alias("what"),
            F.substring_index(word, "=", -1).alias("reason"),
            F.substring_index(word, "=", 1).alias("column"),
            F.substring_index(word, "=", -1).alias("value"),
        )
    )
    return quarantined.unionByName(coerced).unionByName(words)


def _bad_values(
    table: Table,
    column: ContractColumn,
    what: str,
    reason: str,
    rows: int,
    values: Mapping[str, int],
    formats: DeclaredFormats,
) -> BadValues:
    if what == "coerced":
        reason = damaged(column.name) if reason == _DAMAGED else invalid(column.name)
    forms: Counter[str] = Counter()
    for value, times in values.items():
        forms[masked(value)] += times
    example = min(forms, key=lambda form: (-forms[form], form)) if forms else None
    return BadValues(
        table.name,
        column.name,
        reason,
        what == "quarantined",
        rows,
        example,
        _expected(column, reason, formats),
        tuple(fitting_formats(column, values)) if reason == invalid(column.name) else (),
    )


def masked(value: str) -> str:
    """Mask a value: digits become 9, letters A; punctuation stays.

    >>> masked("$7,242.59 K\u00f6ln")
    '$9,999.99 AAAA'
    """
    shown = "".join(
        "A" if letter.isalpha() else "9" if letter.isnumeric() else letter if letter.isprintable() else "?"
        for letter in value
    )
    return shown if len(shown) <= _MOST_SHOWN else shown[:_MOST_SHOWN] + "..."


def _expected(column: ContractColumn, reason: str, formats: DeclaredFormats) -> str:
    if reason == missing(column.name):
        return "a value in every row"
    if reason == damaged(column.name):
        return "the identifier as text; a spreadsheet has made a number of it and lost its digits"
    if reason == Reason.NDC_AMBIGUOUS.value:
        return "11 digits, or 10 digits of exactly one product of the table products"
    kind = column.kind
    if kind is Kind.NDC:
        return "an NDC of 11 digits, or hyphenated 4-4-2, 5-3-2, 5-4-1 or 5-4-2"
    if kind in (Kind.DATE, Kind.TIMESTAMP):
        iso = "2025-02-01" if kind is Kind.DATE else "2025-02-01T09:30:00Z"
        pattern = formats.dates(column.name)
        return f"a date such as {iso}" if pattern is None else f"a date such as {pattern.example} or {iso}"
    if kind is Kind.QUARTER:
        quarters = formats.periods(column.name)
        return "a quarter such as 2025Q1" if quarters is None else f"a quarter such as {quarters.example} or 2025Q1"
    if kind is Kind.BOOLEAN:
        return "true or false, Y or N, 1 or 0"
    if column.codes is not None:
        return f"one of {', '.join(sorted(column.codes))}"
    if kind is Kind.CODE:
        return "two letters"
    numbers = formats.numbers(column.name) or NumberFormat()
    return "a whole number" if kind is Kind.INTEGER else f"a number such as {numbers.example}"


def fitting_formats(column: ContractColumn, values: Mapping[str, int]) -> list[dict[FormatSetting, str]]:
    """Settings that would read the values (text, times): none, exactly one, or several equally good ones.

    A format must read all values or, if no format does, nearly all. Years must be plausible.
    """
    kind = column.kind
    if kind in (Kind.DATE, Kind.TIMESTAMP):
        dates = {text: DatePattern.parse(text) for text in _DATES}
        return [{"dates": text} for text in _fitting(values, {text: _date_reader(dates[text]) for text in dates})]
    if kind is Kind.QUARTER:
        periods = {text: PeriodPattern.parse(text) for text in _PERIODS}
        readers = {text: _period_reader(periods[text]) for text in periods}
        return [{"periods": text} for text in _fitting(values, readers)]
    if kind in (Kind.INTEGER, Kind.UNITS, Kind.UNIT_PRICE, Kind.MONEY):
        return _fitting_numbers(values)
    return []


def _date_reader(pattern: DatePattern) -> Reader:
    def reads(text: str) -> object:
        day = pattern.read(text)
        return day if day is not None and (day.year in _PLAUSIBLE_YEARS or day in _PLACEHOLDERS) else None

    return reads


def _period_reader(pattern: PeriodPattern) -> Reader:
    def reads(text: str) -> object:
        quarter = pattern.read(text)
        return quarter if quarter is not None and int(quarter[:4]) in _PLAUSIBLE_YEARS else None

    return reads


def _fitting(values: Mapping[str, int], readers: Mapping[str, Reader]) -> list[str]:
    total = sum(values.values())
    read = {
        name: sum(times for value, times in values.items() if reads(value) is not None)
        for name, reads in readers.items()
    }
    for least in (total, _FITS * total):
        fits = [name for name, rows in read.items() if rows and rows >= least]
        if fits:
            return _without_equals(values, {name: readers[name] for name in fits})
    return []


def _without_equals(values: Mapping[str, int], readers: Mapping[str, Reader]) -> list[str]:
    """Drop formats that read the same as an earlier one from every value."""
    by_answer: dict[tuple[object, ...], str] = {}
    for name, reads in readers.items():
        by_answer.setdefault(tuple(reads(value) for value in values), name)
    return list(by_answer.values())


def _fitting_numbers(values: Mapping[str, int]) -> list[dict[FormatSetting, str]]:
    """The fitting number formats with the fewest settings."""
    candidates: dict[str, dict[FormatSetting, str]] = {}
    readers: dict[str, Reader] = {}
    for currency in _CURRENCIES:
        for decimal, thousands in _SIGNS:
            settings: dict[FormatSetting, str] = {}
            if decimal != ".":
                settings["decimal"] = decimal
            if thousands is not None:
                settings["thousands"] = thousands
            if currency is not None:
                settings["currency"] = currency
            name = json.dumps(settings)
            candidates[name], readers[name] = settings, NumberFormat(decimal, thousands, currency).read
    fits = [candidates[name] for name in _fitting(values, readers)]
    fewest = min(map(len, fits), default=0)
    return [settings for settings in fits if len(settings) == fewest and settings]


def setting_lines(report: ValueReport, columns: Iterable[str] | None = None) -> list[str]:
    """Lines of YAML that would read `columns` (default: all of the report), such as
    `input.tables.rebate_claims.dates: MM/dd/yyyy`. One entry per column if columns differ or the table already declares
    something. No line for a column that no format fits, or that several fit and no other column settles.
    """
    fits = _decided(report)
    if not fits:
        return []
    is_shared = _is_shared(fits)
    wanted = set(fits if columns is None else columns)
    by_setting: dict[FormatSetting, dict[str, str]] = {}
    for column, settings in fits.items():
        for setting, value in settings.items():
            by_setting.setdefault(setting, {})[column] = value
    lines = []
    for setting, by_column in by_setting.items():
        if not wanted & by_column.keys():
            continue
        before = report.formats.by_setting.get(setting, {})
        kind = "numbers" if setting in NUMBER_SETTINGS else setting
        is_scalar = not before and is_shared[kind]
        declared: object = next(iter(by_column.values())) if is_scalar else {**before, **by_column}
        lines.append(f"input.tables.{report.table}.{setting}: {_yaml(declared)}")
    return lines


def _decided(report: ValueReport) -> dict[str, Mapping[FormatSetting, str]]:
    """The settings that would read each column: the only fit, or the one of several that another column also needs."""
    certain = [bad.fits[0] for bad in report.bad if len(bad.fits) == 1]
    decided = {}
    for bad in report.bad:
        fits = bad.fits if len(bad.fits) == 1 else [fit for fit in bad.fits if fit in certain]
        if len(fits) == 1:
            decided[bad.column] = fits[0]
    return decided


def _is_shared(fits: Mapping[str, Mapping[FormatSetting, str]]) -> dict[str, bool]:
    """For dates, periods and numbers: True if one declaration per table is enough. A decimal sign is shared only if all
    columns need it, because it would apply to the others too.
    """
    numbers = [fit for fit in fits.values() if fit.keys() & set(NUMBER_SETTINGS)]
    distinct = {name: {fit[name] for fit in fits.values() if name in fit} for name in ("dates", "periods")}
    signs = [{fit[name] for fit in numbers if name in fit} for name in NUMBER_SETTINGS]
    all_or_none = len({"decimal" in fit for fit in numbers}) <= 1
    return {
        "dates": len(distinct["dates"]) <= 1,
        "periods": len(distinct["periods"]) <= 1,
        "numbers": all_or_none and all(len(values) <= 1 for values in signs),
    }


def _yaml(value: object) -> str:
    text = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=1_000, sort_keys=False)
    return text.removesuffix("\n").removesuffix("\n...")


def _choices(bad: BadValues) -> list[str]:
    """The alternatives that a person must choose from if more than one format fits."""
    if len(bad.fits) < 2:
        return []
    return [
        ", ".join(f"input.tables.{bad.table}.{setting}: {_yaml(value)}" for setting, value in fit.items())
        for fit in bad.fits
    ]


def coerced_notes(report: ValueReport) -> list[str]:
    """One sentence per column whose bad values became NULL."""
    notes = []
    for bad in report.coerced:
        like = f", such as {bad.example}" if bad.example else ""
        text = (
            f"{report.table}.{bad.column}: {counted(bad.rows, 'value', 'values')} could not be read and "
            f"{'counts' if bad.rows == 1 else 'count'} as unknown{like}; "
            f"expected {bad.expected}"
        )
        lines = setting_lines(report, [bad.column])
        choices = _choices(bad)
        if lines:
            text += f". To read them, set {'; '.join(lines)}"
        elif choices:
            text += f". More than one format fits; declare the right one: {' or '.join(choices)}"
        notes.append(text)
    return notes


def null_word_notes(report: ValueReport) -> list[str]:
    """One sentence per column and word for NULL."""
    return [
        f"{report.table}: column {null.column} contains the word {null.word} in {counted(null.rows, 'row', 'rows')}: "
        f"set input.tables.{report.table}.nulls, such as {_yaml([null.word])}, to read it as NULL"
        for null in report.null_words
    ]


def quarantine_problem(
    table: str, where: str, rows: int, reasons: Mapping[str, int], report: ValueReport, most: float | None = None
) -> Problem:
    """The message about a table with many quarantined rows: reasons, columns, masked examples, what was expected, and
    the settings that would read the values.

    Args:
        table: name of the table.
        where: its location, for the message.
        rows: rows of the table.
        reasons: quarantined rows by reason; a row counts under its first reason.
        report: the bad values of the table.
        most: the share that the configuration allows, if the run stops because of it.
    """
    quarantined = sum(reasons.values())
    verb = "is" if quarantined == 1 else "are"
    share = f"{quarantined:,} of {counted(rows, 'row', 'rows')} {verb} quarantined ({quarantined / rows:.0%})"
    limit = "" if most is None else f", more than input.most_quarantined allows ({most:.0%})"
    by_reason = sorted(report.bad, key=lambda bad: not bad.is_quarantined)
    named = {bad.reason: bad for bad in by_reason if bad.is_quarantined}
    counts = {name: max(times, named[name].rows if name in named else 0) for name, times in reasons.items()}
    counts |= {name: bad.rows for name, bad in named.items() if name not in counts}
    shown = sorted(counts, key=lambda name: (-counts[name], name))[:_MOST_REASONS]
    received, expected, choices = [], [], []
    for name in shown:
        bad = named.get(name)
        like = f", column {bad.column}" + (f", such as {bad.example}" if bad.example else "") if bad else ""
        received.append(f"{name} in {counted(counts[name], 'row', 'rows')}{like}")
        if bad:
            expected.append(f"{bad.column}: {bad.expected}")
            choices += _choices(bad)
    more = len(counts) - len(shown)
    if more > 0:
        received.append(f"{more} more reasons")
    lines = setting_lines(report, [named[name].column for name in shown if name in named])
    to_do = f"set {'; '.join(lines)}" if lines else ""
    if not lines and choices:
        to_do = f"more than one format fits; declare the right one: {' or '.join(dict.fromkeys(choices))}"
    return Problem(
        f"{table}: {share}{limit}",
        where,
        "; ".join(received),
        "; ".join(dict.fromkeys(expected)),
        to_do or f"correct the table, or name its columns and formats in input.tables.{table}",
    )


def in_one_line(problem: Problem) -> str:
    """A problem as a one-line note of a run that continues."""
    expected = f"; expected {problem.expected}" if problem.expected else ""
    return f"{problem.what}: {problem.found}{expected}. To do: {problem.to_do}"
