"""Reads finished runs in the output folder."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from engine.contracts.findings import FINDINGS
from engine.errors import ConfigurationError, OutputError, Problem
from engine.runs import check_run_id
from engine.runtime.parquet import read_parquet
from engine.runtime.storage import SUCCESS_MARKER, Storage, join, name_of
from engine.settings import Settings

_MOST_NAMED = 10
_LONGEST_VALUE = 60


def finished_run(storage: Storage, settings: Settings, run_id: str) -> tuple[str, dict[str, Any], Settings]:
    """Folder and summary of a finished run, and the settings that it was made with, as of its day.

    Settings that can change a result come from the run's own record, as does the input folder if none is set now;
    settings on where to write and log come from `settings`. A setting that is set now must agree with the record.

    Raises:
        OutputError: the run does not exist.
        ConfigurationError: a setting that is set now, or a reference file, differs from the run's; the error names
            each.
    """
    folder, summary = published(storage, settings, run_id)
    recorded = summary.get("settings", {})
    problems = [
        Problem(
            f"the settings are not those that the run was made with: {name}",
            folder,
            _shown(now),
            _shown(then),
            f"leave {name} as it was for the run, or run `detect` again",
        )
        for name, then, now in _differences(recorded, settings.given_result_settings if recorded else {})
    ]
    files_then = summary.get("reference_files", {})
    problems += [
        Problem(
            f"the reference files are not those that the run was made with: {name}",
            folder,
            to_do="name the run's reference_folder, or run `detect` again",
        )
        for name, _, _ in _differences(files_then, settings.reference_digests if files_then else {})
    ]
    if len(problems) > _MOST_NAMED:
        remaining = Problem(f"and {len(problems) - _MOST_NAMED} more settings", folder)
        problems = [*problems[:_MOST_NAMED], remaining]
    if problems:
        raise ConfigurationError(problems)
    as_then = _with_record(settings, recorded)
    if as_then.config_hash != summary["config_hash"]:
        raise ConfigurationError(
            Problem(
                "the settings are not those that the run was made with",
                folder,
                f"run: {summary.get('code_version', 'unknown version')}",
                to_do="give the same --config and --set as for the run, with the same version of the engine",
            )
        )
    update: dict[str, Any] = {"as_of": date.fromisoformat(summary["as_of"])}
    if settings.input.root is None and settings.input.connection is None:
        update["input"] = as_then.input.model_copy(update={"root": summary.get("input_root")})
    return folder, summary, as_then.model_copy(update=update)


def published(storage: Storage, settings: Settings, run_id: str, where: str = "--run-id") -> tuple[str, dict[str, Any]]:
    """Folder and summary of a finished run. Raises OutputError if the run does not exist; `where`: the option to name
    in the error.
    """
    folder = join(settings.output.root, check_run_id(run_id, where))
    if not storage.exists(join(folder, SUCCESS_MARKER)):
        raise OutputError(Problem("there is no finished run of this id", folder, to_do=f"correct {where} or --output"))
    return folder, json.loads(storage.read_bytes(join(folder, "summary.json")))


def findings_of(spark: SparkSession, folders: Sequence[str]) -> DataFrame:
    """All FINDINGS of published runs; `folders` must not be empty."""
    return read_parquet(spark, [join(folder, "findings") for folder in folders], FINDINGS)


def runs_in_order(spark: SparkSession, storage: Storage, folders: Sequence[str]) -> DataFrame:
    """run_id, run_number (in the order of `folders`) and run_day of published runs, one row each."""
    days = [json.loads(storage.read_bytes(join(folder, "summary.json")))["as_of"] for folder in folders]
    rows = [
        (name_of(folder), number, date.fromisoformat(day))
        for number, (folder, day) in enumerate(zip(folders, days, strict=True), start=1)
    ]
    return spark.createDataFrame(rows, "run_id string, run_number bigint, run_day date")


def _differences(then: Any, now: Any, name: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Name, recorded value and current value of each setting that is set now and differs from the record; empty for a
    run without a record.
    """
    if isinstance(now, Mapping) and isinstance(then, Mapping):
        for key, value in now.items():
            yield from _differences(then.get(key), value, f"{name}.{key}" if name else str(key))
    elif now != then:
        yield name, then, now


def _with_record(settings: Settings, recorded: Mapping[str, Any]) -> Settings:
    """The settings with everything that can change a result as recorded; secrets stay, because no record contains
    them.
    """
    present = settings.model_dump(mode="json", exclude_unset=True)
    return Settings.model_validate(_merged(recorded, present))


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    both = {key: _merged(base[key], value) for key, value in over.items() if _are_nested(base.get(key), value)}
    return {**base, **over, **both}


def _are_nested(first: Any, second: Any) -> bool:
    return isinstance(first, Mapping) and isinstance(second, Mapping)


def _shown(value: Any) -> str:
    text = "not set" if value is None else json.dumps(value)
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 1] + "…"
