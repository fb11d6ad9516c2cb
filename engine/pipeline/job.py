"""Context manager that opens the run of a job and ends it after success, failure or interruption."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pyspark.sql import SparkSession

from engine import rules, sources
from engine.errors import InputError, OutputError, RejectedInput
from engine.runs import LeaseLost, Run, RunOptions, interruptible, interruption_of, open_run, undisturbed
from engine.runtime.executors import executors_watched
from engine.runtime.failures import ENGINE_ERRORS
from engine.runtime.session import cancel_jobs
from engine.runtime.storage import storage_of
from engine.settings import Settings


@contextmanager
def job_run(
    spark: SparkSession,
    settings: Settings,
    options: RunOptions,
    say: Callable[[str], None],
    job: str = "detect",
    can_resume: bool = False,
) -> Iterator[Run]:
    """Open the run of one job.

    A failure or a signal ends the run: its lease is released, and its finished results are kept if the job can resume.
    Failures of storage, of the run's own folders and of input files are raised as UserError.
    """
    storage = storage_of(spark)
    rules.check_configuration(settings)
    waits = settings.spark.executor_wait_seconds
    with executors_watched(spark, waits, say) as no_executors, interruptible():
        run = open_run(spark, storage, settings, options, say, job)
        try:
            yield run
        except BaseException as error:
            with undisturbed():
                interruption = interruption_of(error)
                if interruption is not None:
                    cancel_jobs(spark)
                ended = interruption or no_executors() or _explained(error, run)
                if note := _end(run, ended, can_resume):
                    ended.add_note(note)
            if ended is error:
                raise
            raise ended from None


def _explained(error: BaseException, run: Run) -> BaseException:
    """The error to show to the user."""
    if isinstance(error, LeaseLost):
        return error
    try:
        fault = sources.translate_run_fault(error, [run.folders.work, run.folders.outputs])
        explained = fault or sources.translate_read_error(error)
        if explained is None and isinstance(error, ENGINE_ERRORS):
            run.work.check()  # an engine may report a file that it cannot decode without naming it
        return explained or error
    except OutputError as changed:
        return changed
    except Exception:
        return error  # a JVM that has exited cannot explain the error, and the run must still end


def _end(run: Run, ended: BaseException, can_resume: bool) -> str | None:
    """End the run without publishing; returns how to resume it, None if nothing is kept.

    A failed cleanup is ignored, so it does not hide why the run ended.
    """
    try:
        if not run.abandon(keep_work=can_resume and not isinstance(ended, RejectedInput)):
            return None
        replaces = " --overwrite" if run.folders.is_published else ""
    except (OutputError, OSError, *ENGINE_ERRORS):
        return None
    repeat = f"repeat the command with --resume{replaces} --run-id {run.run_id}"
    if isinstance(ended, InputError):
        repeat += " if the input is as it was; --overwrite instead of --resume starts again"
    return f"The results so far are kept in {run.folders.work}\n  to continue: {repeat}"
