"""The pharmacy's own view of each dispense: billed, reversed, rebilled (NCPDP B1, B2, B3)."""

from __future__ import annotations

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from engine.contracts.codes import Reason
from engine.contracts.prepared import PHARMACY_DISPENSES
from engine.prepare.dropped_rows import Tally
from engine.prepare.row_ids import good_rows, repeated_hashes, repeated_row_ids

_DISPENSE = ("dispense_hash", "pharmacy_key", "rx_key", "fill_number", "date_of_service", "ndc11")
_CODES = ("B1", "B2", "B3")


def net_pharmacy_claims(conformed: DataFrame) -> DataFrame:
    """Rows that repeat the source_row_id of another row: row_id and problem."""
    return repeated_row_ids(good_rows(conformed), "received_at").drop("nth")


def pharmacy_dispenses(conformed: DataFrame, netting: DataFrame) -> DataFrame:
    """PHARMACY_DISPENSES: one row per pharmacy, Rx number, fill (NULL equals NULL), date of service and NDC-11.

    A dispense is reversed when its last transaction is B2: by transaction_at (NULL first), then B1, B2, B3, then
    source_row_id. If bills and reversals have the same time and some order would leave a bill, B2 comes first, because
    the data does not show that the dispense ended as reversed. Rows with an unusable Rx number belong to no dispense.
    """
    rank = F.coalesce(*(F.when(F.col("transaction_code") == code, F.lit(place)) for place, code in enumerate(_CODES)))
    keyed = (
        good_rows(conformed)
        .where(F.col("pharmacy_key").isNotNull() & F.col("rx_key").isNotNull())
        .join(netting.select("row_id"), on="row_id", how="left_anti")
        .select(*_DISPENSE, "transaction_at", rank.alias("rank"), "source_row_id", "transaction_code")
    )
    # most dispenses have one transaction; only the others need sorting
    key_hash = F.xxhash64(*_DISPENSE)
    several = F.broadcast(repeated_hashes(keyed, key_hash, "several"))
    is_several = key_hash == F.col("several")
    is_reversal = F.col("transaction_code") == "B2"
    single = keyed.join(several, on=is_several, how="left_anti").withColumns(
        {"transactions": F.lit(1), "reversals": F.coalesce(is_reversal, F.lit(False)).cast("int")}
    )
    dispense = Window.partitionBy(*_DISPENSE)
    latest = dispense.orderBy(*(F.col(name).desc_nulls_last() for name in ("transaction_at", "rank", "source_row_id")))
    last = (
        _with_open_ties(keyed.join(several, on=is_several, how="left_semi"))
        .withColumns(
            {
                "nth": F.row_number().over(latest),
                "transactions": F.count(F.lit(1)).over(dispense).cast("int"),
                "reversals": F.count_if(is_reversal).over(dispense).cast("int"),
            }
        )
        .where(F.col("nth") == 1)
        .drop("nth")
    )
    is_reversed = F.col("transaction_code") == "B2"
    values = {
        "last_transaction": F.col("transaction_code"),
        "is_reversed": is_reversed,
        "reversed_at": F.when(is_reversed, F.col("transaction_at")),
        "reversal_source_row_id": F.when(is_reversed, F.col("source_row_id")),
    }
    return single.unionByName(last).select(
        *(values.get(field.name, F.col(field.name)).alias(field.name) for field in PHARMACY_DISPENSES.fields)
    )


def _with_open_ties(rows: DataFrame) -> DataFrame:
    """Give a reversal the lowest `rank` if more bills than reversals remain from its time and before."""
    in_order = Window.partitionBy(*_DISPENSE).orderBy(
        F.col("transaction_at").asc_nulls_first(), "rank", "source_row_id"
    )
    tied = Window.partitionBy(*_DISPENSE, "transaction_at")
    is_bill, is_reversal = F.col("transaction_code") == "B1", F.col("transaction_code") == "B2"
    with_previous = rows.withColumn("code_before", F.lag("transaction_code").over(in_order))
    first = F.first("code_before").over(tied.orderBy("rank", "source_row_id"))
    was_billed = F.when(F.coalesce(first != "B2", F.lit(False)), 1).otherwise(0)
    bills, reversals = F.count_if(is_bill).over(tied), F.count_if(is_reversal).over(tied)
    is_open = (bills > 0) & (was_billed + bills > reversals)
    counted = with_previous.withColumn("is_open", is_open)
    return counted.withColumn("rank", F.when(F.col("is_open") & is_reversal, -1).otherwise(F.col("rank"))).drop(
        "code_before", "is_open"
    )


def with_dispenses(tally: Tally, dispenses: DataFrame) -> Tally:
    """The tally of the pharmacy feed once its transactions are netted to dispenses.

    The last transaction of each dispense is live, unless it is a reversal; then none is.
    """
    billed = F.col("transactions") - F.col("reversals")
    counts = dispenses.agg(
        F.coalesce(F.sum("reversals"), F.lit(0)).alias(Reason.REVERSAL_TRANSACTION.value),
        F.coalesce(F.sum(F.when(F.col("is_reversed"), billed)), F.lit(0)).alias(Reason.REVERSED.value),
        F.coalesce(F.sum(F.when(~F.col("is_reversed"), billed - 1)), F.lit(0)).alias(Reason.REPLACED.value),
    ).collect()[0]
    return tally.with_reasons(counts.asDict())
