"""Every notebook runs from top to bottom; the one that reads models does so where there are some
(tests/end_to_end/test_training.py).
"""

from __future__ import annotations

from typing import Any

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests.end_to_end.runs import SET_BY_SESSIONS

PROJECT = Path(__file__).parents[2]
NOTEBOOKS = sorted(path for path in (PROJECT / "notebooks").glob("*.ipynb") if path.stem != "compare_models")

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs_where_it_is(path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHONPATH", raising=False)
    for name in SET_BY_SESSIONS:
        monkeypatch.delenv(name, raising=False)
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(path.parent)}}).execute()
    assert not any(cell.outputs for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"), (
        "the outputs of a notebook are not kept in the project"
    )
