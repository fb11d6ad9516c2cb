"""A model's scores of a subject, and the rows that they flag as unusual."""

from __future__ import annotations

from math import ceil

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from engine import models, rules
from engine.contracts.codes import Step, Subject
from engine.errors import counted
from engine.pipeline import work_tables
from engine.pipeline.stages import ModelInputs, ScreenedSubject
from engine.runs import Run, WorkTable
from engine.runtime.column_names import column_names
from engine.runtime.expressions import any_of, array_contains, nulls

# Anomaly models are trained on what payers bill; 340B claims are checked by rules only.
SCORED = (Subject.REBATE_CLAIM, Subject.INVOICE)


def explained_rows(screened: ScreenedSubject) -> DataFrame:
    """source_row_id of the rows on which a rule on quantity, price, amount or conversion fires."""
    ids = rules.explaining_rules(screened.subject)
    is_explained = any_of(array_contains(F.col("rule_ids"), F.lit(rule_id)) for rule_id in ids)
    return screened.hits.where(is_explained).select("source_row_id")


def model_inputs(run: Run, screened: ScreenedSubject) -> ModelInputs:
    """What models read of a subject, with the surprises of its measures among the peers of this run.

    Rows that a rule explains, and rows with numbers withheld by the payer, are not used as peers. Writes the surprises,
    which a Python function computes; a measure that is not configured is NULL there. Runs Spark jobs.
    """
    settings, subject, facts = run.settings, screened.subject, screened.described.facts
    explained = explained_rows(screened)
    peers = facts.join(F.broadcast(explained), on="source_row_id", how="left_anti")
    if subject is Subject.INVOICE:
        peers = peers.where(~F.coalesce(F.col("suppressed"), F.lit(False)))
    grid = models.grid_of_peers(peers, settings.model.of(subject).measures, subject, settings.peers)
    rows = models.with_surprises(facts, grid, subject)
    kept_in = work_tables.MEASURED[subject]
    columns = nulls({field.name: field.dataType for field in kept_in.schema}) | {
        name: F.col(name) for name in column_names(rows)
    }
    measured = run.work.write(kept_in, rows.select(*(columns[name].alias(name) for name in kept_in.schema.names)))
    return ModelInputs(subject, rows, grid, explained, measured)


def scores_table(table: str, model: models.AnomalyModel) -> WorkTable:
    """The work table of a model's scores."""
    return work_tables.P_VALUES.of(f"{table}/{model.detector}")


def score_and_flag(
    run: Run,
    table: str,
    inputs: ModelInputs,
    model: models.AnomalyModel,
    calibration: models.Calibration,
    origin: str,
) -> tuple[DataFrame, models.Flags]:
    """SCORES of every row that the model can score, and the rows that are unusual enough to be flagged.

    table: the subject's table; origin: name and version of the model. Raises LedgerError unless all rows that the model
    can score were scored.
    """
    settings, kept_in = run.settings.model, scores_table(table, model)
    rows = inputs.read_by(model)
    scored = models.anomaly_scores(rows, model, settings, inputs.subject)
    scores = run.work.write(kept_in, models.p_values(scored, calibration), model=origin)
    expected = rows.where(models.can_be_scored(model.features, inputs.subject, model.inputs)).count()
    of_all = f"scored of {run.ledger.rows_out(table):,}"
    run.ledger.check(table, Step.SCORE, of_all, run.work.rows(kept_in), expected)
    flags = models.flag(scores, settings.flags, rules.anomaly_threshold(run.settings), inputs.explained)
    smallest = calibration.smallest_p_value
    if smallest is None:
        run.progress.note(
            f"{table}: no row gets a p-value: no stratum has {counted(settings.stratum_minimum, 'row', 'rows')} that "
            "it can be compared with"
        )
    elif not flags.flagged and settings.flags.by == "false_discovery_rate":
        needed = ceil(smallest * flags.tested / settings.flags.false_discovery_rate)
        run.progress.note(
            f"{table}: the model flags nothing at a false-discovery rate of {settings.flags.false_discovery_rate:.0%}: "
            f"of {counted(flags.tested, 'row', 'rows')} about {needed:,} would have to be rarer than all that they are "
            "compared with; "
            "model.strata: [all] compares with more rows, model.flags.by: capacity shows the rarest all the same"
        )
    return scores, flags
