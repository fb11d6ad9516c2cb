"""Conversion of received columns to their contract types, as column expressions (contract, general rules).

Nothing is guessed: a value that the contract type cannot hold becomes NULL; `can_fail` is True if that may happen.
"""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.contracts.columns import Column as ContractColumn
from engine.contracts.columns import Kind
from engine.contracts.formats import MONTHS, NOTHING_DECLARED, DatePattern, DeclaredFormats, NumberFormat, PeriodPattern
from engine.prepare import identifiers
from engine.runtime import expressions

_ISO_DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_ISO_TIME = r"[T ]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]{1,9})?)?"
_ISO_ZONE = r" ?(Z|[+-][0-9]{2}(:?[0-9]{2})?)"
_DATE_TEXT = rf"^{_ISO_DATE}({_ISO_TIME}({_ISO_ZONE})?)?\z"

_TRUE, _FALSE = ("TRUE", "1", "Y", "YES", "T"), ("FALSE", "0", "N", "NO", "F")
_STATES = ("state", "medicaid_state")
# A number written as text: JSON's 1234567893.0, or a CSV file of floats.
_NPI_WITH_DECIMALS = r"^([0-9]{10})\.0+\z"
_COMPLEX = (T.ArrayType, T.MapType, T.StructType, T.VariantType)


@dataclass(frozen=True)
class Conversion:
    """How one received column becomes its contract column.

    value: contract type, NULL if blank or bad. is_present: a value was received. can_fail: a received value may be bad,
    so NULL does not prove that the value was absent.
    """

    value: Column
    is_present: Column
    can_fail: bool


def conversion(
    column: ContractColumn, received: Column, arrived_as: T.DataType, formats: DeclaredFormats = NOTHING_DECLARED
) -> Conversion:
    """The conversion of `received`, a column of type `arrived_as`, to the contract's `column`.

    Text is already trimmed. Declared formats apply to text only. ISO dates and `YYYYQn` are read whatever is declared,
    unless the text has the declared form.
    """
    if isinstance(arrived_as, _COMPLEX):
        return Conversion(F.lit(None).cast(column.kind.spark_type), received.isNotNull(), True)
    if arrived_as == column.kind.spark_type and not isinstance(arrived_as, (T.StringType, T.DateType, T.TimestampType)):
        return Conversion(received, received.isNotNull(), False)
    if column.kind in _OF_NUMBER_OR_TEXT:
        return _from_number_or_text(column.kind, received, arrived_as, formats.numbers(column.name))
    if column.kind in (Kind.DATE, Kind.TIMESTAMP):
        return _date_or_time(column.kind, received, arrived_as, formats.dates(column.name))
    text = text_of(received, arrived_as)
    if column.kind is Kind.BOOLEAN:
        return Conversion(_boolean(text), text.isNotNull(), True)
    return _text(column, text, formats)


def text_of(received: Column, arrived_as: T.DataType) -> Column:
    """A received value as text, NULL if blank; an integral float is written without `.0`."""
    if isinstance(arrived_as, T.StringType):
        return identifiers.blank_to_null(received)
    if isinstance(arrived_as, (T.FloatType, T.DoubleType, T.DecimalType)):
        integral = received.try_cast("bigint")
        exact = expressions.text_of(received, arrived_as)
        return F.when(integral == received, integral.cast("string")).when(~_is_nan(received), exact)
    return received.cast("string")


def _is_nan(received: Column) -> Column:
    # pandas writes NaN for NULL; a decimal cast to double is never NaN
    return F.isnan(received.cast("double"))


def _text(column: ContractColumn, text: Column, formats: DeclaredFormats) -> Conversion:
    if column.kind is Kind.QUARTER:
        pattern = formats.periods(column.name)
        quarter = identifiers.quarter(text) if pattern is None else _declared_quarter(pattern, text)
        return Conversion(quarter, text.isNotNull(), True)
    if column.kind is Kind.TWO_DIGIT_CODE:
        return Conversion(_two_digit_codes(text), text.isNotNull(), False)
    if column.kind is Kind.CODE and column.codes is not None:
        value = F.upper(text)
        return Conversion(F.when(value.isin(*sorted(column.codes)), value), text.isNotNull(), True)
    if column.kind is Kind.CODE and column.name in _STATES:
        value = F.upper(text)
        return Conversion(F.when(value.rlike(r"^[A-Z]{2}\z"), value), text.isNotNull(), True)
    if column.kind is Kind.CODE:
        return Conversion(F.upper(_without_spaces(text)), text.isNotNull(), False)
    if column.is_npi:
        return Conversion(F.regexp_replace(text, _NPI_WITH_DECIMALS, "$1"), text.isNotNull(), False)
    if column.name in ("entity_id", "parent_entity_id"):
        return Conversion(identifiers.entity_id(text), text.isNotNull(), False)
    return Conversion(text, text.isNotNull(), False)


def _without_spaces(text: Column) -> Column:
    return F.when(text.contains(" "), F.replace(text, F.lit(" "), F.lit(""))).otherwise(text)


def _two_digit_codes(text: Column) -> Column:
    """Codes joined by `|`, each single digit padded with a zero: spreadsheets drop it."""
    is_plain = (F.length(text) == 2) & ~text.contains("|") & ~text.contains(" ")
    # with a bar on either side of each code, a single digit is recognizable as a complete code
    bar, bars = F.lit("|"), F.lit("||")
    barred = F.concat(bar, F.replace(_without_spaces(text), bar, bars), bar)
    padded = F.replace(F.regexp_replace(barred, r"\|([0-9])\|", "|0$1|"), bars, bar)
    padded = F.substr(padded, F.lit(2), F.greatest(F.length(padded) - 2, F.lit(0)))
    return F.upper(F.when(is_plain, text).otherwise(padded))


def _boolean(text: Column) -> Column:
    upper = F.upper(text)
    return F.when(upper.isin(*_TRUE), F.lit(True)).when(upper.isin(*_FALSE), F.lit(False))


_OF_NUMBER_OR_TEXT = (Kind.INTEGER, Kind.UNITS, Kind.UNIT_PRICE, Kind.MONEY)


def _from_number_or_text(
    kind: Kind, received: Column, arrived_as: T.DataType, declared: NumberFormat | None
) -> Conversion:
    target = kind.spark_type
    if isinstance(arrived_as, T.IntegralType):
        can_fail = not isinstance(target, T.LongType)
        value = received.try_cast(target) if can_fail else received.cast(target)
        return Conversion(value, received.isNotNull(), can_fail)
    # A fraction in an integer column is bad; it is not rounded.
    kind_read = target if isinstance(target, T.DecimalType) else T.DecimalType(38, 9)
    size = kind_read.precision, kind_read.scale
    if isinstance(arrived_as, (T.FloatType, T.DoubleType)):
        # A float's shortest text is the intended number: 1.005 rounds to 1.01, though its binary value is smaller. A
        # float cast to double has a different text.
        is_float = isinstance(arrived_as, T.FloatType)
        number = (
            expressions.decimal_of_text(received.cast("string"), *size)
            if is_float
            else expressions.decimal_of_double(received, *size)
        )
        is_present = received.isNotNull() & ~F.isnan(received)
    elif isinstance(arrived_as, T.DecimalType):
        number, is_present = received.try_cast(kind_read), received.isNotNull()
    else:
        text = text_of(received, arrived_as)
        is_present = text.isNotNull()
        plain = _plain_number(text) if declared is None else _declared_number(declared, text)
        number = expressions.decimal_of_text(plain, *size)
    if kind_read is not target:
        number = F.when(number == F.floor(number), number.try_cast(target))
    return Conversion(number, is_present, True)


def _plain_number(text: Column) -> Column:
    """A number in parentheses is negative; the cast reads everything else."""
    within = F.trim(F.substr(text, F.lit(2), F.greatest(F.length(text) - 2, F.lit(0))))
    is_bracketed = text.startswith("(") & text.endswith(")")
    return F.when(is_bracketed, F.concat(F.lit("-"), within)).otherwise(text)


def _declared_number(declared: NumberFormat, text: Column) -> Column:
    """The number as text that the cast reads; NULL if the text does not have the declared format."""
    plain = F.regexp_replace(text, f"(?i){declared.currency_regex}", "") if declared.currency else text
    if declared.thousands_regex is not None:
        plain = F.regexp_replace(plain, declared.thousands_regex, "")
    digits = F.regexp_replace(plain, "[()\u00a0\u202f ]", "")
    if declared.decimal != ".":
        digits = F.replace(digits, F.lit(declared.decimal), F.lit("."))
    signed = F.when(plain.contains("("), F.concat(F.lit("-"), digits)).otherwise(digits)
    return F.when(text.rlike(_anchored(declared.regex)), signed)


def _anchored(regex: str) -> str:
    return rf"^(?i:{regex})\z"


def _declared_quarter(pattern: PeriodPattern, text: Column) -> Column:
    year, quarter = (
        F.regexp_extract(text, _anchored(pattern.regex), pattern.groups[part]) for part in ("year", "quarter")
    )
    century = F.when(F.length(year) == 2, F.lit("20")).otherwise(F.lit(""))
    own = F.concat(century, year, F.lit("Q"), quarter)
    return F.when(text.rlike(_anchored(pattern.regex)), own).otherwise(identifiers.quarter(text))


def _date_or_time(kind: Kind, received: Column, arrived_as: T.DataType, declared: DatePattern | None) -> Conversion:
    """A date is the day as written, whatever zone follows it; a time without a zone is UTC."""
    if isinstance(arrived_as, (T.DateType, T.TimestampType, T.TimestampNTZType)):
        # Spark supports years that Python, Arrow clients and databases do not
        first, end = (F.lit(day).cast(arrived_as) for day in ("0001-01-01", "9999-12-31 23:59:59.999999"))
        is_in_calendar = (received >= first) & (received <= end)
        return Conversion(F.when(is_in_calendar, received.cast(kind.spark_type)), received.isNotNull(), True)
    text = text_of(received, arrived_as)
    iso = _iso_date_or_time(kind, text)
    if declared is None:
        return Conversion(iso, text.isNotNull(), True)
    own = _declared_date_or_time(kind, declared, text)
    value = F.when(text.rlike(_anchored(declared.regex)), own).otherwise(iso)
    return Conversion(value, text.isNotNull(), True)


def _declared_date_or_time(kind: Kind, declared: DatePattern, text: Column) -> Column:
    """Parse a text of the declared form as date or time, through ISO text; NULL for a day that does not exist."""

    def part(name: str, absent: str = "") -> Column:
        if name not in declared.groups:
            return F.lit(absent)
        value = F.regexp_extract(text, _anchored(declared.regex), declared.groups[name])
        return F.when(value == "", F.lit(absent)).otherwise(value) if absent else value

    year, month = part("year"), part("month")
    if declared.has_month_name:
        month = (
            ((F.position(F.lower(F.left(month, F.lit(3))), F.lit("".join(MONTHS))) + 2) / 3).cast("int").cast("string")
        )
    century = F.when(F.length(year) == 2, F.lit("20")).otherwise(F.lit(""))
    dash, colon = F.lit("-"), F.lit(":")
    year = F.nullif(year, F.lit("0000"))
    day = F.concat(century, year, dash, F.lpad(month, 2, "0"), dash, F.lpad(part("day"), 2, "0"))
    if kind is Kind.DATE:
        return day.try_cast(T.DateType())
    zone = F.upper(part("zone"))
    time = F.concat(
        *(F.lit("T"), _hour(part("hour", "0"), F.lower(part("half"))), colon, part("minute", "00"), colon),
        *(part("second", "00"), F.lit("."), part("fraction", "0")),
    )
    return F.concat(day, time, F.when(zone == "UTC", F.lit("Z")).otherwise(zone)).try_cast(T.TimestampType())


def _hour(hour: Column, half: Column) -> Column:
    """Two digits of the hour of the day; `half` is `a`, `p` or empty. NULL for an hour that does not exist."""
    number = hour.try_cast("int")
    of_half = F.when(number.between(1, 12), number % 12 + F.when(half == "p", F.lit(12)).otherwise(F.lit(0)))
    return F.lpad(F.when(half == "", number).otherwise(of_half).cast("string"), 2, "0")


def _iso_date_or_time(kind: Kind, text: Column) -> Column:
    """Parse ISO text. Spark's own cast is too lenient: it reads `2025` as January 1 and ignores what follows a date."""
    if kind is Kind.DATE:
        value = text.substr(1, 10).try_cast(T.DateType())
    else:
        # Spark reads no zone after a time without seconds.
        lacks_seconds = (F.length(text) > 16) & (text.substr(17, 1) != ":")
        with_seconds = F.concat(text.substr(1, 16), F.lit(":00"), F.substr(text, F.lit(17)))
        value = F.when(lacks_seconds, with_seconds).otherwise(text).try_cast(T.TimestampType())
    return F.when(text.rlike(_DATE_TEXT) & ~text.startswith("0000"), value)
