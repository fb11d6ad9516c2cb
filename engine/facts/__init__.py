"""Facts: one wide row per subject with links, references as of the date of service and features."""

from engine.facts.availability import off_features
from engine.facts.claims import claim_facts, claim_peers, with_claim_peers
from engine.facts.invoices import invoice_facts, invoice_peers, with_invoice_peers

__all__ = [
    "claim_facts",
    "claim_peers",
    "invoice_facts",
    "invoice_peers",
    "off_features",
    "with_claim_peers",
    "with_invoice_peers",
]
