"""The Medicaid Exclusion File: entities that carve in, by quarter of service and Medicaid state billed."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.contracts.codes import MEDICAID_PROGRAMS
from engine.entity_families import at_parent
from engine.facts.families import absent
from engine.facts.feature import AT_SERVICE, Feature
from engine.intervals import quarter_of
from engine.npi import npi_of_key
from engine.runtime.column_names import column_names
from engine.runtime.expressions import least_of_groups

FEATURES = tuple(
    Feature(
        id,
        "mef_entity_id",
        f"340B id under which the biller's NPI or Medicaid number is listed in the state billed; on {program} {effect}",
        needs=("medicaid_exclusions",),
        window=f"{AT_SERVICE}, the file of its quarter",
        unit="340B id",
    )
    for id, program, effect in (("F09", "MDRP_FFS", "a hit"), ("F10", "MDRP_MCO", "context alone"))
)
EXCLUSION_FACTS = (
    T.StructField("mef_entity_id", T.StringType()),
    T.StructField("mef_listed_as", T.StringType()),
    T.StructField("mef_quarter", T.StringType()),
    T.StructField("mef_snapshot_date", T.DateType()),
)


def with_exclusion_file(
    claims: DataFrame,
    exclusions: DataFrame | None,
    chargebacks: DataFrame | None = None,
    families: DataFrame | None = None,
) -> DataFrame:
    """Add `exclusion`, a struct of EXCLUSION_FACTS, to `claims`.

    It is the listing of the biller (NPI, else Medicaid number) in the file of the quarter of service. The state
    compared is `medicaid_state`, the state billed, not the entity's own. Only Medicaid claims have one. If several
    entities share a number, one whose family buys at the 340B price is preferred, then the smallest 340B id.
    """
    if exclusions is None:
        return claims.withColumn("exclusion", absent(EXCLUSION_FACTS))
    exclusions = _with_buyers(exclusions, chargebacks, families)
    is_medicaid = F.col("program").isin(*(program.value for program in MEDICAID_PROGRAMS))
    keyed = claims.withColumns(
        {
            "mef_key_state": F.when(is_medicaid, F.coalesce("state", "payer_id")),
            "mef_key_quarter": quarter_of(F.col("date_of_service")),
            # A biller known by its NCPDP id alone is identified by the NPI that `engine.prepare` resolved.
            "mef_key_npi": F.coalesce("pharmacy_npi", npi_of_key(F.col("pharmacy_key"))),
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
    """One row per biller (of one kind), state and quarter: these three, and EXCLUSION_FACTS as `by_<listed>`."""
    named = F.concat(F.lit(f"{words} "), F.col(listed), F.lit(" ("), F.col("medicaid_state"), F.lit(")"))
    values = {
        "mef_entity_id": F.col("entity_id"),
        "mef_listed_as": named,
        "mef_quarter": F.col("quarter"),
        "mef_snapshot_date": F.col("snapshot_date"),
    }
    keys = {f"listed_{listed}": listed, f"state_{listed}": "medicaid_state", f"quarter_{listed}": "quarter"}
    listings = exclusions.where(F.col(listed).isNotNull()).select(
        *(F.col(own).alias(name) for name, own in keys.items()),
        (~F.col("buys_at_340b")).alias("buys_none"),
        *(value.alias(name) for name, value in values.items()),
    )
    first = least_of_groups(listings, [*keys], ("buys_none", *values), into="first")
    return first.select(*keys, F.struct(*(f"first.{name}" for name in values)).alias(f"by_{listed}"))


def _with_buyers(exclusions: DataFrame, chargebacks: DataFrame | None, families: DataFrame | None) -> DataFrame:
    """Add buys_at_340b to `exclusions`: whether the entity's family has 340B chargebacks. Rows may repeat."""
    if chargebacks is None:
        return exclusions.withColumn("buys_at_340b", F.lit(False))
    bought = chargebacks.where(F.col("contract_type") == "340B").select(F.col("entity_id").alias("buyer"))
    buyers = at_parent(bought.distinct(), "buyer", families).select("buyer").distinct()
    rows = at_parent(exclusions.withColumn("listed_family", F.col("entity_id")), "listed_family", families)
    joined = rows.join(F.broadcast(buyers), on=F.col("listed_family") == F.col("buyer"), how="left")
    return joined.withColumn("buys_at_340b", F.col("buyer").isNotNull())
