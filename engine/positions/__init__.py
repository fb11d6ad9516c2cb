"""The unit ledger: every invoiced or claimed unit has one position."""

from engine.positions.book import NotBooked
from engine.positions.events import decision_events, settlement_events
from engine.positions.form_lines import FORMS_SENT, form_lines
from engine.positions.forms import LineFacts, Prior, is_changed, pqas_line, pqas_problems, rosi_line, rosi_problems
from engine.positions.history import with_previous
from engine.positions.ledger import (
    LedgerInput,
    accounts_in_sequence,
    entries_of,
    keys_out_of_balance,
    not_booked,
    summed,
)
from engine.positions.lines import claim_lines, invoice_lines

__all__ = [
    "FORMS_SENT",
    "LedgerInput",
    "LineFacts",
    "NotBooked",
    "Prior",
    "accounts_in_sequence",
    "claim_lines",
    "decision_events",
    "entries_of",
    "form_lines",
    "invoice_lines",
    "is_changed",
    "keys_out_of_balance",
    "not_booked",
    "pqas_line",
    "pqas_problems",
    "rosi_line",
    "rosi_problems",
    "settlement_events",
    "summed",
    "with_previous",
]
