"""The tie-out: invoice against claim-level detail and positions, by state, program, rebate type, NDC and quarter."""

from __future__ import annotations

from datetime import date

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from engine.claim_key import rebate_type_of_key
from engine.contracts.codes import Subject
from engine.contracts.positions import Position
from engine.contracts.tie_out import TIE_OUT, Color
from engine.dates import add_days
from engine.positions.lines import ACCOUNT, SUM, is_medicaid, key_text
from engine.runtime.expressions import collect_distinct, days_from, divide, format_number, sort, union_all
from engine.settings import DeadlineSettings, TieOutSettings

_INVOICED, _DETAIL = "INVOICED", "DETAIL"
_OF_INVOICE = ("program", "payer_id", "rebate_type", "period")
_OF_DETAIL = ("program", "payer_id", "period")
# The positions that are summed for a column.
_POSITIONS = {
    "units_paid": (Position.PAID,),
    "units_credited": (Position.CREDITED,),
    "units_in_dispute": (Position.DISPUTED,),
    "units_open": (Position.PAYABLE, Position.NOT_IN_CLD, Position.RELEASED),
    "units_not_invoiced": (Position.IN_CLD_NOT_INVOICED,),
}


def tie_out_lines(
    claims: DataFrame, lines: DataFrame, positions: DataFrame, invoices: DataFrame, products: DataFrame | None
) -> DataFrame:
    """One row per Medicaid account with its units by invoice, detail and position, before the comparison (`compared`).

    source_row_id and `state` identify the account for `facts.with_unread_rows`. invoice_lines, lines_unstated:
    sub-programs with an invoice line, and those whose line states no units. is_invoiced: an invoice of the state,
    program, quarter and rebate type is known; has_detail: claims of the state, program and quarter are. sent_on:
    postmark, else receipt.

    Args:
        claims: `claim_lines`.
        lines: `invoice_lines`.
        positions: POSITIONS of the run.
        invoices: PREPARED_INVOICES.
        products: `products`, whose names are longer than those on invoices; None without the table.
    """
    zero = F.lit(0).cast("bigint")
    entries = union_all(
        [
            lines.select(
                *ACCOUNT,
                F.lit(_INVOICED).alias("entry"),
                F.col("total").cast(SUM).alias("units"),
                F.col("total").isNull().cast("bigint").alias("without_units"),
            ),
            claims.select(
                *ACCOUNT, F.lit(_DETAIL).alias("entry"), "units", F.col("unconverted").alias("without_units")
            ),
            positions.select(
                *ACCOUNT, F.col("position").alias("entry"), F.col("units").cast(SUM), zero.alias("without_units")
            ),
        ]
    ).where(is_medicaid())
    sums = {"units_billed": (_INVOICED,), "units_in_detail": (_DETAIL,), **_POSITIONS}
    rows = entries.groupBy(*ACCOUNT).agg(
        *(
            F.coalesce(F.sum(F.when(F.col("entry").isin(*map(str, of)), F.col("units"))), F.lit(0))
            .cast(SUM)
            .alias(name)
            for name, of in sums.items()
        ),
        F.count_if(F.col("entry") == _INVOICED).alias("invoice_lines"),
        F.count_if(F.col("entry") == _DETAIL).alias("claim_lines"),
        _sum_of("without_units", _INVOICED).alias("lines_unstated"),
        _sum_of("without_units", _DETAIL).alias("lines_not_converted"),
    )
    rows = _marked(rows, lines, _OF_INVOICE, "is_invoiced")
    rows = _marked(rows, claims, _OF_DETAIL, "has_detail")
    of_invoices = _of_invoices(invoices)
    rows = rows.withColumn("source_row_id", key_text(*ACCOUNT))
    rows = rows.join(of_invoices, on=F.col("source_row_id") == F.col("invoiced_account"), how="left")  # one per account
    if products is None:
        return rows.withColumn("state", F.col("payer_id"))
    names = products.groupBy(F.col("ndc11").alias("listed_ndc11")).agg(F.max("product_name").alias("listed_name"))
    rows = rows.join(names, on=F.col("ndc11") == F.col("listed_ndc11"), how="left")  # one row per NDC
    named = {"state": F.col("payer_id"), "product_name": F.coalesce("listed_name", "product_name")}
    return rows.withColumns(named).drop("listed_ndc11", "listed_name")


def _sum_of(name: str, entry: str) -> Column:
    return F.coalesce(F.sum(F.when(F.col("entry") == entry, F.col(name))), F.lit(0)).cast("bigint")


def _marked(rows: DataFrame, others: DataFrame, key: tuple[str, ...], name: str) -> DataFrame:
    """Add a boolean to `rows`: whether `others` has a row with equal `key`, whose columns are never NULL."""
    present = others.select(*(F.col(column).alias(f"other_{column}") for column in key)).distinct()
    same = [F.col(column) == F.col(f"other_{column}") for column in key]
    joined = rows.join(F.broadcast(present.withColumn("is_present", F.lit(True))), on=same, how="left")
    return joined.withColumn(name, F.coalesce("is_present", F.lit(False))).drop(
        "is_present", *(f"other_{column}" for column in key)
    )


def _of_invoices(invoices: DataFrame) -> DataFrame:
    """invoiced_account, sent_on, product_name and invoice_number, one row per account.

    Interest runs from the postmark (else the receipt) of the current invoice, the latest of several; for a key with
    only PRIOR lines, from theirs.
    """
    lines = invoices.where(F.col("source_kind") == "INVOICE").select(
        "program",
        F.col("state").alias("payer_id"),
        rebate_type_of_key().alias("rebate_type"),
        *("ndc11", "period", "product_name", "invoice_number"),
        (F.coalesce("line_kind", F.lit("CURRENT")) == "CURRENT").alias("is_current"),
        F.coalesce("postmark_date", "received_date").alias("sent"),
    )
    return lines.groupBy(key_text(*ACCOUNT).alias("invoiced_account")).agg(
        F.coalesce(F.max(F.when(F.col("is_current"), F.col("sent"))), F.max("sent")).alias("sent_on"),
        F.max("product_name").alias("product_name"),
        F.nullif(F.array_join(sort(collect_distinct("invoice_number")), ", "), F.lit("")).alias("invoice_number"),
    )


def compared(rows: DataFrame, settings: TieOutSettings, deadlines: DeadlineSettings, as_of: date) -> DataFrame:
    """TIE_OUT of `tie_out_lines` with unread_rows and unread_units; dispute_lines_held is NULL.

    A line is red if invoice and detail differ by more than `settings.red` of the units invoiced, yellow above
    `settings.yellow`, else green; without units invoiced it is red if there is any detail.
    """
    is_stated = (F.col("invoice_lines") > 0) & (F.col("lines_unstated") == 0)
    # The invoice was received and none of its lines bills the product.
    is_unbilled = (F.col("invoice_lines") == 0) & F.col("is_invoiced")
    rows = rows.withColumn(
        "units_invoiced",
        F.when(is_stated, F.col("units_billed")).when(is_unbilled, F.lit(0).cast(SUM)),
    )
    rows = rows.withColumn("gap_units", (F.col("units_invoiced") - F.col("units_in_detail")).cast(SUM))
    share = divide(F.col("gap_units").cast("double"), F.abs(F.col("units_invoiced")).cast("double"))
    rows = rows.withColumn("gap_share", F.when(F.col("units_invoiced") != 0, share))
    size = F.abs("gap_share")
    color = (
        F.when(F.col("units_invoiced").isNull(), F.lit(Color.NONE.value))
        .when(F.col("gap_units") == 0, F.lit(Color.GREEN.value))
        .when(F.col("gap_share").isNull() | (size > settings.red), F.lit(Color.RED.value))
        .when(size > settings.yellow, F.lit(Color.YELLOW.value))
        .otherwise(F.lit(Color.GREEN.value))
    )
    rows = rows.withColumn("color", color)
    awaits = (F.col("units_open") > 0) | (F.col("units_in_dispute") > 0)
    free_until = add_days(F.col("sent_on"), deadlines.days_after_postmark)
    rows = rows.withColumns(
        {
            "reason": _reason(),
            "labeler_code": F.substring("ndc11", 1, 5),
            "quarantined_lines": F.col("unread_rows"),
            "quarantined_units": F.col("unread_units"),
            "units_settled": F.col("units_paid") + F.col("units_credited"),
            "interest_free_until": free_until,
            "days_until_interest": F.when(awaits, days_from(F.lit(as_of), free_until)),
            "dispute_lines_held": F.lit(None).cast("bigint"),
            "as_of": F.lit(as_of),
        }
    )
    return rows.select(*(F.col(field.name).cast(field.dataType) for field in TIE_OUT.fields))


def _reason() -> Column:
    """Why a row is not green; NULL for green rows."""
    quarantined, gap = F.col("unread_units"), F.col("gap_units")
    explained = (
        F.when((gap > 0) & (quarantined >= gap), F.lit("; quarantined claim rows would explain all of it"))
        .when((gap > 0) & (quarantined > 0), F.lit("; quarantined claim rows would explain a part of it"))
        .when((gap > 0) & (F.col("unread_rows") > 0), F.lit("; quarantined claim rows may explain it"))
        .otherwise(F.lit(""))
    )
    unconverted = F.when(
        F.col("lines_not_converted") > 0, F.lit("; claim lines in HCPCS units without a conversion are not counted")
    ).otherwise(F.lit(""))
    amount = F.concat(
        format_number(F.abs(gap), 3), F.lit(" units ("), format_number(F.abs("gap_share") * 100, 1), F.lit(" %)")
    )
    words = (
        F.when(
            F.col("units_invoiced").isNull() & ~F.col("is_invoiced"),
            F.lit("no invoice of the state, program, quarter and rebate type is known"),
        )
        .when(F.col("units_invoiced").isNull(), F.lit("the invoice line states no units"))
        .when(F.col("invoice_lines") == 0, F.lit("claims of a product that the invoice does not bill"))
        .when(~F.col("has_detail"), F.lit("no claim-level detail of the state, program and quarter"))
        .when(F.col("claim_lines") == 0, F.lit("no claim-level detail of the product"))
        .when(F.col("gap_share").isNull(), F.lit("claim-level detail, and no units invoiced"))
        .when(gap > 0, F.concat(F.lit("detail is short of the invoice by "), amount))
        .otherwise(F.concat(F.lit("detail exceeds the invoice by "), amount))
    )
    return F.when(F.col("color") != Color.GREEN.value, F.concat(words, explained, unconverted))


def on_red_lines(findings: DataFrame, tie_out: DataFrame) -> DataFrame:
    """finding_id of the findings on rebate claims whose line of the tie-out is red, with `line_key` of that line."""
    red = tie_out.where(F.col("color") == Color.RED.value).select(_line_key().alias("line_key"))
    claims = findings.where((F.col("subject") == Subject.REBATE_CLAIM.value) & is_medicaid())
    own = claims.withColumns({"state": F.coalesce("state", "payer_id"), "rebate_type": rebate_type_of_key()})
    on_lines = own.select("finding_id", _line_key().alias("claimed_key"))
    return on_lines.join(red, on=F.col("claimed_key") == F.col("line_key"), how="inner").select(
        "finding_id", "line_key"
    )


def with_held_lines(tie_out: DataFrame, held: DataFrame) -> DataFrame:
    """TIE_OUT with dispute_lines_held. `held`: line_key of drafts that are suppressed, one row each."""
    counts = held.groupBy(F.col("line_key").alias("held_key")).agg(F.count(F.lit(1)).alias("held"))
    joined = tie_out.join(counts, on=_line_key() == F.col("held_key"), how="left")  # one row per line
    rows = joined.withColumn("dispute_lines_held", F.coalesce("held", F.lit(0)))
    return rows.select(*(F.col(field.name).cast(field.dataType) for field in TIE_OUT.fields))


def _line_key() -> Column:
    return key_text("state", "program", "rebate_type", "ndc11", "period")
