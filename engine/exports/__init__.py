"""Exports: the files and database rows that a run writes for people and other programs."""

from engine.contracts.run_report import Linking, Off, RunFacts
from engine.exports.batches import ordered_batches
from engine.exports.csv_files import write_disputes_detail, write_rejected, write_rows
from engine.exports.database import RunTables, check_lengths, check_tables, write_to_database
from engine.exports.ddl import create_tables, scripts
from engine.exports.details import DETAILS, finding_details
from engine.exports.facts_file import ReviewFacts, read_facts, write_facts
from engine.exports.final_files import RECIPIENT_COLUMNS, write_recipient_files
from engine.exports.forms import DRAFT_PREFIX, FormFormat, write_form
from engine.exports.json_files import write_json
from engine.exports.match_rates import match_rate_summary, write_match_rates
from engine.exports.overview import (
    ANSWERED,
    SAMPLED,
    Amounts,
    Overview,
    Precision,
    Volume,
    row_counts,
    volumes,
)
from engine.exports.plain_text import file_name, plain
from engine.exports.redacted import masked_rx_text, redacted_findings, redacted_lines
from engine.exports.report import write_report
from engine.exports.side_by_side import Compared, guard_words, side_by_side
from engine.exports.tables import (
    write_cases,
    write_details,
    write_dispute_lines,
    write_evidence,
    write_findings,
    write_form_lines,
    write_positions,
    write_quarantine,
    write_queue,
    write_tie_out,
)
from engine.exports.tickets import TICKETS_NAME, Ticket, case_tickets, finding_tickets, read_issue_keys, write_tickets
from engine.exports.totals import Totals, add_up
from engine.exports.waterfall import (
    contribution_words,
    outcome_words,
    probability_words,
    waterfall_figure,
    write_figure,
)
from engine.exports.workbook import ReviewTables, write_workbooks

__all__ = [
    "ANSWERED",
    "DETAILS",
    "DRAFT_PREFIX",
    "RECIPIENT_COLUMNS",
    "SAMPLED",
    "TICKETS_NAME",
    "Amounts",
    "Compared",
    "FormFormat",
    "Linking",
    "Off",
    "Overview",
    "Precision",
    "ReviewFacts",
    "ReviewTables",
    "RunFacts",
    "RunTables",
    "Ticket",
    "Totals",
    "Volume",
    "add_up",
    "case_tickets",
    "check_lengths",
    "check_tables",
    "contribution_words",
    "create_tables",
    "file_name",
    "finding_details",
    "finding_tickets",
    "guard_words",
    "masked_rx_text",
    "match_rate_summary",
    "ordered_batches",
    "outcome_words",
    "plain",
    "probability_words",
    "read_facts",
    "read_issue_keys",
    "redacted_findings",
    "redacted_lines",
    "row_counts",
    "scripts",
    "side_by_side",
    "volumes",
    "waterfall_figure",
    "write_cases",
    "write_details",
    "write_dispute_lines",
    "write_disputes_detail",
    "write_evidence",
    "write_facts",
    "write_figure",
    "write_findings",
    "write_form",
    "write_form_lines",
    "write_json",
    "write_match_rates",
    "write_positions",
    "write_quarantine",
    "write_queue",
    "write_recipient_files",
    "write_rejected",
    "write_report",
    "write_rows",
    "write_tickets",
    "write_tie_out",
    "write_to_database",
    "write_workbooks",
]
