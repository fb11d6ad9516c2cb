"""Cases and the review queue: findings by counterparty and root cause, and those selected for review."""

from engine.cases.grouping import with_case
from engine.cases.queue import QueueSize, queue_of, queue_size, standings
from engine.cases.table import CaseInput, cases_of

__all__ = [
    "CaseInput",
    "QueueSize",
    "cases_of",
    "queue_of",
    "queue_size",
    "standings",
    "with_case",
]
