"""A model's scores of a subject, and which rows they make unusual."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import ceil
from pathlib import Path
from typing import TypeVar

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from engine import models, rules
from engine.contracts.codes import Step, Subject
from engine.contracts.tables import SUBJECT_FEEDS
from engine.errors import ConfigurationError, Problem
from engine.pipeline.handed_on import Judged
from engine.run import Run
from engine.runtime.expressions import any_of, array_contains
from engine.settings import Settings
from engine.sources import WorkFolder
from engine.tracking import FetchedModel, Tracker

# The anomaly model learns from what payers ask for; 340B claims are judged by rules alone.
SCORED = (Subject.REBATE_CLAIM, Subject.INVOICE)


def model_name(settings: Settings, subject: Subject) -> str:
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


def _no_such_version(model: str | None) -> Problem:
    return Problem("there is no such model version", f"--model {model}", to_do="see the MLflow registry")


def fetched_model(
    run: Run, tracker: Tracker, one: Judged
) -> tuple[models.AnomalyModel, models.Calibration, str] | None:
    """The registered model version that `--model` or the alias names; None where nothing is registered yet."""
    fetched = fetched_version(run, tracker, model_name(run.settings, one.subject))
    if fetched is None:
        return None
    model = models.AnomalyModel.load(fetched.folder)
    model.check_inputs(run.settings.model)
    return model, models.Calibration.load(fetched.folder), fetched.version


def choose_model_versions(run: Run, tracker: Tracker) -> None:
    """Settle at the start which model versions judge, so that an alias moved meanwhile changes nothing in this run.

    A version that this run trained before it was interrupted counts as the one that it trains. Raises
    ConfigurationError where `--model` names a version that is not there.
    """
    names = [run.settings.mlflow.claims_model, run.settings.mlflow.invoices_model]
    names += [run.settings.mlflow.reranker_model] if run.settings.model.reranker.enabled else []
    origins: dict[str, str | None] = {}
    for name in names:
        version = _wanted_version(run, name)
        registered = tracker.registered(name, version)
        if registered is None and version is not None:
            raise ConfigurationError(_no_such_version(run.options.model))
        run.model_versions[name] = None if registered is None else registered.version
        is_own = registered is None or registered.trained_by == run.run_id
        origins[name] = None if is_own or registered is None else registered.origin
    run.provenance["models"] = origins


def _wanted_version(run: Run, name: str) -> str | None:
    wanted_name, _, wanted_version = (run.options.model or "").partition("/")
    return wanted_version or None if wanted_name == name else None


def fetched_version(run: Run, tracker: Tracker, name: str) -> FetchedModel | None:
    """The version of the model that was chosen at the start; None where this run trains one.

    Raises ConfigurationError where it is not there any more.
    """
    version = run.model_versions[name]
    if version is None:
        return None
    fetched = tracker.fetch(name, version)
    if fetched is None:
        raise ConfigurationError(_no_such_version(f"{name}/{version}"))
    return fetched


AnyModel = TypeVar("AnyModel")


def champion_to_compare(
    run: Run, tracker: Tracker, name: str, load: Callable[[Path], AnyModel], check: Callable[[AnyModel], None]
) -> tuple[AnyModel, str] | None:
    """The version in charge and its number, to be measured on the same rows; None where it cannot be.

    `check` raises ConfigurationError unless a model reads what the settings have.
    """
    fetched = tracker.fetch(name)
    if fetched is None:
        return None
    try:
        champion = load(fetched.folder)
        check(champion)
    except ConfigurationError as error:
        problem = error.problems[0].what
        run.note(f"{name} version {fetched.version}, the champion, is not compared with the new one: {problem}")
        return None
    return champion, fetched.version


def model_origin(one: Judged) -> str | None:
    """What results that rest on a subject's scores record of its model; None without a model."""
    return None if one.model_name is None else f"{one.model_name}/{one.model_version or 'trained in this run'}"


def rows_scored(work: WorkFolder, one: Judged) -> int:
    """How many rows have a score; 0 if the subject has no model."""
    return 0 if one.model is None else work.rows(_scores_name(SUBJECT_FEEDS[one.subject], one.model))


def _scores_name(table: str, model: models.AnomalyModel) -> str:
    return f"p_values/{table}/{model.detector}"


def explained_rows(screened: DataFrame, subject: Subject) -> DataFrame:
    """source_row_id of the rows that a rule on quantity, price, amount or conversion explains."""
    ids = rules.explaining_rules(subject)
    is_explained = any_of(array_contains(F.col("rule_ids"), F.lit(rule_id)) for rule_id in ids)
    return screened.where(is_explained).select("source_row_id")


def with_groups(run: Run, work: WorkFolder, one: Judged, screened: DataFrame) -> Judged:
    """The subject with the months of its groups that stand out. Claims that a rule explains take no part. Runs Spark
    jobs."""
    settings = run.settings.model
    if not settings.groups.enabled or one.subject not in models.GROUPS:
        return one
    explained = one.explained if one.explained is not None else explained_rows(screened, one.subject)
    claims = one.inputs.join(F.broadcast(explained), on="source_row_id", how="left_anti")
    measures = settings.of(one.subject).measures if one.measured is not None else ()
    table = SUBJECT_FEEDS[one.subject]
    months = work.write(f"group_months/{table}", models.months_of_groups(claims, one.subject, measures))
    return replace(one, groups=models.stand_out(months, claims, one.scores, one.subject, measures, settings.groups))


def with_measures(run: Run, one: Judged, screened: DataFrame) -> Judged:
    """The subject with the surprises of its measures among the peers of this run. Rows that a rule explains, and rows
    that the payer withheld the numbers of, are no peers. Runs Spark jobs."""
    settings, subject = run.settings, one.subject
    explained = explained_rows(screened, subject)
    peers = one.facts.join(F.broadcast(explained), on="source_row_id", how="left_anti")
    if subject is Subject.INVOICE:
        peers = peers.where(~F.coalesce(F.col("suppressed"), F.lit(False)))
    grid = models.grid_of_peers(peers, settings.model.of(subject).measures, subject, settings.peers)
    return replace(one, grid=grid, measured=models.with_surprises(one.facts, grid, subject), explained=explained)


def score_and_flag(
    run: Run, work: WorkFolder, one: Judged, model: models.AnomalyModel, calibration: models.Calibration
) -> tuple[DataFrame, models.Flags]:
    """Every row's score and p-value, and the rows that are unusual enough to be shown.

    A model without a version is the one that this run trains. Raises LedgerError unless all rows that the model can
    judge were scored.
    """
    settings, table = run.settings.model, SUBJECT_FEEDS[one.subject]
    scored = models.anomaly_scores(one.inputs, model, settings, one.subject)
    scores = work.write(_scores_name(table, model), models.p_values(scored, calibration), model=model_origin(one))
    expected = one.inputs.where(models.can_be_scored(model.features, one.subject, model.inputs)).count()
    of_all = f"scored of {run.ledger.rows_out(table):,}"
    run.ledger.check(table, Step.SCORE, of_all, work.rows(_scores_name(table, model)), expected)
    flags = models.flag(scores, settings.flags, rules.anomaly_threshold(run.settings), one.explained)
    smallest = calibration.smallest_p_value
    if smallest is None:
        run.note(
            f"{table}: the model judges no row: no stratum has {settings.stratum_minimum:,} rows that it can be "
            "compared with"
        )
    elif not flags.flagged and settings.flags.by == "false_discovery_rate":
        needed = ceil(smallest * flags.tested / settings.flags.false_discovery_rate)
        run.note(
            f"{table}: the model flags nothing at a false-discovery rate of {settings.flags.false_discovery_rate:.0%}: "
            f"of {flags.tested:,} rows about {needed:,} would have to be rarer than all that they are compared with; "
            "model.strata: [all] compares with more rows, model.flags.by: capacity shows the rarest all the same"
        )
    return scores, flags
