"""340B claims that stand: submitted, not reversed since, and said (or not denied) to be 340B."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.contracts.codes import Reason
from engine.contracts.prepared import PREPARED_ENTITY_CLAIMS
from engine.prepare.row_ids import good_rows, repeated_row_ids
from engine.runtime.expressions import nulls, union_all

# NULL equals NULL in the fill number alone; a row without pharmacy or Rx key meets nothing.
_EQUAL = ("parent_entity_id", "pharmacy_key", "script_key", "date_of_service", "ndc9")


def net_entity_claims(conformed: DataFrame) -> DataFrame:
    """What netting says of entity rows, only where it says anything: row_id, left_as, problem, reversal_unmatched.

    A REVERSED row (left_as REVERSAL_TRANSACTION) cancels the SUBMITTED rows (left_as REVERSED) of the same parent
    entity with equal pharmacy, Rx number, fill, date of service and NDC-9 that were submitted at or before it; NULL
    submitted_at counts as the earliest time.
    """
    rows = good_rows(conformed)
    repeated = repeated_row_ids(rows, "submitted_at")
    standing = rows.join(repeated.select("row_id"), on="row_id", how="left_anti")
    earliest = F.lit("0001-01-01 00:00:00").cast("timestamp")
    narrow = standing.select(
        "row_id", *_EQUAL, "fill_number", "status", F.coalesce("submitted_at", earliest).alias("submitted_at")
    )
    reversals = narrow.where(F.col("status") == "REVERSED")
    renamed = reversals.select(*(F.col(name).alias(f"reversal_{name}") for name in reversals.columns))
    equal = [F.col(name) == F.col(f"reversal_{name}") for name in _EQUAL]
    pairs = (
        narrow.where(F.col("status") == "SUBMITTED")
        .join(
            renamed,
            on=[
                *equal,
                F.col("fill_number").eqNullSafe(F.col("reversal_fill_number")),
                F.col("submitted_at") <= F.col("reversal_submitted_at"),
            ],
            how="inner",  # submissions of a dispense x its reversals
        )
        .select("row_id", "reversal_row_id")
    )
    cancelled = pairs.select("row_id", F.lit(Reason.REVERSED.value).alias("left_as")).distinct()
    matched = pairs.select(F.col("reversal_row_id").alias("row_id"), F.lit(True).alias("is_matched")).distinct()
    reversing = reversals.join(matched, on="row_id", how="left").select(
        "row_id",
        F.lit(Reason.REVERSAL_TRANSACTION.value).alias("left_as"),
        F.col("is_matched").isNull().alias("reversal_unmatched"),
    )
    kinds: dict[str, T.DataType | str] = {"left_as": "string", "reversal_unmatched": "boolean", "problem": "string"}

    def whole(rows: DataFrame, *has: str) -> DataFrame:
        absent = nulls(kinds)
        return rows.select("row_id", *(name if name in has else absent[name].alias(name) for name in kinds))

    return union_all(
        [whole(reversing, "left_as", "reversal_unmatched"), whole(cancelled, "left_as"), whole(repeated, "problem")]
    )


def live_entity_claims(conformed: DataFrame, netting: DataFrame) -> DataFrame:
    """PREPARED_ENTITY_CLAIMS of the rows that stand; one row per 340B claim."""
    left = netting.select("row_id")
    live = good_rows(conformed).join(F.broadcast(left), on="row_id", how="left_anti")
    names = set(live.columns)
    return live.select(*(F.col(f.name).cast(f.dataType) for f in PREPARED_ENTITY_CLAIMS.fields if f.name in names))
