"""Exports: what a run leaves for people and other programs."""

from engine.exports.csv_files import write_disputes_detail, write_rejected, write_rows
from engine.exports.database import check_lengths, check_tables, write_to_database
from engine.exports.ddl import create_tables, scripts
from engine.exports.details import DETAILS, finding_details
from engine.exports.facts import Linking, Off, RunFacts
from engine.exports.final_files import RECIPIENT_COLUMNS, write_final_files
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
from engine.exports.redacted import redacted_findings, redacted_lines
from engine.exports.report import write_report
from engine.exports.side_by_side import Compared, guard_words, side_by_side
from engine.exports.tables import write_details, write_findings, write_positions, write_quarantine
from engine.exports.tickets import TICKETS_NAME, Ticket, finding_tickets, read_issue_keys, write_tickets
from engine.exports.totals import Totals, add_up
from engine.exports.waterfall import became_of, contribution_words, waterfall_figure, write_figure
from engine.exports.workbook import write_workbooks

__all__ = [
    "ANSWERED",
    "DETAILS",
    "RECIPIENT_COLUMNS",
    "SAMPLED",
    "TICKETS_NAME",
    "Amounts",
    "Compared",
    "Linking",
    "Off",
    "Overview",
    "Precision",
    "RunFacts",
    "Ticket",
    "Totals",
    "Volume",
    "add_up",
    "became_of",
    "check_lengths",
    "check_tables",
    "contribution_words",
    "create_tables",
    "file_name",
    "finding_details",
    "finding_tickets",
    "guard_words",
    "match_rate_summary",
    "plain",
    "read_issue_keys",
    "redacted_findings",
    "redacted_lines",
    "row_counts",
    "scripts",
    "side_by_side",
    "volumes",
    "waterfall_figure",
    "write_details",
    "write_disputes_detail",
    "write_figure",
    "write_final_files",
    "write_findings",
    "write_json",
    "write_match_rates",
    "write_positions",
    "write_quarantine",
    "write_rejected",
    "write_report",
    "write_rows",
    "write_tickets",
    "write_to_database",
    "write_workbooks",
]
