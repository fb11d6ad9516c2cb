"""A rebate claim and a 340B claim field by field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from engine.contracts.codes import GuardState
from engine.contracts.words import GUARD_WORDS


@dataclass(frozen=True)
class Field:
    """One fact of a dispense: the columns of the rebate claim and of the 340B claim that contain it, or None.

    compared: the columns to compare, if not the ones shown. is_money: removed if amounts are redacted.
    """

    label: str
    rebate: str | None
    claim_340b: str | None
    compared: tuple[str, str] | None = None
    is_money: bool = False

    @property
    def key(self) -> str:
        """The unique name of the field."""
        return self.rebate or self.claim_340b or ""


# In the order in which analysts compare two claims.
FIELDS: tuple[Field, ...] = (
    Field("Pharmacy NPI", "pharmacy_npi", "pharmacy_npi", ("pharmacy_key", "pharmacy_key")),
    Field("Rx number", "rx_number_raw", "rx_number_raw", ("rx_key", "rx_key")),
    Field("Fill", "fill_number", "fill_number"),
    Field("Date of service", "date_of_service", "date_of_service"),
    Field("NDC-11", "ndc11", "ndc11"),
    Field("NDC as received", "ndc_raw", "ndc_raw", ("ndc11", "ndc11")),
    Field("Quantity as received", "units", "quantity", ("ndc_units", "quantity")),
    Field("NDC units", "ndc_units", None),
    Field("Unit of measure", "unit_of_measure", None),
    Field("Days supply", "days_supply", None),
    Field("HCPCS code", "hcpcs_code", "hcpcs_code"),
    Field("HCPCS units", "hcpcs_units", "hcpcs_units"),
    Field("Modifiers", "modifiers", "modifiers"),
    Field("Claim type", "claim_type", "claim_type"),
    Field("Prescriber NPI", "prescriber_npi", "prescriber_npi"),
    Field("BIN", "bin", "bin"),
    Field("PCN", "pcn", "pcn"),
    Field("Claim number", "claim_id", "claim_id"),
    Field("Claim line", "claim_line", None),
    Field("Transaction, status", "transaction", "status", ("", "")),
    Field("Program", "program", None),
    Field("Sub-program", "sub_program", None),
    Field("Rebate type", "rebate_type", None),
    Field("Payer", "payer_id", None),
    Field("Plan", "plan_id", None),
    Field("State", "state", None),
    Field("Period", "period", None),
    Field("Invoice number", "invoice_number", None),
    Field("Paid on, submitted at", "paid_date", "submitted_at", ("", "")),
    Field("Amount paid ($)", "amount_paid", None, is_money=True),
    Field("Paid by others ($)", "amount_third_party", None, is_money=True),
    Field("Rebate per unit ($)", "unit_rebate_amount", None, is_money=True),
    Field("Rebate ($)", "rebate_amount", None, is_money=True),
    Field("Clarification codes", "submission_clarification_codes", None),
    Field("Basis of cost", "basis_of_cost", None),
    Field("340B entity", None, "entity_id"),
    Field("Parent entity", None, "parent_entity_id"),
    Field("Marked as 340B", None, "is_340b"),
    Field("Date prescribed", None, "date_prescribed"),
    Field("Source row", "source_row_id", "source_row_id", ("", "")),
)


@dataclass(frozen=True)
class Compared:
    """A field's values as text, NULL if a side does not state it. differs: both sides state different values."""

    label: str
    rebate: str | None
    claim_340b: str | None
    differs: bool


def side_by_side(rebate: Mapping[str, Any] | None, claim_340b: Mapping[str, Any] | None) -> list[Compared]:
    """The fields that at least one of the claims states, in the order of FIELDS; either claim can be missing."""
    rows = []
    for field in FIELDS:
        left, right = shown(_value(rebate, field.rebate)), shown(_value(claim_340b, field.claim_340b))
        if left is None and right is None:
            continue
        by = field.compared or (field.rebate or "", field.claim_340b or "")
        mine, theirs = _value(rebate, by[0]), _value(claim_340b, by[1])
        rows.append(Compared(field.label, left, right, mine is not None and theirs is not None and mine != theirs))
    return rows


def guard_words(guard: Mapping[str, str]) -> str:
    """`no 340b purchase: ruled out`."""
    return f"{guard['name'].lower().replace('_', ' ')}: {GUARD_WORDS.get(GuardState(guard['state']), guard['state'])}"


def shown(value: Any) -> str | None:
    """A value for people: decimals without trailing zeros, times to the second."""
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    return str(value)


def _value(row: Mapping[str, Any] | None, name: str | None) -> Any:
    return row.get(name) if row is not None and name else None
