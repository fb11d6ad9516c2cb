"""Scores of every row that a model can judge."""

from __future__ import annotations

from pyspark.sql import DataFrame

from engine.contracts.codes import Subject
from engine.models.anomaly_model import AnomalyModel
from engine.models.batches import score_column
from engine.models.inputs import can_be_scored, model_inputs
from engine.settings import ModelSettings


def anomaly_scores(facts: DataFrame, model: AnomalyModel, settings: ModelSettings, subject: Subject) -> DataFrame:
    """One row per row of `facts` that `can_be_scored`: its score and what its stratum is made of.

    `facts`: source_row_id, ndc9, program, drug_category, the z-scores of the model's features, on invoices suppressed.
    Raises ConfigurationError where the model was trained on other features than the configured ones.
    """
    model.check_features(settings.of(subject).features)
    spark, inputs = facts.sparkSession, model_inputs(model.features)
    return facts.where(can_be_scored(model.features, subject)).select(
        "source_row_id",
        "ndc9",
        "program",
        "drug_category",
        score_column(spark, model.scorer, inputs, settings.batch_rows).alias("anomaly_score"),
    )
