"""What analysts decided of findings, and what counterparties answered, as truth for models."""

from __future__ import annotations

from datetime import date

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from engine.runtime.expressions import max_struct


def judged_findings(decisions: DataFrame, as_of: date) -> DataFrame:
    """finding_id, is_valid (DISPUTE; DISMISS: false), is_random (drawn blindly): one row per finding that was decided.

    The last decision up to the end of the `as_of` day (UTC) counts; where that is WATCH or PAY, the finding is left
    out: neither says whether it was right. An unknown selection is taken for the queue, which is biased. `decisions`:
    conformed.
    """
    return _decided(decisions, as_of).select("finding_id", "is_valid", "is_random")


def reviewed_findings(decisions: DataFrame, outcomes: DataFrame | None, as_of: date) -> DataFrame:
    """finding_id, is_valid, is_random and decided_on: one row per finding drawn at random and decided, or answered.

    An answer up to `as_of` goes before the decision, the last one counts: ACCEPTED, and PARTIAL unless it says that no
    units were credited, is valid; REJECTED is not; NO_ANSWER says nothing. Decisions of the queue count only with an
    answer: is_random is false, and decided_on NULL where no decision counts. Answers that name a case alone are left
    out. Both conformed.
    """
    decided = _decided(decisions, as_of)
    if outcomes is None:
        return decided.where("is_random")
    says_something = F.col("finding_id").isNotNull() & (F.col("answer") != "NO_ANSWER")
    last = max_struct("answered_on", "answer", "units_credited")
    was_credited = F.coalesce(F.col("last.units_credited") > 0, F.lit(True))
    answered = (
        outcomes.where(says_something & (F.col("answered_on") <= F.lit(as_of)))
        .groupBy("finding_id")
        .agg(last.alias("last"))
        .select(
            "finding_id",
            ((F.col("last.answer") == "ACCEPTED") | ((F.col("last.answer") == "PARTIAL") & was_credited)).alias(
                "is_due"
            ),
        )
    )
    # one row per finding on both sides, and finding_id is never NULL
    both = decided.join(answered, on="finding_id", how="full_outer").fillna(False, subset=["is_random"])
    return both.where(F.col("is_random") | F.col("is_due").isNotNull()).select(
        "finding_id", F.coalesce("is_due", "is_valid").alias("is_valid"), "is_random", "decided_on"
    )


def as_reviewed(found: DataFrame, reviewed: DataFrame, runs: DataFrame) -> DataFrame:
    """The reviewed findings as they stood when they were decided, with is_valid and is_random: one row each.

    That is in the last run whose day was not after the decision's: a later one may know what the decision led to, such
    as a settlement. Where there is none, in the first in which the finding stood. `found`: FINDINGS of all `runs`
    (run_id, run_number in order of publication, run_day).
    """
    was_there = F.coalesce(F.col("run_day") <= F.col("decided_on"), F.lit(False))
    nearest = F.when(was_there, F.col("run_number")).otherwise(-F.col("run_number"))
    order = Window.partitionBy("finding_id").orderBy(was_there.desc(), nearest.desc())
    return (
        found.join(F.broadcast(reviewed), on="finding_id", how="inner")
        .join(F.broadcast(runs), on="run_id", how="inner")
        .withColumn("place", F.row_number().over(order))
        .where(F.col("place") == 1)
        .drop("place", "run_number", "run_day", "decided_on")
    )


def _decided(decisions: DataFrame, as_of: date) -> DataFrame:
    until_then = decisions.where(F.to_date("decided_at") <= F.lit(as_of))
    last = max_struct("decided_at", "decision", "selection")
    return (
        until_then.groupBy("finding_id")
        .agg(last.alias("last"))
        .where(F.col("last.decision").isin("DISPUTE", "DISMISS"))
        .select(
            "finding_id",
            (F.col("last.decision") == "DISPUTE").alias("is_valid"),
            F.coalesce(F.col("last.selection") == "RANDOM", F.lit(False)).alias("is_random"),
            F.to_date("last.decided_at").alias("decided_on"),
        )
    )
