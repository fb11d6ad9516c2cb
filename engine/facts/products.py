"""What `products` says of the NDC-11, valid at the date of service (invoices: first day of the period)."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.contracts.facts import PRODUCT_FACTS
from engine.facts.families import absent
from engine.intervals import join_as_of

# fact: column of `products` where it has another name
_SOURCE = {"product_unit_type": "unit_type", "product_snapshot_date": "snapshot_date"}


def with_product(
    rows: DataFrame, products: DataFrame | None, day: Column, facts: Sequence[T.StructField] = tuple(PRODUCT_FACTS)
) -> DataFrame:
    """`rows` (ndc11) with `product`, a struct of PRODUCT_FACTS or of some of them.

    product_is_known is false, not NULL, where the table lacks the NDC.
    """
    if products is None:
        return rows.withColumn("product", absent(facts))
    values = {
        field.name: F.lit(True) if field.name == "product_is_known" else F.col(_SOURCE.get(field.name, field.name))
        for field in facts
    }
    unknown = F.struct(
        *(
            F.lit(False if field.name == "product_is_known" else None).cast(field.dataType).alias(field.name)
            for field in facts
        )
    )
    joined = join_as_of(
        rows,
        products,
        key={"ndc11": F.col("ndc11")},
        day=day,
        start=F.col("valid_from"),
        end=F.col("valid_to"),
        values=values,
        into="product",
        tie_break=[F.col("snapshot_date")],
    )
    return joined.withColumn("product", F.coalesce("product", unknown))
