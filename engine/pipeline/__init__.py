"""The way of a claim, from sources to exports.

    sources -> prepare -> link -> facts -> screen -> scores -> rules -> findings -> exports

Each arrow is a DataFrame in the run's work folder. A row that leaves the way is counted in the ledger with its reason.
`main_job` is the way on one page; each step has its module.
"""

from engine.pipeline.check import Checked, CheckedTable, check
from engine.pipeline.comparing import Compared, compare
from engine.pipeline.explaining import Explained, explain
from engine.pipeline.finalizing import Sent, export_final
from engine.pipeline.main_job import detect, train
from engine.pipeline.publishing import Published, export_to_database
from engine.pipeline.recording import Recorded, record_feedback
from engine.pipeline.reviewing import export_review

__all__ = [
    "Checked",
    "CheckedTable",
    "Compared",
    "Explained",
    "Published",
    "Recorded",
    "Sent",
    "check",
    "compare",
    "detect",
    "explain",
    "export_final",
    "export_review",
    "export_to_database",
    "record_feedback",
    "train",
]
