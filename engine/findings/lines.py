"""Claim lines drafted for dispute."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from engine.contracts.codes import Action, Evidence, Program, Subject
from engine.contracts.findings import DISPUTE_LINES, RULE_HIT
from engine.findings.codes import DISPUTE_KIND, code_table, codes_of, first_dispute_code, may_stand_alone
from engine.findings.evidence import MODEL_RULE, ranked
from engine.findings.narrative import narrative
from engine.runtime.plans import before_lambda_filter
from engine.settings import Settings

if TYPE_CHECKING:
    from engine.rules.dispute_codes import DisputeCode

RECORD_IDS = {Program.MDRP_FFS: "FFSU", Program.MDRP_MCO: "MCOU"}


def dispute_lines(findings: DataFrame, dispute_codes: Iterable[DisputeCode], settings: Settings) -> DataFrame:
    """DISPUTE_LINES of the findings that may be drafted without an analyst: one row per claim line.

    A line is drafted where the action is DISPUTE, the class STRONG, something is at issue, and a STRONG rule brings a
    code of kind DISPUTE that may stand alone (code R must accompany another). Only STRONG rules speak in a line: its
    code, explanation and documents never rest on a tolerance match or on the model. MEDIUM findings wait for an
    analyst. Invoice totals and public utilisation data make no claim lines.
    """
    may_be_drafted = (
        (F.col("subject") == Subject.REBATE_CLAIM.value)
        & (F.col("action") == Action.DISPUTE.value)
        & (F.col("evidence") == Evidence.STRONG.value)
        & (F.col("units_at_issue") > 0)
    )
    table = code_table(dispute_codes, settings.today)
    drafted = before_lambda_filter(findings.where(may_be_drafted))
    rows = drafted.withColumn("strong", F.filter("rules", _may_speak))
    # adjustment codes have a column and a form of their own
    disputes = F.filter(codes_of(F.col("strong"), table), lambda code: code["kind"] == DISPUTE_KIND)
    rows = rows.withColumn("line_codes", disputes).where(may_stand_alone(F.col("line_codes"), table))
    rows = rows.withColumn("line_code", first_dispute_code(F.col("line_codes"))).withColumns(
        {
            "record_id": _record_id(),
            "product_code": F.substring("ndc11", 6, 4),
            "package_code": F.substring("ndc11", 10, 2),
            "rx_number": F.coalesce("rx_number_raw", "rx_number"),
            "units_invoiced": F.col("units_claimed"),
            "units_disputed": F.col("units_at_issue"),
            "dispute_code": F.col("line_code"),
            "other_codes": F.array_remove(F.transform("line_codes", lambda code: code["code"]), F.col("line_code")),
            "documents": F.array_distinct(
                F.filter(F.transform("line_codes", lambda code: code["document"]), lambda document: document != "")
            ),
            "explanation": narrative(ranked(F.col("strong"), RULE_HIT), Subject.REBATE_CLAIM),
            "related_source_row_ids": F.array_sort(
                F.array_distinct(F.flatten(F.transform("strong", lambda hit: hit["related_source_row_ids"])))
            ),
        }
    )
    return rows.select(*(F.col(field.name).cast(field.dataType) for field in DISPUTE_LINES.fields))


def _may_speak(hit: Column) -> Column:
    return (hit["evidence"] == Evidence.STRONG.value) & (hit["rule_id"] != MODEL_RULE)


def _record_id() -> Column:
    pairs = [F.lit(word) for program, record_id in RECORD_IDS.items() for word in (program.value, record_id)]
    return F.try_element_at(F.create_map(*pairs), F.col("program"))
