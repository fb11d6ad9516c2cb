"""The pharmacy's own view of each dispense: billed, reversed, billed anew (NCPDP B1, B2, B3)."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from engine.contracts.codes import Reason
from engine.contracts.prepared import PHARMACY_DISPENSES
from engine.prepare.row_ids import good_rows, repeated_row_ids
from engine.prepare.set_aside import Tally
from engine.runtime.expressions import max_struct

_DISPENSE = ("dispense_hash", "pharmacy_key", "rx_key", "fill_number", "date_of_service", "ndc11")
_CODES = ("B1", "B2", "B3")


def net_pharmacy_claims(conformed: DataFrame) -> DataFrame:
    """Rows that repeat another's source_row_id: row_id and problem."""
    return repeated_row_ids(good_rows(conformed), "received_at")


def pharmacy_dispenses(conformed: DataFrame, netting: DataFrame) -> DataFrame:
    """PHARMACY_DISPENSES: one row per pharmacy, Rx number, fill (NULL equals NULL), date of service and NDC-11.

    A dispense is reversed when its last transaction is B2: by transaction_at (NULL first), then B1, B2, B3, then
    source_row_id. Rows whose Rx number is no key belong to no dispense.
    """
    rank = F.coalesce(*(F.when(F.col("transaction_code") == code, F.lit(place)) for place, code in enumerate(_CODES)))
    keyed = good_rows(conformed).where(F.col("pharmacy_key").isNotNull() & F.col("rx_key").isNotNull())
    dispenses = (
        keyed.join(netting.select("row_id"), on="row_id", how="left_anti")
        .select(*_DISPENSE, "transaction_at", rank.alias("rank"), "source_row_id", "transaction_code")
        .repartition("dispense_hash")
        .groupBy(*_DISPENSE)
        .agg(
            max_struct("transaction_at", "rank", "source_row_id", "transaction_code").alias("last"),
            F.count(F.lit(1)).cast("int").alias("transactions"),
            F.count_if(F.col("transaction_code") == "B2").cast("int").alias("reversals"),
        )
    )
    is_reversed = F.col("last.transaction_code") == "B2"
    values = {
        "source_row_id": F.col("last.source_row_id"),
        "last_transaction": F.col("last.transaction_code"),
        "is_reversed": is_reversed,
        "reversed_at": F.when(is_reversed, F.col("last.transaction_at")),
        "reversal_source_row_id": F.when(is_reversed, F.col("last.source_row_id")),
    }
    return dispenses.select(
        *(values.get(field.name, F.col(field.name)).alias(field.name) for field in PHARMACY_DISPENSES.fields)
    )


def with_dispenses(tally: Tally, dispenses: DataFrame) -> Tally:
    """The tally of the pharmacy feed once its transactions are netted to dispenses.

    Of each dispense the last transaction stands, unless it is a reversal; then none does.
    """
    billed = F.col("transactions") - F.col("reversals")
    counts = dispenses.agg(
        F.coalesce(F.sum("reversals"), F.lit(0)).alias(Reason.REVERSAL_TRANSACTION.value),
        F.coalesce(F.sum(F.when(F.col("is_reversed"), billed)), F.lit(0)).alias(Reason.REVERSED.value),
        F.coalesce(F.sum(F.when(~F.col("is_reversed"), billed - 1)), F.lit(0)).alias(Reason.REPLACED.value),
    ).collect()[0]
    return tally.with_reasons(counts.asDict())
