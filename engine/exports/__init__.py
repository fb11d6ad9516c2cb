"""Exports: what a run leaves for people and other programs."""

from engine.exports.csv_files import write_disputes_detail, write_rejected, write_rows
from engine.exports.database import RunTables, check_lengths, check_tables, write_to_database
from engine.exports.ddl import create_tables, scripts
from engine.exports.facts import Linking, Off, RunFacts
from engine.exports.final_files import RECIPIENT_COLUMNS, write_final_files
from engine.exports.json_files import write_json
from engine.exports.match_rates import match_rate_summary, write_match_rates
from engine.exports.plain_text import file_name, plain
from engine.exports.report import write_report
from engine.exports.tables import (
    write_cases,
    write_dispute_lines,
    write_findings,
    write_positions,
    write_quarantine,
    write_queue,
    write_tie_out,
)
from engine.exports.totals import Totals, add_up
from engine.exports.waterfall import became_of, contribution_words, waterfall_figure, write_figure
from engine.exports.workbook import ReviewTables, write_workbooks

__all__ = [
    "RECIPIENT_COLUMNS",
    "Linking",
    "Off",
    "ReviewTables",
    "RunFacts",
    "RunTables",
    "Totals",
    "add_up",
    "became_of",
    "check_lengths",
    "check_tables",
    "contribution_words",
    "create_tables",
    "file_name",
    "match_rate_summary",
    "plain",
    "scripts",
    "waterfall_figure",
    "write_cases",
    "write_dispute_lines",
    "write_disputes_detail",
    "write_figure",
    "write_final_files",
    "write_findings",
    "write_json",
    "write_match_rates",
    "write_positions",
    "write_quarantine",
    "write_queue",
    "write_rejected",
    "write_report",
    "write_rows",
    "write_tie_out",
    "write_to_database",
    "write_workbooks",
]
