"""Formats that the configuration declares for text: dates, periods and numbers (contract, general rules).

A pattern becomes one regular expression with numbered groups. Column expressions and the plain-Python readers of this
module use that expression, so both read the same texts. Patterns know no locale: month names are English. Expressions
use nothing but groups, classes and counts, so that every engine reads them alike; ASCII digits only.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, InvalidOperation
from itertools import groupby
from typing import Literal

DEFAULT = "default"

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH_NAMES = (
    "jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sep(?:t(?:ember)?)?|oct(?:ober)?"
    "|nov(?:ember)?|dec(?:ember)?"
)
_SPACE = "[ \u00a0\u202f]"
_HOUR, _SIXTY = "[01]?[0-9]|2[0-3]", "[0-5][0-9]"
_HALF, _ZONE = "[ap]", "Z|UTC|[+-][0-9]{2}(?::?[0-9]{2})?"
# What may follow a date whose pattern names no time.
_ANY_TIME = (
    f"(?:(?:T|{_SPACE}+)({_HOUR}):({_SIXTY})(?::({_SIXTY})(?:[.,]([0-9]{{1,9}}))?)?(?:{_SPACE}?({_HALF})[.]?m[.]?)?"
    f"(?:{_SPACE}?({_ZONE}))?)?"
)
_TIME_PARTS = ("hour", "minute", "second", "fraction", "half", "zone")

# Letters of date patterns: runs of a letter that mean something, the part they read, and how.
_DATE_LETTERS: dict[str, tuple[str, str]] = {
    "yyyy": ("year", "[0-9]{4}"),
    "yy": ("year", "[0-9]{2}"),
    "M": ("month", "[0-9]{1,2}"),
    "MM": ("month", "[0-9]{1,2}"),
    "MMM": ("month", _MONTH_NAMES),
    "MMMM": ("month", _MONTH_NAMES),
    "d": ("day", "[0-9]{1,2}"),
    "dd": ("day", "[0-9]{1,2}"),
    "H": ("hour", _HOUR),
    "HH": ("hour", _HOUR),
    "h": ("hour", _HOUR),
    "hh": ("hour", _HOUR),
    "mm": ("minute", _SIXTY),
    "ss": ("second", _SIXTY),
    "a": ("half", _HALF),
    "X": ("zone", _ZONE),
}
_FRACTION = "S"
_PERIOD_LETTERS: dict[str, tuple[str, str]] = {
    "yyyy": ("year", "[0-9]{4}"),
    "yy": ("year", "[0-9]{2}"),
    "q": ("quarter", "[1-4]"),
}
_FIXED_WIDTH = {"[0-9]{1,2}": "[0-9]{2}", _HOUR: "[01][0-9]|2[0-3]"}
_SPECIAL = ".^$*+?()[]{}|\\"

# What people write for these patterns elsewhere: strftime, spreadsheets, Java's week-based years.
_ELSEWHERE = {
    "%Y": "yyyy", "%y": "yy", "%m": "MM", "%d": "dd", "%b": "MMM", "%B": "MMMM", "%H": "HH", "%I": "hh", "%M": "mm",
    "%S": "ss", "%p": "a",
}  # fmt: skip


class FormatError(ValueError):
    """A declared format that cannot be read; the message names what to change."""


@dataclass(frozen=True)
class DatePattern:
    """A pattern such as `MM/dd/yyyy`: what a text must look like, and the number of the group that holds each part.

    `yy` is 20yy. Days and months may have one digit where something other than a digit surrounds them. A time may
    follow (`03/31/2025 2:15 PM`) whether or not the pattern names it.
    """

    text: str
    regex: str
    groups: Mapping[str, int]

    @classmethod
    def parse(cls, text: str) -> DatePattern:
        """Raises FormatError for unknown letters and for patterns without year, month and day."""
        tokens = _tokens(text)
        try:
            regex, groups = _compiled(tokens, _DATE_LETTERS)
            _check_parts(groups, ("year", "month", "day"))
            if "minute" in groups and "hour" not in groups:
                raise FormatError("`mm` is minutes, and there is no hour")
        except FormatError as error:
            raise FormatError(f"{error}{_did_you_mean(text)}") from None
        if not set(groups) & set(_TIME_PARTS):
            first = len(groups) + 1
            groups |= {part: first + place for place, part in enumerate(_TIME_PARTS)}
            regex += _ANY_TIME
        return cls(text, regex, groups)

    @property
    def has_month_name(self) -> bool:
        """Whether the pattern contains names of months, which are English."""
        return _MONTH_NAMES in self.regex

    @property
    def example(self) -> str:
        """How the first of February 2025 is written: examples in messages are never values of the input."""
        shown = {"yyyy": "2025", "yy": "25", "M": "2", "MM": "02", "MMM": "Feb", "MMMM": "February", "d": "1"}
        shown |= {"dd": "01", "H": "9", "HH": "09", "h": "9", "hh": "09", "mm": "30", "ss": "00", "a": "AM", "X": "Z"}
        return "".join(shown.get(run, "0" * len(run)) if is_letters else run for run, is_letters in _tokens(self.text))

    def read(self, text: str) -> date | None:
        """The day in a text without surrounding white space; None if it is not a date."""
        match = _matched(self.regex, text)
        if match is None:
            return None
        year, month, day = (match.group(self.groups[part]) for part in ("year", "month", "day"))
        number = int(month) if month.isdigit() else MONTHS.index(month[:3].lower()) + 1
        try:
            return date(int(year) + (2000 if len(year) == 2 else 0), number, int(day))
        except ValueError:
            return None


@dataclass(frozen=True)
class PeriodPattern:
    """A pattern of quarters such as `q'Q'yy`, which reads `2Q26`. `q` is the digit of the quarter, `yy` is 20yy."""

    text: str
    regex: str
    groups: Mapping[str, int]

    @classmethod
    def parse(cls, text: str) -> PeriodPattern:
        """Raises FormatError for unknown letters and for patterns without year and quarter."""
        try:
            regex, groups = _compiled(_tokens(text), _PERIOD_LETTERS)
            _check_parts(groups, ("year", "quarter"))
        except FormatError as error:
            hint = "; write other letters in quotes, such as q'Q'yy for 2Q26"
            raise FormatError(f"{error}{hint}") from None
        return cls(text, regex, groups)

    @property
    def example(self) -> str:
        """The first quarter of 2025 in this pattern, for messages."""
        shown = {"yyyy": "2025", "yy": "25", "q": "1"}
        return "".join(shown.get(run, run) if is_letters else run for run, is_letters in _tokens(self.text))

    def read(self, text: str) -> str | None:
        """`YYYYQn`; None if the text is no such quarter."""
        match = _matched(self.regex, text)
        if match is None:
            return None
        year = match.group(self.groups["year"])
        return f"{'20' if len(year) == 2 else ''}{year}Q{match.group(self.groups['quarter'])}"


_THOUSANDS = {" ": _SPACE, "\u00a0": _SPACE, "\u202f": _SPACE, "'": "['\u2019]", "\u2019": "['\u2019]"}
_THOUSANDS |= {".": "[.]", ",": ","}


@dataclass(frozen=True)
class NumberFormat:
    """How numbers are written: decimal sign, thousands separator, currency sign; a number without them is read too.

    Separators must be between groups of three digits. Parentheses are a minus sign.
    """

    decimal: str = "."
    thousands: str | None = None
    currency: str | None = None

    def __post_init__(self) -> None:
        """Raise FormatError unless the signs are known ones that differ."""
        if self.decimal not in (".", ","):
            raise FormatError('a decimal sign is "." or ","')
        if self.thousands is not None and self.thousands not in _THOUSANDS:
            raise FormatError('a thousands separator is ".", ",", a blank, a no-break space or an apostrophe')
        if self.thousands == self.decimal:
            raise FormatError(f'decimal and thousands are both "{self.decimal}"')
        is_sign = self.currency is None or re.fullmatch(r"[^\s0-9.,()'+-]{1,5}", self.currency)
        if not is_sign:
            raise FormatError("a currency is a sign or code such as $ or EUR")

    @property
    def regex(self) -> str:
        """The digits text; signs and digits follow in any order that people use, each once."""
        space = f"{_SPACE}?"
        digits = "[0-9]+"
        if self.thousands is not None:
            digits = f"(?:[0-9]{{1,3}}(?:{_THOUSANDS[self.thousands]}[0-9]{{3}})+|[0-9]+)"
        sign = _literal(self.decimal)
        body = f"(?:{digits}(?:{sign}[0-9]*)?|{sign}[0-9]+)(?:[eE][+-]?[0-9]+)?"
        if self.currency is None:
            return f"[+-]?{body}|[(]{space}{body}{space}[)]"
        own = self.currency_regex
        before, after = f"(?:{own}{space})?", f"(?:{space}{own})?"
        plain = f"[+-]?{before}{body}|{own}{space}[+-]?{body}|[+-]?{body}{after}"
        bracketed = f"{before}[(]{space}{body}{space}[)]|[(]{space}{before}{body}{space}[)]"
        return f"{plain}|{bracketed}|[(]{space}{body}{after}{space}[)]|[(]{space}{body}{space}[)]{after}"

    @property
    def currency_regex(self) -> str:
        """A regular expression of the currency sign; empty if none is declared."""
        return "".join(map(_literal, self.currency or ""))

    @property
    def thousands_regex(self) -> str | None:
        """A regular expression of the thousands separator; None if none is declared."""
        return None if self.thousands is None else _THOUSANDS[self.thousands]

    @property
    def example(self) -> str:
        """1234.50 in this format, for messages."""
        digits = f"1{self.thousands or ''}234{self.decimal}50"
        if self.currency is None:
            return digits
        return f"{digits} {self.currency}" if self.currency.isalpha() else f"{self.currency}{digits}"

    def read(self, text: str) -> Decimal | None:
        """The number of a text; None if the text does not match. Parentheses mean a negative number."""
        if _matched(self.regex, text) is None:
            return None
        plain = re.sub(self.currency_regex, "", text, flags=re.IGNORECASE) if self.currency else text
        if self.thousands_regex is not None:
            plain = re.sub(self.thousands_regex, "", plain)
        digits = re.sub(f"[()]|{_SPACE}", "", plain).replace(self.decimal, ".")
        try:
            return -Decimal(digits) if "(" in plain else Decimal(digits)
        except InvalidOperation:
            return None


ColumnFormat = DatePattern | PeriodPattern | NumberFormat
FormatSetting = Literal["dates", "periods", "decimal", "thousands", "currency"]
NUMBER_SETTINGS: tuple[FormatSetting, ...] = ("decimal", "thousands", "currency")


@dataclass(frozen=True)
class DeclaredFormats:
    """What a table's settings declare: by setting and column, `default` for the columns that are not named.

    nulls: words that are read as NULL, exactly as they are written.
    """

    by_setting: Mapping[FormatSetting, Mapping[str, str]] = field(default_factory=dict)
    nulls: tuple[str, ...] = ()

    def of(self, setting: FormatSetting, column: str) -> str | None:
        """The pattern of a column, or else the table's default; None if neither is declared."""
        declared = self.by_setting.get(setting, {})
        return declared.get(column, declared.get(DEFAULT))

    def dates(self, column: str) -> DatePattern | None:
        """The pattern of a column's dates; None if none is declared. Raises FormatError for an unusable one."""
        text = self.of("dates", column)
        return None if text is None else DatePattern.parse(text)

    def periods(self, column: str) -> PeriodPattern | None:
        """The pattern of a column's quarters; None if none is declared. Raises FormatError for an unusable one."""
        text = self.of("periods", column)
        return None if text is None else PeriodPattern.parse(text)

    def numbers(self, column: str) -> NumberFormat | None:
        """The column's format; None if it has no declaration. Raises FormatError if its signs contradict each other."""
        decimal, thousands, currency = (self.of(setting, column) for setting in NUMBER_SETTINGS)
        if decimal is None and thousands is None and currency is None:
            return None
        return NumberFormat(decimal or ".", thousands, currency)


NOTHING_DECLARED = DeclaredFormats()


def _matched(regex: str, text: str) -> re.Match[str] | None:
    return re.fullmatch(regex, text, flags=re.IGNORECASE | re.ASCII)


def _tokens(pattern: str) -> list[tuple[str, bool]]:
    """Runs of one letter (True), and literal characters (False); `''` is a quote, letters in quotes are literal."""
    tokens: list[tuple[str, bool]] = []
    parts = re.split(r"('')|'([^']+)'", pattern)
    for place, part in enumerate(parts):
        if not part:
            continue
        if place % 3 == 1:
            tokens.append(("'", False))
        elif place % 3 == 2:
            tokens += [(letter, False) for letter in part]
        else:
            for letter, run in groupby(part):
                same = "".join(run)
                tokens += [(same, True)] if letter.isalpha() else [(character, False) for character in same]
    return tokens


def _compiled(tokens: list[tuple[str, bool]], letters: Mapping[str, tuple[str, str]]) -> tuple[str, dict[str, int]]:
    regex = ""
    groups: dict[str, int] = {}
    for place, (run, is_letters) in enumerate(tokens):
        if not is_letters:
            is_again = place > 0 and tokens[place - 1] == (run, False)
            regex += ("" if is_again else f"{_SPACE}+") if run == " " else _literal(run)
            continue
        if letters is _DATE_LETTERS and set(run) == {_FRACTION}:
            part, reads = "fraction", "[0-9]{1,9}"
        elif run in letters:
            part, reads = letters[run]
        else:
            raise FormatError(f"unknown letters `{run}`")
        if part in groups:
            raise FormatError(f"the {part} occurs twice")
        touches_digits = any(
            0 <= other < len(tokens) and _is_number(*tokens[other]) for other in (place - 1, place + 1)
        )
        if touches_digits and _is_number(run, True) and reads in _FIXED_WIDTH:
            if len(run) == 1:
                raise FormatError(f"`{run}` next to another number needs two digits, `{run * 2}`")
            reads = _FIXED_WIDTH[reads]
        groups[part] = len(groups) + 1
        regex += f"({reads})" + ("[.]?m[.]?" if part == "half" else "")
    return regex, groups


def _is_number(run: str, is_letters: bool) -> bool:
    if not is_letters:
        return run.isdigit()
    return run[0] in "ydHhmsSq" or run in ("M", "MM")


def _check_parts(groups: Mapping[str, int], needed: tuple[str, ...]) -> None:
    lacking = [part for part in needed if part not in groups]
    if lacking:
        raise FormatError(f"no {' and no '.join(lacking)}")


def _literal(character: str) -> str:
    return "\\" + character if character in _SPECIAL else character


def _did_you_mean(text: str) -> str:
    """The pattern that was probably meant, if it is readable: MM/dd/yyyy for `mm/DD/YYYY`."""
    meant = text
    for theirs, ours in _ELSEWHERE.items():
        meant = meant.replace(theirs, ours)
    meant = re.sub("[Yu]", "y", meant).replace("D", "d")
    day, hour, time = re.split("([Hh])", meant, maxsplit=1) if re.search("[Hh]", meant) else (meant, "", "")
    meant = day.replace("m", "M") + hour + time
    try:
        is_pattern = meant != text and DatePattern.parse(meant)
    except FormatError:
        is_pattern = False
    return f"; did you mean {meant}?" if is_pattern else "; letters are yyyy, yy, MM, MMM, dd, HH, mm, ss"
