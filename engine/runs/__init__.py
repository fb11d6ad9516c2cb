"""Runs: their folders, lease, progress, ledger and intermediate results; resuming and publishing them."""

from engine.runs.code_version import code_version
from engine.runs.folders import RunFolders
from engine.runs.interrupts import interruptible, interruption_of, undisturbed
from engine.runs.lease import Lease, LeaseLost
from engine.runs.ledger import Ledger, LedgerError
from engine.runs.progress import Progress
from engine.runs.published import published_runs
from engine.runs.resume import check_resumable, interrupted_engine
from engine.runs.run import Run, RunOptions, open_run, run_facts
from engine.runs.run_ids import check_run_id
from engine.runs.work import WorkFolder
from engine.runs.work_table import WorkTable, WorkTables

__all__ = [
    "Lease",
    "LeaseLost",
    "Ledger",
    "LedgerError",
    "Progress",
    "Run",
    "RunFolders",
    "RunOptions",
    "WorkFolder",
    "WorkTable",
    "WorkTables",
    "check_resumable",
    "check_run_id",
    "code_version",
    "interrupted_engine",
    "interruptible",
    "interruption_of",
    "open_run",
    "published_runs",
    "run_facts",
    "undisturbed",
]
