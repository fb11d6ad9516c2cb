"""Flags unusual rows: by a stated false discovery rate, or as many as people can review."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from engine.settings import FlagSettings


@dataclass(frozen=True)
class Flags:
    """The flagged rows.

    `rows`: SCORES of the flagged rows; `flagged`: their number; `largest_p_value`: the largest of their p-values;
    `tested`: number of rows with a p-value that no rule explains.
    """

    rows: DataFrame
    tested: int
    flagged: int
    largest_p_value: float | None


def flag(scores: DataFrame, settings: FlagSettings, p_value_limit: float, explained: DataFrame | None = None) -> Flags:
    """Flag rows of SCORES by `settings`; only rows with a reason and a p-value of at most `p_value_limit`. Runs Spark
    jobs.

    `explained`: source_row_id of rows that a rule explains. They keep their score as context, but are not flagged and
    use no capacity.

    By false-discovery rate: Benjamini and Hochberg (J. R. Statist. Soc. B 57, 1995), with p-values above the limit
    counted as 1. Conformal p-values of one calibration sample are positively dependent, so the rate holds (Bates et al.
    2023) as far as ordinary rows and reference rows are exchangeable. By capacity: rows by smallest p-value, then by
    highest score. Rows equal in both are flagged together or none of them is, so fewer rows than the capacity may be
    flagged.
    """
    if explained is not None:
        ids = F.broadcast(explained.select("source_row_id").distinct())
        scores = scores.join(ids, on="source_row_id", how="left_anti")
    tested = scores.where(F.col("anomaly_p_value").isNotNull()).count()
    rare = scores.where((F.col("anomaly_p_value") <= p_value_limit) & F.col("anomaly_has_reason"))
    if settings.by == "false_discovery_rate":
        ranks = rare.groupBy("anomaly_p_value").agg(F.count(F.lit(1)).alias("rows")).toArrow().to_pandas()
        ranks = ranks.sort_values("anomaly_p_value", ignore_index=True)
        kept = benjamini_hochberg(
            ranks["anomaly_p_value"].to_numpy(), ranks["rows"].to_numpy(), tested, settings.false_discovery_rate
        )
    else:
        ranks = rare.groupBy("anomaly_p_value", "anomaly_score").agg(F.count(F.lit(1)).alias("rows"))
        ranks = ranks.toArrow().to_pandas()
        ranks = ranks.sort_values(["anomaly_p_value", "anomaly_score"], ascending=[True, False], ignore_index=True)
        kept = int((ranks["rows"].cumsum() <= settings.capacity).sum())
    chosen = ranks.head(kept)
    return Flags(
        rows=_up_to(rare, chosen),
        tested=tested,
        flagged=int(chosen["rows"].sum()),
        largest_p_value=float(chosen["anomaly_p_value"].iloc[-1]) if kept else None,
    )


def in_words(settings: FlagSettings) -> str:
    """How rows are flagged, and what that assumes, in words."""
    if settings.by == "capacity":
        return f"the most unusual among their peers, at most {settings.capacity:,}"
    return (
        f"false-discovery rate of {settings.false_discovery_rate:.0%}, as far as ordinary rows are exchangeable with "
        "the rows that they were compared with"
    )


def benjamini_hochberg(p_values: npt.NDArray[np.float64], rows: npt.NDArray[np.int64], tested: int, rate: float) -> int:
    """Number of the ascending, distinct p-values that are rejected. `rows`: number of rows with each p-value; `tested`:
    number of tested rows in total.
    """
    if not len(p_values):
        return 0
    holds = p_values * tested <= rate * np.cumsum(rows)
    return int(np.flatnonzero(holds).max(initial=-1)) + 1


def _up_to(rare: DataFrame, chosen: pd.DataFrame) -> DataFrame:
    if chosen.empty:
        return rare.limit(0)
    last = chosen.iloc[-1]
    p_value = F.lit(float(last["anomaly_p_value"]))
    if "anomaly_score" not in chosen:
        return rare.where(F.col("anomaly_p_value") <= p_value)
    at_edge = (F.col("anomaly_p_value") == p_value) & (F.col("anomaly_score") >= float(last["anomaly_score"]))
    return rare.where((F.col("anomaly_p_value") < p_value) | at_edge)
