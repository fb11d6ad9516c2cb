"""Claim lines that a named person decided to dispute: what may be sent, and what is held back and why."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import TYPE_CHECKING

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.contracts.codes import Evidence, Route, Subject
from engine.contracts.findings import FINAL_LINES
from engine.findings.codes import DISPUTE_KIND, CodeTable, code_table
from engine.findings.lines import record_id
from engine.runtime.expressions import max_struct

if TYPE_CHECKING:
    from engine.rules.dispute_codes import DisputeCode

DECISIONS_TO_DISPUTE = T.StructType(
    [
        T.StructField("finding_id", T.StringType()),
        T.StructField("decision", T.StringType()),
        T.StructField("decided_at", T.TimestampType()),
        T.StructField("decided_by", T.StringType()),
        T.StructField("units", T.DecimalType(15, 3)),
    ]
)
SENT = "sent before"
RED_LINE = "its invoice line is red in the tie-out: claim-level detail is too far off"
_ROUTES = (Route.STATE.value, Route.PBM.value)


def final_lines(
    found: DataFrame, decisions: DataFrame, sent: DataFrame, dispute_codes: Iterable[DisputeCode], today: date
) -> DataFrame:
    """FINAL_LINES of the findings whose latest decision is DISPUTE, one row each; held_back says why one is not sent.

    Code, route and document are those of the rule that decides the finding, units the person's, else those at issue
    less what is in dispute already. `found`: FINDINGS with `changed_since_decision` as of now. `decisions`:
    DECISIONS_TO_DISPUTE, all of them. `sent`: finding_id of lines sent before. A code that must accompany another goes
    with the finding's other codes.
    """
    last = max_struct("decided_at", "decision", "decided_by", "units")
    latest = (
        decisions.groupBy("finding_id")
        .agg(last.alias("last"))
        .where(F.col("last.decision") == "DISPUTE")
        .select(
            "finding_id",
            F.col("last.decided_by").alias("decided_by"),
            F.to_date("last.decided_at").alias("day_of_decision"),
            F.col("last.units").alias("units_decided"),
        )
    )
    before = sent.select("finding_id").distinct().withColumn("was_sent", F.lit(True))
    rows = found.join(F.broadcast(latest), on="finding_id", how="inner")
    rows = rows.join(F.broadcast(before), on="finding_id", how="left")
    table = code_table(dispute_codes, today)
    open_units = F.col("units_at_issue") - F.coalesce(F.col("units_in_dispute"), F.lit(0))
    deciding = F.filter("rules", lambda hit: hit["code"] == F.col("dispute_code"))
    rows = rows.withColumns(
        {
            "decided_on": F.col("day_of_decision"),
            "units_disputed": F.coalesce("units_decided", open_units),
            "other_codes": F.array_remove(
                F.transform(F.filter("codes", lambda code: code["kind"] == DISPUTE_KIND), lambda code: code["code"]),
                F.coalesce("dispute_code", F.lit("")),
            ),
            "documents": F.array_distinct(F.array_compact(F.transform(deciding, lambda hit: hit["document"]))),
            "record_id": record_id(),
            "recipient": F.when(F.col("route") == Route.STATE.value, F.col("state")).otherwise(F.col("payer_id")),
            "product_code": F.substring("ndc11", 6, 4),
            "package_code": F.substring("ndc11", 10, 2),
            "rx_number": F.coalesce("rx_number_raw", "rx_number"),
            "units_invoiced": F.coalesce("ndc_units", "units_claimed"),
        }
    )
    rows = rows.withColumn("held_back", _held_back(table.may_stand_alone(F.col("dispute_code")), _usable(table)))
    return rows.select(*(F.col(field.name).cast(field.dataType) for field in FINAL_LINES.fields))


def without_red_lines(lines: DataFrame, red: DataFrame) -> DataFrame:
    """FINAL_LINES of which those on a red line of the tie-out are held back too. `red`: finding_id, one row each."""
    ids = F.broadcast(red.select(F.col("finding_id").alias("red_id")))
    marked = lines.join(ids, on=F.col("finding_id") == F.col("red_id"), how="left")
    held = F.coalesce("held_back", F.when(F.col("red_id").isNotNull(), F.lit(RED_LINE)))
    return marked.withColumn("held_back", held).select(*FINAL_LINES.names)


def _usable(table: CodeTable) -> Column:
    codes = (*table.disputes, *table.both)
    return F.col("dispute_code").isin(*codes) if codes else F.lit(False)


def _held_back(stands_alone: Column, is_usable: Column) -> Column:
    """The first reason, in words; NULL for a line that may be sent."""
    accompanied = F.size("other_codes") > 0
    changed = F.concat(
        F.lit("otherwise since it was decided ("),
        F.array_join("changed_since_decision", ", "),
        F.lit("): decide again"),
    )
    return (
        F.when(F.coalesce("was_sent", F.lit(False)), F.lit(SENT))
        .when(F.col("subject") != Subject.REBATE_CLAIM.value, F.lit("no claim line"))
        .when(~F.col("evidence").isin(Evidence.STRONG.value, Evidence.MEDIUM.value), F.lit("evidence below MEDIUM"))
        .when(F.coalesce(F.size("changed_since_decision") > 0, F.lit(False)), changed)
        .when(F.col("dispute_code").isNull(), F.lit("no dispute code"))
        .when(~is_usable, F.concat(F.lit("code not valid today: "), F.col("dispute_code")))
        .when(~stands_alone & ~accompanied, F.concat(F.lit("code needs another with it: "), F.col("dispute_code")))
        .when(~F.coalesce(F.col("route").isin(*_ROUTES), F.lit(False)), F.lit("goes to no state and no PBM"))
        .when(F.col("recipient").isNull(), F.lit("recipient unknown"))
        .when(~F.coalesce(F.col("units_disputed") > 0, F.lit(False)), F.lit("no units to dispute"))
    )
