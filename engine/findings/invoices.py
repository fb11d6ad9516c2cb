"""Findings on quarterly invoice lines."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from engine.findings.deadlines import invoice_deadlines
from engine.findings.identity import invoice_finding_id
from engine.findings.worth import unit_price, uses_federal_price
from engine.runtime.expressions import divide_decimals
from engine.settings import DeadlineSettings

# An invoice line has no claim, pharmacy, prescription or link.
NOT_APPLICABLE = {
    "contract_id": "string",
    "claim_id": "string",
    "claim_line": "bigint",
    "pharmacy_npi": "string",
    "entity_id": "string",
    "rx_number": "string",
    "fill_number": "bigint",
    "date_of_service": "date",
    "rx_number_raw": "string",
    "match_tier": "string",
    "match_score": "double",
    "match_ambiguous": "boolean",
}


def invoices_at_issue(flagged: DataFrame, deadlines: DeadlineSettings) -> DataFrame:
    """Flagged INVOICE_FACTS with identifiers, deadlines and worth, one row each."""
    listed = F.when(uses_federal_price(), F.col("price_ura"))
    price, source = unit_price(listed, F.col("unit_rebate_amount"), "invoice")
    paid_per_unit = divide_decimals(F.col("total_amount"), F.abs(F.col("units_reimbursed")), 15, 6, "decimal(24,6)")
    return flagged.withColumns(
        {
            "finding_id": invoice_finding_id(),
            "payer_id": F.col("state"),
            "units_claimed": F.col("units_reimbursed"),
            "unit_price_used": price,
            "price_source": source,
            **invoice_deadlines(deadlines),
            "ndc_units": F.col("units_reimbursed"),
            "worth_units": F.col("units_reimbursed"),
            "worth_stated_amount": F.col("rebate_amount"),
            "worth_settled_units": F.col("settled_since_units"),
            "worth_settled_on": F.col("settled_since_on"),
            "worth_proxy_price": F.coalesce(F.col("market_price"), paid_per_unit),
            **{name: F.lit(None).cast(kind) for name, kind in NOT_APPLICABLE.items()},
        }
    )
