"""From whatever type a column arrived in to its contract type, as column expressions (contract, general rules).

Nothing is guessed: a value that the contract type cannot hold becomes NULL, and `can_fail` says that this may happen.
"""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.contracts.columns import Column as ContractColumn
from engine.contracts.columns import Kind
from engine.prepare import identifiers

_ISO_DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_ISO_TIME = r"[T ]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]{1,9})?)?"
_ISO_ZONE = r" ?(Z|[+-][0-9]{2}(:?[0-9]{2})?)"
_DATE_TEXT = rf"^{_ISO_DATE}({_ISO_TIME}({_ISO_ZONE})?)?\z"

_TRUE, _FALSE = ("TRUE", "1", "Y"), ("FALSE", "0", "N")
_STATES = ("state", "medicaid_state")
# A number that was written as text: JSON's 1234567893.0, or a CSV file of floats.
_NPI_WITH_DECIMALS = r"^([0-9]{10})\.0+\z"
_COMPLEX = (T.ArrayType, T.MapType, T.StructType, T.VariantType)


@dataclass(frozen=True)
class Conversion:
    """How one received column becomes its contract column.

    value: contract type, NULL where blank or bad. is_present: something was received. can_fail: a received value may
    be bad, so that NULL does not prove that nothing was there.
    """

    value: Column
    is_present: Column
    can_fail: bool


def conversion(column: ContractColumn, received: Column, arrived_as: T.DataType) -> Conversion:
    """The conversion of `received`, a column of type `arrived_as`, to the contract's `column`.

    Text is taken to be without surrounding spaces already.
    """
    if isinstance(arrived_as, _COMPLEX):
        return Conversion(F.lit(None).cast(column.kind.spark_type), received.isNotNull(), True)
    if arrived_as == column.kind.spark_type and not isinstance(arrived_as, T.StringType):
        return Conversion(received, received.isNotNull(), False)
    if column.kind in _OF_NUMBER_OR_TEXT:
        return _from_number_or_text(column.kind, received, arrived_as)
    if column.kind in (Kind.DATE, Kind.TIMESTAMP):
        return _date_or_time(column.kind, received, arrived_as)
    text = text_of(received, arrived_as)
    if column.kind is Kind.BOOLEAN:
        return Conversion(_boolean(text), text.isNotNull(), True)
    return _text(column, text)


def text_of(received: Column, arrived_as: T.DataType) -> Column:
    """A received value as text, NULL where blank; a float that holds a whole number without its `.0`."""
    if isinstance(arrived_as, T.StringType):
        return identifiers.blank_to_null(received)
    if isinstance(arrived_as, (T.FloatType, T.DoubleType, T.DecimalType)):
        whole = received.try_cast("bigint")
        return F.when(whole == received, whole.cast("string")).when(~_is_nan(received), received.cast("string"))
    return received.cast("string")


def _is_nan(received: Column) -> Column:
    # pandas writes NaN where it means NULL; decimals compare as doubles here, which is never NaN
    return F.isnan(received.cast("double"))


def _text(column: ContractColumn, text: Column) -> Conversion:
    if column.kind is Kind.QUARTER:
        return Conversion(identifiers.quarter(text), text.isNotNull(), True)
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
    padded = F.regexp_replace(_without_spaces(text), r"(?<![^|])([0-9])(?![^|])", "0$1")
    return F.upper(F.when(is_plain, text).otherwise(padded))


def _boolean(text: Column) -> Column:
    upper = F.upper(text)
    return F.when(upper.isin(*_TRUE), F.lit(True)).when(upper.isin(*_FALSE), F.lit(False))


_OF_NUMBER_OR_TEXT = (Kind.INTEGER, Kind.UNITS, Kind.UNIT_PRICE, Kind.MONEY)


def _from_number_or_text(kind: Kind, received: Column, arrived_as: T.DataType) -> Conversion:
    target = kind.spark_type
    if isinstance(arrived_as, T.IntegralType):
        can_fail = not isinstance(target, T.LongType)
        value = received.try_cast(target) if can_fail else received.cast(target)
        return Conversion(value, received.isNotNull(), can_fail)
    if isinstance(arrived_as, (T.FloatType, T.DoubleType)):
        # A float's shortest text is the number that was meant: 1.005 is 1.01 to the cent, though its binary value lies
        # below. Spark goes that way for doubles, but widens a float first.
        number = received.cast("string") if isinstance(arrived_as, T.FloatType) else received
        is_present = received.isNotNull() & ~F.isnan(received)
    elif isinstance(arrived_as, T.DecimalType):
        number, is_present = received, received.isNotNull()
    else:
        number = text_of(received, arrived_as)
        is_present = number.isNotNull()
    if isinstance(target, T.LongType):
        # A fraction is no whole number: it is bad, not rounded.
        exact = number.try_cast(T.DecimalType(38, 9))
        return Conversion(F.when(exact == F.floor(exact), exact.try_cast(target)), is_present, True)
    return Conversion(number.try_cast(target), is_present, True)


def _date_or_time(kind: Kind, received: Column, arrived_as: T.DataType) -> Conversion:
    """A date is the day that was written, whatever zone follows it; a time without zone is UTC.

    Spark's own cast is too willing: it reads `2025` as 1 January and ignores what follows a date.
    """
    if isinstance(arrived_as, (T.DateType, T.TimestampType, T.TimestampNTZType)):
        return Conversion(received.cast(kind.spark_type), received.isNotNull(), False)
    text = text_of(received, arrived_as)
    if kind is Kind.DATE:
        value = text.substr(1, 10).try_cast(T.DateType())
    else:
        # Spark reads no zone after a time without seconds.
        lacks_seconds = (F.length(text) > 16) & (text.substr(17, 1) != ":")
        with_seconds = F.concat(text.substr(1, 16), F.lit(":00"), F.substr(text, F.lit(17)))
        value = F.when(lacks_seconds, with_seconds).otherwise(text).try_cast(T.TimestampType())
    return Conversion(F.when(text.rlike(_DATE_TEXT), value), text.isNotNull(), True)
