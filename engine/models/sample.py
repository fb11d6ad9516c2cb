"""The training sample of a model."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from engine.contracts.codes import Subject
from engine.models.inputs import Z, can_be_scored, model_input
from engine.settings import SubjectModelSettings

_SALT = "training sample"
_BUCKETS = 1_000_000
_HASHES = 2.0**64


def drawn(salt: str, share: float) -> Column:
    """True for about `share` of all rows, by the hash of source_row_id: the same rows under any partitioning."""
    return F.pmod(F.xxhash64(F.lit(salt), F.col("source_row_id")), F.lit(_BUCKETS)) < round(share * _BUCKETS)


def training_sample(
    facts: DataFrame,
    features: Sequence[str],
    settings: SubjectModelSettings,
    subject: Subject = Subject.REBATE_CLAIM,
    inputs: str = Z,
) -> pd.DataFrame:
    """The `training_rows` scorable rows whose id has the smallest hash, on the driver; all if there are fewer.

    Columns: source_row_id, and per feature its z-score (or surprise, see `inputs`), 0 (typical) if unknown. Sorted by
    id, so the sample and everything fitted on it do not depend on partitioning and order of rows. Runs Spark jobs.
    """
    rows = facts.where(can_be_scored(features, subject, inputs)).select(
        F.xxhash64(F.lit(_SALT), F.col("source_row_id")).alias("sample_hash"),
        F.col("source_row_id"),
        *[model_input(feature, inputs).alias(feature) for feature in features],
    )
    wanted, available = settings.training_rows, rows.count()
    sample = _smallest(_below(rows, wanted, available), wanted)
    if len(sample) < min(wanted, available):
        sample = _smallest(rows, wanted)
    return sample.drop(columns="sample_hash").sort_values(["source_row_id", *features], ignore_index=True)


def _below(rows: DataFrame, wanted: int, available: int) -> DataFrame:
    """Rows with a hash below a limit that almost certainly keeps a few more than `wanted`, so fewer rows are sorted."""
    enough = wanted + 6.0 * math.sqrt(wanted) + 10.0
    if enough >= available:
        return rows
    return rows.where(F.col("sample_hash") < F.lit(int(_HASHES * (enough / available - 0.5))))


def _smallest(rows: DataFrame, wanted: int) -> pd.DataFrame:
    # rows with the same id are ordered by their values; equal rows are interchangeable
    return rows.orderBy(*rows.columns).limit(wanted).toArrow().to_pandas()
