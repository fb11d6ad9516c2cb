"""Input: locations, formats and readers of every table."""

from engine.sources.check import check_connections
from engine.sources.failures import translate_read_error
from engine.sources.file_formats import FILE_FORMATS
from engine.sources.run_faults import translate_run_fault, work_changed
from engine.sources.sample import first_rows, sampling
from engine.sources.tables import FoundTables, OpenedTable, open_tables
from engine.sources.workbook import Sheet, WorkbookError, open_workbook

__all__ = [
    "FILE_FORMATS",
    "FoundTables",
    "OpenedTable",
    "Sheet",
    "WorkbookError",
    "check_connections",
    "first_rows",
    "open_tables",
    "open_workbook",
    "sampling",
    "translate_read_error",
    "translate_run_fault",
    "work_changed",
]
