"""The Medicaid Exclusion File: entities that carve in, by quarter of service and Medicaid state billed."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.contracts.codes import MEDICAID_PROGRAMS
from engine.facts.families import absent
from engine.facts.feature import AT_SERVICE, Feature
from engine.intervals import quarter_of
from engine.npi import is_digits
from engine.runtime.column_names import column_names
from engine.runtime.expressions import min_struct

FEATURES = tuple(
    Feature(
        id,
        "mef_entity_id",
        f"340B id under which the biller's NPI or Medicaid number is listed in the state billed; on {program} {says}",
        needs=("medicaid_exclusions",),
        window=f"{AT_SERVICE}, the file of its quarter",
        unit="340B id",
    )
    for id, program, says in (("F09", "MDRP_FFS", "a hit"), ("F10", "MDRP_MCO", "context alone"))
)
EXCLUSION_FACTS = (
    T.StructField("mef_entity_id", T.StringType()),
    T.StructField("mef_listed_as", T.StringType()),
    T.StructField("mef_quarter", T.StringType()),
    T.StructField("mef_snapshot_date", T.DateType()),
)


def with_exclusion_file(claims: DataFrame, exclusions: DataFrame | None) -> DataFrame:
    """`claims` with `exclusion`, a struct of EXCLUSION_FACTS: the listing of the biller (NPI, else Medicaid number) in
    the file of the quarter of service.

    The state compared is `medicaid_state`, the state billed, not the entity's own. Only for Medicaid claims. Listed
    under several entities: the smallest 340B id is shown.
    """
    if exclusions is None:
        return claims.withColumn("exclusion", absent(EXCLUSION_FACTS))
    is_medicaid = F.col("program").isin(*(program.value for program in MEDICAID_PROGRAMS))
    keyed = claims.withColumns(
        {
            "mef_key_state": F.when(is_medicaid, F.coalesce("state", "payer_id")),
            "mef_key_quarter": quarter_of(F.col("date_of_service")),
            # a biller known by its NCPDP id alone goes by the NPI that preparation found for it
            "mef_key_npi": F.coalesce(
                "pharmacy_npi", F.when(is_digits(F.col("pharmacy_key"), 10, 10), F.col("pharmacy_key"))
            ),
        }
    )
    for biller, listed, words in (
        ("mef_key_npi", "npi", "NPI"),
        ("medicaid_provider_id", "medicaid_number", "Medicaid number"),
    ):
        keyed = keyed.join(
            F.broadcast(_listings(exclusions, listed, words)),
            on=[
                F.col(biller) == F.col(f"listed_{listed}"),
                F.col("mef_key_state") == F.col(f"state_{listed}"),
                F.col("mef_key_quarter") == F.col(f"quarter_{listed}"),
            ],
            how="left",  # one row per biller, state and quarter
        ).drop(f"listed_{listed}", f"state_{listed}", f"quarter_{listed}")
    return keyed.select(*column_names(claims), F.coalesce("by_npi", "by_medicaid_number").alias("exclusion"))


def _listings(exclusions: DataFrame, listed: str, words: str) -> DataFrame:
    """One row per biller of one kind, state and quarter: the three, and EXCLUSION_FACTS as `by_<listed>`."""
    named = F.concat(F.lit(f"{words} "), F.col(listed), F.lit(" ("), F.col("medicaid_state"), F.lit(")"))
    values = {
        "mef_entity_id": F.col("entity_id"),
        "mef_listed_as": named,
        "mef_quarter": F.col("quarter"),
        "mef_snapshot_date": F.col("snapshot_date"),
    }
    keys = {f"listed_{listed}": listed, f"state_{listed}": "medicaid_state", f"quarter_{listed}": "quarter"}
    first = min_struct(*(value.alias(name) for name, value in values.items())).alias("first")
    found = exclusions.where(F.col(listed).isNotNull()).groupBy(*(F.col(own).alias(name) for name, own in keys.items()))
    return found.agg(first).select(*keys, F.struct(*(f"first.{name}" for name in values)).alias(f"by_{listed}"))
