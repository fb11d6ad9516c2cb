"""Positions in the previous run."""

from __future__ import annotations

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from engine.contracts.positions import Position
from engine.positions.lines import ACCOUNT, SUM, key_text
from engine.runtime.column_names import column_names
from engine.runtime.expressions import collect_distinct

_CLAIM_LINE = (*ACCOUNT, "sub_program", "plan_id", "claim_id", "claim_line")


def with_previous(positions: DataFrame, previous: DataFrame | None) -> DataFrame:
    """Add previous_position to `positions`: the position of the units' claim line in the previous run; NULL if none.

    It is the same position if the claim line had it then, else the one that lost most units since; ties go to the first
    in the order of Position. Units without a claim are compared with those of their key.
    """
    if previous is None:
        return positions.withColumn("previous_position", F.lit(None).cast("string"))
    changes = (
        _units(positions, -1)
        .unionByName(_units(previous, 1))
        .groupBy("line", "position")
        .agg(F.sum("lost").alias("lost"), F.max("was").alias("was"))
    )
    places = F.create_map(*(part for n, position in enumerate(Position) for part in (F.lit(position.value), F.lit(n))))
    most_lost = Window.partitionBy("line").orderBy(F.col("lost").desc(), F.try_element_at(places, F.col("position")))
    before = changes.where("was").withColumn("nth", F.row_number().over(most_lost))
    by_line = before.groupBy(F.col("line").alias("line_before")).agg(
        collect_distinct("position").alias("positions_before"),
        F.max(F.when(F.col("nth") == 1, F.col("position"))).alias("most_lost"),
    )
    now = positions.withColumn("line", key_text(*_CLAIM_LINE))
    joined = now.join(by_line, on=F.col("line") == F.col("line_before"), how="left")  # one row per claim line
    had_it = F.array_position("positions_before", F.col("position")) > 0
    previous_position = F.when(had_it, F.col("position")).otherwise(F.col("most_lost"))
    return joined.select(*column_names(positions), previous_position.alias("previous_position"))


def _units(positions: DataFrame, sign: int) -> DataFrame:
    return positions.select(
        key_text(*_CLAIM_LINE).alias("line"),
        "position",
        (F.col("units") * sign).cast(SUM).alias("lost"),
        F.lit(sign > 0).alias("was"),
    )
