"""The registered model versions that a run uses, chosen at its start."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from engine.contracts.codes import Subject
from engine.errors import ConfigurationError, Problem
from engine.runs import Run
from engine.settings import Settings
from engine.tracking import FetchedModel, Tracker

AnyModel = TypeVar("AnyModel")


@dataclass(frozen=True)
class ModelVersions:
    """The model versions of a run.

    versions: by model name, the version that scores in the run; None if the run trains one. origins: by model name, the
    origin of a version that another run registered, else None; a resumed run must have the same.
    """

    versions: Mapping[str, str | None]
    origins: Mapping[str, str | None]

    def fetched(self, tracker: Tracker, name: str) -> FetchedModel | None:
        """The version of the model that was chosen at the start; None if this run trains one.

        Raises ConfigurationError if the version no longer exists.
        """
        version = self.versions[name]
        if version is None:
            return None
        fetched = tracker.fetch(name, version)
        if fetched is None:
            raise ConfigurationError(_no_such_version(f"{name}/{version}"))
        return fetched


def model_name(settings: Settings, subject: Subject) -> str:
    """The name under which the model of a subject is registered."""
    return settings.mlflow.invoices_model if subject is Subject.INVOICE else settings.mlflow.claims_model


def check_model_option(tracker: Tracker, settings: Settings, model: str | None) -> None:
    """Raise ConfigurationError unless `--model` names a model of the settings and a version that is registered."""
    if model is None:
        return
    name, slash, version = model.partition("/")
    names = (settings.mlflow.claims_model, settings.mlflow.invoices_model, settings.mlflow.reranker_model)
    if name not in names or (slash and not version):
        raise ConfigurationError(
            Problem(
                "no model of this configuration has this name",
                f"--model {model}",
                expected=f"{', '.join(names[:-1])} or {names[-1]}, with /VERSION or without",
            )
        )
    if version and not tracker.has_version(name, version):
        raise ConfigurationError(_no_such_version(model))


def choose_model_versions(run: Run, tracker: Tracker) -> ModelVersions:
    """Choose the model versions at the start, so that moving an alias during the run does not change its results.

    A version that this run trained before it was interrupted counts as trained by this run. Raises ConfigurationError
    if `--model` names a version that does not exist.
    """
    names = [run.settings.mlflow.claims_model, run.settings.mlflow.invoices_model]
    names += [run.settings.mlflow.reranker_model] if run.settings.model.reranker.enabled else []
    versions: dict[str, str | None] = {}
    origins: dict[str, str | None] = {}
    for name in names:
        version = _wanted_version(run, name)
        registered = tracker.registered(name, version)
        if registered is None and version is not None:
            raise ConfigurationError(_no_such_version(run.options.model))
        versions[name] = None if registered is None else registered.version
        is_own = registered is None or registered.trained_by == run.run_id
        origins[name] = None if is_own or registered is None else registered.origin
    return ModelVersions(versions, origins)


def champion_to_compare(
    run: Run, tracker: Tracker, name: str, load: Callable[[Path], AnyModel], check: Callable[[AnyModel], None]
) -> tuple[AnyModel, str] | None:
    """The champion and its version, to be measured on the same rows; None if no champion exists or it cannot be used.

    A champion that cannot be used is noted. `check` must raise ConfigurationError unless the model's inputs are those
    of the settings.
    """
    fetched = tracker.fetch(name)
    if fetched is None:
        return None
    try:
        champion = load(fetched.folder)
        check(champion)
    except ConfigurationError as error:
        problem = error.problems[0].what
        run.progress.note(
            f"{name} version {fetched.version}, the champion, is not compared with the new one: {problem}"
        )
        return None
    return champion, fetched.version


def _wanted_version(run: Run, name: str) -> str | None:
    wanted_name, _, wanted_version = (run.options.model or "").partition("/")
    return wanted_version or None if wanted_name == name else None


def _no_such_version(model: str | None) -> Problem:
    return Problem("there is no such model version", f"--model {model}", to_do="see the MLflow registry")
