"""Links of rebate claims to the pharmacy's own record of a reversed dispense."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from engine.contracts.codes import ClaimType
from engine.contracts.links import LINKS_PHARMACY

_KEY = ("dispense_hash", "pharmacy_key", "rx_key", "date_of_service", "ndc11")


def link_pharmacy(rebate_claims: DataFrame, dispenses: DataFrame) -> DataFrame:
    """LINKS_PHARMACY: for each rebate claim the reversed dispense with its natural key (contract part 3), if any.

    `rebate_claims`: live PREPARED_REBATE_CLAIMS; only RX lines are linked. `dispenses`: PHARMACY_DISPENSES, with one
    row per natural key, so a rebate claim has at most one link. A NULL fill equals only a NULL fill; any other NULL
    matches nothing. Pharmacies transmit no hashed Rx numbers, so those never match. Live dispenses are no evidence
    against a claim; excluding them keeps the links few and the claims unshuffled.
    """
    reversed_dispenses = dispenses.where(F.col("is_reversed"))
    claims = (
        rebate_claims.where(F.col("claim_type") == ClaimType.RX.value)
        .select(F.col("source_row_id").alias("rebate_row_id"), *_KEY, "fill_number")
        .join(reversed_dispenses.select("dispense_hash"), on="dispense_hash", how="left_semi")
    )
    named = reversed_dispenses.withColumnsRenamed({name: f"of_{name}" for name in (*_KEY, "fill_number")})
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
