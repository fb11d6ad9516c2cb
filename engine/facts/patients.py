"""The patient's other fills of the product, on strictly earlier dates of service only."""

from __future__ import annotations

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from engine.dates import known_day
from engine.facts.feature import Feature
from engine.runtime.column_names import column_names
from engine.runtime.expressions import collect_set_over, divide

EARLY_REFILL_DAYS = 180
OVERLAP_DAYS = 60
# The most claims of a patient and product: a key with more is a placeholder, not a patient, and the cost of its windows
# would grow with the square of the claims.
MOST_FILLS = 1_000
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
        f"{MOST_FILLS:,} claims of the product",
        needs=("rebate_claims.patient_key",),
        grain="claim among the patient's of its NDC-9",
        window=f"{OVERLAP_DAYS} days, earlier dates of service",
        unit="pharmacies",
    ),
)


def with_patient_fills(claims: DataFrame) -> DataFrame:
    """Add F42 and F43 to `claims`.

    F42: days since the patient's previous fill of the NDC-9 / that fill's days supply, if they are at most 180 days
    apart; below 1 the fill is early. Previous: the latest strictly earlier date of service of any live row; of several
    rows on that day, the longest supply. NULL without a patient, a previous fill or its supply, and on the completion
    of a partial fill, which is not a refill. Compare CGDP dispute reason D08.

    F43: the number of pharmacies of the claim and of the patient's fills in the 60 days before, unknown ones not
    counted; NULL without a patient or with more than MOST_FILLS claims.
    """
    # Rows without a patient are distributed by their own id, so they share a key with no other row.
    spread = F.xxhash64(F.coalesce("patient_key", "source_row_id"))
    of_patient = ("patient_hash", "patient_key", "ndc9")
    earlier = Window.partitionBy(*of_patient).orderBy("service_day").rangeBetween(Window.unboundedPreceding, -1)
    keyed = claims.withColumns(
        {"patient_hash": spread, "service_day": F.unix_date(known_day(F.col("date_of_service")))}
    )
    is_patient = F.col("patient_key").isNotNull() & (
        F.count(F.lit(1)).over(Window.partitionBy(*of_patient)) <= MOST_FILLS
    )
    # Rows of one day share the longest supply, so any of them may be the last of the earlier rows. A window over
    # structs would take the embedded engine twice as long.
    longest_supply = F.max("days_supply").over(Window.partitionBy(*of_patient, "service_day"))
    keyed = keyed.withColumns({"is_patient": is_patient, "longest_supply": longest_supply}).withColumn(
        "placeholder_row", F.when(~F.col("is_patient"), F.col("source_row_id"))
    )
    recent = Window.partitionBy(*of_patient, "placeholder_row").orderBy("service_day").rangeBetween(-OVERLAP_DAYS, -1)
    pharmacies = F.concat(collect_set_over(F.col("pharmacy_key"), recent), F.array("pharmacy_key"))
    overlap = F.size(F.array_distinct(F.array_compact(pharmacies)))
    days_since = F.col("service_day") - F.last("service_day").over(earlier)
    is_refill = (
        F.col("patient_key").isNotNull()
        & (F.col("days_since") <= EARLY_REFILL_DAYS)
        & ~F.coalesce(F.col("dispensing_status") == "C", F.lit(False))
    )
    ratio = divide(F.col("days_since").cast("double"), F.col("previous_supply").cast("double"))
    keyed = keyed.withColumns({"days_since": days_since, "previous_supply": F.last("longest_supply").over(earlier)})
    return keyed.select(
        *column_names(claims),
        F.when(is_refill, ratio).alias("f42_early_refill_ratio"),
        F.when(F.col("is_patient"), overlap).alias("f43_overlap_pharmacies"),
    )
