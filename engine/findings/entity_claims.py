"""Findings on 340B claims of covered entities."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from engine.contracts.codes import Subject
from engine.findings.assemble import assemble
from engine.findings.identity import entity_claim_finding_id
from engine.settings import Settings

if TYPE_CHECKING:
    from engine.rules.dispute_codes import DisputeCode

# A 340B claim asks no payer for anything: it has no program, period or invoice, and is no part of a link here.
_NOT_APPLICABLE = {
    "program": "string",
    "payer_id": "string",
    "state": "string",
    "period": "string",
    "invoice_number": "string",
    "claim_line": "bigint",
    "match_tier": "string",
    "match_score": "double",
    "match_ambiguous": "boolean",
    "deadline_date": "date",
    "deadline_kind": "string",
}


def entity_claim_findings(
    flagged: DataFrame,
    dispute_codes: Iterable[DisputeCode],
    settings: Settings,
    run_id: str,
    previous: DataFrame | None = None,
    reranked: Column | None = None,
) -> DataFrame:
    """FINDINGS of flagged 340B claims, one row each.

    `flagged`: ENTITY_CLAIM_FACTS with the columns that `claim_findings` names. What is at issue is the discount: WAC
    less ceiling price of the quarter of service, per unit.
    """
    discount = F.col("price_wac") - F.col("price_ceiling")
    discount = F.when(discount > 0, discount)
    rows = flagged.withColumns(
        {
            "finding_id": entity_claim_finding_id(),
            "units_claimed": F.col("quantity"),
            "unit_price_used": discount,
            "price_source": F.when(discount.isNotNull(), F.lit("prices")),
            "worth_units": F.col("quantity"),
            "worth_stated_amount": F.lit(None).cast("decimal(18,2)"),
            "worth_proxy_price": F.col("price_wac"),
            **{name: F.lit(None).cast(kind) for name, kind in _NOT_APPLICABLE.items()},
        }
    )
    return assemble(rows, Subject.ENTITY_CLAIM, dispute_codes, settings, run_id, previous, reranked)
