"""Closed vocabularies of the contract."""

from __future__ import annotations

from enum import StrEnum


class Program(StrEnum):
    """Programs that bill the manufacturer; 42 U.S.C. 1396r-8 (Medicaid), contracts, 42 U.S.C. 1320f (MFP)."""

    MDRP_FFS = "MDRP_FFS"
    MDRP_MCO = "MDRP_MCO"
    COMMERCIAL = "COMMERCIAL"
    PARTD = "PARTD"
    MFP = "MFP"


MEDICAID_PROGRAMS = (Program.MDRP_FFS, Program.MDRP_MCO)
# Payers that claim rebates under contracts.
CONTRACT_PROGRAMS = (Program.COMMERCIAL, Program.PARTD)


class Subject(StrEnum):
    """The kind of row that a rule judges. In findings, an inflation rebate report is an invoice without a state."""

    REBATE_CLAIM = "REBATE_CLAIM"
    ENTITY_CLAIM = "ENTITY_CLAIM"
    INVOICE = "INVOICE"
    INFLATION_REPORT = "INFLATION_REPORT"

    @property
    def in_findings(self) -> Subject:
        """The subject that findings name: an inflation report is found as an invoice."""
        return Subject.INVOICE if self is Subject.INFLATION_REPORT else self


class Transaction(StrEnum):
    """What a claim row does to its claim, as the sender states it."""

    ORIGINAL = "ORIGINAL"
    ADJUSTMENT = "ADJUSTMENT"
    VOID = "VOID"


class ClaimType(StrEnum):
    """How a claim is billed: by NDC from a pharmacy, or by HCPCS from a provider."""

    RX = "RX"
    MEDICAL = "MEDICAL"


class Evidence(StrEnum):
    """The evidence ladder, strongest first."""

    STRONG = "STRONG"
    MEDIUM = "MEDIUM"
    WEAK = "WEAK"
    CONTEXT = "CONTEXT"

    @property
    def strength(self) -> int:
        """4 for STRONG down to 1 for CONTEXT, so that the greater number is the stronger class."""
        return len(Evidence) - list(Evidence).index(self)


class GuardState(StrEnum):
    """The result of checking a guard, a known benign explanation. The values are stored in findings."""

    RULED_OUT = "PASSED"
    EXPLAINED = "FAILED"
    UNCHECKED = "UNCHECKED"


class Route(StrEnum):
    """Who receives a dispute or an inquiry."""

    STATE = "STATE"
    ENTITY = "ENTITY"
    PBM = "PBM"
    FACILITATOR = "FACILITATOR"
    NONE = "NONE"


class Party(StrEnum):
    """Whose error a finding suspects."""

    STATE = "STATE"
    PHARMACY = "PHARMACY"
    ENTITY = "ENTITY"
    PBM = "PBM"
    OURSELVES = "OURSELVES"
    UNDETERMINED = "UNDETERMINED"


class Action(StrEnum):
    """The next step that a finding suggests."""

    DISPUTE = "DISPUTE"
    INQUIRE = "INQUIRE"
    REQUEST_CLD = "REQUEST_CLD"
    CHECK_REFERENCE = "CHECK_REFERENCE"
    WITHHOLD = "WITHHOLD"
    PAY_AND_WATCH = "PAY_AND_WATCH"
    NONE = "NONE"


class NotLinked(StrEnum):
    """Why a candidate pair is not a link. The values are stored."""

    NO_TIER = "NO_TIER"
    OVERSIZED_BLOCK = "CROWDED_KEY"
    NOT_THE_ONLY_ONE = "NOT_THE_ONLY_ONE"
    TOO_UNLIKELY = "TOO_UNLIKELY"
    CLAIM_HAS_BETTER = "CLAIM_HAS_BETTER"
    CLAIM_340B_HAS_BETTER = "CLAIM_340B_HAS_BETTER"


class Step(StrEnum):
    """Steps of the main job, in order, as `ledger.json` and `summary.json` name them."""

    READ = "read"
    PREPARE = "prepare"
    LINK = "link"
    FACTS = "facts"
    SCREEN = "screen"
    SCORE = "score"
    RULES = "rules"
    FINDINGS = "findings"
    EXPORTS = "exports"


class Reason(StrEnum):
    """Why a row was dropped, or a fact about a row that was kept (ledger and quarantine).

    `<COLUMN>_MISSING`, `<COLUMN>_INVALID` and `<COLUMN>_DAMAGED` are made by `missing`, `invalid` and `damaged`.
    """

    NDC_AMBIGUOUS = "NDC_AMBIGUOUS"
    NDC_INVALID = "NDC_INVALID"
    SOURCE_ROW_ID_DUPLICATE = "SOURCE_ROW_ID_DUPLICATE"
    KEY_DUPLICATE = "KEY_DUPLICATE"
    REDELIVERED = "REDELIVERED"
    AFTER_AS_OF = "AFTER_AS_OF"
    BEFORE_HIGH_WATER_MARK = "BEFORE_HIGH_WATER_MARK"
    VOID_TRANSACTION = "VOID_TRANSACTION"
    VOIDED = "VOIDED"
    REPLACED = "REPLACED"
    REVERSED = "REVERSED"
    REVERSAL_TRANSACTION = "REVERSAL_TRANSACTION"
    NOT_340B = "NOT_340B"
    NOT_FLAGGED = "NOT_FLAGGED"
    PRIOR_NOT_FOUND = "PRIOR_NOT_FOUND"
    REVERSAL_UNMATCHED = "REVERSAL_UNMATCHED"
    COERCED_NULL = "COERCED_NULL"
    IS_340B_ASSUMED = "IS_340B_ASSUMED"
    RX_NUMBER_UNUSABLE = "RX_NUMBER_UNUSABLE"
    UNITS_NOT_CONVERTED = "UNITS_NOT_CONVERTED"
    SUPPRESSED = "SUPPRESSED"
    NATIONAL_TOTAL = "NATIONAL_TOTAL"
    NOT_AN_NDC = "NOT_AN_NDC"
    IN_MAIN_TABLE = "IN_MAIN_TABLE"
    NOT_SCORED = "NOT_SCORED"
    SETTLED_BEYOND_INVOICE = "SETTLED_BEYOND_INVOICE"
    RELEASED_WITHOUT_DISPUTE = "RELEASED_WITHOUT_DISPUTE"
    SETTLEMENT_NOT_PLACED = "SETTLEMENT_NOT_PLACED"
    DECISION_NOT_PLACED = "DECISION_NOT_PLACED"
    NEGATIVE_TOTAL = "NEGATIVE_TOTAL"
    NEGATIVE_CLAIM_UNITS = "NEGATIVE_CLAIM_UNITS"
    REPLACED_BY_LATER_INVOICE = "REPLACED_BY_LATER_INVOICE"


# Reasons for which preparation drops a row without quarantining it: nothing is wrong with the row.
DROPPED_NOT_QUARANTINED = frozenset(
    {
        Reason.AFTER_AS_OF.value,
        Reason.REDELIVERED.value,
        Reason.VOID_TRANSACTION.value,
        Reason.VOIDED.value,
        Reason.REPLACED.value,
        Reason.REVERSAL_TRANSACTION.value,
        Reason.REVERSED.value,
        Reason.NOT_340B.value,
    }
)


def missing(column: str) -> str:
    """The quarantine reason of rows without a value in a required column."""
    return f"{column.upper()}_MISSING"


def invalid(column: str) -> str:
    """The reason of rows with a value that is not of the column's kind."""
    return f"{column.upper()}_INVALID"


def damaged(column: str) -> str:
    """An identifier that a spreadsheet turned into a number such as `2.02519E+13`."""
    return f"{column.upper()}_DAMAGED"
