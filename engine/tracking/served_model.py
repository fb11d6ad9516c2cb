"""The model as MLflow loads it, on any machine: it needs nothing of this engine.

MLflow keeps a copy of this file with each model and runs it on loading ("models from code"), and a copy of the package
`scorers`. The folder that comes along as the artifact `detector` describes itself in `model.json`: kind, inputs and
output.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd


class ServedModel(mlflow.pyfunc.PythonModel):
    """Inputs in, scores out: of the anomaly models robust z-scores, of which an unknown one counts as typical (0)."""

    def load_context(self, context: Any) -> None:
        from scorers import load_scorer  # there once MLflow has made the model's own code known

        folder = Path(context.artifacts["detector"])
        description = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        self.inputs, self.output = description["inputs"], description.get("output", "anomaly_score")
        self.scorer = load_scorer(description["kind"], folder)

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> pd.DataFrame:  # noqa: ARG002
        rows = model_input[self.inputs].astype("float64").fillna(0.0).to_numpy()
        return pd.DataFrame({self.output: self.scorer.scores(rows)})


mlflow.models.set_model(ServedModel())
