r"""Identifiers as column expressions (contract part 3). Pure: column in, column out, NULL in, NULL out.

Regular expressions end in `\z`: `$` would match before a trailing newline and let a bad identifier pass. `[0-9]` is
written out so that only ASCII digits count.
"""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F

from engine.ndc import ndc11 as ndc11
from engine.npi import is_digits
from engine.runtime.expressions import SPACE

# White space of every kind, invisible characters and NUL: none of them belongs to a value at either end.
WHITE_SPACE = (
    " \t\n\r\x0b\x0c\x1c\x1d\x1e\x1f\x85\xa0\u1680\u180e\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009"
    "\u200a\u200b\u200e\u200f\u2028\u2029\u202f\u205f\u2060\u3000\ufeff\0"
)
# A number in the scientific notation of spreadsheets, whose digits are gone; some countries write a decimal comma.
_DAMAGED = r"^[0-9]([.,][0-9]+)?[eE]\+[0-9]+\z"

_RX_DIGITS = r"^0*([0-9]{4,12})\z"
_RX_WITH_FILL = r"^0*([0-9]{4,9})[-/ ]([0-9]{1,2})\z"
_FEWEST_RX_DIGITS = 4


def stripped(text: Column) -> Column:
    """The text without white space, invisible characters and NULs at its ends. Slow on a full table: see `conform`."""
    return F.trim(text, F.lit(WHITE_SPACE))


def blank_to_null(text: Column) -> Column:
    """NULL if a trimmed text is empty."""
    return F.when(text != "", text)


def is_damaged(text: Column) -> Column:
    """True for an identifier that a spreadsheet turned into a number, such as `2.02519E+13`; it no longer identifies
    anything.
    """
    return text.contains("+") & text.rlike(_DAMAGED)


def is_ndc10(ndc: Column) -> Column:
    """True for ten digits without hyphens: which segment lost its leading zero is unknown."""
    return is_digits(ndc, 10, 10)


def ndc10_spellings(eleven_digits: Column) -> Column:
    """Every ten-digit spelling of an 11-digit NDC: a leading zero dropped from labeler, product or package."""
    return F.array_distinct(
        F.array_compact(
            F.array(
                *(
                    F.when(
                        eleven_digits.substr(zero_at, 1) == "0",
                        F.concat(eleven_digits.substr(1, zero_at - 1), eleven_digits.substr(zero_at + 1, 11 - zero_at)),
                    )
                    for zero_at in (1, 6, 10)
                )
            )
        )
    )


def rx_number(text: Column) -> Column:
    """Prescription number for matching: digits without leading zeros or an appended fill number; else upper case.

    At least four digits stay: `0000123` becomes `0123`. `text` is already trimmed.
    """
    digits, with_fill = F.regexp_extract(text, _RX_DIGITS, 1), F.regexp_extract(text, _RX_WITH_FILL, 1)
    return (
        F.when(_is_plain_rx(text), text)
        .when(digits != "", digits)
        .when(with_fill != "", with_fill)
        .otherwise(F.upper(text))
    )


def rx_fill_number(text: Column) -> Column:
    """Fill number appended to a prescription number (`1234567-01` is 1), else NULL."""
    appended = F.regexp_extract(text, _RX_WITH_FILL, 2)
    return F.when(~_is_plain_rx(text), appended.try_cast("bigint"))


def rx_is_key(normalized: Column) -> Column:
    """False if a normalized prescription number has fewer than four digits: it then matches nothing."""
    digits = F.regexp_replace(normalized, "[^0-9]", "")
    return _is_plain_rx(normalized) | (F.length(digits) >= F.lit(_FEWEST_RX_DIGITS))


def _is_plain_rx(text: Column) -> Column:
    # the common case: the number is its own normal form
    return is_digits(text, _FEWEST_RX_DIGITS, 12) & (text >= "1")


def hashed_rx_key(scheme: Column, rx_number_hash: Column) -> Column:
    """`<scheme>:<hash>`, with colons in the scheme escaped to keep keys unique."""
    escaped = F.replace(F.replace(scheme, F.lit("%"), F.lit("%25")), F.lit(":"), F.lit("%3A"))
    return F.concat(escaped, F.lit(":"), rx_number_hash)


def quarter(text: Column) -> Column:
    """`YYYYQn` of `YYYYQn`, `YYYYqn` or `YYYY-Qn`; NULL for anything else: `12024` and `20241` are ambiguous."""
    is_normal = is_digits(F.left(text, F.lit(4)), 4, 4) & F.substr(text, F.lit(5)).isin("Q1", "Q2", "Q3", "Q4")
    return F.when(is_normal, text).when(
        text.rlike(r"^[0-9]{4}-?[Qq][1-4]\z"), F.upper(F.replace(text, F.lit("-"), F.lit("")))
    )


def entity_id(text: Column) -> Column:
    """340B id in upper case without white space."""
    return F.upper(F.regexp_replace(text, SPACE, ""))
