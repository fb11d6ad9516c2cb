"""National Provider Identifiers as column expressions: which of them can exist at all."""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F

_LUHN_OF_80840 = 24
# Luhn's sum of two neighboring digits, the first doubled, its own digits added up.
_LUHN_OF_PAIR = [sum(divmod(2 * (pair // 10), 10)) + pair % 10 for pair in range(100)]


def is_digits(text: Column, fewest: int, most: int) -> Column:
    """True for ASCII digits alone, `fewest` to `most` of them (at most 18).

    The cast recognizes digits several times faster than a regular expression would; it ignores a sign in
    front and white space at the end, so those two places are looked at first.
    """
    length = F.octet_length(text)
    starts_and_ends_in_digit = (text >= "0") & (text < ":") & (F.right(text, F.lit(1)) >= "0")
    return (length >= fewest) & (length <= most) & starts_and_ends_in_digit & text.try_cast("bigint").isNotNull()


def npi_of_key(pharmacy_key: Column) -> Column:
    """The NPI that preparation found for a pharmacy, which may have been stated by its NCPDP id; NULL if none."""
    return F.when(is_digits(pharmacy_key, 10, 10), pharmacy_key)


def npi_is_valid(npi: Column) -> Column:
    """True for ten digits, the first 1 or 2, whose Luhn sum over 80840 + NPI ends in 0 (CMS NPI check digit)."""
    number = F.when(is_digits(npi, 10, 10) & (npi < "3") & (npi >= "1"), npi.try_cast("bigint"))
    total = F.lit(_LUHN_OF_80840)
    for power in (1, 100, 10_000, 1_000_000, 100_000_000):
        pair = F.call_function("div", number, F.lit(power)) % 100
        total = total + F.get(F.lit(_LUHN_OF_PAIR), pair.cast("int"))
    return F.when(npi.isNotNull(), F.coalesce(total % 10 == 0, F.lit(False)))
