"""Findings on rebate claims."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from engine.contracts.codes import Program
from engine.findings.deadlines import claim_deadlines
from engine.findings.identity import claim_finding_id
from engine.findings.worth import unit_price, uses_federal_price
from engine.npi import npi_of_key
from engine.runtime.expressions import divide_decimals
from engine.settings import DeadlineSettings


def claims_at_issue(flagged: DataFrame, deadlines: DeadlineSettings) -> DataFrame:
    """Flagged CLAIM_FACTS with identifiers, deadline and worth, one row each."""
    price, source = unit_price(claim_price(), F.col("unit_rebate_amount"), "claim")
    # an HCPCS quantity without a crosswalk cannot be priced per NDC unit
    has_ndc_units = F.col("ndc_units").isNotNull()
    return flagged.withColumns(
        {
            "finding_id": claim_finding_id(),
            "entity_id": F.coalesce("link_entity_id", "mef_entity_id"),
            "pharmacy_npi": F.coalesce("pharmacy_npi", npi_of_key(F.col("pharmacy_key"))),
            "units_claimed": F.col("units"),
            "unit_price_used": F.when(has_ndc_units, price),
            "price_source": F.when(has_ndc_units, source),
            "match_tier": F.col("link_tier"),
            "match_score": F.col("link_score"),
            "match_ambiguous": F.col("link_is_ambiguous"),
            **claim_deadlines(deadlines),
            # units that later rows credited are not billed
            "worth_units": F.coalesce("ndc_units", "units") - F.coalesce("taken_back_units", F.lit(0)),
            "worth_whole_units": F.coalesce("ndc_units", "units"),
            "worth_stated_amount": F.col("rebate_amount"),
            "worth_settled_units": F.col("settled_since_units"),
            "worth_settled_on": F.col("settled_since_on"),
            "worth_proxy_price": F.when(has_ndc_units, F.coalesce("price_wac", "market_price", _paid_per_unit())),
        }
    )


def claim_price() -> Column:
    """Unit price from `prices`, in US dollars: the federal URA of the period; for an MFP refund, WAC less MFP of the
    quarter of service if above zero (contract part 7.8); NULL for any other rebate.
    """
    refund = F.col("price_wac") - F.col("price_mfp")
    is_refund = (F.col("program") == Program.MFP.value) & (refund > 0)
    return F.when(uses_federal_price(), F.col("price_ura")).when(is_refund, refund).cast("decimal(15,6)")


def _paid_per_unit() -> Column:
    return divide_decimals(F.col("amount_paid"), F.abs(F.col("ndc_units")), 15, 6, "decimal(24,6)")
