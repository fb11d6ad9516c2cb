"""A run's name, folders, clock and ledger."""

from __future__ import annotations

import getpass
import hashlib
import json
import platform
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import cache
from importlib import resources
from importlib.metadata import PackageNotFoundError, version
from importlib.resources.abc import Traversable
from typing import Any, TypeVar

from pyspark.sql import SparkSession

from engine.contracts.codes import Step
from engine.errors import InternalError, OutputError, Problem
from engine.ledger import Ledger
from engine.redaction import masked
from engine.runs import Lease, RunFolders, check_apart_from_input, differences, digest
from engine.runtime.parallel import in_parallel
from engine.runtime.session import engine_facts
from engine.runtime.storage import Storage, join
from engine.settings import Settings

_Result = TypeVar("_Result")

_RUN_ID = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,98}[A-Za-z0-9_-])?")
# What the engine and MLflow keep in the output folder next to the runs.
_RESERVED = {"compare", "explain", "mlartifacts", "mlruns", "runs"}
_RESERVED_PREFIX = "mlflow.db"
_BEGAN_WITH = "began-with.json"
# Of runs that were interrupted before they noted their engine.
_ENGINE_BEFORE = "spark"


def check_run_id(run_id: str, where: str = "--run-id") -> str:
    """Return `run_id` if it can name a run's folder.

    Every job that takes a run id calls this before the id becomes part of a path. `where` names the option.
    Reserved names are refused in any case, since a file system may not distinguish case.

    Raises:
        OutputError: not a plain folder name, or a name that the output folder needs for something else.
    """
    if not _RUN_ID.fullmatch(run_id):
        expected = "up to 100 letters, digits, '.', '_' and '-'; the first a letter or digit, the last not '.'"
        raise OutputError(Problem("a run id must be usable as a folder name", where, run_id, expected))
    name = run_id.lower()
    if name in _RESERVED or name.startswith(_RESERVED_PREFIX):
        raise OutputError(
            Problem(
                "the run id is a name that the output folder uses itself",
                where,
                run_id,
                f"none of {', '.join(sorted(_RESERVED))}, and nothing that begins with {_RESERVED_PREFIX}",
                "use another --run-id",
            )
        )
    return run_id


@dataclass(frozen=True)
class RunOptions:
    run_id: str | None = None
    model: str | None = None
    resume: bool = False
    overwrite: bool = False


@dataclass
class Run:
    """One run of the main job.

    `unread`: files of the input folder that no table reads. `folder` is where outputs are written until `publish`,
    `work` holds intermediate Parquet for a resume. `model_versions`: by name the version that judges in this run, None
    where it trains one; `provenance`: what results are made from (`check_resumable`).
    """

    spark: SparkSession
    settings: Settings
    storage: Storage
    options: RunOptions
    run_id: str
    say: Callable[[str], None]
    folders: RunFolders
    lease: Lease
    ledger: Ledger = field(default_factory=Ledger)
    seconds: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    unread: list[dict[str, str | None]] = field(default_factory=list)
    model_versions: dict[str, str | None] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)
    started: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def final(self) -> str:
        return self.folders.final

    @property
    def folder(self) -> str:
        return self.folders.outputs

    @property
    def work(self) -> str:
        return self.folders.work

    def note(self, text: str) -> None:
        """Something the user should know; kept for the summary and said at once."""
        text = masked(text)
        self.notes.append(text)
        self.say(f"           note: {text}")

    @contextmanager
    def step(self, step: Step) -> Iterator[list[str]]:
        """Times a step and says one line when it ends; the block appends what should stand in the line.

        Raises LeaseLost if another process took the run over.
        """
        self.lease.check()
        words: list[str] = []
        began = time.perf_counter()
        yield words
        self.seconds[step.value] = round(time.perf_counter() - began, 3)
        self.say(f"{step.value:<9}{self.seconds[step.value]:>8.1f} s  {masked('; '.join(words))}")

    def in_parallel(self, tasks: Sequence[Callable[[], _Result]]) -> list[_Result]:
        """The results of tasks that do not depend on each other, in their order (see engine.runtime.parallel)."""
        return in_parallel(self.spark, tasks, self.settings.runtime.results_at_once)

    def made_from(self) -> dict[str, str]:
        """What each intermediate result records: a digest of all that can change it, models apart."""
        return {"run": digest({name: value for name, value in self.provenance.items() if name != "models"})}

    def abandon(self, keep_work: bool = False) -> bool:
        """End the run without publishing; returns True if its work folder is kept, for which there must be results.

        The folders of a run that another process has taken over stay as they are.
        """
        try:
            if self.lease.is_lost:
                return False
            self.folders.clear_outputs()
            keeps = keep_work and self.folders.has_results and self.storage.exists(join(self.work, _BEGAN_WITH))
            if keeps:
                self.folders.claim_work()
            else:
                self.folders.delete_work()
            return keeps
        finally:
            self.lease.release()

    def publish(self) -> None:
        """Make the run visible as a whole, then drop its intermediate results. Raises LeaseLost."""
        self.lease.check()
        self.folders.publish()
        if not self.lease.is_lost:
            self.folders.delete_work()
        self.lease.release()


def open_run(
    spark: SparkSession,
    storage: Storage,
    settings: Settings,
    options: RunOptions,
    say: Callable[[str], None],
    job: str = "detect",
) -> Run:
    """The run with its folders checked and ready to write to, and its lease taken.

    Raises:
        OutputError: the run id cannot be used, its place is taken, a run of it is finished or interrupted and no
            option says what to do with it, or another process works on it.
    """
    run_id = check_run_id(options.run_id or f"{settings.today:%Y%m%d}-{datetime.now(UTC):%Y%m%dT%H%M%S}")
    folders = RunFolders(storage, settings.output.root, run_id, job)
    lease = Lease(storage, folders.work)
    folders.check_owned()
    check_apart_from_input(storage, settings, folders)
    lease.check_free()
    existed = storage.exists(folders.work)
    lease.acquire()
    try:
        if recovered := folders.recover():
            say(recovered)
        _check_options(folders, options)
        folders.begin(options.resume)
    except BaseException:
        if not existed:
            folders.delete_work()
        lease.release()
        raise
    return Run(spark, settings, storage, options, run_id, say, folders, lease)


def _check_options(folders: RunFolders, options: RunOptions) -> None:
    if folders.is_published and not options.overwrite:
        raise OutputError(
            Problem(
                "there is a finished run of this id",
                folders.final,
                to_do="use another --run-id, or --overwrite to replace it"
                + (" (--resume --overwrite continues the interrupted run that was to)" * folders.is_interrupted),
            )
        )
    if folders.is_interrupted and not (options.resume or options.overwrite):
        raise OutputError(
            Problem(
                "there is an interrupted run of this id",
                folders.work,
                to_do="--resume continues it, --overwrite starts again",
            )
        )


def published_runs(storage: Storage, root: str, but: str) -> list[str]:
    """Folders of finished runs below `root` other than `but`, in the order in which they were published."""
    names = (name for name in storage.children(root) if name != but and not name.startswith("."))
    published = [(RunFolders(storage, root, name).published_at, name) for name in names]
    return [join(root, name) for at, name in sorted(published) if at]


def check_resumable(run: Run, fingerprints: Mapping[str, str]) -> None:
    """An interrupted run is resumed only from what it began with: code, day, input, settings, reference files, models.

    `fingerprints`: of each input table. Records what the run is made from in its work folder. Raises OutputError with
    every difference.
    """
    began_with = join(run.work, _BEGAN_WITH)
    now = {
        "code": code_version(),
        "engine": engine_facts(run.spark).name,
        "as_of": str(run.settings.today),
        "input": dict(fingerprints),
        "settings": run.settings.result_settings,
        "files": run.settings.shipped_digests,
        "models": run.provenance.get("models", {}),
    }
    now = json.loads(json.dumps(now))
    before = json.loads(run.storage.read_bytes(began_with)) if run.storage.exists(began_with) else {}
    if before != now and run.options.resume and (before or run.folders.has_results):
        raise OutputError(differences({"engine": _ENGINE_BEFORE, **before}, now, run.work))
    if before != now:
        run.storage.write_text(began_with, json.dumps(now))
    run.provenance = now


def interrupted_engine(settings: Settings, run_id: str) -> str | None:
    """The engine of the interrupted run that is to be resumed; None if there is none on this machine's disk."""
    began_with = join(RunFolders(Storage(), settings.output.root, check_run_id(run_id)).work, _BEGAN_WITH)
    try:
        return str(json.loads(Storage().read_bytes(began_with)).get("engine", _ENGINE_BEFORE))
    except (OSError, ValueError):
        return None


@cache
def code_version() -> str:
    """The package's version and a hash over its sources, so that two runs can tell whether the code differed.

    Equal for a folder and for an archive of it, from which a cluster's driver imports. Raises InternalError if no
    source is found: the hash of nothing would be equal for all code.
    """
    sources = sorted(_sources(resources.files("engine")))
    if not sources:
        raise InternalError("the sources of the program cannot be read, so that its version is unknown")
    hashed = hashlib.sha256()
    for name, content in sources:
        hashed.update(name.encode())
        hashed.update(content)
    try:
        number = version("drug-discount-engine")
    except PackageNotFoundError:
        number = "unreleased"
    return f"{number}+{hashed.hexdigest()[:12]}"


def _sources(folder: Traversable, below: str = "") -> Iterator[tuple[str, bytes]]:
    """Name, relative to the package, and content of each Python file."""
    for entry in folder.iterdir():
        name = f"{below}{entry.name}"
        if entry.is_dir():
            yield from _sources(entry, f"{name}/")
        elif name.endswith(".py"):
            yield name, entry.read_bytes()


def run_facts(run: Run) -> dict[str, Any]:
    """What identifies a run in its summary."""
    return {
        "run_id": run.run_id,
        "as_of": str(run.settings.today),
        "started_at": run.started.isoformat(timespec="seconds"),
        "config_hash": run.settings.config_hash,
        "code_version": code_version(),
        "engine": asdict(engine_facts(run.spark)),
        "spark_version": run.spark.version,
        "python_version": platform.python_version(),
        "started_by": getpass.getuser(),
    }
