"""Analysts' decisions and counterparties' outcomes: read from their files and stored with their history."""

from engine.feedback.kept import SUBMISSIONS, KeptFeedback
from engine.feedback.merging import Merged, merged
from engine.feedback.sheets import entries_of
from engine.feedback.validation import Accepted, FindingFacts, accepted

__all__ = ["SUBMISSIONS", "Accepted", "FindingFacts", "KeptFeedback", "Merged", "accepted", "entries_of", "merged"]
