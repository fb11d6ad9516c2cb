"""What `products` says of the NDC-11, valid at the date of service (invoices: first day of the period)."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from engine.contracts.facts import PRODUCT_FACTS
from engine.intervals import join_as_of

# fact: column of `products` where it has another name
_SOURCE = {"product_unit_type": "unit_type", "product_snapshot_date": "snapshot_date"}


def with_product(rows: DataFrame, products: DataFrame | None, day: Column) -> DataFrame:
    """`rows` (ndc11) with PRODUCT_FACTS; product_is_known is false, not NULL, where the table lacks the NDC."""
    wanted = [field for field in PRODUCT_FACTS if field.name not in rows.columns]
    if products is None:
        return rows.withColumns({field.name: F.lit(None).cast(field.dataType) for field in wanted})
    values = {
        field.name: F.lit(True) if field.name == "product_is_known" else F.col(_SOURCE.get(field.name, field.name))
        for field in wanted
    }
    joined = join_as_of(
        rows,
        products,
        key={"ndc11": F.col("ndc11")},
        day=day,
        start=F.col("valid_from"),
        end=F.col("valid_to"),
        values=values,
        tie_break=[F.col("snapshot_date")],
    )
    return joined.withColumn("product_is_known", F.coalesce("product_is_known", F.lit(False)))
