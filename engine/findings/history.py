"""Compares findings with the same findings of the last run."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F


def with_history(findings: DataFrame, previous: DataFrame | None) -> DataFrame:
    """Add first_seen_run and changed_since_last_run.

    A finding has changed if its rules, evidence classes, units or amount differ. NULL without a last run, FALSE if the
    finding is new (first_seen_run is then this run). Cardinality: finding_id is unique on both sides.
    """
    if previous is None:
        return findings.withColumns(
            {"first_seen_run": F.col("run_id"), "changed_since_last_run": F.lit(None).cast("boolean")}
        )
    before = previous.select(
        "finding_id",
        F.coalesce("first_seen_run", "run_id").alias("before_first_seen_run"),
        _rules(F.col("rules")).alias("before_rules"),
        F.col("units_at_issue").alias("before_units"),
        F.col("amount_at_issue").alias("before_amount"),
    )
    is_known = F.col("before_first_seen_run").isNotNull()
    is_the_same = (
        F.col("before_rules").eqNullSafe(_rules(F.col("rules")))
        & F.col("before_units").eqNullSafe(F.col("units_at_issue"))
        & F.col("before_amount").eqNullSafe(F.col("amount_at_issue"))
    )
    return findings.join(before, on="finding_id", how="left").withColumns(
        {
            "first_seen_run": F.coalesce("before_first_seen_run", "run_id"),
            "changed_since_last_run": is_known & ~is_the_same,
        }
    )


def _rules(rules: Column) -> Column:
    return F.transform(rules, lambda hit: F.concat(hit["rule_id"], F.lit(" "), hit["evidence"]))
