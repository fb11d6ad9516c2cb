"""What a model reads of a row: the robust z-scores of its features."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import Column
from pyspark.sql import functions as F

from engine.contracts.codes import Subject
from engine.runtime.expressions import any_of


def z_name(feature: str) -> str:
    return f"{feature}_z"


def can_be_scored(features: Sequence[str], subject: Subject = Subject.REBATE_CLAIM) -> Column:
    """True where a model may judge the row: at least one feature has a z-score and its numbers are not withheld."""
    has_feature = any_of(is_known(feature) for feature in features)
    if subject is not Subject.INVOICE:
        return has_feature
    numbers_are_given = ~F.coalesce(F.col("suppressed"), F.lit(False))
    return has_feature & numbers_are_given


def model_inputs(features: Sequence[str]) -> list[Column]:
    """What the model reads, in the order of its features."""
    return [model_input(feature) for feature in features]


def model_input(feature: str) -> Column:
    """The feature's z-score; 0, the typical value, where it has none.

    So an unknown feature makes no row unusual, and takes part in no explanation.
    """
    return F.when(is_known(feature), F.col(z_name(feature))).otherwise(F.lit(0.0))


def is_known(feature: str) -> Column:
    z = F.col(z_name(feature))
    return z.isNotNull() & ~F.isnan(z)
