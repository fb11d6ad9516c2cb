"""Unusual months of pharmacies, prescribers and covered entities, each reported on its most unusual claim, on Spark.

Grain of the comparison: group x month, all products together or one NDC-9. See `month_statistics` for the method.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as F
from pyspark.sql import types as T
from pyspark.sql.pandas.functions import arrow_udf

from engine.contracts.codes import Subject
from engine.contracts.facts import FEATURE_WORDS, surprise_name
from engine.contracts.findings import FEATURE_REASON, MOST_RELATED_ROWS
from engine.models.flags import benjamini_hochberg
from engine.models.month_statistics import Numbers, dispersion, part, rounded, volume
from engine.models.peer_grid import PeerGrid
from engine.models.reason_words import part_in_words
from engine.runtime.expressions import any_of, first_of_month, union_all
from engine.settings import GroupSettings

# By subject, the kinds of groups: name, and the column that identifies a group.
GROUPS: dict[Subject, tuple[tuple[str, str], ...]] = {
    Subject.REBATE_CLAIM: (("pharmacy", "pharmacy_key"), ("prescriber", "prescriber_npi")),
    Subject.ENTITY_CLAIM: (("covered entity", "entity_id"),),
}
_PLURALS = {"pharmacy": "pharmacies", "prescriber": "prescribers", "covered entity": "covered entities"}
_CLAIMS = {Subject.REBATE_CLAIM: "claims", Subject.ENTITY_CLAIM: "340B claims"}

# A claim is far out if it is in the outermost tenth of comparable claims, both tails together.
FAR_OUT = math.log(10.0)
ALL_CLAIMS, OF_PRODUCT, FAR = "group_claims", "group_product_claims", "group_far_claims"
_EVERY_PRODUCT = ""
_KEY = ("kind", "group_id", "month")
_CELL = ("kind", "group_id", "product", "measure")
_COUNTS = ("hits", "of", "own_hits", "own_of", "month_hits", "month_of", "whole_hits")
_JUDGED = T.StructType(
    [
        *(T.StructField(name, T.DoubleType()) for name in ("evidence", "expected", "times")),
        *(T.StructField(name, T.LongType()) for name in ("band", "evidence_bin", "times_bin")),
    ]
)
# Months are compared with months that have a similar number of expected claims; band 0 (less than one) is not compared.
_BANDS = 4.0 ** np.arange(12)
# Smallest scale of ln(times usual): smaller differences never count, however similar the peers are.
_LEAST_SCALE = 0.2
_BINS = 50.0  # per unit of ln(times) or of evidence
_DIGITS = 12

UNUSUAL_MONTHS = T.StructType(
    [
        T.StructField("source_row_id", T.StringType()),
        T.StructField("group_words", T.ArrayType(T.StringType())),
        T.StructField("group_reasons", T.ArrayType(FEATURE_REASON)),
        T.StructField("group_source_row_ids", T.ArrayType(T.StringType())),
        T.StructField("group_row_count", T.LongType()),
    ]
)


@dataclass(frozen=True)
class GroupMonths:
    """`rows`: UNUSUAL_MONTHS, one row per claim that represents an unusual month; `flagged`: number of unusual months;
    `tested`: number of months tested.
    """

    rows: DataFrame
    flagged: int
    tested: int


def counts_of_groups(claims: DataFrame, subject: Subject, measures: Sequence[str]) -> DataFrame:
    """One row per group, month, product (empty: all products) and measure with claims: `hits`, the claims counted, out
    of `of` claims. Lazy.

    `claims`: facts that no rule on quantity, price, amount or conversion explains, with the surprises of `measures`.
    Claims without the group or a day of service are excluded, as are claims without an NDC-9 from rows of one product.
    """
    return _tall(_members(claims, subject, measures), measures)


def months_of_groups(counts: DataFrame, settings: GroupSettings) -> DataFrame:
    """The months of groups with enough claims in enough other months and enough peers, with the counts of their
    comparison; same grain as `counts`. Lazy.

    `counts`: the written result of `counts_of_groups`, which is read several times.
    """
    peers = ["kind", "product", "measure"]
    groups = counts.groupBy(*peers).agg(F.count_distinct("group_id").alias("groups"))
    totals = (
        counts.groupBy(*peers, "month")
        .agg(F.sum("hits").alias("all_hits"), F.sum("of").alias("all_of"))
        .join(groups, on=peers, how="inner")
    )
    compared = counts.join(F.broadcast(totals), on=[*peers, "month"], how="inner").withColumns(
        {"month_hits": F.col("all_hits") - F.col("hits"), "month_of": F.col("all_of") - F.col("of")}
    )
    # not windows: there are almost as many cells as rows
    cells = compared.groupBy(*_CELL).agg(
        F.sum("hits").alias("cell_hits"),
        F.sum("of").alias("cell_of"),
        F.sum("month_hits").alias("whole_hits"),
        (F.count(F.lit(1)) - 1).alias("own_months"),
    )
    enough = (
        (F.col("own_of") >= settings.minimum_claims)
        & (F.col("own_months") >= settings.minimum_months)
        & (F.col("groups") > settings.minimum_peers)
    )
    compared = (
        compared.join(cells, on=list(_CELL), how="inner")
        .withColumns({"own_hits": F.col("cell_hits") - F.col("hits"), "own_of": F.col("cell_of") - F.col("of")})
        .where(enough)
    )
    judged = arrow_udf(_judged, _JUDGED)(F.col("measure"), *(F.col(name) for name in _COUNTS))  # type: ignore[call-overload]
    compared = compared.withColumn("judged", judged)
    return compared.select(
        *_KEY,
        *("product", "measure", "hits", "of", "own_of", "own_months", "groups"),
        *(F.col(f"judged.{name}") for name in _JUDGED.names),
    )


def stand_out(
    months: DataFrame,
    claims: DataFrame,
    scores: DataFrame | None,
    subject: Subject,
    measures: Sequence[str],
    settings: GroupSettings,
) -> GroupMonths:
    """The unusual months, at most `budget` of them. Runs Spark jobs.

    `months`: the written result of `months_of_groups`; `claims`: the claims that were counted; `scores`: SCORES, which
    order a group's claims, most unusual first (without scores: largest quantity first).

    A month is tested if it has enough claims.
    It is unusual if its evidence is significant (Benjamini and Hochberg over all months of such groups, Bonferroni over
    the measures of a month) and it exceeds 99.5 % of comparable months.
    """
    spark = months.sparkSession
    ranges = _ranges(months, settings)
    group_months = _group_months(months)
    if not ranges or not group_months:
        return GroupMonths(spark.createDataFrame([], UNUSUAL_MONTHS), 0, group_months)
    tested = months.where(F.col("of") >= settings.minimum_claims)
    known = spark.createDataFrame(ranges, _RANGES)
    held_against = tested.join(F.broadcast(known), on=["kind", "measure", "band"], how="inner")
    tests = F.count(F.lit(1)).over(Window.partitionBy(*_KEY))
    beyond = (F.col("evidence") > 0) & (F.col("times") > F.col("high"))
    first = Window.partitionBy(*_KEY).orderBy(F.col("strength").desc(), "measure", "product")
    best = (
        held_against.withColumn("tests", tests)
        .where(beyond)
        .withColumn("strength", F.col("evidence") / F.col("dispersion"))
        .withColumn("place", F.row_number().over(first))
        .where(F.col("place") == 1)
    )
    rows = best.select(
        *(*_KEY, "product", "measure", "hits", "of", "expected", "times", "strength", "tests"),
        *("low", "high", "inside", "compared"),
    )
    # one row per month outside its range, so few rows
    candidates = sorted((row.asDict() for row in rows.collect()), key=_by_evidence)[: settings.budget]
    p_values = np.array([_p_value(entry) for entry in candidates])
    ranks = np.ones(len(candidates), dtype=np.int64)
    kept = benjamini_hochberg(p_values, ranks, group_months, settings.false_discovery_rate)
    chosen = [dict(entry, rank=rank) for rank, entry in enumerate(candidates[:kept])]
    if not chosen:
        return GroupMonths(spark.createDataFrame([], UNUSUAL_MONTHS), 0, group_months)
    named = _on_claims(spark, chosen, claims, scores, subject, measures)
    return GroupMonths(named, len(chosen), group_months)


def in_words(entry: Mapping[str, Any], subject: Subject) -> str:
    """`pharmacy 1234567893 in 2025-08: 212 claims of NDC-9 000027597, 3.1 times as many as expected of its other
    months and its peers' month, where 99 % of 1,240 comparable months have 0.3 to 2.1 times`.
    """
    kind, claims = entry["kind"], _CLAIMS[subject]
    if entry["measure"] == ALL_CLAIMS:
        what = f"{entry['hits']:,} {claims}"
    elif entry["measure"] == OF_PRODUCT:
        what = f"{entry['hits']:,} {claims} of NDC-9 {entry['product']}"
    else:
        measure = FEATURE_WORDS[entry["measure"].removeprefix(f"{FAR}.")].rstrip(",")
        what = f"{entry['hits']:,} of {entry['of']:,} {claims} among the outermost 10 % of comparable ones by {measure}"
    month = entry["month"]
    usual = part_in_words(entry["inside"], entry["compared"], f"comparable months of {_PLURALS[kind]}")
    return (
        f"{kind} {entry['group_id']} in {month.year:04}-{month.month:02}: {what}, {entry['times']:,.1f} times "
        f"as many as expected of its other months and of other {_PLURALS[kind]} that month, where {usual} have "
        f"{entry['low']:,.1f} to {entry['high']:,.1f} times"
    )


_MEMBER = ("source_row_id", "kind", "group_id", "month", "product", "quantity")
_RANGES = (
    "kind string, measure string, band bigint, dispersion double, low double, high double, inside double, "
    "compared bigint"
)


def _members(claims: DataFrame, subject: Subject, measures: Sequence[str]) -> DataFrame:
    """One row per claim and group it belongs to, with flags for each measure: known, and far out."""
    quantity = "quantity" if subject is Subject.ENTITY_CLAIM else "ndc_units"
    surprises = {name: F.col(surprise_name(name)) for name in measures}
    kept = claims.select(
        "source_row_id",
        first_of_month("date_of_service").alias("month"),
        F.coalesce("ndc9", F.lit(_EVERY_PRODUCT)).alias("product"),
        F.col(quantity).alias("quantity"),
        *(column for _, column in GROUPS[subject]),
        *(surprise.isNotNull().alias(f"known_{name}") for name, surprise in surprises.items()),
        *(F.coalesce(surprise >= FAR_OUT, F.lit(False)).alias(f"far_{name}") for name, surprise in surprises.items()),
    ).where(F.col("month").isNotNull())
    marks = [f"{mark}_{name}" for name in measures for mark in ("known", "far")]
    of_kinds = [
        kept.withColumns({"kind": F.lit(kind), "group_id": F.col(column)}).where(F.col(column).isNotNull())
        for kind, column in GROUPS[subject]
    ]
    return union_all([rows.select(*_MEMBER, *marks) for rows in of_kinds])


def _tall(members: DataFrame, measures: Sequence[str]) -> DataFrame:
    """One row per group, month, product and measure with claims: `hits`, the claims counted, out of `of` claims."""
    by_product = members.groupBy(*_KEY, "product").agg(
        F.count(F.lit(1)).alias("claims"),
        *(F.count_if(f"{mark}_{name}").alias(f"{mark}_{name}") for name in measures for mark in ("known", "far")),
    )
    every = by_product.groupBy(*_KEY).agg(
        F.sum("claims").alias("claims"),
        *(F.sum(f"{mark}_{name}").alias(f"{mark}_{name}") for name in measures for mark in ("known", "far")),
    )
    counts = [(ALL_CLAIMS, "claims", "claims")]
    counts += [(f"{FAR}.{name}", f"far_{name}", f"known_{name}") for name in measures]
    structs = [
        F.struct(F.lit(name).alias("measure"), F.col(hits).alias("hits"), F.col(of).alias("of"))
        for name, hits, of in counts
    ]
    of_every = every.select(*_KEY, F.lit(_EVERY_PRODUCT).alias("product"), F.explode(F.array(*structs)).alias("one"))
    of_products = by_product.where(F.col("product") != _EVERY_PRODUCT).select(
        *_KEY,
        "product",
        F.lit(OF_PRODUCT).alias("measure"),
        F.col("claims").alias("hits"),
        F.col("claims").alias("of"),
    )
    tall = of_every.select(*_KEY, "product", "one.*").where(F.col("of") > 0)
    return tall.unionByName(of_products)


def _judged(measure: pa.Array, *counts: pa.Array) -> pa.Array:
    is_part = np.array([name.startswith(FAR) for name in measure.to_pylist()], dtype=bool)
    numbers = [column.to_numpy(zero_copy_only=False).astype(np.float64) for column in counts]
    hits, of, own_hits, own_of, month_hits, month_of, whole_hits = numbers
    of_volume = volume(hits, hits + own_hits, month_hits, whole_hits)
    of_part = part(hits, of, own_hits, own_of, month_hits, month_of)
    evidence, expected = (np.where(is_part, a, b) for a, b in zip(of_part, of_volume, strict=True))
    is_expected = expected > 0
    times: Numbers = rounded(np.where(is_expected, hits / np.where(is_expected, expected, 1.0), 0.0))
    band = np.searchsorted(_BANDS, expected, side="right")
    bins = [np.round(_BINS * values) for values in (evidence, np.log(np.where(times > 0, times, 1.0)))]
    columns = [evidence, expected, times, *(column_values.astype(np.int64) for column_values in (band, *bins))]
    return pa.StructArray.from_arrays([pa.array(column) for column in columns], names=_JUDGED.names)


def _ranges(months: DataFrame, settings: GroupSettings) -> list[tuple[Any, ...]]:
    """_RANGES: by kind, measure and band, the dispersion of evidence and the range of times usual in comparable months.

    Comparable months are those of the band if there are at least `minimum_compared`, else those of all bands; there is
    no range if these are too few. Runs a Spark job.
    """
    counts = (
        months.where((F.col("band") > 0) & (F.col("hits") > 0))
        .groupBy("kind", "measure", "band", "evidence_bin", "times_bin")
        .agg(F.count(F.lit(1)).alias("months"))
    )
    table = counts.toArrow().sort_by([(name, "ascending") for name in counts.columns])
    if not table.num_rows:
        return []
    kind, measure = (table.column(name).to_numpy(zero_copy_only=False) for name in ("kind", "measure"))
    names = ("band", "evidence_bin", "times_bin", "months")
    band, evidence, times, counted = (table.column(name).to_numpy() for name in names)
    weights = counted.astype(np.float64)
    grid = PeerGrid.of(
        ("times",),
        ("kind", "measure", "band"),
        [[("kind", "measure", "band"), ("kind", "measure")]],
        [_LEAST_SCALE],
        [kind, measure, np.array([str(entry) for entry in band.tolist()], dtype=object)],
        np.exp(times / _BINS)[:, np.newaxis],
        weights[:, np.newaxis],
        settings.minimum_compared,
    )
    ranges: list[tuple[Any, ...]] = []
    for of_kind, of_measure in sorted(set(zip(kind.tolist(), measure.tolist(), strict=True))):
        own = (kind == of_kind) & (measure == of_measure)
        spread = dispersion(evidence[own] / _BINS, weights[own])
        for of_band in range(len(_BANDS) + 1):
            group = grid.group_of(0, (of_kind, of_measure, str(of_band)))
            if group >= 0:
                ends = (grid.low[group], grid.high[group], grid.inside[group], grid.peers[group])
                low, high, inside, compared = (end.item() for end in ends)
                ranges.append((of_kind, of_measure, of_band, spread, low, high, inside, compared))
    return ranges


def _group_months(months: DataFrame) -> int:
    """Number of months for the false discovery rate: all months of every group with a month that could be tested."""
    groups = months.select("kind", "group_id").distinct().count()
    return groups * months.select("month").distinct().count()


def _p_value(entry: Mapping[str, Any]) -> float:
    return float(min(1.0, entry["tests"] * math.exp(-entry["strength"])))


def _by_evidence(entry: Mapping[str, Any]) -> tuple[float, float, str, str, date]:
    # p-values of strong evidence all underflow to 0
    return _p_value(entry), -entry["strength"], entry["kind"], entry["group_id"], entry["month"]


def _on_claims(
    spark: SparkSession,
    chosen: Sequence[Mapping[str, Any]],
    claims: DataFrame,
    scores: DataFrame | None,
    subject: Subject,
    measures: Sequence[str],
) -> DataFrame:
    """UNUSUAL_MONTHS. A claim that is the most unusual one of two months names both months, and the other claims of the
    first.
    """
    months = [tuple(entry[name] for name in (*_KEY, "product", "measure", "rank")) for entry in chosen]
    kinds = "kind string, group_id string, month date, of_product string, measure string, rank bigint"
    # at most `budget` rows
    own = _members(claims, subject, measures).join(
        F.broadcast(spark.createDataFrame(months, kinds)), on=list(_KEY), how="inner"
    )
    is_counted = any_of(
        [
            F.col("measure").isin(ALL_CLAIMS, OF_PRODUCT),
            *((F.col("measure") == f"{FAR}.{name}") & F.col(f"far_{name}") for name in measures),
        ]
    )
    own = own.where(is_counted & F.col("of_product").isin(_EVERY_PRODUCT, F.col("product")))
    if scores is None:
        own = own.withColumn("anomaly_score", F.col("quantity").cast("double"))
    else:
        # at most one score per row
        own = own.join(scores.select("source_row_id", "anomaly_score"), on="source_row_id", how="left")
    order = Window.partitionBy("rank").orderBy(F.col("anomaly_score").desc_nulls_last(), "source_row_id")
    ordered = own.select("rank", "source_row_id", F.row_number().over(order).alias("place"))
    first = (
        ordered.where(F.col("place") <= MOST_RELATED_ROWS + 1)
        .toArrow()
        .sort_by([("rank", "ascending"), ("place", "ascending")])
    )
    ids: dict[int, list[str]] = {}
    for rank, source_row_id in zip(first["rank"].to_pylist(), first["source_row_id"].to_pylist(), strict=True):
        ids.setdefault(rank, []).append(source_row_id)
    by_claim: dict[str, list[Mapping[str, Any]]] = {}
    for entry in chosen:
        by_claim.setdefault(ids[entry["rank"]][0], []).append(entry)
    rows = [
        (
            source_row_id,
            [in_words(entry, subject) for entry in of_row],
            [_reason(entry) for entry in of_row],
            ids[of_row[0]["rank"]][1:],
            of_row[0]["hits"] - 1,
        )
        for source_row_id, of_row in sorted(by_claim.items())
    ]
    return spark.createDataFrame(rows, UNUSUAL_MONTHS)


def _reason(entry: Mapping[str, Any]) -> tuple[Any, ...]:
    """FEATURE_REASON; the contribution is the evidence, in natural log units."""
    ends = (float(f"{entry[name]:.{_DIGITS}g}") for name in ("times", "low", "high"))
    return entry["measure"].partition(".")[0], *ends, entry["compared"], entry["strength"]
