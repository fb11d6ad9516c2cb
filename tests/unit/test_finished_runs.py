"""A finished run is read with the settings that it recorded; what differs is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.errors import ConfigurationError, OutputError
from engine.pipeline.finished_runs import finished_run, published
from engine.runtime.storage import join
from engine.settings import Settings, load_settings


class LocalStorage:
    """What reading a finished run needs of Storage, without a JVM."""

    def exists(self, uri: str) -> bool:
        return Path(uri).exists()

    def read_bytes(self, uri: str) -> bytes:
        return Path(uri).read_bytes()


def settings_of(root: Path, *words: str) -> Settings:
    return load_settings(None, [f"output.root={root}", *words])


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Output folder with a run that was made with settings of its own."""
    settings = settings_of(
        tmp_path, "link.days_apart=5", "input.tables.products.path=p.parquet", "input.tables.products.complete=true"
    )
    run = tmp_path / "demo"
    run.mkdir()
    summary = {
        "config_hash": settings.config_hash,
        "as_of": "2026-09-30",
        "input_root": "/data/claims",
        "settings": settings.result_settings,
        "reference_files": settings.reference_digests,
    }
    (run / "summary.json").write_text(json.dumps(summary))
    (run / "_SUCCESS").write_text("{}")
    return tmp_path


def test_settings_that_are_not_given_are_the_runs(root: Path) -> None:
    folder, _, then = finished_run(LocalStorage(), settings_of(root), "demo")
    assert folder == join(str(root), "demo")
    assert then.link.days_apart == 5
    assert then.input.tables["products"].complete
    assert (then.input.root, str(then.as_of)) == ("/data/claims", "2026-09-30")


def test_a_given_setting_that_differs_is_named_with_both_values(root: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"link\.days_apart(.|\n)*found: +4\n(.|\n)*expected: 5"):
        finished_run(LocalStorage(), settings_of(root, "link.days_apart=4"), "demo")


def test_another_reference_file_is_named(root: Path, tmp_path: Path) -> None:
    other = tmp_path / "reference"
    other.mkdir()
    (other / "dispute_codes.csv").write_text("code\n")
    with pytest.raises(ConfigurationError, match=r"reference files(.|\n)*dispute_codes\.csv"):
        finished_run(LocalStorage(), settings_of(root, f"reference_folder={other}"), "demo")


@pytest.mark.parametrize("run_id", ["../demo", "demo/../demo", "/etc", "mlflow.db", ""])
def test_a_run_id_cannot_leave_the_output_folder(root: Path, run_id: str) -> None:
    with pytest.raises(OutputError, match="--with"):
        published(LocalStorage(), settings_of(root), run_id, "--with")
