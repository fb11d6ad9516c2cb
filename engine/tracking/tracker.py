"""Runs, models and their versions in MLflow. No rows of data and no amounts of money are stored there."""

from __future__ import annotations

import getpass
import hashlib
import json
import math
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata, resources
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pandas as pd

from engine.errors import ConfigurationError, OutputError, Problem
from engine.settings import MlflowSettings
from engine.tracking import champions
from engine.tracking.mlflow_access import alone_in, existing, load_mlflow, readable_errors, retried, within
from engine.tracking.model_files import FILES_TAG, check_files, file_digests

# The imports of the served model; they are logged with the versions installed here.
_REQUIREMENTS = ("mlflow", "numba", "numpy", "pandas")
_LONGEST_PARAMETER = 6_000
_LONGEST_DESCRIPTION = 5_000  # of a model version
# Tags that MLflow's pages read: a description in Markdown, and the kind of an experiment, which decides what its page
# shows.
_NOTE, _KIND = "mlflow.note.content", "mlflow.experimentKind"
_ABOUT_DETECTORS = (
    "Open *Runs* of *Model training*. A run `comparison ...` has the detectors side by side in its description and in "
    "the artifacts `detectors.html` and `detectors.png`; its children are the detectors. What decides is the metric "
    "`against_champion_auprc`, with its interval `_low` to `_high`. Metrics: docs/models.md."
)
_ABOUT_RUNS = (
    "Runs of the jobs `detect` and `train`; the description of each says what it did. Detectors are compared in the "
    "experiments `... detectors`. Metrics: docs/models.md."
)
# The store may have other readers than the findings have.
_OF_MONEY = re.compile(r"dollar|amount", re.IGNORECASE)
# Seconds for the store to respond before a run begins; creating a new store takes half a minute on a slow machine.
_PATIENCE = 150.0


@dataclass(frozen=True)
class FetchedModel:
    """A registered model version, and the local folder with the files that `engine.models` saved."""

    folder: Path
    name: str
    version: str


@dataclass(frozen=True)
class RegisteredVersion:
    """A version in the registry: its number, a digest of its files, and the engine run that trained it."""

    version: str
    files: str | None
    trained_by: str | None

    @property
    def origin(self) -> str:
        """The identity that results record: a registry that was recreated may reuse a number for another model."""
        return self.version if self.files is None else f"{self.version}, files {self.files[:12]}"


class Tracker:
    """The MLflow store of the settings; by default a sqlite file and a folder of artifacts in the output folder.

    Creating a Tracker does not access the store. Every method raises ConfigurationError if the store does not respond
    or refuses.
    """

    def __init__(self, settings: MlflowSettings, output_root: str):
        self._settings = settings
        self._output = _local_folder(output_root)
        self.tracking_uri = settings.tracking_uri or self._default_store(output_root)
        self.registry_uri = settings.registry_uri or self.tracking_uri

    def check(self) -> None:
        """Raise ConfigurationError unless runs can be logged.

        The store must respond, have MLflow's tables and accept the experiment. A store that does not exist yet is
        created; two processes may do so at the same time.
        """
        self._make_output_folder()
        within(_PATIENCE, "the MLflow store cannot be used", self.tracking_uri, lambda: retried(self._check))

    def _check(self) -> None:
        mlflow = load_mlflow()
        from sqlalchemy import create_engine

        with alone_in(self._store_folder):
            for uri in {self.tracking_uri, self.registry_uri}:
                if _is_database(uri):
                    # MLflow itself would retry for minutes.
                    engine = create_engine(uri)
                    try:
                        engine.connect().close()
                    finally:
                        engine.dispose()
            client = mlflow.MlflowClient(self.tracking_uri, self.registry_uri)
            self._experiment_id(client, self._settings.experiment)
            client.search_registered_models(max_results=1)
        for place in self._local_places():
            nearest = next(folder for folder in (place, *place.parents) if folder.exists())
            if not os.access(nearest, os.W_OK):
                raise PermissionError(f"no permission to write to {nearest}")

    @property
    def _store_file(self) -> Path | None:
        """The file of a store that is a sqlite database."""
        scheme, _, path = self.tracking_uri.partition(":///")
        return Path(path.partition("?")[0]).resolve() if scheme == "sqlite" and path else None

    @property
    def _store_folder(self) -> Path | None:
        return self._store_file.parent if self._store_file and self._store_file.parent.is_dir() else None

    def _local_places(self) -> list[Path]:
        """Files and folders of this machine that runs write to."""
        artifacts = _local_folder(self._artifact_location) if self._artifact_location else None
        return [place for place in (self._store_file, artifacts) if place is not None]

    def has_version(self, model_name: str, version: str) -> bool:
        """True if the registry has this version of the model."""
        with self.connected("cannot look up the model") as client:
            return existing(lambda: client.get_model_version(model_name, version)) is not None

    def registered(self, model_name: str, version: str | None = None) -> RegisteredVersion | None:
        """The model version with that number, or with the configured alias; None if it does not exist.

        Fetches no files.
        """
        with self.connected("cannot look up the model") as client:
            if version is not None:
                wanted = existing(lambda: client.get_model_version(model_name, version))
            else:
                wanted = existing(lambda: client.get_model_version_by_alias(model_name, self.alias))
            if wanted is None:
                return None
            files = client.get_run(wanted.run_id).data.tags.get(FILES_TAG)
            digest = None if files is None else hashlib.sha256(files.encode()).hexdigest()
            return RegisteredVersion(str(wanted.version), digest, wanted.tags.get("run_id"))

    def log_training(
        self,
        *,
        model_folder: Path | None,
        model_name: str,
        run_name: str,
        parameters: Mapping[str, Any],
        metrics: Mapping[str, float],
        figures: Mapping[str, Any],
        tags: Mapping[str, str],
        set_alias: bool = False,
        experiment: str | None = None,
        first_takes_over: bool = True,
        description: str = "",
    ) -> str | None:
        """Log a training run with its model, register the model, and return the new version.

        `model_folder` contains `model.json` (with `inputs` and, unless it is an anomaly score, `output`), the detector
        and, in `scorers/`, the Python code that reads it. It is None if the model must not be stored: the run is
        logged, nothing is registered, and None is returned. Metrics of money are not logged. `figures` are
        matplotlib's. Tags (data fingerprint, config hash, code version) are set on the run and on the version. The
        version gets the configured alias, with an entry in the promotion log, if `set_alias`, or if no version has the
        alias yet and `first_takes_over`. If anything fails, no version remains and the run is marked failed.
        `experiment`: by default the configured one. `description`: Markdown that MLflow shows with the run and with the
        version.
        """
        all_tags = {**tags, "job": "train", "model_name": model_name, _NOTE: description}
        if model_folder is not None:
            all_tags[FILES_TAG] = json.dumps(file_digests(model_folder))
        with self._run("cannot log the training", run_name, all_tags, experiment) as (mlflow, client, run_id):
            _log_values(mlflow, client, run_id, parameters, metrics)
            for name, figure in figures.items():
                client.log_figure(run_id, figure, f"plots/{name}.png")
            if model_folder is None:
                return None
            model_id = _log_model(mlflow, client, run_id, model_folder)
            with _undone_on_failure(lambda: client.delete_logged_model(model_id)):
                return self._register(
                    client, model_name, run_id, model_id, tags, set_alias, first_takes_over, description
                )

    def log_comparison(
        self,
        *,
        model_name: str,
        run_name: str,
        experiment: str,
        tags: Mapping[str, str],
        against: Mapping[str, Mapping[str, tuple[float, float, float]]],
        table: str,
        figure: Any,
        description: str,
    ) -> str:
        """Log a run that compares the versions of one training run, and make it their parent. Returns its id.

        The comparison is stored as the artifacts `detectors.html` (a table) and `detectors.png`, and as the run's
        description, in Markdown. `against`: by version, its average precision less that of the others on the same rows,
        for `promote`.
        """
        all_tags = {**tags, "job": "compare", "model_name": model_name, _NOTE: description}
        with self._run("cannot log the comparison", run_name, all_tags, experiment) as (_, client, run_id):
            client.log_text(run_id, table, "detectors.html")
            client.log_figure(run_id, figure, "detectors.png")
            for version, differences in against.items():
                child = client.get_model_version(model_name, version).run_id
                client.set_tag(child, "mlflow.parentRunId", run_id)
                for key, value in champions.same_rows_tags(differences).items():
                    client.set_model_version_tag(model_name, version, key, value)
            return run_id

    def log_detection(
        self, run_name: str, metrics: Mapping[str, float], tags: Mapping[str, str], description: str = ""
    ) -> str:
        """Log a run of the main job: its counts and, as tags, the model version that scored. Returns the run's id.

        `description`: as for a training run.
        """
        all_tags = {**tags, "job": "detect", _NOTE: description}
        with self._run("cannot log the run", run_name, all_tags) as (mlflow, client, run_id):
            _log_values(mlflow, client, run_id, {}, metrics)
            return run_id

    def fetch(
        self, model_name: str, version: str | None = None, alias: str | None = None, into: Path | None = None
    ) -> FetchedModel | None:
        """Copy the model version with that number or alias (by default the configured alias) to a local folder.

        Raises ConfigurationError, which names the files, if they are not those that were registered.

        `into`: the folder for files that a server sends (default: a temporary one); local artifacts are read in place.
        Returns None if the model does not exist, or none of its versions has the number or the alias.
        """
        with self._mlflow("cannot fetch the model") as (mlflow, client):
            if version is not None:
                wanted = existing(lambda: client.get_model_version(model_name, version))
            else:
                wanted = existing(lambda: client.get_model_version_by_alias(model_name, alias or self.alias))
            if wanted is None:
                return None
            if into is not None:
                into.mkdir(parents=True, exist_ok=True)
            uri, target = f"models:/{model_name}/{wanted.version}", str(into) if into else None
            folder = Path(mlflow.artifacts.download_artifacts(uri, dst_path=target))
            model = f"{model_name} version {wanted.version}"
            detector = _detector_folder(mlflow, folder, model)
            check_files(detector, client.get_run(wanted.run_id).data.tags.get(FILES_TAG), model)
            return FetchedModel(detector, model_name, str(wanted.version))

    @property
    def alias(self) -> str:
        """The alias of the version in charge."""
        return self._settings.alias

    @contextmanager
    def connected(self, what: str) -> Iterator[Any]:
        """A client of this store; exceptions of MLflow in the block become a ConfigurationError with `what`."""
        with self._mlflow(what) as (_, client):
            yield client

    def _default_store(self, output_root: str) -> str:
        if self._output is None:
            raise ConfigurationError(
                Problem(
                    "models have no place to go: the default store, a sqlite file, needs a local output folder",
                    "mlflow.tracking_uri",
                    f"output.root is {output_root}",
                    "the address of an MLflow server or of its database",
                    "set mlflow.tracking_uri, such as http://mlflow.example.org:5000",
                )
            )
        return f"sqlite:///{self._output / 'mlflow.db'}"

    @contextmanager
    def _mlflow(self, what: str) -> Iterator[tuple[Any, Any]]:
        """mlflow, configured for this store from here on, and its client."""
        self._make_output_folder()
        mlflow = load_mlflow()
        with readable_errors(what, self.tracking_uri):
            mlflow.set_tracking_uri(self.tracking_uri)
            mlflow.set_registry_uri(self.registry_uri)
            yield mlflow, mlflow.MlflowClient(self.tracking_uri, self.registry_uri)

    def _make_output_folder(self) -> None:
        if self._settings.tracking_uri or self._output is None:
            return
        try:
            self._output.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(
                Problem("cannot make the folder of the MLflow store", str(self._output), str(error))
            ) from None

    @contextmanager
    def _run(
        self, what: str, run_name: str, tags: Mapping[str, str], experiment: str | None = None
    ) -> Iterator[tuple[Any, Any, str]]:
        """mlflow, its client and the id of a new run, which ends with the block as finished or failed."""
        with self._mlflow(what) as (mlflow, client):
            run_id = client.create_run(
                self._experiment_id(client, experiment or self._settings.experiment),
                tags=dict(tags),
                run_name=run_name,
            ).info.run_id
            with _undone_on_failure(lambda: client.set_terminated(run_id, "FAILED")):
                yield mlflow, client, run_id
            client.set_terminated(run_id, "FINISHED")

    def _experiment_id(self, client: Any, name: str) -> str:
        experiment = client.get_experiment_by_name(name)
        if experiment is not None and experiment.lifecycle_stage != "active":
            raise ConfigurationError(
                Problem("the MLflow experiment is deleted", name, to_do="restore it, or set another mlflow.experiment")
            )
        if experiment is not None:
            return experiment.experiment_id
        about = _ABOUT_RUNS if name == self._settings.experiment else _ABOUT_DETECTORS
        return client.create_experiment(
            name, artifact_location=self._artifact_location, tags={_KIND: "custom_model_development", _NOTE: about}
        )

    @property
    def _artifact_location(self) -> str | None:
        """None: a server chooses the location. A database alone would put artifacts below the current folder."""
        if self._settings.artifact_location or self.tracking_uri.startswith(("http://", "https://", "databricks")):
            return self._settings.artifact_location
        return (self._output / "mlartifacts").as_uri() if self._output else None

    def _register(
        self,
        client: Any,
        model_name: str,
        run_id: str,
        model_id: str,
        tags: Mapping[str, str],
        set_alias: bool,
        first_takes_over: bool,
        description: str,
    ) -> str:
        is_new = existing(lambda: client.get_registered_model(model_name)) is None
        if is_new:
            client.create_registered_model(model_name)
        with _undone_on_failure(lambda: client.delete_registered_model(model_name) if is_new else None):
            version = client.create_model_version(
                model_name,
                source=f"models:/{model_id}",
                run_id=run_id,
                model_id=model_id,
                tags=dict(tags),
                description=description[:_LONGEST_DESCRIPTION],
            ).version
            with _undone_on_failure(lambda: client.delete_model_version(model_name, version)):
                champion = champions.champion_version(client, model_name, self.alias)
                if set_alias or (champion is None and first_takes_over):
                    entry = champions.first_champion(model_name, str(version), champion, getpass.getuser())
                    champions.move(client, self.alias, entry)
        return str(version)


def _is_database(uri: str) -> bool:
    return uri.partition("://")[0].partition("+")[0] in ("sqlite", "postgresql", "mysql", "mssql")


def _detector_folder(mlflow: Any, folder: Path, model: str) -> Path:
    """The folder of the model's own files, from its MLmodel file. Raises ConfigurationError if that is damaged."""
    file = folder / "MLmodel"
    try:
        logged = mlflow.models.Model.load(str(file))
        detector = (folder / logged.flavors["python_function"]["artifacts"]["detector"]["path"]).resolve()
        if not detector.is_relative_to(folder.resolve()):
            raise ValueError("a path that leaves the model's folder")
    # Broken YAML, a Python tag, a missing flavor: a file written by somebody else may contain anything.
    except Exception as error:
        raise ConfigurationError(
            Problem(
                f"the description of {model} cannot be read",
                str(file),
                type(error).__name__,
                "the MLmodel file as `train` logged it",
                "restore it, name another version with --model, or train a new one",
            )
        ) from error
    return detector


def _local_folder(location: str) -> Path | None:
    """The absolute path of a local location; None for one on another file system."""
    parts = urlsplit(location)
    if parts.scheme == "file":
        return Path(unquote(parts.path)).resolve()
    return None if parts.scheme else Path(location).resolve()


@contextmanager
def _undone_on_failure(undo: Callable[[], Any]) -> Iterator[None]:
    try:
        yield
    except BaseException as failure:
        try:
            undo()
        except Exception as second:
            failure.add_note(f"and undoing what was done failed too: {second}")
        raise


def _log_values(
    mlflow: Any, client: Any, run_id: str, parameters: Mapping[str, Any], metrics: Mapping[str, float]
) -> None:
    entities = mlflow.entities
    now = client.get_run(run_id).info.start_time
    client.log_batch(
        run_id,
        metrics=[
            entities.Metric(name, float(value), now, 0)
            for name, value in metrics.items()
            if math.isfinite(value) and not _OF_MONEY.search(name)
        ],
        params=[entities.Param(name, str(value)[:_LONGEST_PARAMETER]) for name, value in parameters.items()],
    )


def _log_model(mlflow: Any, client: Any, run_id: str, model_folder: Path) -> str:
    """Log the folder as a pyfunc model of the run; return the model's id. If logging fails, no part of it remains."""
    description = json.loads((model_folder / "model.json").read_text(encoding="utf-8"))
    inputs = description["inputs"]
    script = resources.files("engine.tracking").joinpath("served_model.py")
    try:
        with (
            tempfile.TemporaryDirectory() as folder,
            resources.as_file(script) as file,
            mlflow.start_run(run_id=run_id, log_system_metrics=False),
        ):
            # mlflow names the artifact after its folder.
            artifact = shutil.copytree(model_folder, Path(folder, "detector"))
            # mlflow keeps the mode of the script, which the checkout makes accessible to all users.
            own = shutil.copyfile(file, Path(folder, file.name))
            return mlflow.pyfunc.log_model(
                name="model",
                python_model=str(own),
                artifacts={"detector": str(artifact)},
                signature=_signature(mlflow, inputs, description.get("output", "anomaly_score")),
                input_example=pd.DataFrame({name: [0.0] for name in inputs}),  # invented: no row leaves the engine
                pip_requirements=[f"{package}=={metadata.version(package)}" for package in _REQUIREMENTS],
            ).model_id
    except BaseException:
        for output in client.get_run(run_id).outputs.model_outputs:
            client.delete_logged_model(output.model_id)
        raise


def _signature(mlflow: Any, inputs: Sequence[str], output: str) -> Any:
    types = mlflow.types
    return mlflow.models.ModelSignature(
        inputs=types.Schema([types.ColSpec(types.DataType.double, name, required=False) for name in inputs]),
        outputs=types.Schema([types.ColSpec(types.DataType.double, output)]),
    )
