"""Every rule there is: importing this module fills the registry."""

from __future__ import annotations

from engine.rules import (  # noqa: F401
    amounts,
    anomalies,
    conversions,
    diversion,
    duplicates,
    eligibility,
    entity_purchases,
    entity_reports,
    entity_standing,
    exclusion_file,
    flags_340b,
    inference,
    links_340b,
    manufacturer_policies,
    medicare_inflation,
    medicare_price,
    medicare_transactions,
    packages,
    payments,
    periods,
    products,
    providers,
    quantities,
    refills,
    reimbursement,
    sales,
    settlements,
    unsupported_units,
)
from engine.rules.registry import REGISTRY

__all__ = ["REGISTRY"]
