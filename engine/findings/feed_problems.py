"""Adds a note to findings whose claims come from a month of a feed with an unusually low match rate."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from engine.contracts.codes import Subject
from engine.contracts.match_rates import FeedProblem, Side
from engine.runtime.column_names import column_names
from engine.runtime.expressions import first_of_month

_SOURCE = "side string, program string, source string, month date, feed_problem string"


def with_feed_problems(findings: DataFrame, problems: Sequence[FeedProblem]) -> DataFrame:
    """FINDINGS with the problem appended to the narrative: a problem of a payer's month on all of its rebate claims, a
    problem of a covered entity's month on claims that are linked to its 340B claims.
    """
    if not problems:
        return findings
    noted = findings.sparkSession.createDataFrame(
        [(problem.side.value, problem.program, problem.source, problem.month, problem.message) for problem in problems],
        _SOURCE,
    )
    is_claim = F.col("subject") == Subject.REBATE_CLAIM.value
    same_month = first_of_month("date_of_service") == F.col("month")
    met_by = {
        Side.PAYER: is_claim & (F.col("payer_id") == F.col("source")),
        Side.ENTITY: is_claim & F.col("match_tier").isNotNull() & (F.col("entity_id") == F.col("source")),
    }
    rows = findings
    for side, is_met in met_by.items():
        of_side = noted.where(F.col("side") == side.value).select(
            "source", "month", F.col("program").alias("problem_program"), "feed_problem"
        )
        same_program = F.coalesce(F.col("program") == F.col("problem_program"), F.lit(True))
        # one problem per source and month
        rows = rows.join(F.broadcast(of_side), on=is_met & same_month & same_program, how="left")
        remark = F.coalesce(F.concat(F.lit(" "), F.col("feed_problem")), F.lit(""))
        rows = rows.withColumn("narrative", F.concat("narrative", remark)).select(*column_names(findings))
    return rows
