"""Steps of the pipeline: a module each, frozen results, and what a resumed or misdirected run is refused for."""

from __future__ import annotations

import dataclasses
from importlib import import_module
from pathlib import Path

import pytest

from engine.contracts.codes import Step
from engine.errors import InputError
from engine.pipeline import stages
from engine.pipeline.training import check_known_unusual
from engine.runs import RunOptions
from engine.runtime.storage import Storage


@pytest.mark.parametrize("step", Step)
def test_every_step_has_the_module_of_its_name(step: Step) -> None:
    module = import_module(f"engine.pipeline.{step.value}")
    assert module.__doc__.startswith(f"Step {step.value}: ")


def test_results_of_steps_cannot_be_changed() -> None:
    results = [value for value in vars(stages).values() if dataclasses.is_dataclass(value)]
    assert len(results) > 10
    for result in results:
        assert result.__dataclass_params__.frozen, result.__name__
    prepared = stages.Prepared(opened={})
    with pytest.raises(dataclasses.FrozenInstanceError):
        prepared.claims = None  # type: ignore[misc]  # that it is refused is the test


def test_rows_known_to_be_unusual_must_be_there(tmp_path: Path) -> None:
    check_known_unusual(Storage(), RunOptions())
    check_known_unusual(Storage(), RunOptions(known_unusual=str(tmp_path)))
    with pytest.raises(InputError, match=r"--known-unusual nowhere(.|\n)*source_row_id and kind"):
        check_known_unusual(Storage(), RunOptions(known_unusual="nowhere"))
