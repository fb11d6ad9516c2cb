"""How rare a score is among the rows of its stratum."""

from __future__ import annotations

import math

from pyspark.sql import Column, DataFrame, Window, WindowSpec
from pyspark.sql import functions as F

# Rows are ranked slice by slice, so that no task has to sort a whole drug category. So many slices per doubling of
# 1 + |score|: an isolation forest's scores lie in (0, 1], others have no bound.
_SLICES = 4_096


def p_values(scored: DataFrame, stratum_minimum: int) -> DataFrame:
    """SCORES: p = (1 + other rows with at least this score) / (1 + other rows) within the row's stratum.

    The stratum is NDC-9 x program; where that has fewer than `stratum_minimum` rows (or the NDC-9 is unknown) it is
    drug category x program, all rows of it; where that too has fewer, p is NULL. anomaly_rows counts the rows of the
    stratum, the row itself among them, so that the smallest p is 1 / anomaly_rows.

    This is the conformal p-value (Vovk, Gammerman, Shafer 2005) of a row against the others of its stratum: if they are
    exchangeable, at most a share a of ordinary rows has p <= a. Equal scores have equal p. A NULL drug category is a
    category of its own. Exact under any partitioning.

    `scored`: source_row_id, ndc9, program, drug_category, anomaly_score.
    """
    rows = _with_stratum(scored, stratum_minimum)
    judged = _fine_ranks(rows).unionByName(_coarse_ranks(rows))
    has_stratum = F.col("stratum_rows") >= stratum_minimum
    return judged.select(
        "source_row_id",
        "anomaly_score",
        # the row itself is among at_or_above and among stratum_rows: it is the formula's 1
        F.when(has_stratum, F.col("at_or_above") / F.col("stratum_rows")).alias("anomaly_p_value"),
        F.col("stratum").alias("anomaly_stratum"),
        F.col("stratum_rows").alias("anomaly_rows"),
    )


def _with_stratum(scored: DataFrame, stratum_minimum: int) -> DataFrame:
    """The rows with their fine stratum, its size, and their coarse stratum; fine_rows is NULL where it is too small."""
    named = scored.select(
        "source_row_id",
        "anomaly_score",
        _stratum("ndc9", F.col("ndc9")).alias("fine_stratum"),
        _stratum("drug_category", F.coalesce(F.col("drug_category"), F.lit("unknown"))).alias("coarse_stratum"),
    )
    large = (
        named.where(F.col("fine_stratum").isNotNull())
        .groupBy("fine_stratum")
        .agg(F.count(F.lit(1)).alias("fine_rows"))
        .where(F.col("fine_rows") >= stratum_minimum)
        # any number will do, as long as it is one per stratum: numbers are sorted several times faster than names
        .withColumn("fine_number", F.row_number().over(Window.orderBy("fine_stratum")))
    )
    # one row per NDC-9 and program: small; rows without NDC-9 match none and go to the coarse stratum
    return named.join(F.broadcast(large), on="fine_stratum", how="left")


def _stratum(kind: str, member: Column) -> Column:
    """`ndc9/000020001/MDRP_FFS`; NULL where the member is."""
    program = F.coalesce(F.col("program"), F.lit("unknown"))
    return F.concat(F.lit(f"{kind}/"), member, F.lit("/"), program)


def _fine_ranks(rows: DataFrame) -> DataFrame:
    at_least_this_score = _score_and_above("fine_number")
    return rows.where(F.col("fine_rows").isNotNull()).select(
        "source_row_id",
        "anomaly_score",
        F.col("fine_stratum").alias("stratum"),
        F.col("fine_rows").alias("stratum_rows"),
        F.count(F.lit(1)).over(at_least_this_score).alias("at_or_above"),
    )


def _coarse_ranks(rows: DataFrame) -> DataFrame:
    """Rows of small fine strata, ranked among all rows of their coarse stratum."""
    all_rows = rows.select(
        "anomaly_score",
        "coarse_stratum",
        _slice(F.col("anomaly_score")).alias("slice"),
        F.when(F.col("fine_rows").isNull(), F.col("source_row_id")).alias("judged_row_id"),
    )
    at_least_this_score = _score_and_above("coarse_stratum", "slice")
    judged = all_rows.withColumn("in_slice", F.count(F.lit(1)).over(at_least_this_score)).where(
        F.col("judged_row_id").isNotNull()
    )
    # one row per stratum and slice that holds a score: some thousands per drug category and program
    return judged.join(F.broadcast(_slices(all_rows)), on=["coarse_stratum", "slice"], how="inner").select(
        F.col("judged_row_id").alias("source_row_id"),
        "anomaly_score",
        F.col("coarse_stratum").alias("stratum"),
        "stratum_rows",
        (F.col("in_slice") + F.col("in_higher_slices")).alias("at_or_above"),
    )


def _slice(score: Column) -> Column:
    """A whole number that never falls while the score rises."""
    return F.floor(F.signum(score) * F.log1p(F.abs(score)) * F.lit(_SLICES / math.log(2)))


def _slices(rows: DataFrame) -> DataFrame:
    """Per coarse stratum and slice of scores: rows in higher slices, and in the whole stratum."""
    stratum = Window.partitionBy("coarse_stratum")
    higher = stratum.orderBy(F.col("slice").desc()).rowsBetween(Window.unboundedPreceding, -1)
    counted = rows.groupBy("coarse_stratum", "slice").agg(F.count(F.lit(1)).alias("slice_rows"))
    return counted.select(
        "coarse_stratum",
        "slice",
        F.coalesce(F.sum("slice_rows").over(higher), F.lit(0)).alias("in_higher_slices"),
        F.sum("slice_rows").over(stratum).alias("stratum_rows"),
    )


def _score_and_above(*partition: str) -> WindowSpec:
    """The rows of the partition with at least the row's own score, ties included."""
    by_score = Window.partitionBy(*partition).orderBy(F.col("anomaly_score").desc())
    return by_score.rangeBetween(Window.unboundedPreceding, Window.currentRow)
