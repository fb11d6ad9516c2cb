"""The anomaly model as MLflow loads it, on any machine: it needs nothing of this engine.

MLflow keeps a copy of this file with each model and runs it on loading ("models from code"). The folder that comes
along as the artifact `detector` describes itself in `model.json`: file, inputs, and how its answer becomes the score.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import skops.io

TRUSTED_TYPES = ["sklearn.tree._tree.Tree"]


class ServedAnomalyModel(mlflow.pyfunc.PythonModel):
    """Robust z-scores in, anomaly scores out; an unknown z-score counts as typical (0)."""

    def load_context(self, context: Any) -> None:
        folder = Path(context.artifacts["detector"])
        self.description = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        self.detector = skops.io.load(folder / self.description["detector_file"], trusted=TRUSTED_TYPES)

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> pd.DataFrame:  # noqa: ARG002
        rows = model_input[self.description["inputs"]].astype("float64").fillna(0.0).to_numpy()
        answer = getattr(self.detector, self.description["score"]["method"])(rows)
        return pd.DataFrame({"anomaly_score": self.description["score"]["sign"] * answer})


mlflow.models.set_model(ServedAnomalyModel())
