"""340B identifiers on the claim line: NCPDP 420-DK and 423-DN, HCPCS modifiers, as listed in `identifiers_340b`."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from engine.contracts.codes import MEDICAID_PROGRAMS
from engine.facts.feature import AT_SERVICE, Feature
from engine.facts.snapshots import known_from
from engine.intervals import covers
from engine.runtime.expressions import collect_distinct

# Identifier field: the claim's `|`-joined column.
_COLUMNS = {"SCC": "submission_clarification_codes", "BOC": "basis_of_cost", "MODIFIER": "modifiers"}
FEATURES = tuple(
    Feature(
        id,
        "flags_340b",
        f"the line carries {words} that identifies 340B claims of its state, program and claim type: `{shown}`",
        needs=("identifiers_340b", f"rebate_claims.{_COLUMNS[field]}"),
        window=AT_SERVICE,
        unit="array of text",
    )
    for id, field, words, shown in (
        ("F06", "SCC", "a submission clarification code", "SCC 20"),
        ("F07", "BOC", "a basis of cost", "BOC 08"),
        ("F08", "MODIFIER", "a modifier", "MODIFIER UD"),
    )
)


FLAG_FACTS = ("flags_340b", "flags_340b_are_sure", "flags_340b_are_dated", "flags_340b_known_from")
_ALWAYS = "0001-01-01"


def flags_340b(claims: DataFrame, identifiers: DataFrame) -> DataFrame:
    """source_row_id and FLAG_FACTS of the claims that carry a 340B identifier.

    An identifier counts if it is in force at the date of service for the claim's state, program and claim type.
    flags_340b: sorted, such as ["BOC 08", "SCC 20"]. NULL in an identifier's state, program or claim type matches all
    claims; a confidence that could not be read is not high. A state's row without a begin date is in force, but not
    dated.
    """
    carries_any = F.coalesce(*_COLUMNS.values()).isNotNull()
    carried = claims.where(carries_any).select(
        "source_row_id",
        "date_of_service",
        "program",
        "claim_type",
        F.coalesce("state", "payer_id").alias("billing_state"),
        F.explode(F.concat(*(_values(field, column) for field, column in _COLUMNS.items()))).alias("flag"),
    )
    listed = identifiers.select(
        F.concat_ws(" ", "field", "value").alias("listed_flag"),
        F.col("state").alias("for_state"),
        F.col("program").alias("for_program"),
        F.col("claim_type").alias("for_claim_type"),
        "begin_date",
        "end_date",
        F.coalesce(F.col("confidence") == "HIGH", F.lit(False)).alias("is_sure"),
        (F.col("state").isNull() | F.col("begin_date").isNotNull()).alias("is_dated"),
        F.coalesce(known_from(identifiers, "identifiers_340b"), F.lit(_ALWAYS).cast("date")).alias("known_from"),
    )
    is_for = [
        F.col(f"for_{name}").isNull() | F.coalesce(F.col(f"for_{name}") == F.col(own), F.lit(False))
        for name, own in (("state", "billing_state"), ("program", "program"), ("claim_type", "claim_type"))
    ]
    in_force = covers(F.col("date_of_service"), F.col("begin_date"), F.col("end_date"))
    # Several identifiers may list one flag; the set below contains it once.
    known = carried.join(
        F.broadcast(listed), on=[F.col("flag") == F.col("listed_flag"), *is_for, in_force], how="inner"
    )
    by_claim = known.groupBy("source_row_id").agg(
        F.sort_array(collect_distinct("flag")).alias("flags_340b"),
        F.bool_or("is_sure").alias("flags_340b_are_sure"),
        F.bool_or(F.col("is_sure") & F.col("is_dated")).alias("has_sure_dated"),
        F.bool_or("is_dated").alias("has_dated"),
        F.min(F.when(F.col("is_sure"), F.col("known_from"))).alias("sure_known_from"),
        F.min("known_from").alias("known_from"),
    )
    dated = F.when(F.col("flags_340b_are_sure"), F.col("has_sure_dated")).otherwise(F.col("has_dated"))
    earliest = F.nullif(F.coalesce("sure_known_from", "known_from"), F.lit(_ALWAYS).cast("date"))
    facts = by_claim.withColumns({"flags_340b_are_dated": dated, "flags_340b_known_from": earliest})
    return facts.select("source_row_id", *FLAG_FACTS)


def states_without_identifiers(claims: DataFrame, identifiers: DataFrame) -> dict[str, list[str]]:
    """The states whose Medicaid claims are in the feed but that have no identifier row of their own.

    By claim type, sorted: for these states no row defines how claims of the type are marked as 340B. Runs a Spark job.
    """
    is_medicaid = F.col("program").isin(*(program.value for program in MEDICAID_PROGRAMS))
    billed = claims.where(is_medicaid).select(F.coalesce("state", "payer_id").alias("state"), "claim_type").distinct()
    known = identifiers.where(F.col("state").isNotNull()).select("state", "claim_type").distinct().collect()
    of_both = {row["state"] for row in known if row["claim_type"] is None}
    known_pairs = {(row["state"], row["claim_type"]) for row in known}
    unknown: dict[str, list[str]] = {}
    for row in sorted(billed.collect(), key=lambda row: (row["claim_type"], row["state"] or "")):
        if row["state"] and row["state"] not in of_both and (row["state"], row["claim_type"]) not in known_pairs:
            unknown.setdefault(row["claim_type"], []).append(row["state"])
    return unknown


def _values(field: str, column: str) -> Column:
    """The line's values of one field, each as "<field> <value>"."""
    values = F.transform(F.split(column, r"\|"), lambda value: F.concat(F.lit(f"{field} "), F.trim(value)))
    return F.when(F.col(column).isNotNull(), values).otherwise(F.array().cast("array<string>"))
