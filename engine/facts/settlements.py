"""Units that a state credited or an entity repaid: before they were asked for (again), and since."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.facts.families import absent
from engine.facts.history import added_up
from engine.runtime.column_names import column_names

SETTLED_KINDS = ("STATE_CREDIT", "ENTITY_REPAID")
SETTLEMENT_FACTS = (
    T.StructField("settled_units", T.DecimalType(15, 3)),
    T.StructField("settled_on", T.DateType()),
    T.StructField("settled_since_units", T.DecimalType(15, 3)),
    T.StructField("settled_since_on", T.DateType()),
)


def with_claim_settlements(claims: DataFrame, settlements: DataFrame | None, as_of: date) -> DataFrame:
    """`claims` with `settlement`, a struct of SETTLEMENT_FACTS: of settlements up to `as_of` that name program,
    product, claim number and line (NULL: all lines) and contradict neither the state nor the payer.
    """
    keys = ("program", "ndc11", "claim_id")
    state = F.coalesce("state", "payer_id")

    def is_same_line(one: Column) -> Column:
        same_line = one["claim_line"].isNull() | (one["claim_line"] == F.col("claim_line"))
        return same_line & (one["state"].isNull() | (one["state"] == state))

    named = None if settlements is None else settlements.where(F.col("claim_id").isNotNull())
    return _with_settlements(claims, named, keys, is_same_line, F.col("received_at").cast("date"), as_of)


def with_line_settlements(invoices: DataFrame, settlements: DataFrame | None, as_of: date) -> DataFrame:
    """`invoices` with `settlement`, a struct of SETTLEMENT_FACTS: of settlements up to `as_of` of the whole line, which
    name no claim and no other invoice.
    """
    keys = ("program", "state", "ndc11", "period")

    def is_of_invoice(one: Column) -> Column:
        return one["invoice_number"].isNull() | (one["invoice_number"] == F.col("invoice_number"))

    of_lines = None if settlements is None else settlements.where(F.col("claim_id").isNull())
    received = F.coalesce("received_date", "postmark_date")
    return _with_settlements(invoices, of_lines, keys, is_of_invoice, received, as_of)


def _with_settlements(
    rows: DataFrame,
    settlements: DataFrame | None,
    keys: tuple[str, ...],
    is_meant: Callable[[Column], Column],
    received: Column,
    as_of: date,
) -> DataFrame:
    """Settlements before the day on which the row was received tell of units asked for again; those of that day and
    later answer the row itself. Where that day is not known all of them count as earlier.
    """
    if settlements is None:
        return rows.withColumn("settlement", absent(SETTLEMENT_FACTS))
    by_key = (
        settlements.where(F.col("kind").isin(*SETTLED_KINDS) & (F.col("settled_on") <= F.lit(as_of)))
        .groupBy(*(F.col(key).alias(f"settled_{key}") for key in keys))
        .agg(
            F.sort_array(
                F.collect_list(F.struct("settled_on", "units", "claim_line", "state", "invoice_number"))
            ).alias("settled")
        )
    )
    same = [F.col(key) == F.col(f"settled_{key}") for key in keys]
    joined = rows.join(F.broadcast(by_key), on=same, how="left")  # one row per key
    meant = F.filter("settled", lambda one: F.coalesce(is_meant(one), F.lit(False)))

    def answers_the_row(one: Column) -> Column:
        return F.coalesce(one["settled_on"] >= received, F.lit(False))

    values = _together(F.filter(meant, lambda one: ~answers_the_row(one)), "settled")
    values |= _together(F.filter(meant, answers_the_row), "settled_since")
    facts = F.struct(*(values[f.name].try_cast(f.dataType).alias(f.name) for f in SETTLEMENT_FACTS))
    return joined.select(*column_names(rows), F.when(F.size(meant) > 0, facts).alias("settlement"))


def _together(settlements: Column, name: str) -> dict[str, Column]:
    """Units of an array of settlements and the last one's day; NULL where there are none."""
    units = F.when(F.size(settlements) > 0, added_up(settlements, "units", "decimal(38,3)"))
    return {f"{name}_units": units, f"{name}_on": F.array_max(F.transform(settlements, lambda one: one["settled_on"]))}
