"""340B identifiers on the claim line: NCPDP 420-DK and 423-DN, HCPCS modifiers, as `identifiers_340b` lists them."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from engine.facts.feature import AT_SERVICE, Feature
from engine.intervals import covers

# identifier field: the claim's `|`-joined column
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


def flags_340b(claims: DataFrame, identifiers: DataFrame) -> DataFrame:
    """source_row_id and flags_340b of the claims that carry an identifier known at the date of service
    for their state, program and claim type.

    Sorted, such as ["BOC 08", "SCC 20"]. NULL state, program or claim type of an identifier: for all.
    """
    carries_any = F.coalesce(*_COLUMNS.values()).isNotNull()
    carried = claims.where(carries_any).select(
        "source_row_id",
        "date_of_service",
        "program",
        "claim_type",
        F.coalesce("state", "payer_id").alias("asking_state"),
        F.explode(F.concat(*(_values(field, column) for field, column in _COLUMNS.items()))).alias("flag"),
    )
    listed = identifiers.select(
        F.concat_ws(" ", "field", "value").alias("listed_flag"),
        F.col("state").alias("for_state"),
        F.col("program").alias("for_program"),
        F.col("claim_type").alias("for_claim_type"),
        "begin_date",
        "end_date",
    )
    is_for = [
        F.col(f"for_{name}").isNull() | F.coalesce(F.col(f"for_{name}") == F.col(own), F.lit(False))
        for name, own in (("state", "asking_state"), ("program", "program"), ("claim_type", "claim_type"))
    ]
    in_force = covers(F.col("date_of_service"), F.col("begin_date"), F.col("end_date"))
    # several identifiers may know one flag: the set below takes it once
    known = carried.join(
        F.broadcast(listed), on=[F.col("flag") == F.col("listed_flag"), *is_for, in_force], how="inner"
    )
    return known.groupBy("source_row_id").agg(F.sort_array(F.collect_set("flag")).alias("flags_340b"))


def _values(field: str, column: str) -> Column:
    """The line's values of one field, each as "<field> <value>"."""
    values = F.transform(F.split(column, r"\|"), lambda value: F.concat(F.lit(f"{field} "), F.trim(value)))
    return F.when(F.col(column).isNotNull(), values).otherwise(F.array().cast("array<string>"))
