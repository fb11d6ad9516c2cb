"""screen -> scores: by the registered model, or by one that learns here, is evaluated and registered."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from engine import findings, models
from engine.contracts.codes import Reason, Step, Subject
from engine.contracts.tables import SUBJECT_FEEDS
from engine.pipeline.handed_on import Judged, Prepared, run_tags
from engine.pipeline.scoring import (
    SCORED,
    champion_to_compare,
    fetched_model,
    model_name,
    rows_scored,
    score_and_flag,
    with_groups,
    with_measures,
)
from engine.run import Run
from engine.runtime.expressions import union_all
from engine.runtime.storage import join
from engine.settings import ModelSettings
from engine.sources import WorkFolder
from engine.tracking import Tracker, comparison_tags

if TYPE_CHECKING:
    import pandas as pd

# In place of a version number, of a model that is used in one run only.
UNREGISTERED = "unregistered"
_SHORT_NAMES = {Subject.REBATE_CLAIM: "claims", Subject.INVOICE: "invoices"}


def score(
    run: Run,
    work: WorkFolder,
    tracker: Tracker,
    prepared: Prepared,
    judged: list[Judged],
    screened: Mapping[Subject, DataFrame],
) -> list[Judged]:
    """Each subject with its model's scores; a subject that has no registered model yet gets one trained here."""
    scored = []
    with run.step(Step.SCORE) as words:
        for one in judged:
            table = SUBJECT_FEEDS[one.subject]
            rows = run.ledger.rows_out(table)
            if one.subject not in SCORED:
                one = with_groups(run, work, one, screened[one.subject])
                run.ledger.record(table, Step.SCORE, rows, rows)
                if one.groups is not None:
                    words.append(f"{table} {one.groups.flagged:,} of {one.groups.tested:,} months of groups stand out")
                scored.append(one)
                continue
            one = with_measures(run, one, screened[one.subject])
            fetched = fetched_model(run, tracker, one)
            if fetched is None:
                one = train_one(run, work, tracker, prepared, one, screened[one.subject])
            else:
                model, calibration, version = fetched
                one = replace(one, model=model, model_name=model_name(run.settings, one.subject), model_version=version)
                scores, flags = score_and_flag(run, work, one, model, calibration)
                one = replace(one, scores=scores, flags=flags)
            one = with_groups(run, work, one, screened[one.subject])
            count = rows_scored(work, one)
            if fetched is not None:
                one = replace(one, drift=_drift(run, one, model, count))
            run.ledger.record(table, Step.SCORE, rows, rows, counted={Reason.NOT_SCORED.value: rows - count})
            judge = (
                f"by {one.model_name} version {one.model_version}" if one.model is not None else "too few for a model"
            )
            flagged = f", {one.flags.flagged:,} unusual" if one.flags is not None else ""
            if one.groups is not None:
                flagged += f", {one.groups.flagged:,} of {one.groups.tested:,} months of groups stand out"
            words.append(f"{table} {count:,} scored{flagged}, {judge}")
            scored.append(one)
    return scored


def _drift(run: Run, one: Judged, model: models.AnomalyModel, rows_scored: int) -> dict[str, float]:
    """Population stability index of each feature against the rows that the model learned from; a note of large ones."""
    settings = run.settings.model
    share = min(1.0, settings.evaluation_rows / max(1, rows_scored))
    drift = models.feature_drift(
        one.inputs, model.trained_on, one.subject, share, settings.evaluation.drift_minimum_rows, model.inputs
    )
    moved = {name: index for name, index in drift.items() if index > settings.evaluation.notable_drift}
    if moved:
        largest_first = sorted(moved, key=lambda name: -moved[name])
        named = ", ".join(f"{name} (PSI {moved[name]:.2f})" for name in largest_first)
        run.note(
            f"{SUBJECT_FEEDS[one.subject]}: features are spread otherwise than in the rows that {one.model_name} "
            f"version {one.model_version} learned from: {named}; its p-values may not hold, train a new version"
        )
    return drift


@dataclass(frozen=True)
class Lesson:
    """What detectors of a subject learn from, are compared with and measured by: the same rows for all of them.

    samples: by what detectors read (z, surprise), see `models.training_sample`; reference: facts of rows held out;
    champion: the version in charge.
    """

    samples: Mapping[str, pd.DataFrame]
    reference: DataFrame
    known: models.Known
    champion: tuple[models.AnomalyModel, str] | None


def lesson_of(
    run: Run,
    tracker: Tracker,
    prepared: Prepared,
    one: Judged,
    screened: DataFrame,
    detectors: Sequence[str] | None = None,
) -> Lesson:
    """Training excludes rows that a rule flags or analysts dispute: they are not what is usual.

    `one`: with its measures; `detectors`: those that are trained, by default the configured one.
    """
    settings, of_subject = run.settings.model, run.settings.model.of(one.subject)
    decisions = _decided(run, prepared, one)
    flagged = screened.select("source_row_id")
    disputed = [] if decisions is None else [decisions.where("is_valid").select("source_row_id")]
    set_aside = union_all([flagged, *disputed])
    usual = one.inputs.join(F.broadcast(set_aside), on="source_row_id", how="left_anti")
    held_out = models.is_held_out(settings.held_out_share)
    used = {settings.detectors[name].inputs for name in detectors or (of_subject.detector,)}
    return Lesson(
        samples={
            inputs: models.training_sample(
                usual.where(~held_out), settings.features_of(one.subject, inputs), of_subject, one.subject, inputs
            )
            for inputs in sorted(used)
        },
        reference=models.reference_sample(usual.where(held_out), settings.calibration_rows),
        known=models.Known(_planted(run, one.subject), decisions, flagged_by_rules=flagged),
        champion=champion_to_compare(
            run,
            tracker,
            model_name(run.settings, one.subject),
            models.AnomalyModel.load,
            lambda champion: champion.check_inputs(settings),
        ),
    )


def train_one(
    run: Run, work: WorkFolder, tracker: Tracker, prepared: Prepared, one: Judged, screened: DataFrame
) -> Judged:
    """The subject with a new version of its configured detector; without one where it has too few rows."""
    lesson = lesson_of(run, tracker, prepared, one, screened)
    return learn(run, work, tracker, prepared, one, lesson, run.settings.model)


def learn(
    run: Run,
    work: WorkFolder,
    tracker: Tracker,
    prepared: Prepared,
    one: Judged,
    lesson: Lesson,
    settings: ModelSettings,
    experiment: str | None = None,
) -> Judged:
    """Fit on the sample, calibrate on the reference, score everything, evaluate, log and register."""
    name, table = model_name(run.settings, one.subject), SUBJECT_FEEDS[one.subject]
    sample = lesson.samples[settings.detectors[settings.of(one.subject).detector].inputs]
    one = replace(one, model_name=name)
    model = models.fit_model(sample, settings, one.subject)
    if model is None:
        run.note(f"{table}: {len(sample):,} rows are too few to train {name} on; nothing is scored")
        return one
    calibration = models.calibrate(
        models.anomaly_scores(lesson.reference, model, settings, one.subject),
        settings.strata,
        settings.stratum_minimum,
    )
    scores, flags = score_and_flag(run, work, one, model, calibration)
    champion = None if lesson.champion is None else lesson.champion[0]
    # rows that a rule explains use no capacity, so a model is measured among the others
    unexplained = scores
    if one.explained is not None:
        unexplained = scores.join(F.broadcast(one.explained), on="source_row_id", how="left_anti")
    evaluation = models.evaluate(
        unexplained, one.inputs, settings, one.subject, lesson.known, champion, model.trained_on, model.inputs
    )
    tags = run_tags(run, prepared) | {
        "detector": model.detector,
        "subject": one.subject.value,
        "features": ",".join(model.features),
        "inputs": model.inputs,
    }
    if lesson.champion is not None and evaluation.compared_by is not None:
        tags |= comparison_tags(lesson.champion[1], evaluation.compared_by)
    trained_on = {"run": run.run_id, "as of": tags["as_of"], "input": tags["data_fingerprint"]}
    card = models.card_of(
        model, evaluation.metrics, flags, settings.flags, _found_by_kind(run, one, flags, lesson), trained_on
    )
    with tempfile.TemporaryDirectory() as folder:
        stored = None if model.scorer.keeps_rows else Path(folder)
        if stored is not None:
            model.save(stored)
            calibration.save(stored)
            (stored / models.CARD_FILE).write_text(card, encoding="utf-8")
        version = tracker.log_training(
            model_folder=stored,
            model_name=name,
            run_name=" ".join((_SHORT_NAMES[one.subject], model.detector, tags["as_of"], run.run_id)),
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
    if version is None:
        run.note(
            f"{model.detector} on {table}: the metrics are logged, but no model is registered, since it consists of "
            "training rows and MLflow must hold none; choose another model.*.detector to register a model"
        )
        return replace(one, model=model, model_version=UNREGISTERED, scores=scores, flags=flags)
    run.note(f"{name} version {version} ({model.detector}) was trained on {len(sample):,} {table} rows of this input")
    return replace(
        one,
        model=model,
        model_version=version,
        scores=scores,
        flags=flags,
        metrics=evaluation.metrics,
        resampled=evaluation.resampled,
    )


def _decided(run: Run, prepared: Prepared, one: Judged) -> DataFrame | None:
    """source_row_id, is_valid and is_random of rows whose finding analysts decided; None without such a table."""
    decisions = prepared.references.get("decisions")
    if decisions is None:
        return None
    if one.subject is Subject.INVOICE:
        named = one.facts.select("source_row_id", findings.invoice_finding_id().alias("finding_id"))
    else:
        assert prepared.claims is not None
        named = prepared.claims.unconverted.select("source_row_id", findings.claim_finding_id().alias("finding_id"))
    judged = F.broadcast(findings.judged_findings(decisions, run.settings.today))
    return named.join(judged, on="finding_id", how="inner").drop("finding_id")


def _found_by_kind(run: Run, one: Judged, flags: models.Flags, lesson: Lesson) -> list[models.FoundKind]:
    """Of rows that generated claims made unusual on purpose, by kind, how many the model, a rule or neither flags."""
    planted = _planted(run, one.subject, "kind")
    if planted is None or lesson.known.flagged_by_rules is None:
        return []
    by_model = flags.rows.select("source_row_id", F.lit(1).alias("by_model"))
    by_rules = lesson.known.flagged_by_rules.select("source_row_id", F.lit(1).alias("by_rules")).distinct()
    # one row each
    marked = planted.join(by_model, on="source_row_id", how="left").join(by_rules, on="source_row_id", how="left")
    is_missed = F.col("by_model").isNull() & F.col("by_rules").isNull()
    counts = (
        marked.withColumn("missed", F.when(is_missed, F.lit(1)))
        .groupBy("kind")
        .agg(*(F.count(name).alias(name) for name in ("source_row_id", "by_model", "by_rules", "missed")))
    )
    return sorted((models.FoundKind(*row) for row in counts.collect()), key=lambda found: found.kind)


def _planted(run: Run, subject: Subject, *more: str) -> DataFrame | None:
    """Rows that generated claims made unusual on purpose (`anomalies`), for evaluation; other input has none."""
    root = run.settings.input.root
    if subject is not Subject.REBATE_CLAIM or root is None or not run.storage.exists(join(root, "anomalies")):
        return None
    return run.spark.read.parquet(join(root, "anomalies")).select("source_row_id", *more)
