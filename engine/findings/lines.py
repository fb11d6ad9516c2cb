"""Claim lines drafted for dispute."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.contracts.codes import Action, Evidence, Program, Subject
from engine.contracts.findings import DISPUTE_LINES, RULE_HIT
from engine.findings.codes import DISPUTE_KIND, CodeTable, code_table, ordered_codes
from engine.findings.evidence import ranked
from engine.findings.narrative import narrative
from engine.rules import ANOMALY_RULE
from engine.runtime.expressions import array_contains, greatest_of, nullable
from engine.runtime.plans import before_lambda_filter
from engine.settings import Settings

if TYPE_CHECKING:
    from engine.rules.dispute_codes import DisputeCode

_DISPUTING = T.StructType([*RULE_HIT.fields, T.StructField("code_kind", T.StringType())])
RECORD_IDS = {Program.MDRP_FFS: "FFSU", Program.MDRP_MCO: "MCOU"}


def dispute_lines(findings: DataFrame, dispute_codes: Iterable[DisputeCode], settings: Settings) -> DataFrame:
    """DISPUTE_LINES of the findings that may be drafted without an analyst: one row per claim line.

    A line is drafted if the action is DISPUTE, the class STRONG, and a STRONG rule puts units at issue under a code of
    kind DISPUTE that does not have to accompany another (code R has to). Only such rules contribute to a line: its
    units, codes, explanation and documents never depend on a tolerance match or on the model. Its units are the largest
    over these rules, less those of the row that are already in dispute. MEDIUM findings wait for an analyst; dismissed
    findings are not drafted. Invoice totals and public utilization data produce no claim lines.
    """
    may_be_drafted = (
        (F.col("subject") == Subject.REBATE_CLAIM.value)
        & (F.col("action") == Action.DISPUTE.value)
        & (F.col("evidence") == Evidence.STRONG.value)
        & (F.col("units_at_issue") > 0)
        & ~F.coalesce(F.col("is_dismissed"), F.lit(False))
    )
    table = code_table(dispute_codes, settings.today)
    drafted = before_lambda_filter(findings.where(may_be_drafted))
    rows = drafted.withColumn("strong", _disputing(F.col("rules"), table))
    rows = rows.withColumns(
        {
            "ranked_rules": ranked(F.col("strong"), _DISPUTING),
            "line_codes": ordered_codes(F.transform("strong", lambda hit: hit["code"])),
            "units_disputed": _units_disputed(F.col("strong"), F.col("units_in_dispute")),
        }
    )
    alone = F.filter("line_codes", table.may_stand_alone)
    own_code = F.col("dispute_code")
    is_own = F.coalesce(array_contains(alone, own_code), F.lit(False))
    rows = rows.withColumn("line_code", F.when(is_own, own_code).otherwise(F.get(alone, F.lit(0))))
    rows = rows.where(F.col("line_code").isNotNull() & (F.col("units_disputed") > 0)).withColumns(
        {
            "record_id": record_id(),
            "product_code": F.substring("ndc11", 6, 4),
            "package_code": F.substring("ndc11", 10, 2),
            "rx_number": F.coalesce("rx_number_raw", "rx_number"),
            "units_invoiced": F.coalesce("ndc_units", "units_claimed"),
            "units_received": F.col("units_claimed"),
            "dispute_code": F.col("line_code"),
            "other_codes": F.array_remove("line_codes", F.col("line_code")),
            "documents": F.array_distinct(
                F.array_compact(F.transform("ranked_rules", lambda item: item["hit"]["document"]))
            ),
            "explanation": narrative(F.col("ranked_rules"), Subject.REBATE_CLAIM),
            "related_source_row_ids": F.array_sort(
                F.array_distinct(F.flatten(F.transform("strong", lambda hit: hit["related_source_row_ids"])))
            ),
        }
    )
    return rows.select(*(F.col(field.name).cast(field.dataType) for field in DISPUTE_LINES.fields))


def _disputing(rules: Column, table: CodeTable) -> Column:
    """The STRONG rules whose code is of kind DISPUTE, with their code_kind; never the model's rule."""
    hits = F.transform(
        F.filter(rules, lambda hit: (hit["evidence"] == Evidence.STRONG.value) & (hit["rule_id"] != ANOMALY_RULE)),
        lambda hit: F.struct(
            *(hit[name].alias(name) for name in RULE_HIT.names),
            table.kind(hit["code"], hit["units_at_issue"]).alias("code_kind"),
        ),
    )
    return F.filter(nullable(hits, T.ArrayType(_DISPUTING)), lambda hit: hit["code_kind"] == DISPUTE_KIND)


def _units_disputed(hits: Column, in_dispute: Column) -> Column:
    units = greatest_of(F.transform(hits, lambda hit: hit["units_at_issue"]))
    return units - F.coalesce(in_dispute, F.lit(0))


def record_id() -> Column:
    """FFSU or MCOU for Medicaid (CMS-R-144), else NULL."""
    pairs = [F.lit(word) for program, record_id in RECORD_IDS.items() for word in (program.value, record_id)]
    return F.try_element_at(F.create_map(*pairs), F.col("program"))
