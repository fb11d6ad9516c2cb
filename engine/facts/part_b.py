"""Medicare Part B lines of the dispense that a 340B claim reports (`part_b_lines`: docs/contract-extensions.md)."""

from __future__ import annotations

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.contracts.codes import ClaimType
from engine.contracts.findings import MOST_RELATED_ROWS
from engine.facts.families import absent
from engine.facts.history import added_up
from engine.runtime.column_names import column_names
from engine.runtime.expressions import arrays_overlap

# HCPCS modifiers that report a drug bought at the 340B price; JG until it was retired for TB (domain V05).
MODIFIERS_340B = ("JG", "TB")
PART_B_FACTS = (
    T.StructField("part_b_unmarked_row_ids", T.ArrayType(T.StringType())),
    T.StructField("part_b_lines_unmarked", T.IntegerType()),
    T.StructField("part_b_lines_marked", T.IntegerType()),
)


def with_part_b(rows: DataFrame, lines: DataFrame | None) -> DataFrame:
    """Add `part_b`, a struct of PART_B_FACTS, to `rows` (340B claims).

    It counts lines of the same provider, day and HCPCS code, and of the same NDC-11 if the line has one, by whether
    they carry a 340B modifier. NULL if there is no such line and on claims that are not medical. Of the lines without a
    modifier, the first MOST_RELATED_ROWS by row id are listed.
    """
    if lines is None:
        return rows.withColumn("part_b", absent(PART_B_FACTS))
    carried = F.transform(F.split(F.coalesce("modifiers", F.lit("")), r"\|"), lambda modifier: F.trim(modifier))
    is_marked = arrays_overlap(carried, F.array(*map(F.lit, MODIFIERS_340B)))
    # A line without an NDC belongs to every claim of the service: it is counted with each product and on its own.
    service = ("provider_npi", "date_of_service", "hcpcs_code")
    by_product = lines.select(*service, "ndc11", "source_row_id", is_marked.alias("is_marked"))
    nth = F.row_number().over(Window.partitionBy(*service, "ndc11", "is_marked").orderBy("source_row_id"))
    is_named = ~F.col("is_marked") & (F.col("nth") <= MOST_RELATED_ROWS)
    grouped = by_product.withColumn("nth", nth).groupBy(
        *(F.col(name).alias(f"line_{name}") for name in service), "ndc11"
    )
    by_product = grouped.agg(
        F.collect_list(F.when(is_named, F.col("source_row_id"))).alias("ids"),
        F.count_if(~F.col("is_marked")).alias("unmarked"),
        F.count_if("is_marked").alias("marked"),
    )
    entry = F.struct("ndc11", "ids", "unmarked", "marked")
    by_service = by_product.groupBy(*(f"line_{name}" for name in service)).agg(F.collect_list(entry).alias("products"))
    same = [
        F.col("pharmacy_npi") == F.col("line_provider_npi"),
        F.col("date_of_service") == F.col("line_date_of_service"),
        F.col("hcpcs_code") == F.col("line_hcpcs_code"),
        F.col("claim_type") == ClaimType.MEDICAL.value,
    ]
    joined = rows.join(by_service, on=same, how="left")  # one row per provider, day and code
    enriched = joined.withColumn(
        "own", F.filter("products", lambda each: F.coalesce(each["ndc11"] == F.col("ndc11"), F.lit(True)))
    )
    ids = F.array_sort(F.flatten(F.transform("own", lambda each: each["ids"])))
    facts = F.struct(
        F.slice(ids, 1, MOST_RELATED_ROWS).alias("part_b_unmarked_row_ids"),
        added_up(F.col("own"), "unmarked").cast("int").alias("part_b_lines_unmarked"),
        added_up(F.col("own"), "marked").cast("int").alias("part_b_lines_marked"),
    )
    return enriched.select(*column_names(rows), F.when(F.size("own") > 0, facts).alias("part_b"))
