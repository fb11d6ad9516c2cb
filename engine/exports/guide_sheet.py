"""The sheet "How to read": what the columns, classes, actions and lists mean."""

from __future__ import annotations

import xlsxwriter

from engine.contracts.run_report import RunFacts
from engine.contracts.words import ACTION_WORDS, DECISION_WORDS, DISMISS_REASONS, EVIDENCE_WORDS, TERMS
from engine.exports.formats import Formats
from engine.exports.page_sheets import Page
from engine.exports.sheet_columns import FINDINGS_COLUMNS

NAME = "How to read"


def add_guide_sheet(book: xlsxwriter.Workbook, formats: Formats, facts: RunFacts) -> None:
    """Add the page that explains the workbook."""
    page = Page(book, formats, NAME, (26, 110))
    page.title(
        "How to read this workbook",
        "Every line is a suspicion that a person has to judge. Findings are sorted by the expected benefit of "
        "reviewing them.",
    )
    text = (formats.label, formats.wrapped)
    page.heading("What you do")
    page.pairs(
        [
            (
                "1",
                "Begin with Tie-out: while a line is red, none of its claims is offered. Fix the claim-level detail.",
            ),
            (
                "2",
                "Go down the sheet Queue (Findings, if there is none). One finding shows any of them with both claims.",
            ),
            ("3", "Decide the Random sample too, all of it: it measures how often each rule is right."),
            ("4", "Cases shows which findings go to one counterparty for one cause; enter its answers there."),
            ("5", "In the orange columns pick a decision; for DISMISS pick a reason; add units if they differ."),
            ("6", "Give your name and the date, and save the workbook."),
            ("7", "Hand it in: ./spark-submit.sh feedback findings.xlsx --output FOLDER (the folder of the runs)."),
            ("8", "A dismissed finding leaves the list until its basis changes; then the list shows what changed."),
        ]
    )
    page.heading("Evidence")
    page.table(("Class", "Meaning"), text, ((e.value, words) for e, words in EVIDENCE_WORDS.items()))
    page.heading("Decisions")
    page.table(("Decision", "Meaning"), text, DECISION_WORDS.items())
    page.heading("Reasons for DISMISS")
    page.table(("Reason", "Meaning"), text, DISMISS_REASONS.items())
    page.heading("Suggested actions")
    page.table(("Action", "Shown as"), text, ((action.value, words) for action, words in ACTION_WORDS.items()))
    page.heading("Rules")
    page.table(("Rule", "Looks for"), text, sorted(facts.rule_titles.items()))
    page.heading("Columns of Findings")
    explained = ((column.heading, column.meaning) for column in FINDINGS_COLUMNS if column.meaning)
    page.table(("Column", "Meaning"), text, explained)
    page.heading("Terms")
    page.table(("Term", "Meaning"), text, TERMS.items())
