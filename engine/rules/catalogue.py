"""Every rule there is: importing this module fills the registry."""

from __future__ import annotations

from engine.rules import (  # noqa: F401
    amounts,
    anomalies,
    duplicates,
    entity_purchases,
    entity_reports,
    entity_standing,
    exclusion_file,
    flags_340b,
    links_340b,
    medicare_price,
    payments,
    products,
    quantities,
    reimbursement,
    unsupported_units,
)
from engine.rules.registry import REGISTRY

__all__ = ["REGISTRY"]
