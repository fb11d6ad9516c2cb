"""Counterparties' answers to earlier findings (`outcomes`), only those given before --as-of.

An outcome names its finding. A finding's id is a hash of the claim's key, so the claim alone identifies its findings,
and findings of earlier runs need not be stored. Outcomes of cases, and of claims that are not in the input, are
ignored.
"""

from __future__ import annotations

from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from engine.entity_families import at_parent_of_day
from engine.facts.feature import BEFORE, Feature
from engine.facts.history import before, near, share, with_history
from engine.intervals import quarter_index
from engine.runtime.column_names import column_names
from engine.runtime.expressions import greatest_of_groups

_CONFIRMED = ("ACCEPTED", "PARTIAL")
_RESPONDED = (*_CONFIRMED, "REJECTED")
_LAGGED = f"{BEFORE}; answered before --as-of"
FEATURES = (
    Feature(
        "F51",
        "f51_dup_rate_pharm",
        "claims with a finding that was accepted, wholly or partly / all claims of the pharmacy; of whatever rule, for "
        "outcomes do not record it",
        needs=("outcomes.finding_id",),
        grain="pharmacy",
        window=_LAGGED,
    ),
    Feature(
        "F52",
        "f52_ce_precision",
        "findings accepted, wholly or partly / findings accepted or rejected, on claims linked to the entity's",
        needs=("outcomes.finding_id", "entity_claims"),
        grain="parent entity in question",
        window=_LAGGED,
    ),
)


def with_reviews(
    rows: DataFrame,
    flagged: DataFrame,
    claims: DataFrame,
    outcomes: DataFrame | None,
    links_340b: DataFrame | None,
    families: DataFrame | None,
    as_of: date,
) -> DataFrame:
    """Add F51 and F52 to `rows`. `outcomes`: conformed, each with the source_row_id of its claim."""
    if outcomes is None:
        unknown = F.lit(None).cast("double")
        return rows.withColumns({"f51_dup_rate_pharm": unknown, "f52_ce_precision": unknown})
    # If there are several answers, the last one counts.
    answers = outcomes.where(F.col("answered_on") < F.lit(as_of)).withColumnRenamed("source_row_id", "answered_row_id")
    last = greatest_of_groups(answers, ["answered_row_id"], ("answered_on", "answer"), into="last")
    answered = last.select("answered_row_id", F.col("last.answer").alias("answer"))
    is_answered = F.col("source_row_id") == F.col("answered_row_id")
    by = {"quarter": quarter_index(F.col("date_of_service"))}
    sums = {
        "confirmed": F.count_if(F.col("answer").isin(*_CONFIRMED)),
        "responded": F.count_if(F.col("answer").isin(*_RESPONDED)),
    }
    of_pharmacies = near(flagged, claims, ["pharmacy_key"])
    assert of_pharmacies is not None
    judged = of_pharmacies.join(F.broadcast(answered), on=is_answered, how="left")  # one answer per claim
    enriched = with_history(rows, judged, ["pharmacy_key"], by, "at_pharmacy", sums)
    enriched = enriched.select(
        *column_names(rows), share(before("at_pharmacy"), "confirmed").alias("f51_dup_rate_pharm")
    )
    if links_340b is None:
        return enriched.withColumn("f52_ce_precision", F.lit(None).cast("double"))
    linked = links_340b.select(
        F.col("source_row_id").alias("linked_row_id"), F.col("link_parent_entity_id").alias("parent_entity_id")
    )
    of_entities = (
        claims.select("source_row_id", "date_of_service")
        .join(F.broadcast(answered), on=is_answered, how="inner")
        .join(linked, on=F.col("source_row_id") == F.col("linked_row_id"), how="inner")  # one link per claim
    )
    of_entities = at_parent_of_day(of_entities, "parent_entity_id", F.col("date_of_service"), families)
    seen = with_history(enriched, of_entities, ["parent_entity_id"], by, "on_entity", sums)
    return seen.select(
        *column_names(enriched), share(before("on_entity"), "confirmed", "responded").alias("f52_ce_precision")
    )
