"""FDA's National Drug Code Directory: product and package files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from engine.sources.adapters.layout import Adapter, Layout, iso_date

# The status of a covered outpatient drug that the marketing category alone decides.
_COD_STATUS = {"ANDA": "01", "BLA": "02", "NDA": "03", "NDA AUTHORIZED GENERIC": "04"}


def fda_ndc(rows: DataFrame, table: str, options: Mapping[str, Any]) -> DataFrame:
    """The NDC Directory as `products`: one row per package, with the names of its product.

    Source: FDA, NDC Directory (21 CFR 207), `product.txt` and `package.txt` of `ndctext.zip`. The files belong together
    by `PRODUCTID`, in older editions by `PRODUCTNDC`; without `product.txt` the names are NULL. Product codes have
    10 digits in three segments; rows of `product.txt` alone have no package and supply no row.

    Start of marketing is `market_date`. End of marketing is no `termination_date`: that is the shelf life of
    the last lot as reported to CMS. Unit type and units per package exist in no structured form.
    """
    del table, options
    layout = Layout(rows)
    key = F.coalesce(layout.text("PRODUCTID"), layout.text("PRODUCTNDC"))
    category = F.upper(layout.text("MARKETINGCATEGORYNAME"))
    status = F.coalesce(*(F.when(category == name, code) for name, code in _COD_STATUS.items()))
    lines = rows.select(
        key.alias("product"),
        layout.text("NDCPACKAGECODE").alias("ndc"),
        layout.text("LABELERNAME").alias("labeler_name"),
        F.coalesce(
            F.nullif(F.concat_ws(" ", layout.text("PROPRIETARYNAME"), layout.text("PROPRIETARYNAMESUFFIX")), F.lit("")),
            layout.text("NONPROPRIETARYNAME"),
        ).alias("product_name"),
        status.alias("cod_status"),
        iso_date(layout.text("STARTMARKETINGDATE")).alias("market_date"),
    )
    packages = lines.where("ndc is not null").select("product", "ndc", F.col("market_date").alias("packaged_since"))
    # a repeated product must not repeat its packages
    nth = F.row_number().over(Window.partitionBy("product").orderBy("labeler_name", "product_name", "cod_status"))
    products = lines.where("ndc is null").withColumn("nth", nth).where("nth = 1").drop("nth", "ndc")
    return packages.join(products, on="product", how="left").select(
        "ndc",
        "labeler_name",
        "product_name",
        "cod_status",
        F.coalesce("packaged_since", "market_date").alias("market_date"),
    )


FDA_NDC = Adapter(
    ("products",),
    fda_ndc,
    ("PRODUCTNDC",),
    needs_once=("NDCPACKAGECODE",),
    header_names=("PRODUCTNDC",),
    identifiers=("PRODUCTNDC", "NDCPACKAGECODE"),
    format="csv",
    # quotation marks are letters in these files
    options={"sep": "\t", "encoding": "windows-1252", "quote": ""},
)
