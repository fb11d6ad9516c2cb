"""Facts on CMS's reports of the Part D inflation rebate (`inflation_reports`: docs/contract-extensions.md).

They compare the units that covered entities report as bought at the 340B price and dispensed to members of Part D
plans.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from engine.contracts.codes import ClaimType
from engine.contracts.facts import INFLATION_FACTS
from engine.dates import add_months
from engine.facts.families import flattened
from engine.facts.products import with_product
from engine.intervals import join_own_and_general, start_of_quarter
from engine.runtime.column_names import column_names

FIRST_DAY_LEFT_OUT = date(2026, 1, 1)  # first day from which 340B units are excluded: SSA 1860D-14B(b)(1)(B)
PROGRAM = "PARTD_INFL"
MONTHS = 12  # in an applicable period
_SUM = "decimal(38,3)"


def inflation_facts(
    reports: DataFrame, entity_claims: DataFrame | None, references: Mapping[str, DataFrame]
) -> DataFrame:
    """INFLATION_FACTS, one row per report.

    `entity_claims`: live PREPARED_ENTITY_CLAIMS; without them, or without `part_d_plans`, the units that entities claim
    are not known.
    """
    start = start_of_quarter(F.col("period"))
    rows = named_reports(reports).withColumns(
        {
            "program": F.lit(PROGRAM),
            "ndc9": F.substring("ndc11", 1, 9),
            "labeler_code": F.substring("ndc11", 1, 5),
            "period_start": start,
            "period_end": add_months(start, MONTHS),
            "left_out_from": F.greatest(start, F.lit(FIRST_DAY_LEFT_OUT)),
        }
    )
    rows = flattened(with_product(rows, references.get("products"), F.col("period_start")), ["product"])
    rows = _with_claimed(rows, entity_claims, references.get("part_d_plans"))
    return rows.select(*(F.col(field.name).cast(field.dataType).alias(field.name) for field in INFLATION_FACTS))


def named_reports(reports: DataFrame) -> DataFrame:
    """Add source_row_id to `reports`: the id of an invoice line without a state."""
    return reports.withColumn("source_row_id", F.concat_ws("/", F.lit(PROGRAM), F.lit(""), "ndc11", "period"))


def _with_claimed(rows: DataFrame, claims: DataFrame | None, plans: DataFrame | None) -> DataFrame:
    """Add part_d_units_claimed and part_d_dispenses to `rows`.

    They cover the days from the first on which 340B units are excluded to the end of the applicable period; zero
    without dispenses.
    """
    if claims is None or plans is None:
        unknown = F.lit(None)
        return rows.withColumns({"part_d_units_claimed": unknown, "part_d_dispenses": unknown})
    by_day = _part_d_dispenses(claims, plans).groupBy(
        F.col("ndc11").alias("dispensed_ndc11"), F.col("date_of_service").alias("dispensed_on")
    )
    claimed = by_day.agg(F.sum("units").cast(_SUM).alias("units"), F.count(F.lit(1)).alias("dispenses"))
    is_left_out = (F.col("left_out_from") <= F.col("dispensed_on")) & (F.col("dispensed_on") < F.col("period_end"))
    same = [F.col("ndc11") == F.col("dispensed_ndc11"), is_left_out]
    # Up to one row per day; summed again below.
    enriched = (
        rows.select("source_row_id", "ndc11", "left_out_from", "period_end")
        .join(claimed, on=same, how="inner")
        .groupBy(F.col("source_row_id").alias("told_row_id"))
        .agg(F.sum("units").alias("units"), F.sum("dispenses").alias("dispenses"))
    )
    joined = rows.join(enriched, on=F.col("source_row_id") == F.col("told_row_id"), how="left")  # one row per report
    return joined.select(
        *column_names(rows),
        F.coalesce("units", F.lit(0).cast(_SUM)).alias("part_d_units_claimed"),
        F.coalesce("dispenses", F.lit(0)).alias("part_d_dispenses"),
    )


def _part_d_dispenses(claims: DataFrame, plans: DataFrame) -> DataFrame:
    """ndc11, date_of_service and units of each dispense billed to a Part D plan, by BIN and PCN.

    A dispense that several entities report, or that one reports again, counts once, at the largest quantity.
    """
    with_bin = claims.where((F.col("claim_type") == ClaimType.RX.value) & F.col("bin").isNotNull())
    by_bin: dict[str, Column] = {"bin": F.col("bin")}
    enriched = join_own_and_general(
        with_bin,
        plans,
        own="pcn",
        own_key={**by_bin, "pcn": F.col("pcn")},
        general_key=by_bin,
        values={"is_part_d": F.lit(True)},
    )
    own_row = F.concat(F.lit("row:"), "source_row_id")  # a row without a dispense key is a dispense of its own
    return (
        enriched.where(F.coalesce("own_policy", "general_policy").isNotNull())
        .groupBy("ndc11", "date_of_service", "pharmacy_key", F.coalesce("script_key", own_row), "fill_number")
        .agg(F.max("quantity").alias("units"))
    )
