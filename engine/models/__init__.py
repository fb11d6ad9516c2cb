"""Models: samples, detectors, scores with p-values, reasons, evaluation, and the re-ranker. No mlflow here.

Names of this package are imported on first use, because executors import it only for its scorer.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.models.anomaly_model import AnomalyModel, fit_model
    from engine.models.calibration import Calibration, calibrate, is_held_out, p_values, reference_sample
    from engine.models.drift import feature_drift
    from engine.models.evaluation import Evaluation, Known, evaluate
    from engine.models.explanation import explain
    from engine.models.finding_inputs import input_columns, input_names
    from engine.models.flags import Flags, flag, in_words
    from engine.models.group_months import GROUPS, GroupMonths, counts_of_groups, months_of_groups, stand_out
    from engine.models.inputs import SURPRISE, can_be_scored
    from engine.models.measures import Estimate, Resampled
    from engine.models.model_card import CARD_FILE, FoundKind, card_of
    from engine.models.peer_grid import PeerGrid
    from engine.models.reranker import Reranker, fit_reranker, review_counts
    from engine.models.reranker_evaluation import evaluate_reranker
    from engine.models.sample import training_sample
    from engine.models.scoring import anomaly_scores
    from engine.models.surprises import grid_of_peers, surprises_among, with_surprises

_MODULES = {
    "AnomalyModel": "anomaly_model",
    "CARD_FILE": "model_card",
    "FoundKind": "model_card",
    "card_of": "model_card",
    "Calibration": "calibration",
    "Estimate": "measures",
    "Evaluation": "evaluation",
    "Flags": "flags",
    "GROUPS": "group_months",
    "GroupMonths": "group_months",
    "Known": "evaluation",
    "PeerGrid": "peer_grid",
    "Reranker": "reranker",
    "SURPRISE": "inputs",
    "Resampled": "measures",
    "anomaly_scores": "scoring",
    "calibrate": "calibration",
    "can_be_scored": "inputs",
    "counts_of_groups": "group_months",
    "evaluate": "evaluation",
    "evaluate_reranker": "reranker_evaluation",
    "explain": "explanation",
    "feature_drift": "drift",
    "fit_model": "anomaly_model",
    "fit_reranker": "reranker",
    "flag": "flags",
    "in_words": "flags",
    "input_columns": "finding_inputs",
    "input_names": "finding_inputs",
    "is_held_out": "calibration",
    "months_of_groups": "group_months",
    "stand_out": "group_months",
    "p_values": "calibration",
    "grid_of_peers": "surprises",
    "reference_sample": "calibration",
    "review_counts": "reranker",
    "surprises_among": "surprises",
    "training_sample": "sample",
    "with_surprises": "surprises",
}

__all__ = [
    "CARD_FILE",
    "GROUPS",
    "SURPRISE",
    "AnomalyModel",
    "Calibration",
    "Estimate",
    "Evaluation",
    "Flags",
    "FoundKind",
    "GroupMonths",
    "Known",
    "PeerGrid",
    "Reranker",
    "Resampled",
    "anomaly_scores",
    "calibrate",
    "can_be_scored",
    "card_of",
    "counts_of_groups",
    "evaluate",
    "evaluate_reranker",
    "explain",
    "feature_drift",
    "fit_model",
    "fit_reranker",
    "flag",
    "grid_of_peers",
    "in_words",
    "input_columns",
    "input_names",
    "is_held_out",
    "months_of_groups",
    "p_values",
    "reference_sample",
    "review_counts",
    "stand_out",
    "surprises_among",
    "training_sample",
    "with_surprises",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
