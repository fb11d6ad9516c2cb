"""Which rebate claims, 340B claims and pharmacy transactions are about the same dispense."""

from engine.link.claims_340b import Links340b, link_340b
from engine.link.pharmacy import link_pharmacy

__all__ = ["Links340b", "link_340b", "link_pharmacy"]
