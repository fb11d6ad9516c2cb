"""Prepare: typed rows, quarantine, and netting of every table."""

from engine.prepare.bad_values import (
    BadValues,
    NullWord,
    ValueReport,
    coerced_notes,
    in_one_line,
    null_word_notes,
    quarantine_problem,
    value_report,
)
from engine.prepare.conform import LOOKUPS, conform, conformed_schema
from engine.prepare.contract_check import check_contract
from engine.prepare.dropped_rows import (
    Tally,
    in_conflict,
    left_out,
    names_in_conflict,
    quarantine,
    tally,
    tally_references,
    unread_claims,
    with_netting,
)
from engine.prepare.net_entity_claims import live_entity_claims, net_entity_claims, with_parents
from engine.prepare.net_invoices import live_invoices, net_invoices, replaced_invoices
from engine.prepare.net_pharmacy_claims import net_pharmacy_claims, pharmacy_dispenses, with_dispenses
from engine.prepare.net_rebate_claims import live_rebate_claims, names_to_compare, net_rebate_claims
from engine.prepare.net_references import live_references, net_references
from engine.prepare.netting import net
from engine.prepare.row_ids import good_rows, repeated_row_ids

__all__ = [
    "LOOKUPS",
    "BadValues",
    "NullWord",
    "Tally",
    "ValueReport",
    "check_contract",
    "coerced_notes",
    "conform",
    "conformed_schema",
    "good_rows",
    "in_conflict",
    "in_one_line",
    "left_out",
    "live_entity_claims",
    "live_invoices",
    "live_rebate_claims",
    "live_references",
    "names_in_conflict",
    "names_to_compare",
    "net",
    "net_entity_claims",
    "net_invoices",
    "net_pharmacy_claims",
    "net_rebate_claims",
    "net_references",
    "null_word_notes",
    "pharmacy_dispenses",
    "quarantine",
    "quarantine_problem",
    "repeated_row_ids",
    "replaced_invoices",
    "tally",
    "tally_references",
    "unread_claims",
    "value_report",
    "with_dispenses",
    "with_netting",
    "with_parents",
]
