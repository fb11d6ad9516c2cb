"""Evaluation of a re-ranker on findings drawn at random, each scored by a re-ranker that was not trained on it."""

from __future__ import annotations

import numpy as np
import pandas as pd

from engine.models.evaluation import Evaluation, Judge
from engine.models.measures import Truth, measured
from engine.models.reranker import Reranker, in_order, out_of_fold, review_counts
from engine.settings import ModelSettings

_ROWS_PER_POINT = 20


def evaluate_reranker(
    reviewed: pd.DataFrame, settings: ModelSettings, findings: int, champion: Reranker | None
) -> Evaluation:
    """Metrics and plots, out of fold; `reviewed` has enough rows for `fit_reranker`, and all columns of ABOUT.

    Columns: settings_probability, the baseline, p(valid) by the settings; least_probability, its lower bound; dollars,
    amount at issue in US dollars (0: unknown); cluster, shared by findings that are not independent. `findings`: number
    of findings in the complete run, of which those drawn at random are a sample. Without a champion, the comparison is
    with the settings. The champion may have been trained on rows it is measured on, which favors it.
    """
    from engine.models import figures

    reviewed = in_order(reviewed)
    probabilities = out_of_fold(reviewed, settings.reranker)
    there = reviewed["is_random"].to_numpy(bool)
    drawn, raw = reviewed[there], probabilities[there]
    least, by_settings = (drawn[name].to_numpy(float) for name in ("least_probability", "settings_probability"))
    is_valid = drawn["is_valid"].to_numpy(bool)
    truth = Truth(
        is_valid,
        drawn["dollars"].to_numpy(float),
        np.full(len(drawn), max(1.0, findings / len(drawn))),
        np.unique(drawn["cluster"].to_numpy(str), return_inverse=True)[1],
    )
    in_charge = by_settings if champion is None else np.maximum(champion.probability_valid(drawn), least)
    measurement = measured(
        np.maximum(raw, least),
        {"settings": by_settings},
        in_charge,
        truth,
        settings.review_capacity,
        settings.evaluation,
    )
    metrics = {
        **measurement.metrics,
        "brier": float(np.mean((raw - is_valid) ** 2)),
        "settings_brier": float(np.mean((by_settings - is_valid) ** 2)),
        "findings": float(findings),
        **{name: float(count) for name, count in review_counts(reviewed).items()},
    }
    plots = {
        "precision_against_capacity": figures.precision_against_capacity(
            measurement, {"settings": "p(valid) of the settings"}, settings
        ),
        "reliability": figures.probability_reliability(raw, is_valid, _ROWS_PER_POINT, settings.evaluation.level),
    }
    return Evaluation(metrics, plots, Judge.RANDOM)
