"""The review queue: the findings to review, by expected recovery, and a random sample of the others."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from engine.contracts.cases import QUEUE, QueueStatus, Selection
from engine.contracts.codes import Evidence
from engine.settings import QueueSettings


@dataclass(frozen=True)
class QueueSize:
    """How many findings are worth reviewing, go to the top of the queue, and are drawn at random."""

    worth: int
    top: int
    drawn: int


def queue_size(worth: int, settings: QueueSettings) -> QueueSize:
    """The size of the queue for `worth` findings that are worth reviewing.

    The random share is part of the capacity. Without a capacity, all of them are reviewed.
    """
    capacity = worth if settings.capacity is None else settings.capacity
    share = Decimal(str(settings.random_share))
    drawn = int((capacity * share).quantize(Decimal(1), ROUND_HALF_UP))
    top = worth if settings.capacity is None else min(worth, capacity - drawn)
    return QueueSize(worth, top, drawn)


def standings(findings: DataFrame, cases: DataFrame, held: DataFrame | None, settings: QueueSettings) -> DataFrame:
    """Queue status of findings that are not dismissed, before the capacity is applied.

    One row per finding: finding_id, priority, its status, is_held and is_context. DECIDED: a person decided, and
    nothing has changed since. Then follow priorities below zero, claims below `settings.minimum_claim_amount`, and
    cases whose open amount is below `settings.minimum_case_amount`; an unknown amount is not below any minimum.
    """
    rows = findings.where(~F.coalesce("is_dismissed", F.lit(False)))
    amounts = cases.select(F.col("case_id").alias("summed_case"), F.col("amount_open").alias("case_amount"))
    rows = rows.join(amounts, on=F.col("case_id") == F.col("summed_case"), how="left")  # one row per case
    is_held: Column = F.lit(False)
    if held is not None:
        ids = held.select(F.col("finding_id").alias("held_id")).distinct()
        rows = rows.join(F.broadcast(ids), on=F.col("finding_id") == F.col("held_id"), how="left")
        is_held = F.col("held_id").isNotNull()
    is_decided = F.col("decision").isNotNull() & ~F.coalesce(F.size("changed_since_decision") > 0, F.lit(False))
    queue_status = (
        F.when(is_decided, F.lit(QueueStatus.DECIDED.value))
        .when(F.col("priority") < 0, F.lit(QueueStatus.NEGATIVE_PRIORITY.value))
        .when(F.col("amount_at_issue") < settings.minimum_claim_amount, F.lit(QueueStatus.BELOW_CLAIM_MINIMUM.value))
        .when(F.col("case_amount") < settings.minimum_case_amount, F.lit(QueueStatus.BELOW_CASE_MINIMUM.value))
        .otherwise(F.lit(QueueStatus.QUEUE.value))
    )
    is_context = F.col("evidence") == Evidence.CONTEXT.value
    return rows.select(
        "finding_id",
        "priority",
        queue_status.alias("standing"),
        is_held.alias("is_held"),
        is_context.alias("is_context"),
    )


def queue_of(rows: DataFrame, size: QueueSize, as_of: date) -> DataFrame:
    """QUEUE of `standings`: the first `size.top` by priority stay in the queue, `size.drawn` of the others are drawn.

    The sample takes the smallest hashes of finding id and quarter of the run, among findings that are neither in the
    queue nor decided. CONTEXT findings are excluded, because they make no claim against anyone. The sample is the same
    in every run of a quarter until its findings are decided, and another one in the next quarter.
    """
    is_candidate = F.col("standing") == QueueStatus.QUEUE.value
    if size.top < size.worth:
        top = rows.where(is_candidate).orderBy(F.col("priority").desc(), "finding_id").limit(size.top)
        marked = _marked(rows, top, "is_top")
    else:
        marked = rows.withColumn("is_top", is_candidate)
    lot = F.sha2(F.concat_ws("|", "finding_id", F.lit(f"{as_of.year}Q{(as_of.month + 2) // 3}")), 256)
    is_open = (F.col("standing") != QueueStatus.DECIDED.value) & ~F.col("is_context")
    others = marked.where(~F.col("is_top") & is_open)
    marked = _marked(marked, others.orderBy(lot, "finding_id").limit(size.drawn), "is_drawn")
    beyond = is_candidate & ~F.col("is_top")
    selection = F.when(F.col("is_drawn"), F.lit(Selection.RANDOM.value)).otherwise(F.lit(Selection.QUEUE.value))
    queue = marked.withColumns(
        {
            "standing": F.when(beyond, F.lit(QueueStatus.BEYOND_CAPACITY.value)).otherwise(F.col("standing")),
            "selection": selection,
        }
    )
    return queue.select(*(F.col(field.name).cast(field.dataType) for field in QUEUE.fields))


def _marked(rows: DataFrame, chosen: DataFrame, name: str) -> DataFrame:
    ids = chosen.select(F.col("finding_id").alias("chosen_id"))
    joined = rows.join(F.broadcast(ids), on=F.col("finding_id") == F.col("chosen_id"), how="left")
    return joined.withColumn(name, F.col("chosen_id").isNotNull()).drop("chosen_id")
