"""The `products` row of the NDC-11 valid at the date of service (for invoices: on the first day of the period)."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.contracts.facts import PRODUCT_FACTS
from engine.dates import days_between
from engine.facts.families import absent
from engine.facts.feature import AT_SERVICE, Feature
from engine.facts.snapshots import known_from
from engine.intervals import covers, join_product
from engine.runtime.column_names import column_names
from engine.runtime.expressions import collect_distinct

# Fact: the column of `products`, if its name differs.
_SOURCE = {"product_unit_type": "unit_type", "product_snapshot_date": "snapshot_date"}


# DESI drugs that were determined to be less than effective (42 U.S.C. 1396r-8(k)(2)(A), 42 CFR 447.502) are not covered
# outpatient drugs; approved ones are. For vitamins, OTC monographs and unapproved drugs (07 to 13) the status alone
# does not decide.
COD_INELIGIBLE = ("05", "06")
COD_ELIGIBLE = ("01", "02", "03", "04")


def days_past_termination() -> Column:
    """F30: date of service less the product's termination date, in days; above zero it came after."""
    return days_between(F.col("date_of_service"), F.col("termination_date"))


def days_before_market() -> Column:
    """F31: market date less date of service, in days; above zero the product was not yet sold."""
    return days_between(F.col("market_date"), F.col("date_of_service"))


def is_cod_ineligible() -> Column:
    """F32: by its COD status the product is not a covered outpatient drug."""
    status = F.col("cod_status")
    return F.when(status.isin(*COD_INELIGIBLE), True).when(status.isin(*COD_ELIGIBLE), F.lit(False))


FEATURES = (
    Feature(
        "F30",
        "f30_days_past_term",
        "date of service - termination date; whether a reactivation came in between is another column",
        needs=("products.termination_date",),
        window=AT_SERVICE,
        unit="days",
        kind=T.IntegerType(),
        value=days_past_termination,
    ),
    Feature(
        "F31",
        "f31_days_before_market",
        "market date - date of service",
        needs=("products.market_date",),
        window=AT_SERVICE,
        unit="days",
        kind=T.IntegerType(),
        value=days_before_market,
    ),
    Feature(
        "F32",
        "f32_cod_ineligible",
        f"COD status {' or '.join(COD_INELIGIBLE)}; not {' to '.join((COD_ELIGIBLE[0], COD_ELIGIBLE[-1]))}; of others "
        "unknown",
        needs=("products.cod_status",),
        grain="NDC-11",
        window=AT_SERVICE,
        unit="boolean",
        kind=T.BooleanType(),
        value=is_cod_ineligible,
    ),
    Feature(
        "F33",
        "f33_labeler_terminated",
        "every interval of the labeler code has ended; unknown where the table does not hold the code",
        needs=("labelers",),
        grain="labeler",
        window=AT_SERVICE,
        unit="boolean",
    ),
)


LABELER_FACTS = (
    T.StructField("f33_labeler_terminated", T.BooleanType()),
    T.StructField("labeler_standing", T.StringType()),
)


def with_labeler(rows: DataFrame, labelers: DataFrame | None, day: Column) -> DataFrame:
    """Add `labeler`, a struct of LABELER_FACTS, to `rows` (labeler_code).

    F33: all intervals `[begin, end)` of the labeler have ended. labeler_standing: OURS if one of them covers the day,
    NOT_THEN if none does, NOT_HELD if there is none.
    """
    if labelers is None:
        return rows.withColumn("labeler", absent(LABELER_FACTS))
    by_labeler = labelers.groupBy(F.col("labeler_code").alias("known_labeler")).agg(
        collect_distinct(F.struct("begin_date", "end_date")).alias("spans")
    )
    # one row per labeler code
    joined = rows.join(F.broadcast(by_labeler), on=F.col("labeler_code") == F.col("known_labeler"), how="left")
    has_ended = F.forall("spans", lambda span: F.coalesce(span["end_date"] <= day, F.lit(False)))
    is_ours = F.exists("spans", lambda span: covers(day, span["begin_date"], span["end_date"]))
    status = F.when(is_ours, F.lit("OURS")).when(~is_ours, F.lit("NOT_THEN")).otherwise(F.lit("NOT_HELD"))
    facts = F.struct(has_ended.alias("f33_labeler_terminated"), status.alias("labeler_standing"))
    return joined.select(*column_names(rows), facts.alias("labeler"))


def with_product(
    rows: DataFrame, products: DataFrame | None, day: Column, facts: Sequence[T.StructField] = tuple(PRODUCT_FACTS)
) -> DataFrame:
    """Add `product`, a struct of PRODUCT_FACTS or of some of them, to `rows` (ndc11).

    product_is_known is false, not NULL, if the table lacks the NDC.
    """
    if products is None:
        return rows.withColumn("product", absent(facts))
    products, made = _with_other_rows(products)
    values = {field.name: made.get(field.name, F.col(_SOURCE.get(field.name, field.name))) for field in facts}
    unknown = F.struct(
        *(
            F.lit(False if field.name == "product_is_known" else None).cast(field.dataType).alias(field.name)
            for field in facts
        )
    )
    joined = join_product(
        rows,
        products,
        ndc11=F.col("ndc11"),
        day=day,
        values=values,
        into="product",
    )
    return joined.withColumn("product", F.coalesce("product", unknown))


def _with_other_rows(products: DataFrame) -> tuple[DataFrame, dict[str, Column]]:
    """`products` with values over all rows of an NDC-11, of any validity, and PRODUCT_FACTS that are not columns."""
    of_product = Window.partitionBy("ndc11")
    stated = {
        "first_market_date": F.min("market_date").over(of_product),
        "first_unit_type": F.min("unit_type").over(of_product),
        "last_unit_type": F.max("unit_type").over(of_product),
    }
    own, first, last = (F.col(name) for name in ("unit_type", "first_unit_type", "last_unit_type"))
    made = {
        "product_is_known": F.lit(True),
        "product_known_from": known_from(products, "products"),
        "product_first_market_date": F.col("first_market_date"),
        "product_other_unit_type": F.when(first != own, first).when(last != own, last),
    }
    return products.withColumns(stated), made
