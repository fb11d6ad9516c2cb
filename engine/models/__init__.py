"""Models: samples, isolation forests, scores with p-values, reasons and evaluation. No mlflow here.

What is named here is imported on first use: executors import this package for its scorer alone.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.models.anomaly_model import AnomalyModel, fit_model
    from engine.models.evaluation import Evaluation, Known, evaluate
    from engine.models.explanation import explain
    from engine.models.inputs import can_be_scored
    from engine.models.rarity import p_values
    from engine.models.sample import training_sample
    from engine.models.scoring import anomaly_scores, score

_MODULES = {
    "AnomalyModel": "anomaly_model",
    "Evaluation": "evaluation",
    "Known": "evaluation",
    "anomaly_scores": "scoring",
    "can_be_scored": "inputs",
    "evaluate": "evaluation",
    "explain": "explanation",
    "fit_model": "anomaly_model",
    "p_values": "rarity",
    "score": "scoring",
    "training_sample": "sample",
}

__all__ = [
    "AnomalyModel",
    "Evaluation",
    "Known",
    "anomaly_scores",
    "can_be_scored",
    "evaluate",
    "explain",
    "fit_model",
    "p_values",
    "score",
    "training_sample",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
