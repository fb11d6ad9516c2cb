"""Units of claims and invoice lines that were credited, repaid or disputed, before or after they were billed (again).

A settlement is allotted once (contract part 2). One that names a claim's line counts on that line; one that names a
claim is allotted to its live lines in order of line number, each up to its units; one that names neither is allotted to
the invoice line of its own sub-program and rebate type, CURRENT first, and over that line's claims as in positions. The
remainder belongs to no row.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.claim_key import rebate_type_of_key
from engine.contracts.codes import MEDICAID_PROGRAMS
from engine.facts.families import absent
from engine.runtime.column_names import column_names
from engine.runtime.expressions import union_all
from engine.runtime.keep import Keep, kept_in_place

CREDIT, DISPUTE, FREED = "CREDIT", "DISPUTE", "FREED"
# The effect of each kind of settlement on units; PAID changes nothing that findings use.
_EFFECTS = {
    "STATE_CREDIT": CREDIT,
    "ENTITY_REPAID": CREDIT,
    "DISPUTED": DISPUTE,
    "RELEASED": FREED,
    "WRITTEN_OFF": FREED,
}
# How precisely a settlement identifies its rows.
BY_LINE, BY_CLAIM, BY_INVOICE_LINE = 1, 2, 3
SETTLED_KINDS = tuple(kind for kind, effect in _EFFECTS.items() if effect == CREDIT)
_SUM = "decimal(38,3)"
SETTLEMENT_FACTS = (
    T.StructField("settled_units", T.DecimalType(15, 3)),
    T.StructField("settled_on", T.DateType()),
    T.StructField("settled_since_units", T.DecimalType(15, 3)),
    T.StructField("settled_since_on", T.DateType()),
    T.StructField("units_in_dispute", T.DecimalType(15, 3)),
)
# The further columns that with_claim_settlements reads, in addition to program, payer, state, product, period, rebate
# type and units.
CLAIM_COLUMNS = ("plan_id", "claim_id", "claim_line", "invoice_number")


def with_claim_settlements(
    claims: DataFrame, settlements: DataFrame | None, as_of: date, keep: Keep = kept_in_place
) -> DataFrame:
    """Add `settlement`, a struct of SETTLEMENT_FACTS, to `claims`.

    It covers settlements up to `as_of` and is NULL if none is allotted to the claim.

    A settlement that names a claim must match its program, product and rebate type (none means FEDERAL, outside
    Medicaid BASE), and its payer: by payer_id or state, or by neither if only one payer has the claim. One that names
    no claim is spread over those claims of its invoice line that no settlement names, in the order of the claim key;
    such a settlement does not count on a claim received after it. Units are NDC units (as received if not converted).
    `keep` writes the few claims with a settlement.
    """
    if settlements is None:
        return claims.withColumn("settlement", absent(SETTLEMENT_FACTS))
    rows = claims.select(
        "source_row_id",
        "program",
        "payer_id",
        F.coalesce("state", "payer_id").alias("state"),
        "ndc11",
        "period",
        "sub_program",
        rebate_type_of_key().alias("rebate_type"),
        "invoice_number",
        "plan_id",
        "claim_id",
        F.coalesce("claim_line", F.lit(1)).alias("claim_line"),
        F.coalesce("ndc_units", "units").alias("units"),
        F.col("received_at").cast("date").alias("received"),
    )
    events = _events(settlements, as_of)
    return _joined(claims, keep("settled", _facts(_allotted(_claim_pairs(rows, events)))))


def with_line_settlements(invoices: DataFrame, settlements: DataFrame | None, as_of: date) -> DataFrame:
    """Add `settlement`, a struct of SETTLEMENT_FACTS, to `invoices`; NULL if no settlement is allotted to the line.

    Only settlements up to `as_of` that name no claim and no other invoice count. One without a sub-program is allotted
    to the lines of XIX, EXPANSION, then the others, each up to its units.
    """
    if settlements is None:
        return invoices.withColumn("settlement", absent(SETTLEMENT_FACTS))
    rows = invoices.select(
        "source_row_id",
        "program",
        "state",
        "ndc11",
        "period",
        "sub_program",
        rebate_type_of_key().alias("rebate_type"),
        "invoice_number",
        "line_kind",
        F.col("units_reimbursed").alias("units"),
        F.coalesce("received_date", "postmark_date").alias("received"),
    )
    events = _events(settlements, as_of).where(F.col("s_claim_id").isNull())
    same = [F.col(name) == F.col(f"s_{name}") for name in ("program", "state", "ndc11", "period", "rebate_type")]
    pairs = _paired(rows, events, [*same, *_agrees("sub_program", "invoice_number")])
    group = ("s_program", "s_state", "s_ndc11", "s_period", "s_rebate_type", "s_sub_program", "s_invoice_number")
    place = (_position(F.col("line_kind"), ("CURRENT", "PRIOR_REPLACEMENT")), _sub_program_place(), "sub_program")
    pairs = pairs.withColumns(
        {
            "stage": F.lit(BY_LINE),
            "group": _key(*group),
            "slot": _key(*group[:5], "line_kind", "sub_program"),
            "place": _key(*place, "line_kind"),
        }
    )
    return _joined(invoices, _facts(_allotted(pairs)))


def _events(settlements: DataFrame, as_of: date) -> DataFrame:
    """Settlements with an effect up to `as_of`, their columns as s_..., with event (unique), effect and event_units."""
    payer = {"s_payer_id": F.col("payer_id"), "s_state": F.col("state")}
    names = ("program", "ndc11", "period", "sub_program", "invoice_number", "claim_id", "claim_line")
    rows = settlements.where(F.col("kind").isin(*_EFFECTS) & (F.col("settled_on") <= F.lit(as_of))).select(
        *(F.col(name).alias(f"s_{name}") for name in names),
        *(value.alias(name) for name, value in payer.items()),
        rebate_type_of_key().alias("s_rebate_type"),
        F.try_element_at(F.create_map(*(F.lit(word) for pair in _EFFECTS.items() for word in pair)), "kind").alias(
            "effect"
        ),
        "settled_on",
        F.coalesce("units", F.lit(0)).cast(_SUM).alias("event_units"),
        "kind",
        "settlement_id",
    )
    # The payer of a Medicaid row is its state.
    is_medicaid = F.col("s_program").isin(*(program.value for program in MEDICAID_PROGRAMS))
    rows = rows.withColumn("s_state", F.coalesce("s_state", F.when(is_medicaid, F.col("s_payer_id"))))
    target = ("s_program", "s_ndc11", "s_claim_id", "s_period")
    order = [F.col(name) for name in column_names(rows) if name not in target]
    number = F.row_number().over(Window.partitionBy(*target).orderBy(*order))
    return rows.withColumn("event", _key(*target, number)).where(F.col("event_units") > 0).drop("kind", "settlement_id")


def _claim_pairs(rows: DataFrame, events: DataFrame) -> DataFrame:
    """Events with the claims to which they may apply; see `_allotted`."""
    key = ("program", "payer_id", "ndc11", "claim_id", "rebate_type")
    same = [F.col(name) == F.col(f"s_{name}") for name in ("program", "ndc11", "claim_id", "rebate_type")]
    named = _paired(rows, events.where(F.col("s_claim_id").isNotNull()), [*same, *_agrees_on_payer(), _same_line()])
    names_line = F.col("s_claim_line").isNotNull()
    line = F.lpad(F.col("claim_line").cast("string"), 9, "0")
    named = named.withColumns(
        {
            "stage": F.when(names_line, F.lit(BY_LINE)).otherwise(F.lit(BY_CLAIM)),
            "group": _key(*key, "s_claim_line"),
            "slot": _key(*key, "plan_id", "claim_line"),
            "place": _key(line, "plan_id"),
        }
    )
    same = [F.col(name) == F.col(f"s_{name}") for name in ("program", "ndc11", "period", "rebate_type")]
    of_lines = _paired(
        rows,
        events.where(F.col("s_claim_id").isNull()),
        [*same, *_agrees_on_payer(), *_agrees("sub_program", "invoice_number")],
    )
    group = ("program", "payer_id", "s_ndc11", "s_period", "s_rebate_type", "s_sub_program", "s_invoice_number")
    of_lines = of_lines.withColumns(
        {
            "stage": F.lit(BY_INVOICE_LINE),
            "group": _key(*group),
            "slot": F.col("source_row_id"),
            "place": _key(_sub_program_place(), "plan_id", "claim_id", line, _day("received"), "source_row_id"),
        }
    )
    pairs = union_all([named, of_lines])
    # An event that may apply to claims of several payers applies to none: payers are never guessed.
    of_event = Window.partitionBy("event")
    is_one = F.min("payer_id").over(of_event) == F.max("payer_id").over(of_event)
    return pairs.withColumn("is_of_one_payer", is_one).where("is_of_one_payer")


def _paired(rows: DataFrame, events: DataFrame, conditions: Sequence[Column]) -> DataFrame:
    """Each event with every row to which it may apply."""
    matches = conditions[0]
    for condition in conditions[1:]:
        matches = matches & condition
    return rows.join(F.broadcast(events), on=matches, how="inner")


def _agrees(*names: str) -> list[Column]:
    """Whether row and settlement do not contradict each other: NULL on either side matches."""
    return [F.coalesce(F.col(f"s_{name}") == F.col(name), F.lit(True)) for name in names]


def _same_line() -> Column:
    return F.coalesce(F.col("s_claim_line") == F.col("claim_line"), F.lit(True))


def _agrees_on_payer() -> list[Column]:
    state = F.coalesce(F.col("s_state") == F.col("state"), F.lit(True))
    payer = F.coalesce(F.col("s_payer_id") == F.col("payer_id"), F.lit(True))
    return [state & payer]


def _allotted(pairs: DataFrame) -> DataFrame:
    """Add since_units and before_units to `pairs`: the units of each event that count on each row.

    `pairs`: rows (source_row_id, units, received) with the events that may apply to them, their `stage`, `group`
    (events of one effect that share slots), `slot` (rows of one line) and `place` (order of the slots of a group).
    Stages run one after the other, and capacity that an earlier stage fills is not available to a later one. In the
    order of time, events fill the slots in order, each slot up to its units; within a slot they fill its rows in the
    order of receipt.

    since_units: on rows received on or before the event's day, and of disputes. before_units: of credits, the part on
    rows that were received later, or on an unknown day: their units were billed again. Only units in dispute can be
    freed.
    """
    receipt: list[Column | str] = [_day("received"), "source_row_id"]
    at_least_none = F.greatest(F.coalesce("units", F.lit(0)), F.lit(0)).cast(_SUM)
    pairs = pairs.withColumns(
        {
            "row_units": at_least_none,
            "is_first_of_slot": F.row_number().over(Window.partitionBy("event", "slot").orderBy(*receipt)) == 1,
            "is_since": F.coalesce(F.col("received") <= F.col("settled_on"), F.lit(False))
            | (F.col("effect") != CREDIT),
            "part": F.lit(0).cast(_SUM),
        }
    )
    # Units credited before the rows arrived use no capacity that later credits need.
    is_since = F.max("is_since").over(Window.partitionBy("event")).cast("string")
    pairs = pairs.withColumns(
        {
            "capacity": F.max("row_units").over(Window.partitionBy("slot")),
            "pool": F.concat_ws(" ", "effect", is_since),
        }
    )
    is_freed = F.col("effect") == FREED
    for stage in (BY_LINE, BY_CLAIM):
        pairs = _filled(pairs, (F.col("stage") == stage) & ~is_freed, _left("pool"))
    # A settlement of a complete invoice line applies to claims that no settlement names.
    of_row = Window.partitionBy("source_row_id")
    is_named = F.max(F.col("stage") != BY_INVOICE_LINE).over(of_row)
    pairs = pairs.withColumn("is_named", is_named)
    of_line = (F.col("stage") == BY_INVOICE_LINE) & ~F.col("is_named")
    pairs = _filled(pairs, of_line & ~is_freed, F.col("capacity"))
    in_dispute = F.sum(_once(F.col("effect") == DISPUTE, "part")).over(Window.partitionBy("slot"))
    pairs = pairs.withColumn("in_dispute", in_dispute)
    pairs = _filled(pairs, is_freed & (of_line | (F.col("stage") != BY_INVOICE_LINE)), F.col("in_dispute"))

    by_time = Window.partitionBy("slot", "pool", "source_row_id").orderBy("settled_on", "event")
    by_receipt = Window.partitionBy("event", "slot").orderBy(*receipt)
    later_units = F.when(~F.col("is_since"), F.col("row_units")).otherwise(F.lit(0))
    pairs = pairs.withColumns(
        {
            "part_to": F.sum("part").over(by_time),
            "row_to": F.sum("row_units").over(by_receipt),
            "later_units": later_units,
            "later_to": F.sum(later_units).over(by_receipt),
        }
    )
    since = _overlap("part_to", "part", "row_to", "row_units")
    later = F.least("part", "later_to") - (F.col("later_to") - F.col("later_units"))
    return pairs.withColumns(
        {
            "since_units": F.when(F.col("is_since") & (since > 0), since),
            "before_units": F.when(~F.col("is_since") & (later > 0), later),
        }
    )


def _filled(pairs: DataFrame, is_active: Column, capacity: Column) -> DataFrame:
    """Allot the active events over the slots to which they may apply; the others keep their `part`."""
    by_time = Window.partitionBy("group", "pool", "is_active").orderBy("settled_on", "event")
    by_place = Window.partitionBy("event").orderBy("place")
    pairs = pairs.withColumns({"capacity": capacity.cast(_SUM), "is_active": is_active})
    of_event = Window.partitionBy("event", "is_active").orderBy("place", _day("received"), "source_row_id")
    filling = F.when(F.row_number().over(of_event) == 1, F.col("event_units")).otherwise(F.lit(0))
    opening = F.when(F.col("is_active") & F.col("is_first_of_slot"), F.col("capacity")).otherwise(F.lit(0))
    pairs = pairs.withColumns({"filling": filling, "opening": opening})
    # All pairs of an event, and of a slot, are peers in the window: each sum includes all of them.
    pairs = pairs.withColumns(
        {"filled_to": F.sum("filling").over(by_time), "capacity_to": F.sum("opening").over(by_place)}
    )
    part = _overlap("filled_to", "event_units", "capacity_to", "capacity")
    return pairs.withColumn(
        "part", F.when(F.col("is_active"), F.greatest(part, F.lit(0))).otherwise(F.col("part")).cast(_SUM)
    )


def _overlap(filled_to: str, filling: str, capacity_to: str, capacity: str) -> Column:
    """The units in both intervals [to - size, to); not above zero if they are disjoint."""
    start = F.greatest(F.col(filled_to) - F.col(filling), F.col(capacity_to) - F.col(capacity))
    return F.least(filled_to, capacity_to) - start


def _left(pool: str) -> Column:
    """The capacity of the slot that no event of the same pool has filled yet."""
    filled = F.sum(_once(F.lit(True), "part")).over(Window.partitionBy("slot", pool))
    return F.greatest(F.col("capacity") - filled, F.lit(0))


def _once(condition: Column, part: str) -> Column:
    """The part of an event in a slot, on one of the slot's rows."""
    return F.when(condition & F.col("is_first_of_slot"), F.col(part)).otherwise(F.lit(0))


def _facts(pairs: DataFrame) -> DataFrame:
    """source_row_id as settled_row_id and `settlement`, one row per row on which units of a settlement count.

    Units in dispute are those disputed and not freed since, and at most the row's units that were not credited. A
    credit of a complete line does not count on a claim received later.
    """
    is_resubmitted = F.col("before_units").isNotNull() & (F.col("stage") != BY_INVOICE_LINE)
    parts = pairs.where(F.col("since_units").isNotNull() | is_resubmitted)
    change = F.when(F.col("effect") == DISPUTE, F.col("since_units")).when(
        F.col("effect") == FREED, -F.col("since_units")
    )
    order = F.when(F.col("effect") == FREED, 1).otherwise(0)
    running = Window.partitionBy("source_row_id").orderBy("settled_on", order)
    parts = parts.withColumn("change", F.coalesce(change, F.lit(0)).cast(_SUM))
    parts = parts.withColumn("balance", F.sum("change").over(running))

    def credited(name: str) -> Column:
        return F.when(F.col("effect") == CREDIT, F.col(name))

    def day(name: str) -> Column:
        return F.max(F.when(credited(name).isNotNull(), F.col("settled_on")))

    # Freed units beyond those disputed by then do not reduce later disputes.
    disputed = F.sum("change") - F.least(F.min("balance"), F.lit(0))
    totals = parts.groupBy(F.col("source_row_id").alias("settled_row_id")).agg(
        F.sum(credited("before_units")).alias("settled_units"),
        day("before_units").alias("settled_on"),
        F.sum(credited("since_units")).alias("settled_since_units"),
        day("since_units").alias("settled_since_on"),
        disputed.alias("disputed"),
        F.max("row_units").alias("row_units"),
    )
    left = F.least("disputed", F.col("row_units") - F.coalesce("settled_since_units", F.lit(0)))
    totals = totals.withColumn("units_in_dispute", F.when(left > 0, left))
    facts = F.struct(*(F.col(f.name).try_cast(f.dataType).alias(f.name) for f in SETTLEMENT_FACTS))
    return totals.select("settled_row_id", facts.alias("settlement"))


def _joined(rows: DataFrame, facts: DataFrame) -> DataFrame:
    same = F.col("source_row_id") == F.col("settled_row_id")
    return rows.join(F.broadcast(facts), on=same, how="left").select(*column_names(rows), "settlement")


def _sub_program_place() -> Column:
    """The order of rows to which a settlement may apply: its own sub-program, then XIX, EXPANSION, the others."""
    is_own = F.coalesce(F.col("sub_program") == F.col("s_sub_program"), F.lit(False))
    return F.when(is_own, F.lit(0)).otherwise(_position(F.col("sub_program"), ("XIX", "EXPANSION")))


def _position(value: Column, first: tuple[str, ...]) -> Column:
    place = F.array_position(F.array(*(F.lit(name) for name in first)), value)
    return F.when(place > 0, place).otherwise(F.lit(len(first) + 1)).cast("bigint")


def _day(name: str) -> Column:
    """A date as a text of the same order, NULL last."""
    return F.coalesce(F.col(name).cast("string"), F.lit("9999-99"))


def _key(*parts: Column | str) -> Column:
    """Values joined into one text that distinguishes NULL from every other value."""
    values = [F.col(part) if isinstance(part, str) else part for part in parts]
    return F.concat_ws("\x1f", *(F.coalesce(value.cast("string"), F.lit("\x1e")) for value in values))
