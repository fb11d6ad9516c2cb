"""The sheet "Data quality": the ledger, quarantined rows, and what was off."""

from __future__ import annotations

import xlsxwriter

from engine.contracts.match_rates import month_text
from engine.contracts.run_report import RunFacts, ledger_lines
from engine.exports.formats import Formats
from engine.exports.page_sheets import Page
from engine.exports.reasons import reason_words

NAME = "Data quality"


def add_quality_sheet(book: xlsxwriter.Workbook, formats: Formats, facts: RunFacts) -> None:
    """Add the page of rows counted at each step, quarantined and unlinked."""
    page = Page(book, formats, NAME, (24, 24, 14, 14, 28, 12, 12, 56), landscape=True)
    page.title("Data quality", "At every step: rows in = rows out + rows that left, by reason.")
    text, count = formats.text, formats.count
    page.heading("Rows accounted for")
    page.table(
        ("Table", "Step", "Rows in", "Rows out", "Reason", "Rows left", "Rows noticed", "The reason in words"),
        (text, text, count, count, text, count, count, formats.wrapped),
        (
            (
                line.table,
                line.step,
                line.rows_in,
                line.rows_out,
                line.reason or None,
                line.rows if line.reason and not line.stayed else None,
                line.rows if line.stayed else None,
                reason_words(line.reason) or None,
            )
            for line in ledger_lines(facts.ledger)
        ),
    )
    page.heading("Rows quarantined, by reason (a row may have several)")
    page.table(
        ("Table", "Reason", "Rows"),
        (text, text, count),
        (
            (table, reason, rows)
            for table, reasons in sorted(facts.quarantined.items())
            for reason, rows in sorted(reasons.items())
        ),
    )
    page.heading("What was off, and why")
    page.table(("Name", "Kind", "Why"), (text, text, text), ((off.name, off.kind, off.why) for off in facts.off))
    if facts.linking is not None and facts.linking.feed_problems:
        page.heading("Months of a source in which fewer claims link than in its others (all months: match_rates.csv)")
        page.table(
            ("Source", "Month", "Claims", "Linked", "Side", "Share", "Usually", "In words"),
            (text, text, count, count, text, formats.share, formats.share, formats.wrapped),
            (
                (
                    problem.source,
                    month_text(problem.month),
                    problem.claims,
                    problem.linked,
                    problem.side,
                    problem.share,
                    problem.usual_share,
                    problem.message,
                )
                for problem in facts.linking.feed_problems
            ),
        )
    if facts.notes:
        page.heading("Notes of the run")
        page.texts("Note", facts.notes)
    page.heading("Input")
    page.table(("Table", "Fingerprint"), (text, text), sorted(facts.inputs.items()))
