"""The sheet "Summary": totals of the findings, with native charts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import xlsxwriter

from engine.contracts.codes import Action, Evidence
from engine.contracts.run_report import RunFacts
from engine.contracts.words import ACTION_WORDS
from engine.errors import counted
from engine.exports.formats import EVIDENCE_COLORS, Formats
from engine.exports.page_sheets import Area, Page
from engine.exports.totals import Group, SubjectTotals, Sum, Totals

NAME = "Summary"
_FINDINGS, _AMOUNT = 2, 4  # columns of the tables below
_CHART_COLUMN, _CHART_ROW, _ROWS_PER_CHART = 6, 2, 20
_MAY = {
    Evidence.STRONG.value: "may draft a dispute",
    Evidence.MEDIUM.value: "an analyst decides",
    Evidence.WEAK.value: "context for a case only",
    Evidence.CONTEXT.value: "explains, never accuses",
}


def add_summary_sheet(
    book: xlsxwriter.Workbook,
    formats: Formats,
    facts: RunFacts,
    totals: Totals,
    lines: int,
    further: Sequence[tuple[str, str]] = (),
) -> None:
    """Add the sheet. `lines`: dispute lines drafted. `further`: key figures after those of the findings."""
    page = Page(book, formats, NAME, (24, 58, 12, 18, 20, 4, 10), landscape=True)
    page.title("What was found", "Suspicions to be judged by a person. Amounts are US dollars at issue.")
    page.pairs([*_key_figures(totals, lines), *further], over=4)
    page.heading("The run")
    page.pairs(facts.about_lines, over=4)

    page.heading("At issue")
    page.note(
        "Claims, invoice lines and 340B claims overlap: one unit may be at issue in each of them, so the lines are not "
        "to be added."
    )
    page.table(
        ("Subject", "", "Findings", "Units at issue", "Amount at issue ($)"),
        (formats.text, formats.text, formats.count, formats.units, formats.money),
        ((subject.label, None, *_figures(subject.total)) for subject in totals.by_subject),
    )
    charts = 0
    for subject in totals.with_findings:
        charts = _add_subject(book, page, formats, facts, subject, charts)


def _add_subject(
    book: xlsxwriter.Workbook, page: Page, formats: Formats, facts: RunFacts, totals: SubjectTotals, charts: int
) -> int:
    """Add tables and charts of one subject; returns the number of charts on the sheet so far."""
    page.heading(f"{totals.label} by evidence")
    by_evidence = _table(page, formats, "Class", totals.by_evidence(), _MAY)
    page.heading(f"{totals.label} by rule")
    page.note("A finding counts under every rule that fired, so the rules add up to more than the total.")
    by_rule = _table(page, formats, "Rule", totals.greatest("rule", 60), facts.rule_titles)
    page.heading(f"{totals.label} by payer, the 25 greatest")
    by_payer = _table(page, formats, "Payer", totals.greatest("payer", 25), {})
    page.heading(f"{totals.label} by suggested action")
    actions = {action.value: ACTION_WORDS[action] for action in Action}
    _table(page, formats, "Action", totals.greatest("action", 20), actions)
    page.heading(f"{totals.label} by period")
    _table(page, formats, "Period", totals.latest("period", 40), {})

    measured = _AMOUNT if totals.has_dollars else _FINDINGS
    unit = "US dollars at issue" if totals.has_dollars else "findings (no prices were given)"
    evidence_colors = [{"fill": {"color": EVIDENCE_COLORS[group.value]}} for group in totals.by_evidence()]
    first = f"{totals.label} by"
    for place, (area, title, points) in enumerate(
        (
            (by_evidence, f"{first} evidence: {unit}", evidence_colors),
            (Area(by_rule.first_row, min(by_rule.last_row, by_rule.first_row + 14)), f"{first} rule: {unit}", None),
            (Area(by_payer.first_row, min(by_payer.last_row, by_payer.first_row + 14)), f"{first} payer: {unit}", None),
        ),
        start=charts,
    ):
        chart = _bars(book, page.name, area, measured, title, points)
        page.sheet.insert_chart(_CHART_ROW + place * _ROWS_PER_CHART, _CHART_COLUMN, chart, {"description": title})
    return charts + 3


def _key_figures(totals: Totals, lines: int) -> list[tuple[str, str]]:
    figures = [
        ("Findings", f"{totals.findings:,}"),
        ("Dispute lines", f"{counted(lines, 'claim line', 'claim lines')} drafted (strong evidence only)"),
    ]
    if totals.dismissed:
        figures.append(
            (
                "Dismissed before",
                f"{counted(totals.dismissed, 'finding', 'findings')} that did not change since: not listed",
            )
        )
    if not totals.has_dollars:
        figures.append(("Amount at issue", "not known: no prices were given"))
    elif totals.without_price:
        figures.append(
            ("Without a price", counted(totals.without_price, "finding has", "findings have") + " no dollar amount")
        )
    return figures


def _table(page: Page, formats: Formats, first: str, groups: Sequence[Group], words: dict[str, str] | Any) -> Area:
    cells = (formats.text, formats.wrapped, formats.count, formats.units, formats.money)
    return page.table(
        (first, "In words" if words else "", "Findings", "Units at issue", "Amount at issue ($)"),
        cells,
        ((g.value, words.get(g.value) or _label(g), *_figures(g.total)) for g in groups),
    )


def _label(group: Group) -> str | None:
    return group.label if group.label != group.value else None


def _figures(total: Sum) -> tuple[int, float, float | None]:
    return total.findings, float(total.units), float(total.amount) if total.priced else None


def _bars(book: xlsxwriter.Workbook, sheet: str, area: Area, column: int, title: str, points: list[Any] | None) -> Any:
    chart = book.add_chart({"type": "bar"})
    chart.add_series(
        {
            "name": title,
            "categories": [sheet, area.first_row, 0, area.last_row, 0],
            "values": [sheet, area.first_row, column, area.last_row, column],
            "fill": {"color": "#1F4E79"},
            "gap": 60,
            **({"points": points} if points else {}),
        }
    )
    chart.set_title({"name": title, "name_font": {"size": 11}, "overlay": False})
    chart.set_legend({"none": True})
    chart.set_y_axis({"reverse": True, "num_font": {"size": 9}})
    # with categories from top to bottom, the high side of the category axis is the lower edge
    grid = {"visible": True, "line": {"color": "#E5E7EB", "width": 0.75}}
    chart.set_x_axis(
        {"num_format": "#,##0", "num_font": {"size": 9}, "major_gridlines": grid, "label_position": "high"}
    )
    chart.set_size({"width": 620, "height": 360})
    return chart
