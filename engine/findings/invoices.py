"""Findings on quarterly invoice lines."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from engine.dates import add_days
from engine.findings.identity import invoice_finding_id
from engine.findings.worth import unit_price
from engine.runtime.expressions import divide_decimals
from engine.settings import DeadlineSettings

INTEREST_DEADLINE = "LAST_DAY_WITHOUT_INTEREST"

# An invoice line has no claim, pharmacy, prescription or link.
NOT_APPLICABLE = {
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
    """Flagged INVOICE_FACTS with identifiers, deadline and worth, one row each. Interest runs from day 38 after the
    invoice's postmark (CMS, Interest Calculation for Late Rebate Payments), so day 37 is the deadline.
    """
    price, source = unit_price(F.col("price_ura"), F.col("unit_rebate_amount"), "invoice")
    deadline = add_days(F.col("postmark_date"), deadlines.days_after_postmark)
    paid_per_unit = divide_decimals(F.col("total_amount"), F.abs(F.col("units_reimbursed")), 15, 6, "decimal(24,6)")
    return flagged.withColumns(
        {
            "finding_id": invoice_finding_id(),
            "payer_id": F.col("state"),
            "units_claimed": F.col("units_reimbursed"),
            "unit_price_used": price,
            "price_source": source,
            "deadline_date": deadline,
            "deadline_kind": F.when(deadline.isNotNull(), F.lit(INTEREST_DEADLINE)),
            "worth_units": F.col("units_reimbursed"),
            "worth_stated_amount": F.col("rebate_amount"),
            "worth_settled_units": F.col("settled_since_units"),
            "worth_settled_on": F.col("settled_since_on"),
            "worth_proxy_price": F.coalesce(F.col("market_price"), paid_per_unit),
            **{name: F.lit(None).cast(kind) for name, kind in NOT_APPLICABLE.items()},
        }
    )
