"""What analysts decided on findings, told of the rows that the findings are about."""

from __future__ import annotations

from datetime import date

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F


def decided_rows(rows: DataFrame, finding_id: Column, decisions: DataFrame, as_of: date) -> DataFrame:
    """source_row_id, decision and selection of the live rows on which there is a decision: the last one up to `as_of`.

    `decisions`: conformed. Of several at one moment the one first in the order of decision and selection counts, so
    that the answer is the same under any partitioning.
    """
    latest = Window.partitionBy("finding_id").orderBy(F.col("decided_at").desc(), "decision", "selection")
    last = (
        decisions.where(F.to_date("decided_at") <= F.lit(as_of))
        .withColumn("place", F.row_number().over(latest))
        .where(F.col("place") == 1)
        .select("finding_id", "decision", "selection")
    )
    # decisions are made one by one by people: few beside claims
    named = rows.select("source_row_id", finding_id.alias("finding_id"))
    return named.join(F.broadcast(last), on="finding_id", how="inner").drop("finding_id")
