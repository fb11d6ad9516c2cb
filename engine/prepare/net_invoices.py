"""Netting of invoice lines with one key: delivered again, in conflict, or replaced by a new total of the quarter."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from engine.claim_key import rebate_type_of_key
from engine.contracts.codes import Reason
from engine.contracts.prepared import PREPARED_INVOICES
from engine.dates import known_day
from engine.prepare.row_ids import good_rows, repeated_hashes
from engine.runtime.expressions import all_of

_KEY = ("invoice_number", "program", "sub_program", "rebate_type", "state", "ndc11", "period", "line_kind")
_NUMBERS = (
    "source_kind",
    "unit_rebate_amount",
    "units_reimbursed",
    "rebate_amount",
    "prescriptions",
    "medicaid_amount",
    "non_medicaid_amount",
    "total_amount",
    "suppressed",
)


# The group whose total a PRIOR_REPLACEMENT line replaces, in addition to the rebate type.
_TOTAL = ("program", "sub_program", "state", "ndc11", "period", "source_kind")


def net_invoices(conformed: DataFrame) -> DataFrame:
    """Lines that are not live: row_id, left_as (REDELIVERED or REPLACED) or problem (KEY_DUPLICATE).

    Of several lines with one invoice key the line that was received first stays, then the one whose numbers sort first;
    the others are REDELIVERED if the numbers are equal too, else KEY_DUPLICATE. Of the lines that stay,
    a PRIOR_REPLACEMENT whose units are known replaces the total of its program, sub-program, rebate type (none is
    FEDERAL), state, product and period: the CURRENT lines, earlier replacements, and the differences (PRIOR_DELTA)
    known to be received before it.
    """
    lines = good_rows(conformed).select("row_id", *_KEY, "received_date", "postmark_date", *_NUMBERS)
    # nearly every key is one line's, and so is its total: only the others need sorting
    key_hash = F.xxhash64(*_KEY)
    shared = F.broadcast(repeated_hashes(lines, key_hash, "shared"))
    single = lines.join(shared, on=key_hash == F.col("shared"), how="left_anti")
    ordered = _as_places(single.withColumns({"nth": F.lit(1), "is_same": F.lit(True)})).unionByName(
        _as_places(_in_order(lines.join(shared, on=key_hash == F.col("shared"), how="left_semi")))
    )
    total_hash = F.xxhash64(*_TOTAL, "key_rebate_type")
    replaced_totals = ordered.where("replaces").select(total_hash.alias("replaced_total")).distinct()
    is_in_replaced = total_hash == F.col("replaced_total")
    repeated = ordered.where(~F.col("stays")).join(F.broadcast(replaced_totals), on=is_in_replaced, how="left_anti")
    return _left(repeated.withColumn("is_replaced", F.lit(False))).unionByName(
        _left(_with_replaced(ordered.join(F.broadcast(replaced_totals), on=is_in_replaced, how="left_semi")))
    )


def _in_order(lines: DataFrame) -> DataFrame:
    """`lines` with `nth`, their place among the lines of one key, and is_same: the numbers are those of the first."""
    arrival = Window.partitionBy(*_KEY).orderBy(
        *(F.col(name).asc_nulls_first() for name in ("received_date", *_NUMBERS)), "row_id"
    )
    firsts = {f"first_{name}": F.first(name).over(arrival) for name in _NUMBERS}
    is_same = all_of(F.col(name).eqNullSafe(F.col(f"first_{name}")) for name in _NUMBERS)
    numbered = lines.withColumns({"nth": F.row_number().over(arrival), **firsts})
    return numbered.withColumn("is_same", is_same).drop(*firsts)


def _as_places(numbered: DataFrame) -> DataFrame:
    """What decides whether a line stays and whether it is replaced."""
    received = F.coalesce(known_day(F.col("received_date")), known_day(F.col("postmark_date")))
    return numbered.select(
        "row_id",
        *_TOTAL,
        rebate_type_of_key().alias("key_rebate_type"),
        "line_kind",
        "invoice_number",
        received.alias("received"),
        (F.col("nth") == 1).alias("stays"),
        "is_same",
        (_is_replacement() & (F.col("nth") == 1) & _has_units()).alias("replaces"),
    )


def _with_replaced(ordered: DataFrame) -> DataFrame:
    """`ordered` with is_replaced: the line stays of its key, and a new total takes its place."""
    total = Window.partitionBy(*_TOTAL, "key_rebate_type")
    order = F.struct(
        F.coalesce("received", F.lit("0001-01-01").cast("date")), F.coalesce("invoice_number", F.lit("")), "row_id"
    )
    ordered = ordered.withColumn("place", order).withColumns(
        {
            "last_place": F.max(F.when(F.col("replaces"), F.col("place"))).over(total),
            "last_received": F.max(F.when(F.col("replaces"), F.col("received"))).over(total),
        }
    )
    is_difference = F.coalesce(F.col("line_kind") == "PRIOR_DELTA", F.lit(False))
    is_earlier = F.when(is_difference, F.coalesce(F.col("received") < F.col("last_received"), F.lit(False)))
    is_earlier = is_earlier.when(_is_replacement(), F.col("place") < F.col("last_place")).otherwise(F.lit(True))
    is_replaced = F.col("stays") & F.col("last_place").isNotNull() & is_earlier
    return ordered.withColumn("is_replaced", is_replaced)


def _left(lines: DataFrame) -> DataFrame:
    """row_id, left_as and problem of the lines that do not stay or are replaced."""
    left_as = F.when(F.col("is_replaced"), F.lit(Reason.REPLACED.value)).when(
        F.col("is_same"), F.lit(Reason.REDELIVERED.value)
    )
    problem = F.when(~F.col("stays") & ~F.col("is_same"), F.lit(Reason.KEY_DUPLICATE.value))
    return lines.where(~F.col("stays") | F.col("is_replaced")).select(
        "row_id", left_as.alias("left_as"), problem.alias("problem")
    )


def _is_replacement() -> Column:
    return F.coalesce(F.col("line_kind") == "PRIOR_REPLACEMENT", F.lit(False))


def _has_units() -> Column:
    return F.col("units_reimbursed").isNotNull() & ~F.coalesce("suppressed", F.lit(False))


def live_invoices(conformed: DataFrame, netting: DataFrame) -> DataFrame:
    """PREPARED_INVOICES of the live lines, including suppressed ones."""
    live = good_rows(conformed).join(netting.select("row_id"), on="row_id", how="left_anti")
    return live.select(*(F.col(f.name).cast(f.dataType) for f in PREPARED_INVOICES.fields))


def replaced_invoices(conformed: DataFrame, netting: DataFrame) -> DataFrame:
    """PREPARED_INVOICES of the lines that a new total replaced. Rules do not check them, but they started a deadline
    and a settlement may refer to them.
    """
    replaced = netting.where(F.col("left_as") == Reason.REPLACED.value).select("row_id")
    lines = good_rows(conformed).join(F.broadcast(replaced), on="row_id", how="left_semi")
    return lines.select(*(F.col(f.name).cast(f.dataType) for f in PREPARED_INVOICES.fields))
