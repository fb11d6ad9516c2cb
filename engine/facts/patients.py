"""The patient's other fills of the product, on strictly earlier dates of service only."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from engine.dates import known_day
from engine.facts.feature import Feature
from engine.runtime.column_names import column_names
from engine.runtime.expressions import all_of, collect_distinct, divide
from engine.runtime.keep import Keep, kept_in_place

EARLY_REFILL_DAYS = 180
OVERLAP_DAYS = 60
# The most claims of a patient and product: a key with more is a placeholder, not a patient, and the pairs of its claims
# would grow with their square.
MOST_FILLS = 1_000
# The number of an unknown day: before every known one, and further from it than any span that counts.
_UNKNOWN_DAY = -(2**30)
_PATIENT = ("patient", "product")
_FILL = (*_PATIENT, "day")
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


def with_patient_fills(rows: DataFrame, claims: DataFrame | None = None, keep: Keep = kept_in_place) -> DataFrame:
    """Add F42 and F43 to `rows`.

    F42: days since the patient's previous fill of the NDC-9 / that fill's days supply, if they are at most 180 days
    apart; below 1 the fill is early. Previous: the latest strictly earlier date of service of any live row; of several
    rows on that day, the longest supply. NULL without a patient, a previous fill or its supply, and on the completion
    of a partial fill, which is not a refill. Compare CGDP dispute reason D08.

    F43: the number of pharmacies of the claim and of the patient's fills in the 60 days before, unknown ones not
    counted; NULL without a patient or with more than MOST_FILLS claims. A claim without a known day has no fills before
    it.

    Most patients have filled a product on one day, or at one pharmacy. Only the days of the others are sorted and only
    their pharmacies are compared, because a window over all claims would take ten times as long.

    `claims`: the same claims, if `rows` are the result of further steps. `keep` writes the fills, and the days with
    earlier fills.
    """
    fills = (
        (rows if claims is None else claims)
        .where(F.col("patient_key").isNotNull())
        .select(
            F.col("patient_key").alias("patient"),
            F.col("ndc9").alias("product"),
            _day().alias("day"),
            "days_supply",
            F.col("pharmacy_key").alias("pharmacy"),
        )
    )
    fills = keep("fills", fills)  # read several times
    days = keep("fill_days", _days(fills, _patients_to_compare(fills)))
    on_day = _equal(("patient_key", "ndc9", "day_of_fill"), _FILL)
    joined = rows.withColumn("day_of_fill", _day()).join(days, on=on_day, how="left")  # one row per patient and day
    pharmacies = F.concat(F.coalesce("pharmacies_before", F.array().cast("array<string>")), F.array("pharmacy_key"))
    days_since = F.col("day_of_fill") - F.col("previous_day")
    is_refill = (days_since <= EARLY_REFILL_DAYS) & ~F.coalesce(F.col("dispensing_status") == "C", F.lit(False))
    is_patient = F.col("patient_key").isNotNull() & ~F.coalesce("is_crowded", F.lit(False))
    return joined.select(
        *column_names(rows),
        F.when(is_refill, divide(days_since, F.col("previous_supply"))).alias("f42_early_refill_ratio"),
        F.when(is_patient, F.size(F.array_distinct(F.array_compact(pharmacies)))).alias("f43_overlap_pharmacies"),
    )


def _day() -> Column:
    return F.coalesce(F.unix_date(known_day(F.col("date_of_service"))), F.lit(_UNKNOWN_DAY))


def _patients_to_compare(fills: DataFrame) -> DataFrame:
    """Patients and products with fills on several days, or with too many: is_crowded, has_several_pharmacies.

    An unknown pharmacy counts as another than a known one.
    """
    least, most, known = F.min("pharmacy"), F.max("pharmacy"), F.count("pharmacy")
    number = F.count(F.lit(1))
    by_patient = fills.groupBy(*(F.col(name).alias(f"of_{name}") for name in _PATIENT)).agg(
        (number > MOST_FILLS).alias("is_crowded"),
        ((least != most) | (known < number)).alias("has_several_pharmacies"),
        (F.min("day") < F.max("day")).alias("has_several_days"),
    )
    return by_patient.where(F.col("has_several_days") | F.col("is_crowded")).drop("has_several_days")


def _days(fills: DataFrame, patients: DataFrame) -> DataFrame:
    """Grain: patient, product and day. The day of the fill before, the longest supply of that day, and the known
    pharmacies of the OVERLAP_DAYS before.
    """
    by_day = Window.partitionBy(*_PATIENT).orderBy("day")
    days = _of(patients, fills).groupBy(*_FILL, "is_crowded").agg(F.max("days_supply").alias("supply"))
    previous = {"previous_day": F.lag("day").over(by_day), "previous_supply": F.lag("supply").over(by_day)}
    before = _pharmacies_before(fills, patients)
    joined = days.withColumns(previous).join(before, on=_equal(_FILL, [f"later_{name}" for name in _FILL]), how="left")
    return joined.select(*_FILL, "is_crowded", *previous, "pharmacies_before")


def _pharmacies_before(fills: DataFrame, patients: DataFrame) -> DataFrame:
    """Grain: patient, product and day of a patient with several pharmacies, if there are fills before it."""
    mixed = _of(patients.where("has_several_pharmacies AND NOT is_crowded"), fills)
    days = mixed.select(*_FILL).distinct()
    before = mixed.where(F.col("pharmacy").isNotNull()).select(
        *(F.col(name).alias(f"earlier_{name}") for name in _FILL), F.col("pharmacy").alias("earlier_pharmacy")
    )
    of_patient = _equal(_PATIENT, [f"earlier_{name}" for name in _PATIENT])
    is_near = (F.col("day") - F.col("earlier_day")).between(1, OVERLAP_DAYS)
    pairs = days.join(before.distinct(), on=of_patient & is_near, how="inner")
    later = [F.col(name).alias(f"later_{name}") for name in _FILL]
    return pairs.groupBy(*later).agg(collect_distinct("earlier_pharmacy").alias("pharmacies_before"))


def _of(patients: DataFrame, fills: DataFrame) -> DataFrame:
    return fills.join(patients, on=_equal(_PATIENT, [f"of_{name}" for name in _PATIENT]), how="inner")


def _equal(names: Sequence[str], others: Sequence[str]) -> Column:
    return all_of(F.col(name) == F.col(other) for name, other in zip(names, others, strict=True))
