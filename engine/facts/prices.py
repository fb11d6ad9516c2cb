"""Prices per NDC unit in US dollars: URA by the row's period, WAC, ceiling and MFP by the quarter of service."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from engine.intervals import join_as_of

_UNIT_PRICE = "decimal(15,6)"


def with_prices(rows: DataFrame, prices: DataFrame | None, quarter: Column, names: dict[str, str]) -> DataFrame:
    """`rows` (ndc11) with columns of `prices` for one quarter; `names`: new column and the price it takes.

    Where the table holds several rows of a product and quarter (snapshots), the latest snapshot counts.
    """
    if prices is None:
        return rows.withColumns({name: F.lit(None).cast(_UNIT_PRICE) for name in names})
    by_quarter = prices.select(
        F.col("ndc11").alias("price_ndc11"),
        F.col("period").alias("price_quarter"),
        F.struct("snapshot_date", *(F.col(price).alias(name) for name, price in names.items())).alias("price"),
    )
    latest = by_quarter.groupBy("price_ndc11", "price_quarter").agg(F.max("price").alias("price"))
    same = [F.col("ndc11") == F.col("price_ndc11"), quarter == F.col("price_quarter")]
    joined = rows.join(F.broadcast(latest), on=same, how="left")  # one row per product and quarter
    return joined.select(*rows.columns, *(F.col("price")[name].alias(name) for name in names))


def with_market_price(rows: DataFrame, market_prices: DataFrame | None, day: Column) -> DataFrame:
    """`rows` (ndc11) with market_price and market_price_effective_date: NADAC or alike in force on `day`."""
    if market_prices is None:
        return rows.withColumns(
            {
                "market_price": F.lit(None).cast(_UNIT_PRICE),
                "market_price_effective_date": F.lit(None).cast("date"),
            }
        )
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
    )
