"""Invoice lines with one key: sent again, or in conflict."""

from __future__ import annotations

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from engine.contracts.codes import Reason
from engine.contracts.prepared import PREPARED_INVOICES
from engine.prepare.row_ids import good_rows

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
    numbers = F.struct(*_NUMBERS)
    lines = good_rows(conformed).select("row_id", *_KEY, "received_date", numbers.alias("numbers"))
    arrival = Window.partitionBy(*_KEY).orderBy(
        F.col("received_date").asc_nulls_first(), F.col("numbers"), F.col("row_id")
    )
    ordered = lines.withColumns({"nth": F.row_number().over(arrival), "first": F.first("numbers").over(arrival)}).where(
        F.col("nth") > 1
    )
    is_same = F.col("numbers") == F.col("first")
    return ordered.select(
        "row_id",
        F.when(is_same, F.lit(Reason.REDELIVERED.value)).alias("left_as"),
        F.when(~is_same, F.lit(Reason.KEY_DUPLICATE.value)).alias("problem"),
    )


def live_invoices(conformed: DataFrame, netting: DataFrame) -> DataFrame:
    """PREPARED_INVOICES of the lines that stand; suppressed lines among them."""
    live = good_rows(conformed).join(netting.select("row_id"), on="row_id", how="left_anti")
    return live.select(*(F.col(f.name).cast(f.dataType) for f in PREPARED_INVOICES.fields))
