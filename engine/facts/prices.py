"""Prices per NDC unit in US dollars: URA by the row's period, WAC, ceiling and MFP by the quarter of service."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.facts.families import absent
from engine.intervals import join_as_of

_UNIT_PRICE = T.DecimalType(15, 6)


def with_prices(
    rows: DataFrame, prices: DataFrame | None, quarter: Column, names: dict[str, str], into: str
) -> DataFrame:
    """`rows` (ndc11) with `into`, a struct of prices of one quarter; `names`: field and the column it takes.

    Where the table holds several rows of a product and quarter (snapshots), the latest snapshot counts.
    """
    if prices is None:
        return rows.withColumn(into, absent(T.StructField(name, _UNIT_PRICE) for name in names))
    price = F.struct(*(F.col(column).alias(name) for name, column in names.items()))
    latest = (
        prices.groupBy(F.col("ndc11").alias("price_ndc11"), F.col("period").alias("price_quarter"))
        .agg(F.max(F.struct("snapshot_date", price.alias(into))).alias("latest"))
        .select("price_ndc11", "price_quarter", f"latest.{into}")
    )
    same = [F.col("ndc11") == F.col("price_ndc11"), quarter == F.col("price_quarter")]
    joined = rows.join(F.broadcast(latest), on=same, how="left")  # one row per product and quarter
    return joined.select(*rows.columns, into)


MARKET_FACTS = (
    T.StructField("market_price", _UNIT_PRICE),
    T.StructField("market_price_effective_date", T.DateType()),
)


def with_market_price(rows: DataFrame, market_prices: DataFrame | None, day: Column) -> DataFrame:
    """`rows` (ndc11) with `market`, a struct of MARKET_FACTS: NADAC or alike in force on `day`."""
    if market_prices is None:
        return rows.withColumn("market", absent(MARKET_FACTS))
    # the survey covers every product on the market: only those in the feed are broadcast
    asked_for = market_prices.join(rows.select("ndc11").distinct(), on="ndc11", how="left_semi")
    return join_as_of(
        rows,
        asked_for,
        key={"ndc11": F.col("ndc11")},
        day=day,
        start=F.col("effective_date"),
        end=F.col("end_date"),
        values={"market_price": F.col("price_per_unit"), "market_price_effective_date": F.col("effective_date")},
        into="market",
    )
