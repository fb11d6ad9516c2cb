"""The sheet "One finding": any finding of the workbook in full, looked up by its id.

Formulas read it from the sheets Findings and Both claims, so sorting and filtering those sheets has no effect here.
Only the cell with the id is not protected.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import xlsxwriter
from xlsxwriter.utility import xl_col_to_name

from engine.errors import counted
from engine.exports.formats import Formats
from engine.exports.page_sheets import HEADER_HEIGHT, LINE_HEIGHT, Page
from engine.exports.sheet_columns import BOTH_CLAIMS_COLUMNS, FINDING_ID, FINDINGS_COLUMNS, SheetColumn, Shown
from engine.exports.side_by_side import FIELDS

NAME, CLAIMS_SHEET = "One finding", "Both claims"
_WIDTHS = (26, 44, 44, 14)
_ID_CELL = "$B$3"
_TEXT_WIDTH = sum(_WIDTHS[1:])
# Columns of a finding above and below its claims, in this order.
_ABOVE = (
    "narrative",
    "evidence",
    "action_words",
    "amount_at_issue",
    "units_at_issue",
    "deadline_date",
    "deadline_words",
    "program_words",
    "payer_id",
    "period",
    "product_name",
    "entity_id",
    "entity_name",
    "pharmacy_npi",
    "pharmacy_name",
    "dispute_code",
    "code_words",
    "documents",
    "route_words",
    "party_words",
    "match_tier",
    "match_score",
)
_BELOW = ("checks", "references", "unusual", "related_rows", "since_decision", "decision", "decided_on")
_LINES = {"narrative": 5, "checks": 8, "references": 5, "unusual": 4, "related_rows": 2, "rules_in_full": 10}


class _Lookup:
    """Formulas that look up a column of one of the two sheets by the entered id, and their initial values."""

    def __init__(self, sheet: str, columns: tuple[SheetColumn, ...], rows: int, first: Mapping[str, Any]):
        self._sheet, self._last, self._first = sheet, max(rows, 1) + 1, first
        self._letters = {c.name: xl_col_to_name(place) for place, c in enumerate(columns) if c.name}
        self.columns = {c.name: c for c in columns if c.name}

    def formula(self, name: str) -> str:
        position = f"MATCH({_ID_CELL},{self._range('finding_id')},0)"
        value = f"INDEX({self._range(name)},{position})"
        return f'=IFERROR(IF({value}="","",{value}),"")'

    def first(self, name: str) -> Any:
        value = self._first.get(name)
        return "" if value is None else value

    def _range(self, name: str) -> str:
        letter = self._letters[name]
        return f"'{self._sheet}'!${letter}$2:${letter}${self._last}"


def finding_page(book: xlsxwriter.Workbook, formats: Formats) -> Page:
    """Add the empty sheet in its position among the others."""
    return Page(book, formats, NAME, _WIDTHS)


def fill_finding_page(
    page: Page,
    formats: Formats,
    findings_sheet: str,
    findings: int,
    detailed: int,
    first: Mapping[str, Any],
    first_claims: Mapping[str, Any],
) -> None:
    """Write the formulas.

    Args:
        findings, detailed: rows of the two sheets that the formulas read.
        first, first_claims: cells of their first rows by column name, for programs that do not calculate formulas.
    """
    of_findings = _Lookup(findings_sheet, FINDINGS_COLUMNS, findings, first)
    of_claims = _Lookup(CLAIMS_SHEET, BOTH_CLAIMS_COLUMNS, detailed, first_claims)
    sheet = page.sheet
    sheet.protect(options={"format_columns": True, "format_rows": True})
    sheet.set_row(0, 24)
    sheet.write_string(0, 0, "One finding in full", formats.title)
    limit = (
        ""
        if detailed >= findings
        else f" Claims are shown of the first {counted(detailed, 'finding', 'findings')}; `explain` shows any."
    )
    sheet.write_string(
        1, 0, f"Paste the id of a finding of the sheet Findings into the orange cell.{limit}", formats.quiet_line
    )
    sheet.set_row(2, 20)
    sheet.write_string(2, 0, FINDING_ID, formats.label)
    sheet.write_string(2, 1, str(of_findings.first("finding_id")), formats.unlocked)
    sheet.data_validation(
        2,
        1,
        2,
        1,
        {
            "validate": "custom",
            "value": f"=COUNTIF({of_findings._range('finding_id')},{_ID_CELL})>0",
            "error_title": "No such finding",
            "error_message": "Paste an id from the column Finding id of the sheet Findings.",
        },
    )
    page.row = 4
    _texts(page, formats, of_findings, _ABOVE)
    page.row += 1
    _claims(page, formats, of_claims)
    page.row += 1
    _text(page, formats, of_claims, "rules_in_full")
    _texts(page, formats, of_findings, _BELOW)


def _texts(page: Page, formats: Formats, lookup: _Lookup, names: tuple[str, ...]) -> None:
    for name in names:
        _text(page, formats, lookup, name)


def _text(page: Page, formats: Formats, lookup: _Lookup, name: str) -> None:
    """Write one line: the heading, and the value across the other columns; high enough for the longest usual text."""
    column, first = lookup.columns[name], lookup.first(name)
    needed = -(-len(str(first)) // _TEXT_WIDTH) + str(first).count("\n")
    page.sheet.set_row(page.row, LINE_HEIGHT * max(_LINES.get(name, 1), needed))
    page.sheet.write_string(page.row, 0, column.heading, formats.label)
    shown = formats.looked_up[column.shown]
    # A formula in a merged range is written after the range.
    page.sheet.merge_range(page.row, 1, page.row, len(_WIDTHS) - 1, "", shown)
    page.sheet.write_formula(page.row, 1, lookup.formula(name), shown, first)
    page.row += 1


def _claims(page: Page, formats: Formats, lookup: _Lookup) -> None:
    """Write both claims field by field, with different values marked."""
    page.sheet.set_row(page.row, HEADER_HEIGHT)
    for place, text in enumerate(("Field", "Own row", "Other claim", "")):
        page.sheet.write_string(page.row, place, text, formats.header)
    page.row += 1
    first_row = page.row
    shown = formats.looked_up[Shown.TEXT]
    page.sheet.write_string(page.row, 0, "What it is", formats.label)
    for place, name in ((1, "own_kind"), (2, "other_kind")):
        page.sheet.write_formula(page.row, place, lookup.formula(name), shown, lookup.first(name))
    page.row += 1
    differing = lookup.formula("differs")[1:]
    stated = f"; {lookup.first('differs')}; "
    for field in FIELDS:
        page.sheet.write_string(page.row, 0, field.label, formats.label)
        for place, side in ((1, "own"), (2, "other")):
            name = f"{side}_{field.key}"
            page.sheet.write_formula(page.row, place, lookup.formula(name), shown, lookup.first(name))
        mark = "≠ differs" if f"; {field.label}; " in stated else ""
        formula = f'=IF(ISNUMBER(FIND("; {field.label}; ","; "&{differing}&"; ")),"≠ differs","")'
        page.sheet.write_formula(page.row, 3, formula, shown, mark)
        page.row += 1
    rule = {"type": "formula", "criteria": f'=$D{first_row + 1}<>""', "format": formats.difference}
    page.sheet.conditional_format(first_row, 0, page.row - 1, 3, rule)
