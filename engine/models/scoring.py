"""Scores of every row that a model can score."""

from __future__ import annotations

from pyspark.sql import DataFrame

from engine.contracts.codes import Subject
from engine.models.anomaly_model import AnomalyModel
from engine.models.batches import score_column
from engine.models.inputs import can_be_scored, has_reason, model_inputs
from engine.settings import ModelSettings


def anomaly_scores(facts: DataFrame, model: AnomalyModel, settings: ModelSettings, subject: Subject) -> DataFrame:
    """One row per row of `facts` that `can_be_scored`: its score, whether a value is outside its peers' range, and the
    columns that determine its stratum.

    `facts`: source_row_id, ndc9, program, drug_category, the model's inputs, and for invoices suppressed. Raises
    ConfigurationError if the model was trained on other features than the configured ones.
    """
    model.check_features(settings.features_of(subject, model.inputs))
    spark, inputs = facts.sparkSession, model_inputs(model.features, model.inputs)
    return facts.where(can_be_scored(model.features, subject, model.inputs)).select(
        "source_row_id",
        "ndc9",
        "program",
        "drug_category",
        score_column(spark, model.scorer, inputs, settings.batch_rows).alias("anomaly_score"),
        has_reason(model.features, model.inputs).alias("anomaly_has_reason"),
    )
