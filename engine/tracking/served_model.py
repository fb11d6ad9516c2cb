"""The model as MLflow loads it, on any machine: it requires no part of this engine.

MLflow stores a copy of this file with each model and runs it on loading ("models from code"). The folder in the
artifact `detector` describes itself in `model.json`: kind, inputs, output; its package `scorers` reads it.
"""

from __future__ import annotations

import json
import sys
from hashlib import sha256
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd


class ServedModel(mlflow.pyfunc.PythonModel):  # type: ignore[misc]  # mlflow is not typed
    """Maps inputs to scores. Inputs of anomaly models are surprises or robust z-scores; NULL counts as typical (0)."""

    def load_context(self, context: Any) -> None:
        """Load the scorer from the model's files, without the engine."""
        folder = Path(context.artifacts["detector"])
        description = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        self.inputs, self.output = description["inputs"], description.get("output", "anomaly_score")
        self.scorer = _scorers_of(folder).load_scorer(description["kind"], folder)

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> pd.DataFrame:  # noqa: ARG002
        """Raise ValueError if the frame lacks a column that the model reads; further columns are ignored."""
        missing = [name for name in self.inputs if name not in model_input]
        if missing:
            raise ValueError(f"the frame has no column {', '.join(missing)}; the model reads {', '.join(self.inputs)}")
        rows = model_input[self.inputs].astype("float64").fillna(0.0).to_numpy()
        return pd.DataFrame({self.output: self.scorer.scores(rows)})


def _scorers_of(folder: Path) -> Any:
    """Import the model's own package, under a name derived from its content.

    The name lets one process serve models of several versions. All modules are imported at once, because the folder may
    no longer exist when they are needed.
    """
    files = sorted((folder / "scorers").glob("*.py"))
    name = f"scorers_{sha256(b''.join(file.read_bytes() for file in files)).hexdigest()[:16]}"
    if name not in sys.modules:
        spec = spec_from_file_location(name, folder / "scorers" / "__init__.py")
        if spec is None or spec.loader is None:
            raise ImportError(f"no package {folder / 'scorers'}")
        sys.modules[name] = module_from_spec(spec)  # registered before its modules, which import each other
        spec.loader.exec_module(sys.modules[name])
        for module in (file.stem for file in files if file.name != "__init__.py"):
            import_module(f"{name}.{module}")
    return sys.modules[name]


mlflow.models.set_model(ServedModel())
