"""The pharmacy's own record of the dispense that a rebate claim asks for."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from engine.contracts.codes import ClaimType
from engine.contracts.links import LINKS_PHARMACY

_KEY = ("dispense_hash", "pharmacy_key", "rx_key", "date_of_service", "ndc11")


def link_pharmacy(rebate_claims: DataFrame, dispenses: DataFrame) -> DataFrame:
    """The reversed dispense with the rebate claim's natural key (contract part 3), if there is one: LINKS_PHARMACY.

    `rebate_claims`: live PREPARED_REBATE_CLAIMS, of which RX lines are linked; `dispenses`: PHARMACY_DISPENSES, which
    has one row per natural key, so that a rebate claim has one link at most. A NULL fill equals only a NULL fill; any
    other NULL is no key. Hashed Rx numbers do not occur in what pharmacies transmit and so never meet.
    Dispenses that stand say nothing against a claim; leaving them out keeps the links few and the claims unshuffled.
    """
    reversed_ones = dispenses.where(F.col("is_reversed"))
    claims = (
        rebate_claims.where(F.col("claim_type") == ClaimType.RX.value)
        .select(F.col("source_row_id").alias("rebate_row_id"), *_KEY, "fill_number")
        .join(reversed_ones.select("dispense_hash"), on="dispense_hash", how="left_semi")
    )
    named = reversed_ones.withColumnsRenamed({name: f"of_{name}" for name in (*_KEY, "fill_number")})
    same_key = [F.col(name) == F.col(f"of_{name}") for name in _KEY]
    same_fill = F.col("fill_number").eqNullSafe(F.col("of_fill_number"))
    linked = claims.join(named, on=[*same_key, same_fill], how="inner")
    values = {
        "source_row_id": F.col("rebate_row_id"),
        "dispense_hash": F.col("dispense_hash"),
        "pharmacy_source_row_id": F.col("source_row_id"),
        "pharmacy_last_transaction": F.col("last_transaction"),
        "pharmacy_is_reversed": F.col("is_reversed"),
        "pharmacy_reversed_at": F.col("reversed_at"),
        "pharmacy_reversal_source_row_id": F.col("reversal_source_row_id"),
    }
    return linked.select(
        *(values[field.name].cast(field.dataType).alias(field.name) for field in LINKS_PHARMACY.fields)
    )
