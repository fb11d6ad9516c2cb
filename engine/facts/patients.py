"""The patient's other fills of the product: strictly earlier dates of service alone."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from engine.dates import days_between, known_day
from engine.facts.feature import Feature
from engine.facts.history import near, with_history
from engine.runtime.column_names import column_names
from engine.runtime.expressions import divide, max_struct

EARLY_REFILL_DAYS = 180
OVERLAP_DAYS = 60
# Fills of a patient and product, by day and pharmacy: a key with more is a placeholder, not a patient.
MOST_FILLS = 1_000
_PATIENT = ("patient_key", "ndc9")
FEATURES = (
    Feature(
        "F42",
        "f42_early_refill_ratio",
        "(date of service - that of the patient's previous fill) / that fill's days supply",
        needs=("rebate_claims.patient_key", "rebate_claims.days_supply"),
        grain="claim among the patient's of its NDC-9",
        window=f"{EARLY_REFILL_DAYS} days, earlier dates of service",
    ),
    Feature(
        "F43",
        "f43_overlap_pharmacies",
        "distinct pharmacies of the claim and of the patient's earlier fills; unknown where the patient has more than "
        f"{MOST_FILLS:,} fills of the product by day and pharmacy",
        needs=("rebate_claims.patient_key",),
        grain="claim among the patient's of its NDC-9",
        window=f"{OVERLAP_DAYS} days, earlier dates of service",
        unit="pharmacies",
    ),
)


def with_early_refill_ratio(claims: DataFrame) -> DataFrame:
    """`claims` with F42: days since the patient's previous fill of the NDC-9 / that fill's days supply, up to 180 days.

    Below 1 the patient came early. Previous: the latest strictly earlier date of service of any live row; of several on
    that day the longest supply. NULL without a patient, a previous fill or its supply, and on the completion of a
    partial fill, which is no refill. Compare CGDP dispute reason D08.
    """
    # rows without a patient are spread by their own id and meet nobody
    spread = F.xxhash64(F.coalesce("patient_key", "source_row_id"))
    earlier = (
        Window.partitionBy("patient_hash", "patient_key", "ndc9")
        .orderBy("service_day")
        .rangeBetween(Window.unboundedPreceding, -1)
    )
    keyed = claims.withColumns(
        {"patient_hash": spread, "service_day": F.unix_date(known_day(F.col("date_of_service")))}
    )
    previous = max_struct("service_day", "days_supply").over(earlier)
    days = F.col("service_day") - F.col("previous_fill.service_day")
    is_refill = (
        F.col("patient_key").isNotNull()
        & (days <= EARLY_REFILL_DAYS)
        & ~F.coalesce(F.col("dispensing_status") == "C", F.lit(False))
    )
    ratio = divide(days.cast("double"), F.col("previous_fill.days_supply").cast("double"))
    return keyed.withColumn("previous_fill", previous).select(
        *column_names(claims), F.when(is_refill, ratio).alias("f42_early_refill_ratio")
    )


def with_pharmacies_of_patient(rows: DataFrame, asked: DataFrame, claims: DataFrame) -> DataFrame:
    """`rows` with F43; a pharmacy that is not known is none. NULL without a patient, or with more than MOST_FILLS."""
    by: dict[str, Column] = {"day": F.col("date_of_service"), "pharmacy": F.col("pharmacy_key")}
    fills = with_history(rows, near(asked, claims, _PATIENT), _PATIENT, by, "fills", most=MOST_FILLS)
    days = F.col("date_of_service")
    earlier = F.filter("fills", lambda fill: days_between(days, fill["day"]).between(1, OVERLAP_DAYS))
    pharmacies = F.concat(F.transform(earlier, lambda fill: fill["pharmacy"]), F.array("pharmacy_key"))
    overlap = F.size(F.array_distinct(F.array_compact(pharmacies)))
    return fills.select(
        *column_names(rows), F.when(F.col("fills").isNotNull(), overlap).alias("f43_overlap_pharmacies")
    )
