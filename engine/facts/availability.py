"""Which features the input allows, and why others are off."""

from __future__ import annotations

from engine.contracts.codes import Subject

# What a feature cannot do without; `|` separates alternatives.
_NEEDS: dict[Subject, dict[str, tuple[str, ...]]] = {
    Subject.REBATE_CLAIM: {
        "f04_dos_delta_days": ("entity_claims",),
        "f05_quantity_ratio_340b": ("entity_claims",),
        "f20_paid_per_unit_to_wac": ("rebate_claims.amount_paid", "prices.wac_unit"),
        "f23_rebate_to_paid": (
            "rebate_claims.amount_paid",
            "prices.unit_rebate_amount|rebate_claims.unit_rebate_amount",
        ),
        "f24_units_per_prescription": (),
        "f25_units_per_day": ("rebate_claims.days_supply",),
        "f26_package_remainder": ("products.units_per_package",),
        "f27_unit_factor_distance": (),
        "f42_early_refill_ratio": ("rebate_claims.patient_key", "rebate_claims.days_supply"),
        "f44_claim_age_days": ("rebate_claims.paid_date",),
    },
    Subject.INVOICE: {
        "f46_units_to_own_median": ("invoices.units_reimbursed",),
        "f47_units_per_prescription": ("invoices.units_reimbursed", "invoices.prescriptions"),
        "f48_paid_per_unit": ("invoices.units_reimbursed", "invoices.total_amount|invoices.medicaid_amount"),
        "f21_paid_per_unit_to_market_price": (
            "invoices.units_reimbursed",
            "invoices.total_amount|invoices.medicaid_amount",
            "market_prices",
        ),
        "f50_invoice_to_claims_gap": ("invoices.units_reimbursed", "rebate_claims"),
        "units_per_prescription_to_own_median": ("invoices.units_reimbursed", "invoices.prescriptions"),
        "paid_per_unit_to_own_median": (
            "invoices.units_reimbursed",
            "invoices.total_amount|invoices.medicaid_amount",
        ),
    },
}

_FEEDS = {Subject.REBATE_CLAIM: "rebate_claims", Subject.INVOICE: "invoices"}


def off_features(available: frozenset[str]) -> dict[str, str]:
    """Feature: why it is NULL in every row. `available` holds "table" and "table.column" for all that is there."""
    off = {}
    for subject, needs_by_feature in _NEEDS.items():
        for feature, needs in needs_by_feature.items():
            missing = [need for need in (_FEEDS[subject], *needs) if not _is_there(need, available)]
            if missing:
                off[feature] = "missing: " + ", ".join(need.replace("|", " or ") for need in missing)
    return off


def _is_there(need: str, available: frozenset[str]) -> bool:
    return any(name in available for name in need.split("|"))
