"""The pipeline: from the input to every output, one step at a time.

    read -> prepare -> link -> facts -> screen -> score -> rules -> findings -> exports

Each step is a function in the module with its name and returns a frozen result (`stages`). Dropped rows are counted in
the ledger with a reason. `detect` shows the main job on one page; every other job has its own module.
"""

from engine.pipeline.check import Checked, CheckedTable, check
from engine.pipeline.comparing import Compared, compare
from engine.pipeline.database import export_to_database
from engine.pipeline.detect import detect
from engine.pipeline.explaining import Explained, explain
from engine.pipeline.finalizing import Sent, export_final
from engine.pipeline.recording import Recorded, record_feedback
from engine.pipeline.reviewing import export_review
from engine.pipeline.stages import Published
from engine.pipeline.train import train

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
