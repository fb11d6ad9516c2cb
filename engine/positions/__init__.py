"""The unit ledger: every invoiced or claimed unit has one position."""

from engine.positions.book import NotBooked
from engine.positions.events import decision_events, settlement_events
from engine.positions.form_lines import FORMS_SENT, form_lines
from engine.positions.forms import LineFacts, Prior, is_changed, pqas_line, pqas_problems, rosi_line, rosi_problems
from engine.positions.history import with_previous
from engine.positions.ledger import (
    ENTRIES,
    LedgerInput,
    accounts_in_sequence,
    entries_of,
    keys_out_of_balance,
    not_booked,
    summed,
)
from engine.positions.lines import claim_lines, invoice_lines
from engine.positions.tie_out import compared, on_red_lines, tie_out_lines, with_held_lines

__all__ = [
    "ENTRIES",
    "FORMS_SENT",
    "LedgerInput",
    "LineFacts",
    "NotBooked",
    "Prior",
    "accounts_in_sequence",
    "claim_lines",
    "compared",
    "decision_events",
    "entries_of",
    "form_lines",
    "invoice_lines",
    "is_changed",
    "keys_out_of_balance",
    "not_booked",
    "on_red_lines",
    "pqas_line",
    "pqas_problems",
    "rosi_line",
    "rosi_problems",
    "settlement_events",
    "summed",
    "tie_out_lines",
    "with_held_lines",
    "with_previous",
]
