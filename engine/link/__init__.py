"""Which claims and transactions are about the same dispense, and which contract pharmacies are which pharmacy."""

from engine.link.claims_340b import Links340b, link_340b
from engine.link.pharmacy import link_pharmacy
from engine.link.pharmacy_identity import resolve_pharmacies

__all__ = ["Links340b", "link_340b", "link_pharmacy", "resolve_pharmacies"]
