"""Findings on CMS's reports of the Part D inflation rebate: invoices of a program that states do not bill."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from engine.findings.deadlines import no_deadlines
from engine.findings.identity import invoice_finding_id
from engine.findings.invoices import NOT_APPLICABLE
from engine.findings.worth import money
from engine.settings import DeadlineSettings

# Columns of a state's invoice line that such a report does not have.
_NOT_OF_A_STATE = {
    **dict.fromkeys(("state", "invoice_number", "sub_program", "rebate_type", "line_kind"), "string"),
    "worth_proxy_price": "decimal(15,6)",
    "worth_settled_units": "decimal(15,3)",
    "worth_settled_on": "date",
    "units_in_dispute": "decimal(15,3)",
}


def reports_at_issue(flagged: DataFrame, _: DeadlineSettings) -> DataFrame:
    """Flagged INFLATION_FACTS with identifiers and worth, one row each. The price is the rebate per unit that the
    report states.
    """
    price = F.when(F.col("unit_rebate_amount") > 0, F.col("unit_rebate_amount"))
    none = {name: F.lit(None).cast(kind) for name, kind in (NOT_APPLICABLE | _NOT_OF_A_STATE).items()}
    rows = flagged.withColumns(
        {
            **none,
            **no_deadlines(),
            "payer_id": F.lit("CMS"),
            "units_claimed": F.col("total_units"),
            "unit_price_used": price,
            "price_source": F.when(price.isNotNull(), F.lit("report")),
            "ndc_units": F.col("total_units"),
            "worth_units": F.col("total_units"),
            "worth_stated_amount": money(F.col("total_units") * price),
        }
    )
    return rows.withColumn("finding_id", invoice_finding_id())
