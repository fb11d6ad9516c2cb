"""CMS-R-144: the electronic state invoice, a file of fixed-width records."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from engine.sources.adapters.layout import Adapter, Layout, ndc_of, period_of_qyyyy

_AMOUNTS = {
    "unit_rebate_amount": "unit_rebate_amount",
    "units_reimbursed": "units_reimbursed",
    "rebate_amount": "rebate_amount_claimed",
    "prescriptions": "number_of_prescriptions",
    "medicaid_amount": "medicaid_amount_reimbursed",
    "non_medicaid_amount": "non_medicaid_amount_reimbursed",
    "total_amount": "total_amount_reimbursed",
}


def r144(rows: DataFrame, table: str, options: Mapping[str, Any]) -> DataFrame:
    """State invoices in the layout of form CMS-R-144 as `invoices`: one row per record.

    Source: CMS, Electronic State Invoice Form CMS-R-144, data definitions effective July 1, 2021 (42 CFR 447.511).
    Record id FFSU is MDRP_FFS, MCOU is MDRP_MCO; the period is QYYYY. Numbers may have their sign before or
    after the digits. Options, with defaults in `conf/reference/r144.yaml`: `widths` (positions of the fields),
    `decimals` (of a field that is written without a decimal point), `line_kinds` (by correction flag).
    """
    del table
    layout = Layout(rows)
    record = F.upper(layout.text("record_id"))
    decimals = options.get("decimals") or {}
    return rows.select(
        F.when(record == "FFSU", "MDRP_FFS").when(record == "MCOU", "MDRP_MCO").otherwise(record).alias("program"),
        layout.text("state_code").alias("state"),
        ndc_of(layout).alias("ndc"),
        period_of_qyyyy(layout.text("period_covered")).alias("period"),
        *layout.renamed({"product_name": "product_fda_name"}),
        *(
            _number(layout.text(field), int(decimals.get(field, 0))).alias(name)
            for name, field in _AMOUNTS.items()
            if layout.has(field)
        ),
        _line_kind(layout.text("correction_flag"), options.get("line_kinds") or {}).alias("line_kind"),
    )


def _number(text: Column, decimals: int) -> Column:
    """A number with its sign first; `decimals` of its digits are decimals if it has no point."""
    trailing = F.regexp_extract(text, r"^([0-9.]+) *([-+])\z", 1)
    sign = F.regexp_extract(text, r"([-+])\z", 1)
    signed = F.when(trailing != "", F.concat(sign, trailing)).otherwise(text)
    if not decimals:
        return signed
    is_integer = signed.rlike(r"^[-+]?[0-9]+\z")
    # as text, since engines divide decimals differently
    digits = F.regexp_replace(signed, "^[-+]?0*", "")
    sign = F.when(signed.startswith("-") & (digits != ""), "-").otherwise("")
    padded = F.concat(F.lit("0" * (decimals + 1)), digits)
    point = F.regexp_replace(padded, rf"^0*([0-9]+)([0-9]{{{decimals}}})\z", "$1.$2")
    return F.when(is_integer, F.concat(sign, point)).otherwise(signed)


def _line_kind(flag: Column, kinds: Mapping[Any, str]) -> Column:
    """The kind of the line by flag; a flag without a kind stays as it is, for the contract's checks to name."""
    known = [F.when(flag == str(written), kind) for written, kind in kinds.items()]
    return F.coalesce(*known, flag)


R144 = Adapter(
    ("invoices",),
    r144,
    ("record_id", "state_code", "labeler_code", "product_code", "package_size", "period_covered", "units_reimbursed"),
    format="csv",
    shipped_options="r144.yaml",
    own_options=("decimals", "line_kinds"),
)
