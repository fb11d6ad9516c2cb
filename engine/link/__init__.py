"""Record linkage: claims and transactions of the same dispense, and the pharmacies behind contracts."""

from engine.link.candidates import PairRequest, candidate_pairs
from engine.link.claims_340b import Links340b, link_340b
from engine.link.learned import Learned
from engine.link.match_rates import feed_problems, match_rates
from engine.link.pharmacy import link_pharmacy
from engine.link.pharmacy_identity import resolve_pharmacies

__all__ = [
    "Learned",
    "Links340b",
    "PairRequest",
    "candidate_pairs",
    "feed_problems",
    "link_340b",
    "link_pharmacy",
    "match_rates",
    "resolve_pharmacies",
]
