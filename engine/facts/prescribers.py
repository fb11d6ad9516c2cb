"""The prescriber: the entities of earlier claims, and the 340B share of the product's prescriptions."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from engine.dates import add_days
from engine.facts.feature import BEFORE, Feature
from engine.facts.history import before, near, share, with_history, with_is_linked
from engine.intervals import quarter_index
from engine.runtime.column_names import column_names
from engine.runtime.expressions import arrays_overlap

# An entity's claim up to a week before the date of service may be this very dispense (domain F03), so it is not
# evidence of another one.
SAME_DISPENSE_DAYS = 7
FEATURES = (
    Feature(
        "F16",
        "f16_ppm_link",
        "an entity claimed a dispense by the prescriber as 340B, and a contract of that entity with the pharmacy holds "
        "at the date of service",
        needs=("rebate_claims.prescriber_npi", "entity_claims.prescriber_npi", "contract_pharmacies.pharmacy_npi"),
        window=f"claims of entities more than {SAME_DISPENSE_DAYS} days before the date of service",
        unit="boolean",
    ),
    Feature(
        "F17",
        "f17_prescriber_ce_share",
        "claims linked to a 340B claim / all claims of the prescriber for the NDC-9",
        needs=("rebate_claims.prescriber_npi", "entity_claims"),
        grain="prescriber and NDC-9",
        window=BEFORE,
    ),
)
_PRODUCT = ("prescriber_npi", "ndc9")


def with_prescriber(
    rows: DataFrame,
    flagged: DataFrame,
    claims: DataFrame,
    entity_claims: DataFrame | None,
    links_340b: DataFrame | None,
) -> DataFrame:
    """Add F16 and F17 to `rows` (with `contracts` in force)."""
    enriched = with_history(
        rows,
        with_is_linked(near(flagged, claims, _PRODUCT), links_340b),
        _PRODUCT,
        {"quarter": quarter_index(F.col("date_of_service"))},
        "of_prescriber",
        {"linked": F.count_if("is_linked")},
    )
    of_340b = share(before("of_prescriber"), "linked") if links_340b is not None else F.lit(None).cast("double")
    enriched = enriched.select(*column_names(rows), of_340b.alias("f17_prescriber_ce_share"))
    if entity_claims is None:
        return enriched.withColumn("f16_ppm_link", F.lit(None).cast("boolean"))
    seen = with_history(
        enriched,
        near(flagged, entity_claims, ["prescriber_npi"]),
        ["prescriber_npi"],
        {"parent": F.col("parent_entity_id")},
        "seen_at",
        {"first_day": F.min("date_of_service")},
    )
    latest = add_days(F.col("date_of_service"), -SAME_DISPENSE_DAYS)
    seen = seen.withColumn(
        "parents",
        F.transform(F.filter("seen_at", lambda each: each["first_day"] < latest), lambda each: each["parent"]),
    )
    contracted = F.transform("contracts", lambda each: each["parent"])
    return seen.select(*column_names(enriched), arrays_overlap(F.col("parents"), contracted).alias("f16_ppm_link"))
