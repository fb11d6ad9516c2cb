"""The Medicaid Exclusion File: entities that carve in, by quarter of service and Medicaid state billed."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from engine.contracts.codes import MEDICAID_PROGRAMS
from engine.intervals import quarter_of

_NAMES = ("mef_entity_id", "mef_listed_as", "mef_quarter", "mef_snapshot_date")


def with_exclusion_file(claims: DataFrame, exclusions: DataFrame | None) -> DataFrame:
    """`claims` with the listing of the biller (NPI, else Medicaid number) in the file of the quarter of service.

    The state compared is `medicaid_state`, the state billed, not the entity's own. Only for Medicaid claims. Listed
    under several entities: the smallest 340B id is shown.
    """
    if exclusions is None:
        return claims.withColumns(
            {name: F.lit(None).cast("date" if name.endswith("date") else "string") for name in _NAMES}
        )
    is_medicaid = F.col("program").isin(*(program.value for program in MEDICAID_PROGRAMS))
    keyed = claims.withColumns(
        {
            "mef_key_state": F.when(is_medicaid, F.coalesce("state", "payer_id")),
            "mef_key_quarter": quarter_of(F.col("date_of_service")),
        }
    )
    for biller, listed, words in (
        ("pharmacy_npi", "npi", "NPI"),
        ("medicaid_provider_id", "medicaid_number", "Medicaid number"),
    ):
        listings = (
            exclusions.where(F.col(listed).isNotNull())
            .groupBy(listed, "medicaid_state", "quarter")
            .agg(F.min(F.struct("entity_id", "snapshot_date")).alias(f"by_{listed}"))
            .select(
                F.col(listed).alias(f"listed_{listed}"),
                F.col("medicaid_state").alias(f"state_{listed}"),
                F.col("quarter").alias(f"quarter_{listed}"),
                F.col(f"by_{listed}"),
                F.concat(F.lit(f"{words} "), F.col(listed), F.lit(" ("), F.col("medicaid_state"), F.lit(")")).alias(
                    f"words_{listed}"
                ),
            )
        )
        keyed = keyed.join(
            F.broadcast(listings),
            on=[
                F.col(biller) == F.col(f"listed_{listed}"),
                F.col("mef_key_state") == F.col(f"state_{listed}"),
                F.col("mef_key_quarter") == F.col(f"quarter_{listed}"),
            ],
            how="left",  # one row per biller, state and quarter
        )
    listing = F.coalesce("by_npi", "by_medicaid_number")
    return keyed.select(
        *claims.columns,
        listing["entity_id"].alias("mef_entity_id"),
        F.coalesce("words_npi", "words_medicaid_number").alias("mef_listed_as"),
        F.coalesce("quarter_npi", "quarter_medicaid_number").alias("mef_quarter"),
        listing["snapshot_date"].alias("mef_snapshot_date"),
    )
