"""Which rebate claims, 340B claims and pharmacy transactions are about the same dispense."""

from engine.link.claims_340b import link_340b
from engine.link.pharmacy import link_pharmacy

__all__ = ["link_340b", "link_pharmacy"]
