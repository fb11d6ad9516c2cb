"""Lines that a named person decided to send: which may be sent, and which are withheld and why."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import TYPE_CHECKING

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.contracts.codes import Evidence, Route, Subject
from engine.contracts.findings import FINAL_LINES
from engine.findings.codes import ADJUSTMENT_KIND, DISPUTE_KIND, CodeTable, code_table
from engine.findings.lines import record_id
from engine.runtime.expressions import greatest_of_groups, nulls

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
NOT_VERIFIED = "code not verified: "
ADJUSTMENT_ALONE = "adjustment of the rebate amount: on the form alone"
NO_JUSTIFICATION = "MFP refunds stay drafts until disputes.mfp_justification_code is set"
# Subjects of the lines that each recipient may receive.
_SUBJECTS = {
    Route.STATE: (Subject.REBATE_CLAIM, Subject.INVOICE),
    Route.PBM: (Subject.REBATE_CLAIM,),
    Route.ENTITY: (Subject.ENTITY_CLAIM, Subject.REBATE_CLAIM),
    Route.FACILITATOR: (Subject.REBATE_CLAIM,),
}
# Published reference tables, whose rows may be shown to anyone.
_PUBLISHED = ("medicaid_exclusions", "covered_entities", "contract_pharmacies", "products", "hcpcs_crosswalk")
# Rules that fire if another payer invoiced the dispense too.
_ELSEWHERE = ("R018", "R057")


def final_lines(
    findings: DataFrame,
    decisions: DataFrame,
    sent: DataFrame,
    dispute_codes: Iterable[DisputeCode],
    today: date,
    taken_up: DataFrame | None = None,
    has_mfp_code: bool = False,
) -> DataFrame:
    """FINAL_LINES of the findings whose latest decision is DISPUTE, one row each; held_back: the reason not to send it.

    Code, route and document are those of the deciding rule. Units are those of the decision, else the units at issue
    less those already in dispute. An inquiry to a covered entity needs no code and disputes no units. A code that must
    accompany another is sent with the finding's other codes.

    Args:
        findings: FINDINGS with `changed_since_decision` as of now.
        decisions: DECISIONS_TO_DISPUTE, all of them.
        sent: finding_id of lines sent before.
        dispute_codes: the complete code table.
        today: the day of the export.
        taken_up: finding_id and units of decisions that settlements have taken up (`units_taken_up`).
        has_mfp_code: a justification code for MFP refunds is configured.
    """
    fields = ("decided_at", "decision", "decided_by", "units")
    latest = (
        greatest_of_groups(decisions, ["finding_id"], fields, into="last")
        .where(F.col("last.decision") == "DISPUTE")
        .select(
            "finding_id",
            F.col("last.decided_by").alias("decided_by"),
            F.to_date("last.decided_at").alias("day_of_decision"),
            F.col("last.units").alias("units_decided"),
        )
    )
    before = sent.select("finding_id").distinct().withColumn("was_sent", F.lit(True))
    rows = findings.join(F.broadcast(latest), on="finding_id", how="inner")
    rows = rows.join(F.broadcast(before), on="finding_id", how="left")
    if taken_up is None:
        rows = rows.withColumns(nulls({"units_taken_up": "decimal(15,3)"}))
    else:
        rows = rows.join(F.broadcast(taken_up), on="finding_id", how="left")  # at most one row per finding
    codes = tuple(dispute_codes)
    table = code_table(codes, today)
    taken = F.coalesce("units_taken_up", F.lit(0))
    in_dispute = F.greatest(F.coalesce("units_in_dispute", F.lit(0)), taken)
    units = F.coalesce(F.col("units_decided") - taken, F.col("units_at_issue") - in_dispute)
    is_inquiry = F.col("route") == Route.ENTITY.value
    rows = _described(rows).withColumns(
        {
            "decided_on": F.col("day_of_decision"),
            "units_disputed": F.when(is_inquiry, F.coalesce(units, F.col("units_invoiced"))).otherwise(units),
        }
    )
    rows = rows.withColumn("held_back", _held_back(table, _not_verified(codes), has_mfp_code))
    return rows.select(*(F.col(field.name).cast(field.dataType) for field in FINAL_LINES.fields))


def inquiry_drafts(findings: DataFrame) -> DataFrame:
    """FINAL_LINES of STRONG findings for covered entities or the MFP facilitator, including undecided findings and
    excluding dismissed ones. They are drafts: no decision is required, and none is withheld.
    """
    to_draft = findings.where(
        F.col("route").isin(Route.ENTITY.value, Route.FACILITATOR.value)
        & (F.col("evidence") == Evidence.STRONG.value)
        & ~F.coalesce(F.col("is_dismissed"), F.lit(False))
    )
    rows = _described(to_draft.drop("decided_on")).withColumn("units_disputed", F.col("units_at_issue"))
    rows = rows.withColumns(nulls({"held_back": "string", "decided_by": "string", "decided_on": "date"}))
    rows = rows.where(_is_meant("subject") & F.col("recipient").isNotNull())
    return rows.select(*(F.col(field.name).cast(field.dataType) for field in FINAL_LINES.fields))


def _described(findings: DataFrame) -> DataFrame:
    """`findings` with the columns of FINAL_LINES that depend on the finding only."""
    deciding = F.filter("rules", lambda hit: hit["code"] == F.col("dispute_code"))
    published = F.filter("reference_rows", lambda row: row["table"].isin(*_PUBLISHED))
    elsewhere = F.filter("rules", lambda hit: hit["rule_id"].isin(*_ELSEWHERE))
    recipient = F.when(F.col("route") == Route.STATE.value, F.coalesce("state", "payer_id"))
    recipient = recipient.when(F.col("route") == Route.ENTITY.value, F.col("entity_id")).otherwise(F.col("payer_id"))
    return findings.withColumns(
        {
            "other_codes": F.array_remove(
                F.transform(F.filter("codes", lambda code: code["kind"] == DISPUTE_KIND), lambda code: code["code"]),
                F.coalesce("dispute_code", F.lit("")),
            ),
            "documents": F.array_distinct(F.array_compact(F.transform(deciding, lambda hit: hit["document"]))),
            "record_id": record_id(),
            "recipient": recipient,
            "product_code": F.substring("ndc11", 6, 4),
            "package_code": F.substring("ndc11", 10, 2),
            "rx_number": F.coalesce("rx_number_raw", "rx_number"),
            "units_invoiced": F.coalesce("ndc_units", "units_claimed"),
            "is_elsewhere": F.coalesce(F.size(elsewhere) > 0, F.lit(False)),
            "published_rows": F.transform(published, _in_words),
        }
    )


def _in_words(row: Column) -> Column:
    """A published reference row in words: table, key, and the date of the snapshot or of the row's start."""
    day = F.coalesce(row["snapshot_date"], row["start"]).cast("string")
    return F.concat_ws(", ", F.replace(row["table"], F.lit("_"), F.lit(" ")), row["key"], day)


def without_red_lines(lines: DataFrame, red: DataFrame) -> DataFrame:
    """FINAL_LINES in which lines on a red line of the tie-out are withheld too. `red`: finding_id, one row each."""
    ids = F.broadcast(red.select(F.col("finding_id").alias("red_id")))
    marked = lines.join(ids, on=F.col("finding_id") == F.col("red_id"), how="left")
    held = F.coalesce("held_back", F.when(F.col("red_id").isNotNull(), F.lit(RED_LINE)))
    return marked.withColumn("held_back", held).select(*FINAL_LINES.names)


def _usable(table: CodeTable) -> Column:
    codes = (*table.disputes, *table.both)
    return F.col("dispute_code").isin(*codes) if codes else F.lit(False)


def _not_verified(codes: tuple[DisputeCode, ...]) -> Column:
    """The first code of the finding that is not verified; NULL if all are. Includes codes of its rules that are on no
    line.
    """
    names = sorted({code.code for code in codes if not code.verified} - {code.code for code in codes if code.verified})
    if not names:
        return F.lit(None).cast("string")
    of_rules = F.transform("rules", lambda hit: hit["code"])
    named = F.when(F.col("dispute_code").isNull(), of_rules).otherwise(F.array("dispute_code"))
    return F.get(F.filter(named, lambda code: code.isin(*names)), F.lit(0))


def _is_meant(subject: str) -> Column:
    """Whether the route accepts lines about the subject; never NULL."""
    meant = F.lit(False)
    for route, subjects in _SUBJECTS.items():
        meant = meant | ((F.col("route") == route.value) & F.col(subject).isin(*(each.value for each in subjects)))
    return F.coalesce(meant, F.lit(False))


def _held_back(table: CodeTable, not_verified: Column, has_mfp_code: bool) -> Column:
    """The first reason to withhold a line, in words; NULL for a line that may be sent."""
    accompanied = F.size("other_codes") > 0
    changed = F.concat(
        F.lit("otherwise since it was decided ("),
        F.array_join("changed_since_decision", ", "),
        F.lit("): decide again"),
    )
    is_inquiry = F.coalesce(F.col("route") == Route.ENTITY.value, F.lit(False))
    is_adjustment = F.size(F.filter("codes", lambda code: code["kind"] == ADJUSTMENT_KIND)) > 0
    is_routed = F.coalesce(F.col("route").isin(*(route.value for route in _SUBJECTS)), F.lit(False))
    can_be_alone = table.may_stand_alone(F.col("dispute_code"))
    waits = (F.col("route") == Route.FACILITATOR.value) & F.lit(not has_mfp_code)
    return (
        F.when(F.coalesce("was_sent", F.lit(False)), F.lit(SENT))
        .when(~is_routed, F.lit("goes to no state, PBM, entity or facilitator"))
        .when(~_is_meant("subject"), F.lit("no claim line"))
        .when(~F.col("evidence").isin(Evidence.STRONG.value, Evidence.MEDIUM.value), F.lit("evidence below MEDIUM"))
        .when(F.coalesce(F.size("changed_since_decision") > 0, F.lit(False)), changed)
        .when(F.col("recipient").isNull(), F.lit("recipient unknown"))
        .when(is_inquiry, F.lit(None).cast("string"))
        .when(waits, F.lit(NO_JUSTIFICATION))
        .when(not_verified.isNotNull(), F.concat(F.lit(NOT_VERIFIED), not_verified))
        .when(F.col("dispute_code").isNull() & F.coalesce(is_adjustment, F.lit(False)), F.lit(ADJUSTMENT_ALONE))
        .when(F.col("dispute_code").isNull(), F.lit("no dispute code"))
        .when(~_usable(table), F.concat(F.lit("code not valid today: "), F.col("dispute_code")))
        .when(~can_be_alone & ~accompanied, F.concat(F.lit("code needs another with it: "), F.col("dispute_code")))
        .when(~F.coalesce(F.col("units_disputed") > 0, F.lit(False)), F.lit("no units to dispute"))
    )
