"""What analysts decided of findings, as truth for models."""

from __future__ import annotations

from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F


def judged_findings(decisions: DataFrame, as_of: date) -> DataFrame:
    """finding_id, is_valid (DISPUTE; DISMISS: false), is_random (drawn blindly): one row per finding that was decided.

    The last decision up to the end of the `as_of` day (UTC) counts; where that is WATCH or PAY, the finding is left
    out: neither says whether it was right. An unknown selection is taken for the queue, which is biased. `decisions`:
    conformed.
    """
    until_then = decisions.where(F.to_date("decided_at") <= F.lit(as_of))
    last = F.max(F.struct("decided_at", "decision", "selection"))
    return (
        until_then.groupBy("finding_id")
        .agg(last.alias("last"))
        .where(F.col("last.decision").isin("DISPUTE", "DISMISS"))
        .select(
            "finding_id",
            (F.col("last.decision") == "DISPUTE").alias("is_valid"),
            F.coalesce(F.col("last.selection") == "RANDOM", F.lit(False)).alias("is_random"),
        )
    )
