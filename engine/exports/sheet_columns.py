"""Columns of the review sheets: heading, source, kind, width, meaning."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from engine.exports.side_by_side import FIELDS


class Shown(Enum):
    """Kinds of cells."""

    TEXT = "text"
    WRAPPED = "wrapped text"
    INTEGER = "integer"
    UNITS = "units"
    DOLLARS = "whole dollars"
    MONEY = "money"
    PRICE = "unit price"
    SCORE = "score"
    PERCENT = "percent"
    DATE = "date"
    DAYS = "days, past ones marked"

    @property
    def is_text(self) -> bool:
        """Whether cells hold text."""
        return self in (Shown.TEXT, Shown.WRAPPED)

    @property
    def is_money(self) -> bool:
        """Whether cells hold dollars."""
        return self in (Shown.DOLLARS, Shown.MONEY, Shown.PRICE)


NUMBER_FORMATS: dict[Shown, str] = {
    Shown.TEXT: "@",
    Shown.WRAPPED: "@",
    Shown.INTEGER: "0",
    Shown.UNITS: "#,##0.000",
    Shown.DOLLARS: "$#,##0;-$#,##0",
    Shown.MONEY: "$#,##0.00;-$#,##0.00",
    Shown.PRICE: "$#,##0.000000",
    Shown.SCORE: "0.0000",
    Shown.PERCENT: "0.0%",
    Shown.DATE: "yyyy-mm-dd",
    Shown.DAYS: '0;[Red]-0" past"',
}


@dataclass(frozen=True)
class SheetColumn:
    """A column of a review sheet. `name`: column of the rows shown; None for a column that an analyst fills in."""

    heading: str
    name: str | None
    shown: Shown
    width: int
    meaning: str


DECISION, REASON, DECIDED_UNITS = "Decision", "Reason", "Units decided"
COMMENT, DECIDED_BY, DECIDED_ON = "Comment", "Decided by", "Decided on"
FINDING_ID, CASE_ID = "Finding id", "Case id"
ANSWERED_ON, ANSWER = "Answered on", "Answer"

_C, _S = SheetColumn, Shown

FINDINGS_COLUMNS: tuple[SheetColumn, ...] = (
    _C(
        "Priority ($)",
        "priority",
        _S.DOLLARS,
        13,
        "Expected dollars gained by reviewing: p(valid) x amount - handling - interest; negative: it costs more than "
        "it brings",
    ),
    _C("Evidence", "evidence", _S.TEXT, 11, "STRONG, MEDIUM, WEAK or CONTEXT; see the ladder above"),
    _C(
        "Amount at issue ($)",
        "amount_at_issue",
        _S.MONEY,
        14,
        "Units at issue x unit price; empty if no price is known",
    ),
    _C(
        "Units at issue",
        "units_at_issue",
        _S.UNITS,
        12,
        "NDC units that should perhaps not have been billed or, of a 340B claim, not bought at the 340B price",
    ),
    _C(
        "What is suspected",
        "narrative",
        _S.WRAPPED,
        64,
        "Why the line is here, in words. A suspicion, not a finding of fact",
    ),
    _C(
        "Suggested action",
        "action_words",
        _S.WRAPPED,
        15,
        "What the deciding rule suggests as far as its evidence allows",
    ),
    _C(
        "Evidence checked",
        "checks",
        _S.WRAPPED,
        44,
        "Each rule's class, code, units and dollars at issue, and its guards: innocent explanations checked",
    ),
    _C(DECISION, None, _S.TEXT, 12, "Yours: pick from the list"),
    _C(REASON, None, _S.TEXT, 24, "Yours: why; for DISMISS pick from the list"),
    _C(DECIDED_UNITS, None, _S.UNITS, 11, "Yours: units, if other than the units at issue"),
    _C(COMMENT, None, _S.WRAPPED, 28, "Yours: free text"),
    _C(DECIDED_BY, None, _S.TEXT, 14, "Yours: your name or initials"),
    _C(DECIDED_ON, None, _S.DATE, 12, "Yours: date of the decision"),
    _C("Dispute code", "dispute_code", _S.TEXT, 9, "The deciding rule's dispute code (ROSI/PQAS letter, PBM or MRA)"),
    _C("Code means", "code_words", _S.WRAPPED, 24, "The dispute code in CMS's words"),
    _C("All codes", "all_codes", _S.TEXT, 10, "Every code that applies, adjustment codes included"),
    _C("Documents needed", "documents", _S.WRAPPED, 30, "What the rules' codes require"),
    _C("Deadline", "deadline_date", _S.DATE, 11, "Last day to act, if it can be computed"),
    _C(
        "Deadline is",
        "deadline_words",
        _S.WRAPPED,
        24,
        "What happens on that day; PASSED: before the run's day",
    ),
    _C("Last day", "last_day_date", _S.DATE, 11, "Last day on which a dispute is possible at all, if known"),
    _C(
        "Program",
        "program",
        _S.TEXT,
        13,
        "Who bills: Medicaid FFS or MCO, commercial, Part D, MFP, Medicare inflation rebate",
    ),
    _C("Sub-program", "sub_program", _S.TEXT, 14, ""),
    _C("Rebate type", "rebate_type", _S.TEXT, 13, ""),
    _C("Payer", "payer_id", _S.TEXT, 10, "State for Medicaid; PBM, plan, facilitator or CMS otherwise"),
    _C("State", "state", _S.TEXT, 7, ""),
    _C("Period", "period", _S.TEXT, 9, "Quarter covered: FFS the quarter paid, others the quarter of service"),
    _C("Invoice number", "invoice_number", _S.TEXT, 15, ""),
    _C("Claim number", "claim_id", _S.TEXT, 20, "The payer's number (Medicaid: ICN)"),
    _C("Line", "claim_line", _S.INTEGER, 6, ""),
    _C("Labeler", "labeler_code", _S.TEXT, 9, "First five digits of the NDC"),
    _C("Product", "product_name", _S.TEXT, 24, ""),
    _C("NDC-11", "ndc11", _S.TEXT, 13, "Normalized to eleven digits"),
    _C("Pharmacy NPI", "pharmacy_npi", _S.TEXT, 13, ""),
    _C(
        "340B entity",
        "entity_id",
        _S.TEXT,
        13,
        "340B id of the matched or listed covered entity; of a 340B claim the entity that sent it",
    ),
    _C("Rx number", "rx_number", _S.TEXT, 14, "Normalized for matching"),
    _C("Fill", "fill_number", _S.INTEGER, 5, "0 is the first fill"),
    _C("Date of service", "date_of_service", _S.DATE, 12, ""),
    _C("Units claimed", "units_claimed", _S.UNITS, 13, "As received"),
    _C(
        "NDC units",
        "ndc_units",
        _S.UNITS,
        13,
        "Units claimed in NDC billing units; empty if they could not be converted",
    ),
    _C("Units in dispute", "units_in_dispute", _S.UNITS, 12, "Units at issue that an earlier dispute already names"),
    _C(
        "Unit price used ($)",
        "unit_price_used",
        _S.PRICE,
        14,
        "What a unit is worth: its rebate; of a 340B claim the discount, WAC less ceiling price",
    ),
    _C("Price from", "price_source", _S.TEXT, 10, "prices: your price table; claim or invoice: what the payer states"),
    _C("Party at fault", "party_words", _S.TEXT, 15, "Who seems to have made the mistake; Open if it is not clear"),
    _C("Goes to", "route_words", _S.WRAPPED, 17, "Who has to answer"),
    _C("Rules", "rule_ids", _S.TEXT, 18, "Every rule that fired"),
    _C("Match tier", "match_tier", _S.TEXT, 8, "How well a 340B claim fits: T1 exact to T6 without Rx number"),
    _C("Match score", "match_score", _S.SCORE, 9, "log2 weight of the agreeing fields"),
    _C("Match is a tie", "match_tie", _S.TEXT, 8, "Yes where several 340B claims fit equally well"),
    _C(
        "Related rows",
        "related_rows",
        _S.WRAPPED,
        28,
        "Row ids of the claims that make the problem, as their senders know them",
    ),
    _C("Reference facts", "references", _S.WRAPPED, 36, "Dated rows of the reference tables that the rules rest on"),
    _C("Unusual (model)", "unusual", _S.WRAPPED, 40, "What the model finds unusual, and what is usual among the peers"),
    _C("NDC as received", "ndc_raw", _S.TEXT, 15, ""),
    _C("Rx as received", "rx_number_raw", _S.TEXT, 15, ""),
    _C("Source row", "source_row_id", _S.TEXT, 24, "The sender's row id"),
    _C("Subject", "subject", _S.TEXT, 13, "REBATE_CLAIM, ENTITY_CLAIM or INVOICE"),
    _C("First seen in run", "first_seen_run", _S.TEXT, 20, ""),
    _C("Changed", "changed", _S.TEXT, 8, "Yes: other rules, units or amount than in the last run"),
    _C("Last decision", "decision", _S.TEXT, 10, "What was decided last, as the job feedback recorded it"),
    _C("Decided last on", "decided_on", _S.DATE, 11, "Day of the last decision"),
    _C("Changed since decision", "since_decision", _S.WRAPPED, 18, "What is otherwise than when it was decided"),
    _C("340B entity name", "entity_name", _S.WRAPPED, 24, "covered_entities"),
    _C("Pharmacy name", "pharmacy_name", _S.WRAPPED, 24, "pharmacies"),
    _C("Program in words", "program_words", _S.TEXT, 14, ""),
    _C("Subject in words", "subject_words", _S.TEXT, 13, "What the line is about"),
    _C("Record id", "record_id", _S.TEXT, 8, "FFSU or MCOU (CMS-R-144)"),
    _C("Plan", "own_plan_id", _S.TEXT, 12, "Managed-care or other plan"),
    _C("Paid on", "paid_on", _S.DATE, 11, "By the payer"),
    _C("Amount paid ($)", "amount_paid", _S.MONEY, 13, "By this payer"),
    _C("Days supply", "days_supply", _S.INTEGER, 8, ""),
    _C("HCPCS code", "own_hcpcs_code", _S.TEXT, 9, "Of medical lines"),
    _C("HCPCS units", "hcpcs_units", _S.UNITS, 11, "Of medical lines"),
    _C("Modifiers", "own_modifiers", _S.TEXT, 11, "Of medical lines"),
    _C(
        "Other claim",
        "other_source_row_id",
        _S.TEXT,
        22,
        "Row id of the claim that makes the problem",
    ),
    _C("Other claim is", "other_kind", _S.TEXT, 13, ""),
    _C("They differ in", "differs", _S.WRAPPED, 24, "Fields that both claims state, in other values"),
    _C(
        FINDING_ID,
        "finding_id",
        _S.TEXT,
        36,
        "Names the finding in every run: leave it as it is, decisions are read back by it",
    ),
    _C(CASE_ID, "case_id", _S.TEXT, 36, "Findings that go to one counterparty and rest on one root cause; sheet Cases"),
    _C("Queue", "standing_words", _S.WRAPPED, 22, "Whether it is in the review queue, and if not why"),
    _C("Held", "held_words", _S.WRAPPED, 22, "Why no claim of it is offered for dispute now"),
    _C(
        "Selection",
        "selection",
        _S.TEXT,
        11,
        "How it came to be looked at; leave it as it is: RANDOM ones measure how often rules are right",
    ),
)


def _both_claims() -> tuple[SheetColumn, ...]:
    """Each field of both claims, as text; a field that exists on only one side has one column."""
    columns = [
        _C(FINDING_ID, "finding_id", _S.TEXT, 36, ""),
        _C("Own row is", "own_kind", _S.TEXT, 13, ""),
        _C("Other claim is", "other_kind", _S.TEXT, 13, ""),
        _C("Differs", "differs", _S.WRAPPED, 24, ""),
        _C("Rules in full", "rules_in_full", _S.WRAPPED, 64, ""),
    ]
    for field in FIELDS:
        for side in ("own", "other"):
            columns.append(_C(f"{field.label} ({side})", f"{side}_{field.key}", _S.TEXT, 14, ""))
    return tuple(columns)


# One row per finding, which the sheet One finding looks up.
BOTH_CLAIMS_COLUMNS = _both_claims()

LINE_COLUMNS: tuple[SheetColumn, ...] = (
    _C("Goes to", "route_words", _S.WRAPPED, 17, ""),
    _C("Payer", "payer_id", _S.TEXT, 10, ""),
    _C("State", "state", _S.TEXT, 7, ""),
    _C("Program", "program", _S.TEXT, 13, ""),
    _C("Sub-program", "sub_program", _S.TEXT, 14, ""),
    _C("Rebate type", "rebate_type", _S.TEXT, 13, ""),
    _C("Record id", "record_id", _S.TEXT, 8, ""),
    _C("Period", "period", _S.TEXT, 9, ""),
    _C("Invoice number", "invoice_number", _S.TEXT, 15, ""),
    _C("Labeler", "labeler_code", _S.TEXT, 9, ""),
    _C("Product code", "product_code", _S.TEXT, 9, ""),
    _C("Package", "package_code", _S.TEXT, 9, ""),
    _C("Product", "product_name", _S.TEXT, 24, ""),
    _C("Claim number", "claim_id", _S.TEXT, 20, ""),
    _C("Line", "claim_line", _S.INTEGER, 6, ""),
    _C("Pharmacy NPI", "pharmacy_npi", _S.TEXT, 13, ""),
    _C("Rx number", "rx_number", _S.TEXT, 15, ""),
    _C("Fill", "fill_number", _S.INTEGER, 5, ""),
    _C("Date of service", "date_of_service", _S.DATE, 12, ""),
    _C("Units as received", "units_received", _S.UNITS, 13, "In the payer's measure"),
    _C("Units invoiced", "units_invoiced", _S.UNITS, 13, "NDC billing units, as the units disputed"),
    _C("Units disputed", "units_disputed", _S.UNITS, 13, ""),
    _C("Dispute code", "dispute_code", _S.TEXT, 9, ""),
    _C("Other codes", "other_codes", _S.TEXT, 9, ""),
    _C("Explanation", "explanation", _S.WRAPPED, 64, ""),
    _C("340B entity", "entity_id", _S.TEXT, 13, ""),
    _C("Documents needed", "documents", _S.WRAPPED, 30, ""),
    _C("Related rows", "related_source_row_ids", _S.WRAPPED, 28, ""),
    _C("Reference facts", "reference_rows", _S.WRAPPED, 36, ""),
    _C("Source row", "source_row_id", _S.TEXT, 24, ""),
    _C(FINDING_ID, "finding_id", _S.TEXT, 36, ""),
    _C(CASE_ID, "case_id", _S.TEXT, 36, ""),
)

CASE_COLUMNS: tuple[SheetColumn, ...] = (
    _C("Expected recovery ($)", "expected_recovery", _S.DOLLARS, 14, "Priorities of its findings above zero, added"),
    _C("Status", "status_words", _S.TEXT, 20, "From what was sent and answered"),
    _C("Goes to", "route_words", _S.WRAPPED, 17, ""),
    _C("Counterparty", "counterparty_id", _S.TEXT, 14, ""),
    _C("Name", "counterparty_name", _S.TEXT, 24, "Covered entities: OPAIS; others: setting cases.counterparties"),
    _C("Root cause", "root_words", _S.WRAPPED, 52, "What its findings have in common. A suspicion"),
    _C("Findings", "findings", _S.INTEGER, 9, ""),
    _C(
        "Open ($)",
        "amount_open",
        _S.MONEY,
        13,
        "At issue and not in dispute yet: of claims, else of invoice lines",
    ),
    _C("Units open", "units_open", _S.UNITS, 13, "At issue and not in dispute yet"),
    _C(ANSWERED_ON, None, _S.DATE, 12, "Yours: day of the counterparty's answer to the whole case"),
    _C(ANSWER, None, _S.TEXT, 12, "Yours: pick from the list"),
    _C("Counterparty reason", None, _S.WRAPPED, 24, "Yours: as the counterparty words it"),
    _C("Units credited", None, _S.UNITS, 12, "Yours"),
    _C("Amount credited", None, _S.MONEY, 13, "Yours"),
    _C("Deadline", "deadline_date", _S.DATE, 11, "The earliest of its findings"),
    _C("Deadline is", "deadline_words", _S.WRAPPED, 24, "What happens on that day"),
    _C("Last day", "last_day_date", _S.DATE, 11, "The earliest last day on which a dispute is possible at all"),
    _C(
        "Period",
        "case_period",
        _S.TEXT,
        12,
        "Quarter; of covered entities month of service, of the facilitator batch",
    ),
    _C("Labeler", "labeler_code", _S.TEXT, 9, "Of states"),
    _C("Contract", "contract_id", _S.TEXT, 14, "Of PBMs"),
    _C("Contact", "contact", _S.WRAPPED, 26, "Of the counterparty"),
    _C(
        "Contact of the cause",
        "root_contact",
        _S.WRAPPED,
        26,
        "Of the entity or pharmacy in the root cause",
    ),
    _C("Strong", "findings_strong", _S.INTEGER, 8, "Findings by evidence"),
    _C("Medium", "findings_medium", _S.INTEGER, 8, ""),
    _C("Weak", "findings_weak", _S.INTEGER, 8, ""),
    _C("Claims", "claims", _S.INTEGER, 8, "Findings by what they are about"),
    _C("340B claims", "claims_340b", _S.INTEGER, 8, ""),
    _C("Invoice lines", "invoice_lines", _S.INTEGER, 8, ""),
    _C("At issue ($)", "amount_at_issue", _S.MONEY, 13, "Less what was credited or repaid"),
    _C("Units at issue", "units_at_issue", _S.UNITS, 13, ""),
    _C("Units in dispute", "units_in_dispute", _S.UNITS, 13, "Settlements or decisions hold them already"),
    _C("Without a price", "findings_without_price", _S.INTEGER, 9, "Findings that are in no amount"),
    _C("Codes", "codes", _S.TEXT, 10, ""),
    _C("Held", "findings_held", _S.INTEGER, 8, "Findings on claims whose invoice line is red in the tie-out"),
    _C("Sent", "findings_sent", _S.INTEGER, 8, "Findings that export --final wrote"),
    _C("Answered", "findings_answered", _S.INTEGER, 9, "Of those"),
    _C("Credited so far (units)", "units_credited_before", _S.UNITS, 13, "As answered"),
    _C("Credited so far ($)", "amount_credited_before", _S.MONEY, 13, "As answered"),
    _C(CASE_ID, "case_id", _S.TEXT, 36, "Names the case in every run: leave it as it is"),
)

TIE_OUT_COLUMNS: tuple[SheetColumn, ...] = (
    _C("Color", "color", _S.TEXT, 10, "How far claim-level detail is from the invoice; NONE: nothing to compare"),
    _C("State", "state", _S.TEXT, 7, ""),
    _C("Program", "program_words", _S.TEXT, 13, ""),
    _C("Period", "period", _S.TEXT, 9, ""),
    _C("NDC-11", "ndc11", _S.TEXT, 13, ""),
    _C("Product", "product_name", _S.TEXT, 22, ""),
    _C("Rebate type", "rebate_type", _S.TEXT, 13, "Sub-programs are added up, kinds of rebate are not"),
    _C("Why", "reason", _S.WRAPPED, 64, "Why the line is not green"),
    _C("Units invoiced", "units_invoiced", _S.UNITS, 14, "After the invoices' own corrections; empty if not known"),
    _C("Units in detail", "units_in_detail", _S.UNITS, 14, "Of live claim lines"),
    _C("Gap", "gap_units", _S.UNITS, 13, "Units invoiced less units in detail"),
    _C("Gap (%)", "gap_share", _S.PERCENT, 8, "Gap as a part of the units invoiced"),
    _C(
        "Units in quarantine",
        "quarantined_units",
        _S.UNITS,
        13,
        "Of claim rows that could not be read and may belong here; they may explain the gap, and are not in the detail",
    ),
    _C("Rows in quarantine", "quarantined_lines", _S.INTEGER, 11, ""),
    _C("Units settled", "units_settled", _S.UNITS, 13, "Paid and credited"),
    _C("Paid", "units_paid", _S.UNITS, 13, ""),
    _C("Credited", "units_credited", _S.UNITS, 13, "Credited by the state or repaid by the entity"),
    _C("In dispute", "units_in_dispute", _S.UNITS, 13, ""),
    _C("Open", "units_open", _S.UNITS, 13, "Invoiced, and neither settled nor in dispute"),
    _C("Not invoiced", "units_not_invoiced", _S.UNITS, 13, "Of the detail, beyond the invoice"),
    _C(
        "Days until interest",
        "days_until_interest",
        _S.DAYS,
        11,
        "Past: interest runs; empty: nothing open",
    ),
    _C("No interest until", "interest_free_until", _S.DATE, 12, "Last day without interest"),
    _C("Drafts held", "dispute_lines_held", _S.INTEGER, 9, "Dispute lines that are not offered while the line is red"),
    _C("Invoice number", "invoice_number", _S.TEXT, 18, ""),
    _C("Claim lines", "claim_lines", _S.INTEGER, 9, ""),
    _C("Not converted", "lines_not_converted", _S.INTEGER, 10, "Claim lines in HCPCS units without a conversion"),
)
