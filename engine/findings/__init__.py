"""Findings: combine the rule results and scores of a row, value and rank them, and describe them in words."""

from engine.findings.assemble import findings_of
from engine.findings.codes import FIRST_CODES
from engine.findings.comparison import Change, Differences, causes, compare_findings, differences
from engine.findings.decisions import (
    answers_by_rule,
    as_reviewed,
    deciding_rule,
    judged_findings,
    latest_decisions,
    reviewed_findings,
    sampled_by_rule,
    with_decisions,
)
from engine.findings.evidence_rows import evidence_ids, evidence_rows
from engine.findings.feed_problems import with_feed_problems
from engine.findings.final_lines import (
    DECISIONS_TO_DISPUTE,
    NOT_VERIFIED,
    SENT,
    final_lines,
    inquiry_drafts,
    without_red_lines,
)
from engine.findings.identity import claim_finding_id, invoice_finding_id
from engine.findings.lines import dispute_lines
from engine.findings.worth import least_probability, settings_probability

__all__ = [
    "DECISIONS_TO_DISPUTE",
    "FIRST_CODES",
    "NOT_VERIFIED",
    "SENT",
    "Change",
    "Differences",
    "answers_by_rule",
    "as_reviewed",
    "causes",
    "claim_finding_id",
    "compare_findings",
    "deciding_rule",
    "differences",
    "dispute_lines",
    "evidence_ids",
    "evidence_rows",
    "final_lines",
    "findings_of",
    "inquiry_drafts",
    "invoice_finding_id",
    "judged_findings",
    "latest_decisions",
    "least_probability",
    "reviewed_findings",
    "sampled_by_rule",
    "settings_probability",
    "with_decisions",
    "with_feed_problems",
    "without_red_lines",
]
