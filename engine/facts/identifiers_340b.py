"""340B identifiers on the claim line: NCPDP 420-DK and 423-DN, HCPCS modifiers, as `identifiers_340b` lists them."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from engine.intervals import covers

# identifier field: the claim's `|`-joined column
_COLUMNS = {"SCC": "submission_clarification_codes", "BOC": "basis_of_cost", "MODIFIER": "modifiers"}


def with_flags_340b(claims: DataFrame, identifiers: DataFrame | None) -> DataFrame:
    """`claims` with flags_340b: the identifiers that its state, program and claim type know at the date of service.

    Sorted, such as ["BOC 08", "SCC 20"]; empty where there is none. NULL state, program or claim type: for all.
    """
    none = F.array().cast("array<string>")
    if identifiers is None:
        return claims.withColumn("flags_340b", none)
    listed = identifiers.agg(
        F.sort_array(
            F.collect_set(F.struct("field", "value", "state", "program", "claim_type", "begin_date", "end_date"))
        ).alias("identifiers")
    )
    joined = claims.join(F.broadcast(listed), how="cross")  # one row
    carries_any = F.coalesce(*(F.col(column) for column in _COLUMNS.values())).isNotNull()
    known = F.transform(
        F.filter("identifiers", _is_on_the_line),
        lambda identifier: F.concat_ws(" ", identifier["field"], identifier["value"]),
    )
    flags = F.when(carries_any, F.array_sort(F.array_distinct(known))).otherwise(none)
    return joined.select(*claims.columns, flags.alias("flags_340b"))


def _is_on_the_line(identifier: Column) -> Column:
    state = F.coalesce("state", "payer_id")
    applies = (
        covers(F.col("date_of_service"), identifier["begin_date"], identifier["end_date"])
        & (identifier["state"].isNull() | F.coalesce(identifier["state"] == state, F.lit(False)))
        & (identifier["program"].isNull() | (identifier["program"] == F.col("program")))
        & (identifier["claim_type"].isNull() | (identifier["claim_type"] == F.col("claim_type")))
    )
    carried = F.lit(False)
    for field, column in _COLUMNS.items():
        values = F.split(F.coalesce(F.col(column), F.lit("")), r"\|")
        carried = carried | ((identifier["field"] == field) & F.array_contains(values, identifier["value"]))
    return applies & carried
