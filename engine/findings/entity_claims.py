"""Findings on 340B claims of covered entities."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from engine.findings.deadlines import no_deadlines
from engine.findings.identity import entity_claim_finding_id
from engine.settings import DeadlineSettings

# A 340B claim bills no payer: it has no program, period or invoice, and findings on it have no link.
_NOT_APPLICABLE = {
    "program": "string",
    "payer_id": "string",
    "state": "string",
    "period": "string",
    "invoice_number": "string",
    "contract_id": "string",
    "claim_line": "bigint",
    "match_tier": "string",
    "match_score": "double",
    "match_ambiguous": "boolean",
    "worth_settled_units": "decimal(15,3)",
    "worth_settled_on": "date",
    "sub_program": "string",
    "rebate_type": "string",
    "units_in_dispute": "decimal(15,3)",
}


def entity_claims_at_issue(flagged: DataFrame, _: DeadlineSettings) -> DataFrame:
    """Flagged ENTITY_CLAIM_FACTS with identifiers and worth, one row each. The amount at issue is the discount: WAC
    less ceiling price of the quarter of service, in US dollars per unit.
    """
    discount = F.col("price_wac") - F.col("price_ceiling")
    discount = F.when(discount > 0, discount)
    return flagged.withColumns(
        {
            "finding_id": entity_claim_finding_id(),
            "units_claimed": F.col("quantity"),
            "unit_price_used": discount,
            "price_source": F.when(discount.isNotNull(), F.lit("prices")),
            "ndc_units": F.col("quantity"),
            "worth_units": F.col("quantity"),
            "worth_stated_amount": F.lit(None).cast("decimal(18,2)"),
            "worth_proxy_price": F.col("price_wac"),
            **no_deadlines(),
            **{name: F.lit(None).cast(kind) for name, kind in _NOT_APPLICABLE.items()},
        }
    )
