"""Training: a new version of a subject's anomaly model, evaluated, logged and registered."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from engine import findings, models
from engine.contracts.codes import Subject
from engine.errors import InputError, Problem, counted
from engine.pipeline.model_versions import champion_to_compare, model_name
from engine.pipeline.stages import Linked, ModelInputs, ScreenedSubject, SubjectScores
from engine.pipeline.subject_scores import score_and_flag
from engine.pipeline.tags import run_tags
from engine.runs import Run, RunOptions
from engine.runtime.expressions import union_all
from engine.runtime.storage import Storage
from engine.settings import ModelSettings
from engine.tracking import Tracker, comparison_tags

if TYPE_CHECKING:
    import pandas as pd

# Used instead of the version number of a model that is used in one run only.
UNREGISTERED = "unregistered"
# Used instead of the version number of a model that is not registered yet.
_IN_THIS_RUN = "trained in this run"
_SHORT_NAMES = {Subject.REBATE_CLAIM: "claims", Subject.INVOICE: "invoices"}


@dataclass(frozen=True)
class TrainingData:
    """The rows on which the detectors of a subject are trained, calibrated and measured: the same for all of them.

    samples: training samples by kind of input (z, surprise), see `models.training_sample`. reference: facts of held-out
    rows. known: labels for the evaluation. champion: the champion and its version, None without one.
    """

    samples: Mapping[str, pd.DataFrame]
    reference: DataFrame
    known: models.Known
    champion: tuple[models.AnomalyModel, str] | None


@dataclass(frozen=True)
class Trained:
    """A model trained in this run, and its evaluation."""

    scores: SubjectScores
    metrics: Mapping[str, float]
    resampled: models.Resampled | None

    @property
    def detector(self) -> str:
        """The name of the detector that was trained."""
        return self.scores.model.detector


def training_data(
    run: Run,
    tracker: Tracker,
    linked: Linked,
    screened: ScreenedSubject,
    inputs: ModelInputs,
    detectors: Sequence[str] | None = None,
) -> TrainingData:
    """The data to train and evaluate detectors of a subject.

    Training excludes rows that a rule flags or that analysts disputed, because they are not typical. `detectors`: names
    of the detectors to train; by default the configured one.
    """
    settings, of_subject = run.settings.model, run.settings.model.of(screened.subject)
    decisions = _decided(run, linked, screened)
    flagged = screened.hits.select("source_row_id")
    disputed = [] if decisions is None else [decisions.where("is_valid").select("source_row_id")]
    excluded = union_all([flagged, *disputed])
    usual = inputs.rows.join(F.broadcast(excluded), on="source_row_id", how="left_anti")
    held_out = models.is_held_out(settings.held_out_share)
    used = {settings.detectors[name].inputs for name in detectors or (of_subject.detector,)}
    unusual = _known_unusual(run, screened.subject)
    return TrainingData(
        samples={
            kind: models.training_sample(
                usual.where(~held_out), settings.features_of(screened.subject, kind), of_subject, screened.subject, kind
            )
            for kind in sorted(used)
        },
        reference=models.reference_sample(usual.where(held_out), settings.calibration_rows),
        known=models.Known(
            None if unusual is None else unusual.select("source_row_id"), decisions, flagged_by_rules=flagged
        ),
        champion=champion_to_compare(
            run,
            tracker,
            model_name(run.settings, screened.subject),
            models.AnomalyModel.load,
            lambda champion: champion.check_inputs(settings),
        ),
    )


def train_model(
    run: Run,
    tracker: Tracker,
    linked: Linked,
    screened: ScreenedSubject,
    inputs: ModelInputs,
    data: TrainingData,
    settings: ModelSettings,
    experiment: str | None = None,
) -> Trained | None:
    """Fit on the sample, calibrate on the reference rows, score all rows, evaluate, log and register.

    Returns None and adds a note if the sample is too small.
    """
    name, table = model_name(run.settings, screened.subject), screened.table
    sample = data.samples[settings.detectors[settings.of(screened.subject).detector].inputs]
    model = models.fit_model(sample, settings, screened.subject)
    if model is None:
        minimum = settings.of(screened.subject).minimum_training_rows
        run.progress.note(
            f"{table}: {len(sample):,} comparable rows are too few to train {name}, which needs {minimum:,}; no "
            "anomaly model scores the rows"
        )
        return None
    calibration = models.calibrate(
        models.anomaly_scores(data.reference, model, settings, screened.subject),
        settings.strata,
        settings.stratum_minimum,
    )
    scores, flags = score_and_flag(run, table, inputs, model, calibration, f"{name}/{_IN_THIS_RUN}")
    champion = None if data.champion is None else data.champion[0]
    # rows that a rule explains use no review capacity, so the model is measured on the other rows
    unexplained = scores.join(F.broadcast(inputs.explained), on="source_row_id", how="left_anti")
    evaluation = models.evaluate(
        unexplained, inputs.rows, settings, screened.subject, data.known, champion, model.trained_on, model.inputs
    )
    tags = run_tags(run, linked.prepared.opened) | {
        "detector": model.detector,
        "subject": screened.subject.value,
        "features": ",".join(model.features),
        "inputs": model.inputs,
    }
    if data.champion is not None and evaluation.compared_by is not None:
        tags |= comparison_tags(data.champion[1], evaluation.compared_by)
    trained_on = {"run": run.run_id, "as of": tags["as_of"], "input": tags["data_fingerprint"]}
    by_kind = _found_by_kind(run, screened, flags)
    card = models.card_of(model, evaluation.metrics, flags, settings.flags, by_kind, trained_on)
    with tempfile.TemporaryDirectory() as folder:
        stored = None if model.scorer.keeps_rows else Path(folder)
        if stored is not None:
            model.save(stored)
            calibration.save(stored)
            (stored / models.CARD_FILE).write_text(card, encoding="utf-8")
        version = tracker.log_training(
            model_folder=stored,
            model_name=name,
            run_name=" ".join((_SHORT_NAMES[screened.subject], model.detector, tags["as_of"], run.run_id)),
            parameters={
                "detector": model.detector,
                "kind": model.kind,
                "inputs": model.inputs,
                **model.parameters,
                "features": ",".join(model.features),
            },
            metrics=evaluation.metrics | {"rows_flagged": float(flags.flagged)},
            figures=evaluation.figures,
            tags=tags,
            experiment=experiment,
            description=card,
        )
    by_model = SubjectScores(model, name, version or UNREGISTERED, inputs, scores, flags, drift={})
    if version is None:
        run.progress.note(
            f"{model.detector} on {table}: the metrics are logged, but no model is registered, since it consists of "
            "training rows and MLflow must hold none; choose another model.*.detector to register a model"
        )
        return Trained(by_model, {}, None)
    rows = counted(len(sample), f"{table} row", f"{table} rows")
    run.progress.note(f"{name} version {version} ({model.detector}) was trained on {rows} of this input")
    return Trained(by_model, evaluation.metrics, evaluation.resampled)


def _decided(run: Run, linked: Linked, screened: ScreenedSubject) -> DataFrame | None:
    """source_row_id, is_valid and is_random of rows whose finding was decided; None without the table decisions."""
    decisions = linked.references.get("decisions")
    if decisions is None:
        return None
    if screened.subject is Subject.INVOICE:
        rows, finding_id = screened.described.facts, findings.invoice_finding_id()
    else:
        rows, finding_id = linked.prepared.live[screened.subject], findings.claim_finding_id()
    named = rows.select("source_row_id", finding_id.alias("finding_id"))
    judged = F.broadcast(findings.judged_findings(decisions, run.settings.today))
    return named.join(judged, on="finding_id", how="inner").drop("finding_id")


def _found_by_kind(run: Run, screened: ScreenedSubject, flags: models.Flags) -> list[models.FoundKind]:
    """For rows known to be unusual, by kind: how many the model, a rule or neither flags."""
    unusual = _known_unusual(run, screened.subject)
    if unusual is None:
        return []
    by_model = flags.rows.select("source_row_id", F.lit(1).alias("by_model"))
    by_rules = screened.hits.select("source_row_id", F.lit(1).alias("by_rules")).distinct()
    # one row per source_row_id
    marked = unusual.join(by_model, on="source_row_id", how="left").join(by_rules, on="source_row_id", how="left")
    is_missed = F.col("by_model").isNull() & F.col("by_rules").isNull()
    counts = (
        marked.withColumn("missed", F.when(is_missed, F.lit(1)))
        .groupBy("kind")
        .agg(*(F.count(name).alias(name) for name in ("source_row_id", "by_model", "by_rules", "missed")))
    )
    return sorted((models.FoundKind(*row) for row in counts.collect()), key=lambda of_kind: of_kind.kind)


def check_known_unusual(storage: Storage, options: RunOptions) -> None:
    """Raise InputError if `--known-unusual` names a folder that does not exist."""
    place = options.known_unusual
    if place is not None and not storage.exists(place):
        raise InputError(
            Problem(
                "there are no such rows",
                f"--known-unusual {place}",
                expected="Parquet with source_row_id and kind, such as the folder anomalies of generated claims",
            )
        )


def _known_unusual(run: Run, subject: Subject) -> DataFrame | None:
    """source_row_id and kind of rebate claims that are known to be unusual, to measure a model; None without them."""
    place = run.options.known_unusual
    if subject is not Subject.REBATE_CLAIM or place is None:
        return None
    return run.spark.read.parquet(place).select("source_row_id", "kind")
