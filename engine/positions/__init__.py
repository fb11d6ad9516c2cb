"""The unit ledger: every invoiced or claimed unit has one position."""

from engine.positions.book import NotBooked
from engine.positions.events import decision_events, settlement_events
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
    "LedgerInput",
    "NotBooked",
    "accounts_in_sequence",
    "claim_lines",
    "decision_events",
    "entries_of",
    "invoice_lines",
    "keys_out_of_balance",
    "not_booked",
    "settlement_events",
    "summed",
    "with_previous",
]
