"""Cases: findings of one counterparty with one root cause. The review queue: findings for people to review."""

from __future__ import annotations

from enum import StrEnum

from pyspark.sql import types as T


class CaseStatus(StrEnum):
    """The progress of a case: those of the domain's states that tables of this contract can show.

    SUBMITTED: a line of it was sent. RESOLVED_CREDIT: everything sent was answered, and something was accepted;
    RESOLVED_PAY: nothing was.
    """

    DRAFT = "DRAFT"
    SUBMITTED = "SUBMITTED"
    RESOLVED_CREDIT = "RESOLVED_CREDIT"
    RESOLVED_PAY = "RESOLVED_PAY"


class QueueStatus(StrEnum):
    """Why a finding is in the review queue or not."""

    QUEUE = "QUEUE"
    DECIDED = "DECIDED"
    NEGATIVE_PRIORITY = "NEGATIVE_PRIORITY"
    BELOW_CLAIM_MINIMUM = "BELOW_CLAIM_MINIMUM"
    BELOW_CASE_MINIMUM = "BELOW_CASE_MINIMUM"
    BEYOND_CAPACITY = "BEYOND_CAPACITY"


class Selection(StrEnum):
    """How a finding was selected for review, as recorded with decisions."""

    QUEUE = "QUEUE"
    RANDOM = "RANDOM"


_STRING, _LONG, _DATE = T.StringType(), T.LongType(), T.DateType()
_UNITS, _MONEY = T.DecimalType(15, 3), T.DecimalType(18, 2)


def _struct(*pairs: tuple[str, T.DataType]) -> T.StructType:
    return T.StructType([T.StructField(name, kind) for name, kind in pairs])


# One row per case: findings on claims, invoice lines and 340B claims that go to one counterparty and rest on one root
# cause. Dismissed findings, CONTEXT findings and findings without a counterparty are in no case.
# counterparty_kind: STATE, ENTITY, PBM, FACILITATOR. labeler_code: only for states; contract_id: only for PBMs.
# case_period: quarter covered (STATE, PBM), month of service YYYY-MM (ENTITY), batch (FACILITATOR: the invoice number,
# else the quarter). root_cause: kind of cause; root_key: the entity, pharmacy, product ... that it names, '' if none;
# root_words: both in a sentence. contact: of the counterparty; root_contact: of the entity or pharmacy in root_key.
# counted_subject: whose units and dollars are summed: REBATE_CLAIM, else ENTITY_CLAIM, else INVOICE, never several.
# A dispense that two covered entities report (R046) counts once. units_in_dispute: already in a
# settlement or decision; units_open, amount_open: the remainder. findings_without_price: counted, but in no amount.
# expected_recovery: sum of the priorities above zero. deadline_date: the earliest. findings_held: on a red line of the
# tie-out. findings_sent, findings_answered, units_credited, amount_credited: from submissions and outcomes.
CASES = _struct(
    ("case_id", _STRING),
    ("run_id", _STRING),
    ("status", _STRING),
    ("counterparty_kind", _STRING),
    ("counterparty_id", _STRING),
    ("counterparty_name", _STRING),
    ("contact", _STRING),
    ("labeler_code", _STRING),
    ("contract_id", _STRING),
    ("case_period", _STRING),
    ("root_cause", _STRING),
    ("root_key", _STRING),
    ("root_words", _STRING),
    ("root_contact", _STRING),
    ("findings", _LONG),
    ("claims", _LONG),
    ("claims_340b", _LONG),
    ("invoice_lines", _LONG),
    ("findings_strong", _LONG),
    ("findings_medium", _LONG),
    ("findings_weak", _LONG),
    ("counted_subject", _STRING),
    ("units_at_issue", _UNITS),
    ("units_in_dispute", _UNITS),
    ("units_open", _UNITS),
    ("amount_at_issue", _MONEY),
    ("amount_open", _MONEY),
    ("findings_without_price", _LONG),
    ("expected_recovery", _MONEY),
    ("codes", _STRING),
    ("deadline_date", _DATE),
    ("deadline_kind", _STRING),
    ("last_day_date", _DATE),
    ("findings_held", _LONG),
    ("findings_sent", _LONG),
    ("findings_answered", _LONG),
    ("units_credited", _UNITS),
    ("amount_credited", _MONEY),
)

# One row per finding that is not dismissed. "standing": a QueueStatus. selection: RANDOM for findings drawn at random
# from those outside the queue, else QUEUE. is_held: its claim is on a red line of the tie-out, so it is not disputed.
QUEUE = _struct(
    ("finding_id", _STRING),
    ("standing", _STRING),
    ("selection", _STRING),
    ("is_held", T.BooleanType()),
)
