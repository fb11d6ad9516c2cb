"""Root causes: what the findings of one case have in common, the fact on which their deciding rule is based."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Root(StrEnum):
    """The value of a finding that identifies its root cause."""

    NOTHING = "NOTHING"
    ENTITY = "ENTITY"
    PHARMACY = "PHARMACY"
    ENTITY_AND_PHARMACY = "ENTITY_AND_PHARMACY"
    PRODUCT = "PRODUCT"
    LABELER = "LABELER"
    SUB_PROGRAM = "SUB_PROGRAM"
    IDENTIFIER = "IDENTIFIER"


@dataclass(frozen=True)
class RootCause:
    """A root cause: findings share it if their rules name it and they have the same `root`.

    words: its text in a sentence; `{}` is the value of the root.
    """

    name: str
    root: Root
    words: str


ENTITY_NOT_EXCLUDED = RootCause(
    "ENTITY_NOT_EXCLUDED", Root.ENTITY, "340B claims of covered entity {} appear not to be excluded"
)
IDENTIFIER_NOT_USED = RootCause(
    "IDENTIFIER_NOT_USED", Root.IDENTIFIER, "claims that carry the 340B identifier {} appear not to be excluded"
)
PHARMACY_340B = RootCause("PHARMACY_340B", Root.PHARMACY, "340B dispenses are suspected at pharmacy {}")
MODIFIER_MISSING = RootCause(
    "MODIFIER_MISSING", Root.ENTITY, "covered entity {} appears to leave out the 340B modifier"
)
BILLED_TWICE = RootCause("BILLED_TWICE", Root.NOTHING, "dispenses appear to be billed more than once")
REPORTED_TWICE = RootCause("REPORTED_TWICE", Root.NOTHING, "dispenses appear to be reported more than once")
REVERSAL_NOT_CREDITED = RootCause(
    "REVERSAL_NOT_CREDITED", Root.PHARMACY, "reversals of pharmacy {} appear not to be credited"
)
NO_REIMBURSEMENT = RootCause("NO_REIMBURSEMENT", Root.NOTHING, "claims that the payer appears not to have paid for")
PRODUCT_NOT_ELIGIBLE = RootCause(
    "PRODUCT_NOT_ELIGIBLE", Root.PRODUCT, "product {} appears not to be eligible on the day of service"
)
LABELER_NOT_OURS = RootCause("LABELER_NOT_OURS", Root.LABELER, "labeler code {} appears not to be ours")
UNITS_OF_PRODUCT = RootCause(
    "UNITS_OF_PRODUCT", Root.PRODUCT, "units of product {} appear to be counted or converted otherwise than ours"
)
QUANTITY_OF_PRODUCT = RootCause("QUANTITY_OF_PRODUCT", Root.PRODUCT, "quantities of product {} are out of line")
NO_DETAIL = RootCause("NO_DETAIL", Root.NOTHING, "invoice and claim-level detail do not tie out")
EARLY_REFILL = RootCause("EARLY_REFILL", Root.PHARMACY, "early refills at pharmacy {}")
LATE_CLAIMS = RootCause("LATE_CLAIMS", Root.NOTHING, "claims that appear to come too late")
LATE_REPORTS = RootCause("LATE_REPORTS", Root.NOTHING, "340B claims that appear to be reported too late")
ENTITY_NOT_ACTIVE = RootCause(
    "ENTITY_NOT_ACTIVE", Root.ENTITY, "covered entity {} appears not to take part on the day of service"
)
CONTRACT_NOT_REGISTERED = RootCause(
    "CONTRACT_NOT_REGISTERED",
    Root.ENTITY_AND_PHARMACY,
    "no contract appears to be registered between covered entity {}",
)
OUTSIDE_POLICY = RootCause("OUTSIDE_POLICY", Root.NOTHING, "dispenses outside the contract-pharmacy policy")
TWO_ENTITIES = RootCause("TWO_ENTITIES", Root.PHARMACY, "several covered entities report dispenses of pharmacy {}")
DIVERSION_PATTERN = RootCause("DIVERSION_PATTERN", Root.NOTHING, "a pattern that may point to diversion")
PROVIDER_NUMBER = RootCause("PROVIDER_NUMBER", Root.PHARMACY, "the number of provider {} cannot be true")
PRICE_OF_PRODUCT = RootCause("PRICE_OF_PRODUCT", Root.PRODUCT, "unit rebate or amount of product {} differs from ours")
OTHER_QUARTER = RootCause("OTHER_QUARTER", Root.NOTHING, "claims that appear to be invoiced for another quarter")
SUB_PROGRAM = RootCause("SUB_PROGRAM", Root.SUB_PROGRAM, "sub-program {} appears to be outside the federal rebate")
SETTLED_BEFORE = RootCause("SETTLED_BEFORE", Root.NOTHING, "units that were credited or repaid before")
