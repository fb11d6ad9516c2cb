"""Step score: detect unusual rows with the registered model, or with one trained in this run."""

from __future__ import annotations

from pyspark.sql import functions as F

from engine import models
from engine.contracts.codes import Reason, Step
from engine.errors import counted
from engine.pipeline import work_tables
from engine.pipeline.model_versions import ModelVersions, model_name
from engine.pipeline.stages import Linked, ModelInputs, Scored, ScoredSubject, Screened, ScreenedSubject, SubjectScores
from engine.pipeline.subject_scores import SCORED, explained_rows, model_inputs, score_and_flag, scores_table
from engine.pipeline.training import train_model, training_data
from engine.runs import Run
from engine.tracking import Tracker


def score(run: Run, tracker: Tracker, versions: ModelVersions, linked: Linked, screened: Screened) -> Scored:
    """Score each subject with its registered model; a subject without one gets a model trained in this run."""
    scored = []
    with run.progress.step(Step.SCORE) as words:
        for screened_subject in screened.subjects:
            inputs = model_inputs(run, screened_subject) if screened_subject.subject in SCORED else None
            by_model = None if inputs is None else _by_model(run, tracker, versions, linked, screened_subject, inputs)
            scored.append(ScoredSubject(screened_subject, by_model, _groups(run, screened_subject, inputs, by_model)))
            words += _entered(run, scored[-1])
    return Scored(tuple(scored))


def _by_model(
    run: Run, tracker: Tracker, versions: ModelVersions, linked: Linked, screened: ScreenedSubject, inputs: ModelInputs
) -> SubjectScores | None:
    """Scores of the subject's model; None if no model is registered and there are too few rows to train one."""
    name = model_name(run.settings, screened.subject)
    registered = registered_model(run, tracker, versions, name)
    if registered is None:
        data = training_data(run, tracker, linked, screened, inputs)
        trained = train_model(run, tracker, linked, screened, inputs, data, run.settings.model)
        return None if trained is None else trained.scores
    model, calibration, version = registered
    scores, flags = score_and_flag(run, screened.table, inputs, model, calibration, f"{name}/{version}")
    rows = run.work.rows(scores_table(screened.table, model))
    drift = _drift(run, screened.table, inputs, model, f"{name} version {version}", rows)
    return SubjectScores(model, name, version, inputs, scores, flags, drift)


def registered_model(
    run: Run, tracker: Tracker, versions: ModelVersions, name: str
) -> tuple[models.AnomalyModel, models.Calibration, str] | None:
    """The model version that was chosen (see `choose_model_versions`); None if this run trains one.

    Raises ConfigurationError if the model reads other features than the configured ones.
    """
    fetched = versions.fetched(tracker, name)
    if fetched is None:
        return None
    model = models.AnomalyModel.load(fetched.folder)
    model.check_inputs(run.settings.model)
    return model, models.Calibration.load(fetched.folder), fetched.version


def _groups(
    run: Run, screened: ScreenedSubject, inputs: ModelInputs | None, by_model: SubjectScores | None
) -> models.GroupMonths | None:
    """Unusual months of the subject's groups; None if groups are disabled or the subject has none.

    Claims that a rule explains are excluded. Runs Spark jobs.
    """
    settings, subject = run.settings.model, screened.subject
    if not settings.groups.enabled or subject not in models.GROUPS:
        return None
    rows = screened.described.facts if inputs is None else inputs.measured
    explained = explained_rows(screened) if inputs is None else inputs.explained
    measures = () if inputs is None else settings.of(subject).measures
    claims = rows.join(F.broadcast(explained), on="source_row_id", how="left_anti")
    counts = models.counts_of_groups(claims, subject, measures)
    counts = run.work.write(work_tables.GROUP_COUNTS.of(screened.table), counts)
    months = models.months_of_groups(counts, settings.groups)
    months = run.work.write(work_tables.GROUP_MONTHS.of(screened.table), months)
    scores = None if by_model is None else by_model.scores
    return models.stand_out(months, claims, scores, subject, measures, settings.groups)


def _drift(
    run: Run, table: str, inputs: ModelInputs, model: models.AnomalyModel, version: str, rows_scored: int
) -> dict[str, float]:
    """Population stability index of each feature against the model's training rows. Adds a note on large values."""
    settings = run.settings.model
    share = min(1.0, settings.evaluation_rows / max(1, rows_scored))
    drift = models.feature_drift(
        inputs.read_by(model),
        model.trained_on,
        inputs.subject,
        share,
        settings.evaluation.drift_minimum_rows,
        model.inputs,
    )
    moved = {name: index for name, index in drift.items() if index > settings.evaluation.notable_drift}
    if moved:
        largest_first = sorted(moved, key=lambda name: -moved[name])
        named = ", ".join(f"{name} (PSI {moved[name]:.2f})" for name in largest_first)
        run.progress.note(
            f"{table}: features are distributed differently than in the training rows of {version}: {named}; its "
            "p-values may not hold, train a new version"
        )
    return drift


def _months(flagged: int, tested: int) -> str:
    return f"{flagged:,} of {counted(tested, 'month', 'months')} of groups unusual"


def _entered(run: Run, scored_subject: ScoredSubject) -> list[str]:
    """Record a subject in the ledger; returns its phrases for the step's progress line."""
    table, by_model, groups = scored_subject.table, scored_subject.by_model, scored_subject.groups
    before, rows = run.ledger.rows_out(table), run.work.rows(work_tables.FACTS[scored_subject.subject])
    months = "" if groups is None else _months(groups.flagged, groups.tested)
    if scored_subject.subject not in SCORED:
        run.ledger.record(table, Step.SCORE, before, rows)
        return [f"{table} {months}"] if months else []
    scored = 0 if by_model is None else run.work.rows(scores_table(table, by_model.model))
    run.ledger.record(table, Step.SCORE, before, rows, counted={Reason.NOT_SCORED.value: rows - scored})
    flagged = "" if by_model is None else f", {by_model.flags.flagged:,} unusual"
    scored_by = "too few for a model" if by_model is None else f"by {by_model.name} version {by_model.version}"
    return [f"{table} {scored:,} scored{flagged}{f', {months}' if months else ''}, {scored_by}"]
