"""Facts: one row per subject with links, references as of the date of service and features."""

from engine.facts.availability import off_features
from engine.facts.claims import (
    ALL_CLAIM_FACTS,
    Background,
    FoundOnClaims,
    claim_facts,
    claim_features,
    claim_peers,
    claim_screen,
    feature_inputs,
    with_claim_peers,
)
from engine.facts.duplicates import billed_elsewhere, duplicates, still_billed, taken_back
from engine.facts.entity_claims import entity_claim_facts
from engine.facts.identifiers_340b import flags_340b, states_without_identifiers
from engine.facts.inflation import inflation_facts, named_reports
from engine.facts.invoices import corrected_down, invoice_facts, invoice_peers, unbilled, with_invoice_peers
from engine.facts.settlements import SETTLEMENT_FACTS
from engine.facts.unread import with_unread_rows

__all__ = [
    "ALL_CLAIM_FACTS",
    "SETTLEMENT_FACTS",
    "Background",
    "FoundOnClaims",
    "billed_elsewhere",
    "claim_facts",
    "claim_features",
    "claim_peers",
    "claim_screen",
    "corrected_down",
    "duplicates",
    "entity_claim_facts",
    "feature_inputs",
    "flags_340b",
    "inflation_facts",
    "invoice_facts",
    "invoice_peers",
    "named_reports",
    "off_features",
    "states_without_identifiers",
    "still_billed",
    "taken_back",
    "unbilled",
    "with_claim_peers",
    "with_invoice_peers",
    "with_unread_rows",
]
