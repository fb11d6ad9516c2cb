"""Inputs of a model: surprises of a row's measures, or robust z-scores of its features."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import Column
from pyspark.sql import functions as F

from engine.contracts.codes import Subject
from engine.contracts.facts import surprise_name, z_name
from engine.runtime.expressions import any_of

# 99.5th percentile of a normal distribution, in standard deviations.
_Z_OUTSIDE = 2.576


Z, SURPRISE = "z", "surprise"


def input_name(feature: str, inputs: str = Z) -> str:
    """The column of a feature's z-score, or of a measure's surprise."""
    return z_name(feature) if inputs == Z else surprise_name(feature)


def can_be_scored(features: Sequence[str], subject: Subject = Subject.REBATE_CLAIM, inputs: str = Z) -> Column:
    """True if a model can score the row: at least one input is known, and the payer did not withhold its numbers."""
    has_feature = any_of(is_known(feature, inputs) for feature in features)
    if subject is not Subject.INVOICE:
        return has_feature
    numbers_are_given = ~F.coalesce(F.col("suppressed"), F.lit(False))
    return has_feature & numbers_are_given


def model_inputs(features: Sequence[str], inputs: str = Z) -> list[Column]:
    """The model's inputs, in the order of its features."""
    return [model_input(feature, inputs) for feature in features]


def model_input(feature: str, inputs: str = Z) -> Column:
    """The feature's z-score, or the measure's surprise; 0, the typical value, if it is unknown.

    An unknown feature therefore never makes a row unusual, and is never a reason.
    """
    return F.when(is_known(feature, inputs), F.col(input_name(feature, inputs))).otherwise(F.lit(0.0))


def is_known(feature: str, inputs: str = Z) -> Column:
    """Whether the model's input of a feature is a number: neither NULL nor NaN."""
    value = F.col(input_name(feature, inputs))
    return value.isNotNull() & ~F.isnan(value)


def has_reason(features: Sequence[str], inputs: str = Z) -> Column:
    """Whether a value is outside its peers' range of 0.5 to 99.5 %; for z-scores, that of a normal distribution."""
    if inputs == SURPRISE:
        return F.coalesce(F.col("has_surprising_measure"), F.lit(False))
    return any_of(F.abs(model_input(feature)) > F.lit(_Z_OUTSIDE) for feature in features)
