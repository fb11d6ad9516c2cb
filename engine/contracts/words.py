"""Plain words for what analysts read: features, evidence classes, actions, parties, deadlines. Data, no logic."""

from __future__ import annotations

from engine.contracts.cases import CaseStatus, QueueStatus
from engine.contracts.codes import Action, Evidence, GuardState, NotLinked, Party, Program, Reason, Route, Subject

# Features in US dollars.
PRICE_FEATURES = ("paid_per_unit", "f48_paid_per_unit")

EVIDENCE_WORDS: dict[Evidence, str] = {
    Evidence.STRONG: (
        "A document or identifier on the claim, or an exact match, contradicts the bill, and every check for an "
        "innocent explanation passed. May draft a dispute."
    ),
    Evidence.MEDIUM: "One step of inference separates the data from the suspicion. An analyst decides.",
    Evidence.WEAK: "Unusual among its peers, or a suspicion that a check speaks against. Context for a case only.",
    Evidence.CONTEXT: "Explains; never accuses.",
}

ACTION_WORDS: dict[Action, str] = {
    Action.DISPUTE: "Dispute the units",
    Action.INQUIRE: "Inquire with the other side",
    Action.REQUEST_CLD: "Request claim-level detail",
    Action.CHECK_REFERENCE: "Check our reference data first",
    Action.WITHHOLD: "Withhold the refund",
    Action.PAY_AND_WATCH: "Pay and watch",
    Action.NONE: "Nothing",
}

PARTY_WORDS: dict[Party, str] = {
    Party.STATE: "State",
    Party.PHARMACY: "Pharmacy",
    Party.ENTITY: "Covered entity",
    Party.PBM: "PBM or plan",
    Party.OURSELVES: "Ourselves",
    Party.UNDETERMINED: "Open",
}

ROUTE_WORDS: dict[Route, str] = {
    Route.STATE: "State",
    Route.ENTITY: "Covered entity",
    Route.PBM: "PBM or plan",
    Route.FACILITATOR: "Medicare transaction facilitator",
    Route.NONE: "None",
}

STATUS_WORDS: dict[CaseStatus, str] = {
    CaseStatus.DRAFT: "Draft",
    CaseStatus.SUBMITTED: "Submitted",
    CaseStatus.RESOLVED_CREDIT: "Resolved: credited",
    CaseStatus.RESOLVED_PAY: "Resolved: we pay",
}

QUEUE_STATUS_WORDS: dict[QueueStatus, str] = {
    QueueStatus.QUEUE: "in the queue",
    QueueStatus.DECIDED: "decided, and nothing changed since",
    QueueStatus.NEGATIVE_PRIORITY: "reviewing it is expected to cost more than it recovers",
    QueueStatus.BELOW_CLAIM_MINIMUM: "below the least amount of a claim",
    QueueStatus.BELOW_CASE_MINIMUM: "its case is below the least amount of a case",
    QueueStatus.BEYOND_CAPACITY: "beyond the capacity",
}

PROGRAM_WORDS: dict[Program, str] = {
    Program.MDRP_FFS: "Medicaid FFS",
    Program.MDRP_MCO: "Medicaid MCO",
    Program.COMMERCIAL: "Commercial",
    Program.PARTD: "Part D",
    Program.MFP: "MFP",
}

SUBJECT_WORDS_SINGULAR: dict[Subject, str] = {
    Subject.REBATE_CLAIM: "Claim",
    Subject.INVOICE: "Invoice line",
    Subject.ENTITY_CLAIM: "340B claim",
}

DEADLINE_WORDS: dict[str, str] = {
    "NO_INTEREST": "last day to pay without interest (37 days after the postmark, else the receipt)",
    "CONTRACT": "last day to dispute under the rebate contract",
    "PROMPT_PAY": "last day of prompt payment (14 days after receipt, US Eastern time)",
    "TWELVE_QUARTERS": "last day of the twelve quarters in which a dispute is possible",
    "NONE": "no deadline is known",
}

# A guard checks for an innocent explanation.
GUARD_WORDS: dict[GuardState, str] = {
    GuardState.RULED_OUT: "ruled out",
    GuardState.EXPLAINED: "HOLDS",
    GuardState.UNCHECKED: "not checked",
}

# Why a row was dropped, or a fact about it. `<COLUMN>_MISSING` and `<COLUMN>_INVALID` need no explanation.
REASON_WORDS: dict[Reason, str] = {
    Reason.NDC_AMBIGUOUS: "ten digits that fit no product or several",
    Reason.NDC_INVALID: "not an NDC",
    Reason.SOURCE_ROW_ID_DUPLICATE: "another row of the feed has this row id",
    Reason.KEY_DUPLICATE: "another row has this key",
    Reason.REDELIVERED: "the same row was delivered before",
    Reason.AFTER_AS_OF: "received after the run's date",
    Reason.BEFORE_HIGH_WATER_MARK: "received before the requested period",
    Reason.VOID_TRANSACTION: "a void: cancels other rows, bills nothing",
    Reason.VOIDED: "canceled by a void",
    Reason.REPLACED: "replaced by an adjustment or a new total",
    Reason.REVERSED: "reversed",
    Reason.REVERSAL_TRANSACTION: "a reversal of other rows",
    Reason.NOT_340B: "marked as not 340B by the entity",
    Reason.NATIONAL_TOTAL: "national total of a public file; its states are counted one by one",
    Reason.NOT_AN_NDC: "identified by something other than an NDC",
    Reason.IN_MAIN_TABLE: "row of a fallback list for an NDC that the main list has",
    Reason.NOT_FLAGGED: "no rule fired",
    Reason.PRIOR_NOT_FOUND: "the row that it replaces or voids is not in the feed",
    Reason.REVERSAL_UNMATCHED: "the row that it reverses is not in the feed",
    Reason.COERCED_NULL: "an unreadable value in an optional column was treated as unknown",
    Reason.IS_340B_ASSUMED: "assumed to be 340B, because the entity does not state it",
    Reason.RX_NUMBER_UNUSABLE: "Rx number too short to match on",
    Reason.UNITS_NOT_CONVERTED: "HCPCS units without a conversion to NDC units",
    Reason.SUPPRESSED: "numbers withheld by the source: counted, never judged",
    Reason.NOT_SCORED: "too few peers or values for the model",
    Reason.SETTLED_BEYOND_INVOICE: "settled units beyond the invoice line: not booked",
    Reason.RELEASED_WITHOUT_DISPUTE: "released or written off without a dispute: not booked",
    Reason.SETTLEMENT_NOT_PLACED: "the payer of the settlement is not known: not booked",
    Reason.DECISION_NOT_PLACED: "the finding decided is not in this run, or its row is no invoice line: not booked",
    Reason.NEGATIVE_TOTAL: "the total of the invoice line is below zero: counted as no units",
    Reason.NEGATIVE_CLAIM_UNITS: "claim lines credit more units than there are",
    Reason.REPLACED_BY_LATER_INVOICE: "a later invoice states the same line again",
}

# What an analyst may decide on a finding, and why one is dismissed (the reasons help to improve rules).
DECISION_WORDS: dict[str, str] = {
    "DISPUTE": "The units should not have been billed: put them into a dispute.",
    "DISMISS": "The suspicion is wrong: pick a reason.",
    "WATCH": "Not decided: look again when more is known.",
    "PAY": "Pay in full although the suspicion may hold.",
}

DISMISS_REASONS: dict[str, str] = {
    "carve_out_confirmed": "The entity does not use 340B stock for these patients",
    "not_340b_confirmed_by_CE": "The covered entity states that no 340B drug was dispensed",
    "already_adjusted": "The payer has corrected or credited it already",
    "contract_no_exclusion": "The contract does not exclude 340B claims",
    "identity_mismatch": "Another pharmacy, entity, product or prescription was meant",
    "unit_ok": "The quantity is right",
    "below_threshold": "Too small to pursue",
    "time_barred": "Too late to dispute",
}

# Fields of LINK_CONTRIBUTIONS and how they compare.
LINK_FIELD_WORDS: dict[str, str] = {
    "met_by": "matched by",
    "date_of_service": "date of service",
    "product_and_quantity": "drug",
    "fill_number": "fill number",
    "prescriber_npi": "prescriber",
    "bin": "BIN",
}

LINK_LEVEL_WORDS: dict[str, dict[str, str]] = {
    "met_by": {
        "PRESCRIPTION": "pharmacy and prescription",
        "PHARMACY_LINEAGE": "prescription, another NPI",
        "PLACE_OF_SERVICE": "prescription, place of service",
        "TUPLE": "all but the prescription",
    },
    "date_of_service": {"SAME": "same day", "NEAR": "a few days apart", "FAR": "more days apart"},
    "product_and_quantity": {
        **{
            f"{product}/{quantity}": f"{package}, {words}"
            for product, package in (("NDC11", "same package"), ("NDC9", "other package"))
            for quantity, words in (
                ("EXACT", "same quantity"),
                ("CONVERTED", "same in units"),
                ("NEAR", "near quantity"),
                ("FAR", "other quantity"),
                ("UNKNOWN", "quantity unknown"),
            )
        },
        "OTHER": "another product",
    },
    "fill_number": {"EQUAL": "equal", "DIFFERENT": "different"},
    "prescriber_npi": {"SAME": "same", "DIFFERENT": "different"},
    "bin": {"SAME": "same", "DIFFERENT": "different"},
}

NOT_LINKED_WORDS: dict[NotLinked, str] = {
    NotLinked.NO_TIER: "it fits none of the tiers",
    NotLinked.OVERSIZED_BLOCK: "more claims share the prescription number than a prescription can have",
    NotLinked.NOT_THE_ONLY_ONE: "without a prescription number to compare, another dispense could be meant",
    NotLinked.TOO_UNLIKELY: "it is less likely than the settings require",
    NotLinked.CLAIM_HAS_BETTER: "the rebate claim is linked to another 340B claim",
    NotLinked.CLAIM_340B_HAS_BETTER: "the 340B claim is linked to another rebate claim of this payer",
}

STATE_NAMES: dict[str, str] = {
    "AL": "Alabama",
    "AK": "Alaska",
    "AZ": "Arizona",
    "AR": "Arkansas",
    "CA": "California",
    "CO": "Colorado",
    "CT": "Connecticut",
    "DE": "Delaware",
    "DC": "District of Columbia",
    "FL": "Florida",
    "GA": "Georgia",
    "HI": "Hawaii",
    "ID": "Idaho",
    "IL": "Illinois",
    "IN": "Indiana",
    "IA": "Iowa",
    "KS": "Kansas",
    "KY": "Kentucky",
    "LA": "Louisiana",
    "ME": "Maine",
    "MD": "Maryland",
    "MA": "Massachusetts",
    "MI": "Michigan",
    "MN": "Minnesota",
    "MS": "Mississippi",
    "MO": "Missouri",
    "MT": "Montana",
    "NE": "Nebraska",
    "NV": "Nevada",
    "NH": "New Hampshire",
    "NJ": "New Jersey",
    "NM": "New Mexico",
    "NY": "New York",
    "NC": "North Carolina",
    "ND": "North Dakota",
    "OH": "Ohio",
    "OK": "Oklahoma",
    "OR": "Oregon",
    "PA": "Pennsylvania",
    "RI": "Rhode Island",
    "SC": "South Carolina",
    "SD": "South Dakota",
    "TN": "Tennessee",
    "TX": "Texas",
    "UT": "Utah",
    "VT": "Vermont",
    "VA": "Virginia",
    "WA": "Washington",
    "WV": "West Virginia",
    "WI": "Wisconsin",
    "WY": "Wyoming",
    "AS": "American Samoa",
    "GU": "Guam",
    "MP": "Northern Mariana Islands",
    "PR": "Puerto Rico",
    "VI": "U.S. Virgin Islands",
}

# Terms that the review files use without explaining them.
TERMS: dict[str, str] = {
    "340B price": "The ceiling price at which a manufacturer must sell covered outpatient drugs to covered entities.",
    "Carve in, carve out": "A covered entity that uses 340B drugs for Medicaid patients, or that buys those elsewhere.",
    "Case": "Findings for one counterparty with one root cause.",
    "CLD, detail": "Claim-level detail: the claim lines behind a quarterly invoice.",
    "Contract pharmacy": "A pharmacy that dispenses a covered entity's 340B drugs under contract.",
    "Covered entity": "A hospital or clinic that may buy at the 340B price, listed in HRSA's OPAIS.",
    "Duplicate discount": "A 340B price and a rebate on one dispense.",
    "FFS, MCO": "Medicaid fee-for-service and managed care.",
    "Guard": "A benign explanation that is checked before a rule fires.",
    "HCPCS": "Code of a drug that a provider gives; its billing units differ from NDC units.",
    "ICN": "Internal control number: a Medicaid payer's claim number.",
    "MEF": "Medicaid Exclusion File: covered entities that bill Medicaid FFS for 340B drugs, by quarter.",
    "MFP, MTF": "Medicare's maximum fair price, and the facilitator that sends refund claims.",
    "NADAC": "CMS's survey of what pharmacies pay per unit.",
    "NDC-11, NDC-9": "National drug code: labeler, product and package; without the package.",
    "Position": "The status of a unit: payable, paid, disputed, released, credited, not in the detail or not invoiced.",
    "Queue": "The findings for people to review, by expected recovery, within the capacity.",
    "ROSI, PQAS": "CMS-304 and CMS-304a: the forms that dispute units of the current and of prior quarters.",
    "T1 to T6": "How closely a rebate and a 340B claim agree: T1 in all fields, T6 without a prescription number.",
    "Tie-out": "Invoice against claim-level detail by state, program, NDC and quarter.",
    "URA, WAC": "Unit rebate amount; wholesale acquisition cost.",
}
