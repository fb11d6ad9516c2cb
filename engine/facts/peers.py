"""Usual values among peers: exact medians and ranges on a sample chosen by hash, and robust z-scores from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from engine.runtime.expressions import log, round_double
from engine.settings import PeerSettings

NORMAL_CONSISTENCY = 1.4826  # MAD of a normal distribution to its standard deviation
LEAST_SCALE = 0.01
LOW, HIGH = 0.005, 0.995
_HASH_STEPS = 1 << 20


def sampled(rows: DataFrame, keys: Sequence[str], settings: PeerSettings) -> DataFrame:
    """Add `peers`, the size of the stratum, to `rows`, cut to about `sample_per_stratum` rows of each stratum.

    The choice depends on source_row_id alone, so it is the same under any partitioning.
    """
    sizes = rows.groupBy(*keys).agg(F.count(F.lit(1)).alias("peers"))
    share = F.lit(settings.sample_per_stratum * _HASH_STEPS) / F.col("peers")
    is_chosen = F.pmod(F.xxhash64("source_row_id"), F.lit(_HASH_STEPS)) < share
    same = [F.col(f"row.{key}").eqNullSafe(F.col(f"size.{key}")) for key in keys]
    return (
        rows.alias("row")
        .join(F.broadcast(sizes.alias("size")), on=same, how="inner")  # one size per stratum
        .where(is_chosen)
        .select("row.*", "peers")
    )


def value_arrays(sample: DataFrame, keys: Sequence[str], features: Sequence[str], extra: Sequence[Column]) -> DataFrame:
    """One row per stratum: peers, sampled (rows of the sample), and each feature's known values in order."""
    arrays = [F.sort_array(F.collect_list(feature)).alias(feature) for feature in features]
    return sample.groupBy(*keys).agg(F.max("peers").alias("peers"), F.count(F.lit(1)).alias("sampled"), *extra, *arrays)


def quantile(ordered: Column, share: float) -> Column:
    """Linear interpolation between order statistics (Hyndman and Fan 1996, type 7); NULL of an empty array."""
    last = F.size(ordered) - 1
    place = last * F.lit(share)
    lower = F.get(ordered, F.floor(place).cast("int"))
    upper = F.get(ordered, F.ceil(place).cast("int"))
    return lower + (upper - lower) * (place - F.floor(place))


def statistics(
    arrays: DataFrame, keys: Sequence[str], features: Mapping[str, bool], settings: PeerSettings
) -> DataFrame:
    """Per stratum and feature `<f>_median`, `_scale`, `_low`, `_high`, `_peers`; NULL below `minimum` known values.

    `features`: name, and whether it is compared on a log scale (then median and scale are of ln x; low and high never).
    `_peers`: the estimated number of peers with a known value, from their share of the sample. Scale: 1.4826 MAD, at
    least `scale_floor` times the size of the median and at least 0.01.
    """
    columns: list[Column] = []
    for feature, is_log in features.items():
        raw = F.col(feature)
        judged = F.transform(F.filter(raw, lambda x: x > 0), lambda x: log(x)) if is_log else raw
        enough = F.size(judged) >= settings.minimum
        columns += [
            F.when(enough, judged).alias(f"{feature}_values"),
            F.when(enough, quantile(judged, 0.5)).alias(f"{feature}_median"),
            F.when(enough, quantile(raw, LOW)).alias(f"{feature}_low"),
            F.when(enough, quantile(raw, HIGH)).alias(f"{feature}_high"),
            round_double(F.col("peers") * F.size(raw) / F.col("sampled"), 0).cast("bigint").alias(f"{feature}_peers"),
        ]
    located = arrays.select(*keys, "peers", *columns)
    scales = {}
    for feature in features:
        median = F.col(f"{feature}_median")
        deviations = _deviations(F.col(f"{feature}_values"), median)
        spread = quantile(deviations, 0.5) * NORMAL_CONSISTENCY
        floor = F.abs(median) * F.lit(settings.scale_floor)
        scales[feature] = F.greatest(spread, floor, F.lit(LEAST_SCALE))
    return located.select(
        *keys,
        "peers",
        *(
            column
            for feature in features
            for column in (
                F.col(f"{feature}_median"),
                F.when(F.col(f"{feature}_median").isNotNull(), scales[feature]).alias(f"{feature}_scale"),
                F.col(f"{feature}_low"),
                F.col(f"{feature}_high"),
                F.col(f"{feature}_peers"),
            )
        ),
    )


def _deviations(values: Column, median: Column) -> Column:
    return F.array_sort(F.transform(values, lambda x: F.abs(x - median)))


def robust_z(feature: str, is_log: bool, settings: PeerSettings) -> Column:
    """(x - median) / scale among the peers, clipped to +/- cap; NULL if x or the peers' median is NULL."""
    value = log(F.col(feature)) if is_log else F.col(feature)
    z = (value - F.col(f"{feature}_median")) / F.col(f"{feature}_scale")
    if not settings.cap:
        return z
    # `least` and `greatest` of a NULL and a number return the number.
    return F.when(z.isNotNull(), F.greatest(F.lit(-settings.cap), F.least(F.lit(settings.cap), z)))
