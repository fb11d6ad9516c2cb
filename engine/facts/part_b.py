"""Medicare Part B lines of the dispense that a 340B claim reports (`part_b_lines`: docs/contract-extensions.md)."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.contracts.codes import ClaimType
from engine.facts.families import absent
from engine.runtime.expressions import arrays_overlap

# HCPCS modifiers that report a drug bought at the 340B price; JG until it was retired for TB (domain V05).
MODIFIERS_340B = ("JG", "TB")
PART_B_FACTS = (
    T.StructField("part_b_unmarked_row_ids", T.ArrayType(T.StringType())),
    T.StructField("part_b_lines_marked", T.IntegerType()),
)


def with_part_b(rows: DataFrame, lines: DataFrame | None) -> DataFrame:
    """`rows` (340B claims) with `part_b`, a struct of PART_B_FACTS: lines of the same provider, day and HCPCS code, and
    of the same NDC-11 where the line has one, by whether they carry a 340B modifier. NULL where there is no such line
    and on claims that are not medical.
    """
    if lines is None:
        return rows.withColumn("part_b", absent(PART_B_FACTS))
    carried = F.transform(F.split(F.coalesce("modifiers", F.lit("")), r"\|"), lambda modifier: F.trim(modifier))
    line = F.struct(
        "source_row_id",
        "ndc11",
        arrays_overlap(carried, F.array(*map(F.lit, MODIFIERS_340B))).alias("is_marked"),
    )
    by_service = lines.groupBy(
        F.col("provider_npi").alias("line_npi"),
        F.col("date_of_service").alias("line_date"),
        F.col("hcpcs_code").alias("line_hcpcs"),
    ).agg(F.collect_list(line).alias("service_lines"))
    same = [
        F.col("pharmacy_npi") == F.col("line_npi"),
        F.col("date_of_service") == F.col("line_date"),
        F.col("hcpcs_code") == F.col("line_hcpcs"),
        F.col("claim_type") == ClaimType.MEDICAL.value,
    ]
    joined = rows.join(by_service, on=same, how="left")  # one row per provider, day and code
    told = joined.withColumn(
        "own_lines", F.filter("service_lines", lambda one: F.coalesce(one["ndc11"] == F.col("ndc11"), F.lit(True)))
    )
    unmarked = F.filter("own_lines", lambda one: ~one["is_marked"])
    facts = F.struct(
        F.array_sort(F.transform(unmarked, lambda one: one["source_row_id"])).alias("part_b_unmarked_row_ids"),
        (F.size("own_lines") - F.size(unmarked)).alias("part_b_lines_marked"),
    )
    return told.select(*rows.columns, F.when(F.size("own_lines") > 0, facts).alias("part_b"))
