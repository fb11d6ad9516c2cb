"""The way of a claim, from sources to exports: the main job and training on one page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from pyspark.sql import SparkSession

from engine import rules, sources
from engine.errors import InputError, OutputError, RejectedInput
from engine.pipeline.describing import describe
from engine.pipeline.detector_comparison import log_comparison, side_by_side
from engine.pipeline.drafting import submissions
from engine.pipeline.handed_on import Judged
from engine.pipeline.judging import apply_rules, assemble_findings, screen
from engine.pipeline.learning import UNREGISTERED, learn, lesson_of, score
from engine.pipeline.linking import link_claims
from engine.pipeline.preparing import prepare_tables, read_tables
from engine.pipeline.publishing import Published, check_database, check_tickets, publish
from engine.pipeline.reranking import queue_order, train_reranker
from engine.pipeline.scoring import SCORED, check_model_option, choose_model_versions, model_name, with_measures
from engine.run import Run, RunOptions, open_run
from engine.runs import LeaseLost, interruptible, interruption_of, undisturbed
from engine.runtime.executors import executors_watched
from engine.runtime.failures import ENGINE_ERRORS
from engine.runtime.session import cancel_jobs
from engine.runtime.storage import storage_of
from engine.settings import Settings
from engine.sources import WorkFolder
from engine.tracking import Tracker


@contextmanager
def way(
    spark: SparkSession,
    settings: Settings,
    options: RunOptions,
    say: Callable[[str], None],
    job: str = "detect",
    can_resume: bool = False,
) -> Iterator[tuple[Run, WorkFolder]]:
    """The run and its work folder, for one job.

    A failure or a signal ends the run: its lease is released, and its finished results are kept if the job can resume.
    Failures of storage, of the run's own folders and of input files are raised as UserError.
    """
    storage = storage_of(spark)
    rules.check_configuration(settings)
    waits = settings.spark.executor_wait_seconds
    with executors_watched(spark, waits, say) as no_executors, interruptible():
        run = open_run(spark, storage, settings, options, say, job)
        work = WorkFolder(spark, storage, run.work, options.resume, run.lease.check, run.made_from)
        try:
            yield run, work
        except BaseException as error:
            with undisturbed():
                interruption = interruption_of(error)
                if interruption is not None:
                    cancel_jobs(spark)
                ended = interruption or no_executors() or _explained(error, run, work)
                if note := _end(run, ended, can_resume):
                    ended.add_note(note)
            if ended is error:
                raise
            raise ended from None


def _explained(error: BaseException, run: Run, work: WorkFolder) -> BaseException:
    """The error that people should read."""
    if isinstance(error, LeaseLost):
        return error
    try:
        fault = sources.translate_run_fault(error, [run.work, run.folder])
        explained = fault or sources.translate_read_error(error)
        if explained is None and isinstance(error, ENGINE_ERRORS):
            work.check()  # an engine may report a file that it cannot decode without naming it
        return explained or error
    except OutputError as changed:
        return changed
    except Exception:
        return error  # a JVM that has ended explains nothing, and the run must still be ended


def _end(run: Run, ended: BaseException, can_resume: bool) -> str | None:
    """End the run without publishing; returns how to continue it, None if nothing is kept.

    What cannot be cleaned up must not hide why the run ended.
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
    return f"The results so far are kept in {run.work}\n  to continue: {repeat}"


def detect(spark: SparkSession, settings: Settings, options: RunOptions, say: Callable[[str], None]) -> Published:
    """The main job: every output of the contract, whole or not at all. Raises UserError for what a user can fix."""
    tracker = Tracker(settings.mlflow, settings.output.root)
    check_database(settings, options.run_id)
    check_tickets(storage_of(spark), settings)
    tracker.check()
    check_model_option(tracker, settings, options.model)
    with way(spark, settings, options, say, can_resume=True) as (run, work):
        choose_model_versions(run, tracker)
        sent = submissions(spark, run.storage, settings, run.settings.today)
        prepared = prepare_tables(run, work, read_tables(run))
        judged = describe(run, work, prepared, link_claims(run, work, prepared))
        screened = screen(run, work, prepared, judged)
        order = queue_order(run, tracker)
        judged = score(run, work, tracker, prepared, judged, screened)
        flagged, off = apply_rules(run, work, prepared, judged, screened)
        found = assemble_findings(run, flagged, prepared, judged, order.probability(run))
        work.check()
        return publish(run, work, tracker, prepared, judged, found, order, off, sent)


def train(
    spark: SparkSession,
    settings: Settings,
    options: RunOptions,
    say: Callable[[str], None],
    compare_detectors: bool = False,
) -> list[str]:
    """Fit, evaluate and register a model version per subject that has rows enough, and a re-ranker of findings where
    enough of them were reviewed; returns their names.

    `compare_detectors`: one per detector of the settings, all on the same rows, in an experiment of the subject's own.
    """
    tracker = Tracker(settings.mlflow, settings.output.root)
    tracker.check()
    trained = []
    with way(spark, settings, options, say, "train") as (run, work):
        prepared = prepare_tables(run, work, read_tables(run))
        judged = describe(run, work, prepared, link_claims(run, work, prepared))
        learning = [one for one in judged if one.subject in SCORED]
        screened = screen(run, work, prepared, learning)
        for one in learning:
            one = with_measures(run, one, screened[one.subject])
            name, configured = model_name(settings, one.subject), settings.model.of(one.subject).detector
            others = [name for name in settings.model.detectors if name != configured] if compare_detectors else []
            experiment = f"{name} detectors" if compare_detectors else None
            lesson = lesson_of(run, tracker, prepared, one, screened[one.subject], [configured, *others])
            of_subject: list[Judged] = []
            for detector in (configured, *others):
                chosen = settings.model.using(one.subject, detector)
                of_subject.append(learn(run, work, tracker, prepared, one, lesson, chosen, experiment))
                first = of_subject[0]
                if lesson.champion is None and first.model is not None and first.model_version is not None:
                    # the first version became champion: the others are compared with it
                    lesson = replace(lesson, champion=(first.model, first.model_version))
            trained += of_subject
            if experiment is not None:
                champion = None if lesson.champion is None else lesson.champion[1]
                compared = side_by_side(of_subject, champion, settings.model.evaluation.level)
                log_comparison(run, tracker, prepared, compared, experiment)
                for line in compared.lines(settings.output.root):
                    say(line)
        reranker = train_reranker(run, tracker, prepared)
        run.abandon()
    names = [
        f"{one.model_name} version {one.model_version} ({one.model.detector})"
        for one in trained
        if one.model is not None and one.model_version != UNREGISTERED
    ]
    return names if reranker is None else [*names, reranker]
