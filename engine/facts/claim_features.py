"""Features of one claim line, in their own units (domain part 6). Division by zero or NULL gives NULL."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

EARLY_REFILL_DAYS = 180


def _double(name: str) -> Column:
    return F.col(name).cast("double")


def dos_delta_days() -> Column:
    """F04: date of service less the linked 340B claim's, in days. Grain: claim. Domain F04."""
    return F.datediff("date_of_service", "link_date_of_service")


def quantity_ratio_340b() -> Column:
    """F05: NDC units / the linked 340B claim's quantity in NDC units. Grain: claim. Domain F05."""
    return F.try_divide(_double("ndc_units"), _double("link_ndc_units"))


def paid_per_unit_to_wac() -> Column:
    """F20: amount paid / (NDC units x WAC of the quarter of service). Near 1 for brands; far below at 340B acquisition
    cost, far off where units are wrong. Grain: claim. Domain F20."""
    return F.try_divide(_double("amount_paid"), _double("ndc_units") * _double("price_wac"))


def rebate_to_paid() -> Column:
    """F23: NDC units x URA / amount paid; above 1.5 the units are suspect. URA: ours, else the payer's. Domain F23."""
    rebate_per_unit = F.coalesce("price_ura", "unit_rebate_amount").cast("double")
    return F.try_divide(_double("ndc_units") * rebate_per_unit, _double("amount_paid"))


def units_per_prescription() -> Column:
    """F24: NDC units on the line. Grain: claim. Domain F24."""
    return _double("ndc_units")


def units_per_day() -> Column:
    """F25: NDC units / days supply. Grain: claim. Domain F25."""
    return F.try_divide(_double("ndc_units"), _double("days_supply"))


def package_remainder() -> Column:
    """F26: distance of units / units per package from a whole number, 0 to 0.5. Grain: claim. Domain F26."""
    packages = F.try_divide(_double("ndc_units"), _double("units_per_package"))
    return F.round(F.abs(packages - F.rint(packages)), 9)


def claim_age_days() -> Column:
    """F44: paid date less date of service, in days. Grain: claim. Domain F44."""
    return F.datediff("paid_date", "date_of_service").cast("double")


def with_early_refill_ratio(claims: DataFrame) -> DataFrame:
    """`claims` with F42: days since the patient's previous fill of the NDC-9 / that fill's days supply, up to 180 days.

    Below 1 the patient came early. Previous: the latest strictly earlier date of service of any live row; of several on
    that day the longest supply. NULL without a patient, a previous fill or its supply, and on the completion of a
    partial fill, which is no refill. Grain: claim. Domain F42; compare CGDP dispute reason D08.
    """
    # rows without a patient are spread by their own id and meet nobody
    spread = F.xxhash64(F.coalesce("patient_key", "source_row_id"))
    earlier = (
        Window.partitionBy("patient_hash", "patient_key", "ndc9")
        .orderBy("service_day")
        .rangeBetween(Window.unboundedPreceding, -1)
    )
    keyed = claims.withColumns({"patient_hash": spread, "service_day": F.unix_date("date_of_service")})
    previous = F.max(F.struct("service_day", "days_supply")).over(earlier)
    days = F.col("service_day") - F.col("previous_fill.service_day")
    is_refill = (
        F.col("patient_key").isNotNull()
        & (days <= EARLY_REFILL_DAYS)
        & ~F.coalesce(F.col("dispensing_status") == "C", F.lit(False))
    )
    ratio = F.try_divide(days.cast("double"), F.col("previous_fill.days_supply").cast("double"))
    return keyed.withColumn("previous_fill", previous).select(
        *claims.columns, F.when(is_refill, ratio).alias("f42_early_refill_ratio")
    )
