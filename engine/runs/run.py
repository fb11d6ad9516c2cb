"""A run: opened, worked on, and published as a whole or abandoned."""

from __future__ import annotations

import getpass
import platform
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from pyspark.sql import SparkSession

from engine.errors import OutputError, Problem
from engine.runs.code_version import code_version
from engine.runs.folders import RunFolders, check_apart_from_input
from engine.runs.lease import Lease
from engine.runs.ledger import Ledger
from engine.runs.progress import Progress
from engine.runs.run_ids import check_run_id
from engine.runs.work import WorkFolder
from engine.runtime.parallel import in_parallel
from engine.runtime.session import engine_facts
from engine.runtime.storage import Storage, join
from engine.settings import Settings

_Result = TypeVar("_Result")
BEGAN_WITH = "began-with.json"


@dataclass(frozen=True)
class RunOptions:
    """Options of a run on the command line.

    known_unusual: Parquet with source_row_id and kind of rebate claims that are known to be unusual, by which a model
    that the run trains is measured.
    """

    run_id: str | None = None
    model: str | None = None
    resume: bool = False
    overwrite: bool = False
    known_unusual: str | None = None


@dataclass(frozen=True)
class Run:
    """What every step of a run is given: session, settings, and the run's folders, progress, ledger and work folder.

    folders: of the outputs, before and after `publish`. work: intermediate results, for a resume.
    """

    spark: SparkSession
    settings: Settings
    storage: Storage
    options: RunOptions
    folders: RunFolders
    lease: Lease
    progress: Progress
    ledger: Ledger
    work: WorkFolder

    @property
    def run_id(self) -> str:
        """The name of the run and of its folder."""
        return self.folders.run_id

    def in_parallel(self, tasks: Sequence[Callable[[], _Result]]) -> list[_Result]:
        """The results of tasks that do not depend on each other, in their order (see engine.runtime.parallel)."""
        return in_parallel(self.spark, tasks, self.settings.runtime.results_at_once)

    def abandon(self, keep_work: bool = False) -> bool:
        """End the run without publishing; returns True if its work folder is kept, for which there must be results.

        The folders of a run that another process has taken over stay as they are.
        """
        try:
            if self.lease.is_lost:
                return False
            self.folders.clear_outputs()
            keeps = keep_work and self.folders.has_results and self.storage.exists(join(self.folders.work, BEGAN_WITH))
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
            option decides what to do with it, or another process works on it.
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
    progress = Progress(say, lease.check)
    work = WorkFolder(spark, storage, folders.work, options.resume, lease.check)
    return Run(spark, settings, storage, options, folders, lease, progress, Ledger(), work)


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


def run_facts(run: Run) -> dict[str, Any]:
    """What identifies a run in its summary."""
    return {
        "run_id": run.run_id,
        "as_of": str(run.settings.today),
        "started_at": run.progress.started.isoformat(timespec="seconds"),
        "config_hash": run.settings.config_hash,
        "code_version": code_version(),
        "engine": asdict(engine_facts(run.spark)),
        "spark_version": run.spark.version,
        "python_version": platform.python_version(),
        "started_by": getpass.getuser(),
    }
