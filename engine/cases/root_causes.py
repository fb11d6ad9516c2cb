"""What the findings of one case have in common: the fact on which their deciding rule is based. Data, no logic."""

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
    """A root cause: findings of `rules` share it if they have the same `root`. `words`: its text, `{}` is the root."""

    name: str
    rules: tuple[str, ...]
    root: Root
    words: str


ROOT_CAUSES: tuple[RootCause, ...] = (
    RootCause(
        "ENTITY_NOT_EXCLUDED",
        ("R002", "R003", "R005", "R007", "R008", "R009", "R011"),
        Root.ENTITY,
        "340B claims of covered entity {} appear not to be excluded",
    ),
    RootCause(
        "IDENTIFIER_NOT_USED",
        ("R001", "R004", "R010"),
        Root.IDENTIFIER,
        "claims that carry the 340B identifier {} appear not to be excluded",
    ),
    RootCause("PHARMACY_340B", ("R006",), Root.PHARMACY, "340B dispenses are suspected at pharmacy {}"),
    RootCause("MODIFIER_MISSING", ("R015",), Root.ENTITY, "covered entity {} appears to leave out the 340B modifier"),
    RootCause(
        "BILLED_TWICE",
        ("R012", "R016", "R017", "R018", "R019", "R057"),
        Root.NOTHING,
        "dispenses appear to be billed more than once",
    ),
    RootCause("REPORTED_TWICE", ("R047",), Root.NOTHING, "dispenses appear to be reported more than once"),
    RootCause(
        "REVERSAL_NOT_CREDITED", ("R020", "R055"), Root.PHARMACY, "reversals of pharmacy {} appear not to be credited"
    ),
    RootCause("NO_REIMBURSEMENT", ("R021",), Root.NOTHING, "claims that the payer appears not to have paid for"),
    RootCause(
        "PRODUCT_NOT_ELIGIBLE",
        ("R013", "R022", "R023", "R024", "R025", "R026", "R045"),
        Root.PRODUCT,
        "product {} appears not to be eligible on the day of service",
    ),
    RootCause("LABELER_NOT_OURS", ("R027",), Root.LABELER, "labeler code {} appears not to be ours"),
    RootCause(
        "UNITS_OF_PRODUCT",
        ("R028", "R029", "R030", "R031", "R032", "R033"),
        Root.PRODUCT,
        "units of product {} appear to be counted or converted otherwise than ours",
    ),
    RootCause(
        "QUANTITY_OF_PRODUCT",
        ("R034", "R035", "R036", "R037", "R049", "R052"),
        Root.PRODUCT,
        "quantities of product {} are out of line",
    ),
    RootCause("NO_DETAIL", ("R038", "R061"), Root.NOTHING, "invoice and claim-level detail do not tie out"),
    RootCause("EARLY_REFILL", ("R039",), Root.PHARMACY, "early refills at pharmacy {}"),
    RootCause("LATE_CLAIMS", ("R040", "R041"), Root.NOTHING, "claims that appear to come too late"),
    RootCause("LATE_REPORTS", ("R048", "R062"), Root.NOTHING, "340B claims that appear to be reported too late"),
    RootCause(
        "ENTITY_NOT_ACTIVE", ("R042",), Root.ENTITY, "covered entity {} appears not to take part on the day of service"
    ),
    RootCause(
        "CONTRACT_NOT_REGISTERED",
        ("R043",),
        Root.ENTITY_AND_PHARMACY,
        "no contract appears to be registered between covered entity {}",
    ),
    RootCause("OUTSIDE_POLICY", ("R044",), Root.NOTHING, "dispenses outside the contract-pharmacy policy"),
    RootCause("TWO_ENTITIES", ("R046",), Root.PHARMACY, "several covered entities report dispenses of pharmacy {}"),
    RootCause("DIVERSION_PATTERN", ("R050",), Root.NOTHING, "a pattern that may point to diversion"),
    RootCause("PROVIDER_NUMBER", ("R051",), Root.PHARMACY, "the number of provider {} cannot be true"),
    RootCause(
        "PRICE_OF_PRODUCT",
        ("R014", "R053", "R056", "R060"),
        Root.PRODUCT,
        "unit rebate or amount of product {} differs from ours",
    ),
    RootCause("OTHER_QUARTER", ("R054",), Root.NOTHING, "claims that appear to be invoiced for another quarter"),
    RootCause("SUB_PROGRAM", ("R058",), Root.SUB_PROGRAM, "sub-program {} appears to be outside the federal rebate"),
    RootCause("SETTLED_BEFORE", ("R059",), Root.NOTHING, "units that were credited or repaid before"),
)
