"""Invoice lines with one key: sent again, or in conflict."""

from __future__ import annotations

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from engine.contracts.codes import Reason
from engine.contracts.prepared import PREPARED_INVOICES
from engine.prepare.row_ids import good_rows
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


def net_invoices(conformed: DataFrame) -> DataFrame:
    """Second and further lines of an invoice key: row_id, left_as REDELIVERED where the numbers are equal too, else
    problem KEY_DUPLICATE. The line that was received first stays, then the one whose numbers sort first.
    """
    lines = good_rows(conformed).select("row_id", *_KEY, "received_date", *_NUMBERS)
    arrival = Window.partitionBy(*_KEY).orderBy(
        *(F.col(name).asc_nulls_first() for name in ("received_date", *_NUMBERS)), "row_id"
    )
    firsts = {f"first_{name}": F.first(name).over(arrival) for name in _NUMBERS}
    ordered = lines.withColumns({"nth": F.row_number().over(arrival), **firsts}).where(F.col("nth") > 1)
    is_same = all_of(F.col(name).eqNullSafe(F.col(f"first_{name}")) for name in _NUMBERS)
    return ordered.select(
        "row_id",
        F.when(is_same, F.lit(Reason.REDELIVERED.value)).alias("left_as"),
        F.when(~is_same, F.lit(Reason.KEY_DUPLICATE.value)).alias("problem"),
    )


def live_invoices(conformed: DataFrame, netting: DataFrame) -> DataFrame:
    """PREPARED_INVOICES of the lines that stand; suppressed lines among them."""
    live = good_rows(conformed).join(netting.select("row_id"), on="row_id", how="left_anti")
    return live.select(*(F.col(f.name).cast(f.dataType) for f in PREPARED_INVOICES.fields))
