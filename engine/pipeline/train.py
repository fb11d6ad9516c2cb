"""The job `train`: a model version per subject, and a re-ranker of findings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from pyspark.sql import SparkSession

from engine.pipeline.detector_comparison import log_comparison, side_by_side
from engine.pipeline.facts import describe
from engine.pipeline.job import job_run
from engine.pipeline.link import link_claims
from engine.pipeline.model_versions import model_name
from engine.pipeline.prepare import prepare_tables
from engine.pipeline.read import read_tables
from engine.pipeline.reranking import train_reranker
from engine.pipeline.screen import screen
from engine.pipeline.stages import Described, Linked, ScreenedSubject
from engine.pipeline.subject_scores import SCORED, model_inputs
from engine.pipeline.training import UNREGISTERED, Trained, check_known_unusual, train_model, training_data
from engine.runs import Run, RunOptions
from engine.runtime.storage import storage_of
from engine.settings import Settings
from engine.tracking import Tracker


def train(
    spark: SparkSession,
    settings: Settings,
    options: RunOptions,
    say: Callable[[str], None],
    compare_detectors: bool = False,
) -> list[str]:
    """Fit, evaluate and register a model version for each subject with enough rows, and a re-ranker of findings if
    enough of them were reviewed; returns their names.

    `compare_detectors`: train one version per configured detector, all on the same rows, in a separate experiment per
    subject.
    """
    tracker = Tracker(settings.mlflow, settings.output.root)
    tracker.check()
    check_known_unusual(storage_of(spark), options)
    trained: list[Trained] = []
    with job_run(spark, settings, options, say, "train") as run:
        linked = link_claims(run, prepare_tables(run, read_tables(run, {})))
        described = describe(run, linked)
        scored = Described(tuple(subject for subject in described.subjects if subject.subject in SCORED))
        for screened in screen(run, linked, scored).subjects:
            configured = settings.model.of(screened.subject).detector
            others = [name for name in settings.model.detectors if name != configured] if compare_detectors else []
            experiment = f"{model_name(settings, screened.subject)} detectors" if compare_detectors else None
            trained += _trained(run, tracker, linked, screened, [configured, *others], experiment)
        reranker = train_reranker(run, tracker, linked)
        run.abandon()
    names = [
        f"{model.scores.name} version {model.scores.version} ({model.detector})"
        for model in trained
        if model.scores.version != UNREGISTERED
    ]
    return names if reranker is None else [*names, reranker]


def _trained(
    run: Run,
    tracker: Tracker,
    linked: Linked,
    screened: ScreenedSubject,
    detectors: Sequence[str],
    experiment: str | None,
) -> list[Trained]:
    """The subject's detectors, trained on the same rows. experiment: the name of the experiment that compares them;
    None: they are not compared.
    """
    settings, inputs = run.settings, model_inputs(run, screened)
    data = training_data(run, tracker, linked, screened, inputs, detectors)
    trained: list[Trained] = []
    for detector in detectors:
        chosen = settings.model.using(screened.subject, detector)
        new = train_model(run, tracker, linked, screened, inputs, data, chosen, experiment)
        if new is None:
            continue
        trained.append(new)
        if data.champion is None and detector == detectors[0]:
            # the first version became champion: the others are compared with it
            data = replace(data, champion=(new.scores.model, new.scores.version))
    if experiment is not None:
        champion = None if data.champion is None else data.champion[1]
        compared = side_by_side(
            trained, model_name(settings, screened.subject), champion, settings.model.evaluation.level
        )
        log_comparison(run, tracker, linked.prepared.opened, compared, experiment)
        for line in compared.lines(settings.output.root):
            run.progress.say(line)
    return trained
