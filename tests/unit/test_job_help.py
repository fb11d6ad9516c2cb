"""`--help` of every job: the command as it is typed, the defaults, and an example."""

from __future__ import annotations

import importlib
import re
import sys

import pytest

from jobs.common import main
from jobs.launcher import jobs


@pytest.mark.parametrize("name", sorted(jobs()))
def test_help_shows_the_command_and_an_example_with_options_that_it_has(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(sys, "argv", [name, "--help"])
    with pytest.raises(SystemExit) as ended:
        main(getattr(importlib.import_module(f"jobs.{name}"), name))
    assert not ended.value.code
    shown = capsys.readouterr().out
    assert f"Usage: ./spark-submit.sh {name}" in shown
    example = re.search(rf"Example: \./spark-submit\.sh {name}(.*)", shown)
    assert example
    listed = set(re.findall(r"--[a-z-]+", shown[: example.start()] + shown[example.end() :]))
    assert set(re.findall(r"--[a-z-]+", example.group(1))) <= listed
    assert "[default:" in shown or "Default:" in shown or name in ("explain", "feedback")
