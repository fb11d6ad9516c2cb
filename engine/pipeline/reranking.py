"""The order of the queue: p(valid) of findings by a re-ranker trained on reviews, else by the settings."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from engine import findings, models, rules
from engine.contracts.findings import FINDINGS
from engine.errors import counted
from engine.pipeline.finished_runs import findings_of, runs_in_order
from engine.pipeline.model_versions import ModelVersions, champion_to_compare
from engine.pipeline.stages import Linked, QueueOrder
from engine.pipeline.tags import run_tags
from engine.runs import Run, published_runs
from engine.runtime.parquet import read_parquet
from engine.runtime.storage import join
from engine.tracking import SETTINGS, Tracker, comparison_tags

if TYPE_CHECKING:
    import pandas as pd


def queue_order(run: Run, tracker: Tracker, versions: ModelVersions) -> QueueOrder:
    """The re-ranker version that `--model` or the alias names; the settings if there is none or it is disabled.

    Raises ConfigurationError if the version was trained on other features than the configured ones.
    """
    settings, name = run.settings.model.reranker, run.settings.mlflow.reranker_model
    if not settings.enabled:
        return QueueOrder(why_settings="model.reranker.enabled is false")
    fetched = versions.fetched(tracker, name)
    if fetched is None:
        return QueueOrder(why_settings=f"no version of {name} is {tracker.alias}")
    reranker = models.Reranker.load(fetched.folder)
    reranker.check_features(settings.features)
    return QueueOrder(reranker, name, fetched.version)


def train_reranker(run: Run, tracker: Tracker, linked: Linked) -> str | None:
    """Train on all reviewed findings of published runs, evaluate, log and register; returns the version's name.

    Returns None and notes the reason if re-ranking is disabled, or decisions are missing or too few of a kind. The new
    version becomes champion only by `promote`.
    """
    settings, name = run.settings.model.reranker, run.settings.mlflow.reranker_model
    decisions = linked.references.get("decisions")
    if not settings.enabled or decisions is None:
        why = "there is no table decisions" if settings.enabled else "model.reranker.enabled is false"
        run.progress.note(f"{name} is not trained: {why}")
        return None
    folders = published_runs(run.storage, run.settings.output.root, but=run.run_id)
    champion = champion_to_compare(
        run, tracker, name, models.Reranker.load, lambda champion: champion.check_features(settings.features)
    )
    outcomes = linked.references.get("outcomes")
    reviewed = findings.reviewed_findings(decisions, outcomes, run.settings.today)
    training_rows = _training_rows(run, folders, reviewed)
    _note_excluded_reviews(run, reviewed, len(training_rows), outcomes)
    reranker = models.fit_reranker(training_rows, settings)
    if reranker is None:
        counts = models.review_counts(training_rows)
        run.progress.note(
            f"{name} is not trained: of the findings drawn at random {counts['random_valid']:,} are valid and "
            f"{counts['random_not_valid']:,} not; {settings.minimum_of_each:,} of each are needed"
        )
        return None
    last_run = read_parquet(run.spark, join(folders[-1], "findings"), FINDINGS).count()
    evaluation = models.evaluate_reranker(
        training_rows, run.settings.model, last_run, None if champion is None else champion[0]
    )
    tags = run_tags(run, linked.prepared.opened) | {"features": ",".join(reranker.features)}
    if evaluation.compared_by is not None:
        tags |= comparison_tags(SETTINGS if champion is None else champion[1], evaluation.compared_by)
    with tempfile.TemporaryDirectory() as folder:
        reranker.save(folder)
        version = tracker.log_training(
            model_folder=Path(folder),
            model_name=name,
            run_name=" ".join(("findings re-ranker", tags["as_of"], run.run_id)),
            parameters={**reranker.parameters, "features": ",".join(reranker.features)},
            metrics=evaluation.metrics,
            figures=evaluation.figures,
            tags=tags,
            first_takes_over=False,
            description=_about(len(training_rows), evaluation.metrics, None if champion is None else champion[1]),
        )
    run.progress.note(
        f"{name} version {version} was trained on {len(training_rows):,} reviewed findings; `promote` makes it "
        f"{tracker.alias}"
    )
    return f"{name} version {version}"


def _about(reviewed: int, metrics: Mapping[str, float], champion: str | None) -> str:
    """Markdown for MLflow: what the version is and whether it is better than the champion or the settings."""
    in_charge = "the values of the settings" if champion is None else f"version {champion}"
    lines = [
        "# Probability that a finding is right, which orders the queue of findings",
        "",
        f"Learned from {reviewed:,} reviewed findings; it hides none and changes no evidence class or amount.",
        "Figures are of findings drawn at random alone, out of fold.",
    ]
    name = "against_champion_auprc"
    if name in metrics:
        figures = f"{metrics[name]:+.3f} ({metrics[f'{name}_low']:+.3f} to {metrics[f'{name}_high']:+.3f})"
        lines += ["", f"Average precision less that of {in_charge}, which decides: {figures}."]
    return "\n".join(lines) + "\n"


def _training_rows(run: Run, folders: list[str], reviewed: DataFrame) -> pd.DataFrame:
    """Training data: reviewed findings as of their decision, with labels and all inputs (see `models.fit_reranker`)."""
    finding_rows = findings_of(run.spark, folders) if folders else run.spark.createDataFrame([], FINDINGS)
    decided_findings = findings.as_reviewed(finding_rows, reviewed, runs_in_order(run.spark, run.storage, folders))
    evidence, priority = F.col("evidence"), run.settings.priority
    return (
        decided_findings.select(
            "finding_id",
            "is_valid",
            "is_random",
            findings.settings_probability(evidence, priority).alias("settings_probability"),
            findings.least_probability(evidence, priority).alias("least_probability"),
            F.coalesce(F.col("amount_at_issue").cast("double"), F.lit(0.0)).alias("dollars"),
            F.coalesce("pharmacy_npi", "state", F.concat(F.lit("finding "), "finding_id")).alias("cluster"),
            *models.input_columns(models.input_names(run.settings.model.reranker.features, rules.rule_titles())),
        )
        .toArrow()
        .to_pandas()
    )


def _note_excluded_reviews(run: Run, reviewed: DataFrame, used: int, outcomes: DataFrame | None) -> None:
    unknown = reviewed.count() - used
    if unknown:
        run.progress.note(
            f"{counted(unknown, 'reviewed finding is', 'reviewed findings are')} in no published run below the output "
            "folder: not used for training"
        )
    of_cases = 0 if outcomes is None else outcomes.where(F.col("finding_id").isNull()).count()
    if of_cases:
        run.progress.note(
            f"{counted(of_cases, 'outcome names', 'outcomes name')} a case and no finding: not used for training"
        )
