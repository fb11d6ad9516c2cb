"""A form as a workbook: header block, the form's columns, totals, and a sheet with the evidence its codes require."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, time
from pathlib import Path
from typing import Any

import xlsxwriter

from engine.contracts.forms import EVIDENCE_COLUMNS, REMITTED, CellKind, FilledForm, FormColumn
from engine.exports.plain_text import plain

_LEAST_WIDTH, _MOST_WIDTH = 7.0, 30.0
_FIELD_COLUMNS = 3  # width of a field of the header block, in columns
_NUMBERS = {CellKind.UNITS: "#,##0.000", CellKind.PRICE: "0.000000", CellKind.MONEY: "#,##0.00"}
_AS_SHOWN = {CellKind.UNITS: ",.3f", CellKind.PRICE: ".6f", CellKind.MONEY: ",.2f"}
EVIDENCE_TITLES = {
    "role": "Row",
    "record_id": "Record ID",
    "product": "Product / package code",
    "claim_id": "Claim number",
    "claim_line": "Claim line",
    "date_of_service": "Date of service",
    "pharmacy_npi": "Pharmacy NPI",
    "rx_number": "Rx number",
    "fill_number": "Fill",
    "units": "Units",
    "dispute_code": "Dispute code",
    "other_codes": "With codes",
    "documents": "Document that the code needs",
    "entity_id": "340B ID",
    "reference": "Published source",
}
_INK, _SHADE, _LINE, _WARNING = "#1F2937", "#E5ECF4", "#9AA5B1", "#9A3412"


def write_workbook(form: FilledForm, path: Path) -> None:
    """Write the form to an xlsx file. No cell of text becomes a formula; totals are formulas over the lines."""
    options = {"strings_to_formulas": False, "strings_to_urls": False, "in_memory": True}
    with xlsxwriter.Workbook(str(path), options) as book:
        # the form's own day, so equal forms give equal files
        book.set_properties({"title": _name(form), "created": datetime.combine(form.day, time())})
        _add_form(book, form)
        if form.evidence:
            _add_evidence(book, form)


def _name(form: FilledForm) -> str:
    return plain(f"{'DRAFT - ' if form.is_draft else ''}{form.title}, {form.state}, {form.period}", 255)


def _add_form(book: xlsxwriter.Workbook, form: FilledForm) -> None:
    sheet = book.add_worksheet(form.form.value)
    made = _Formats(book)
    last = len(form.columns) - 1
    sheet.hide_gridlines(2)
    for place, column in enumerate(form.columns):
        sheet.set_column(place, place, _width(form, column))
    sheet.write_string(0, 0, plain(form.title), made.title)
    if form.is_draft:
        sheet.write_string(1, 0, "DRAFT - not for submission", made.draft)
    half = (len(form.header) + 1) // 2
    for number, (name, text) in enumerate(form.header):
        row, place = 2 + number % half, 0 if number < half else last // 2
        sheet.write_string(row, place, name, made.label)
        sheet.merge_range(row, place + 2, row, place + 1 + _FIELD_COLUMNS, plain(text), made.field)
    first = 3 + half
    for place, column in enumerate(form.columns):
        sheet.write_string(first, place, column.letter, made.letter)
        sheet.write_string(first + 1, place, column.title, made.header)
    sheet.set_row(first + 1, 48)
    for number, line in enumerate(form.lines):
        for place, column in enumerate(form.columns):
            value = line[column.name]
            if value is None:
                sheet.write_blank(first + 2 + number, place, None, made.cells[column.kind])
            elif column.kind is CellKind.TEXT:
                sheet.write_string(first + 2 + number, place, plain(str(value)), made.cells[column.kind])
            else:
                sheet.write_number(first + 2 + number, place, float(value), made.cells[column.kind])
    _add_totals(sheet, made, form, first + 2)
    sheet.freeze_panes(first + 2, 3)
    sheet.repeat_rows(first, first + 1)
    sheet.set_landscape()
    sheet.set_paper(1)
    sheet.fit_to_pages(1, 0)
    sheet.set_margins(0.4, 0.4, 0.6, 0.6)
    sheet.set_header(f"&L{'DRAFT - not for submission' if form.is_draft else ''}&R{form.state} {form.period}")
    sheet.set_footer("&L&A&R&P of &N")


def _width(form: FilledForm, column: FormColumn) -> float:
    """Width for the longest word of the title and the longest cell, so no number is shown as ###."""
    values = [line[column.name] for line in form.lines]
    if column.kind is CellKind.MONEY:
        values.append(form.total(column.name))
    if column.name == REMITTED[form.form]:
        values += [form.interest, form.remitted]
    shown = [format(value, _AS_SHOWN.get(column.kind, "")) for value in values if value is not None]
    return _width_of([*column.title.split(), *shown])


def _width_of(texts: Sequence[str]) -> float:
    # bold text is wider
    longest = max(map(len, texts)) * 1.12 + 2
    return min(max(longest, _LEAST_WIDTH), _MOST_WIDTH)


def _add_totals(sheet: Any, made: _Formats, form: FilledForm, first: int) -> None:
    end = first + len(form.lines)
    sheet.write_string(end, 0, "Total", made.total_label)
    for place, column in enumerate(form.columns[1:], start=1):
        total = form.total(column.name) if column.kind is CellKind.MONEY else None
        if total is None:
            sheet.write_blank(end, place, None, made.total_label)
        else:
            letter = xlsxwriter.utility.xl_col_to_name(place)
            sheet.write_formula(end, place, f"=SUM({letter}{first + 1}:{letter}{end})", made.total, float(total))
    at = next(place for place, column in enumerate(form.columns) if column.name == REMITTED[form.form])
    letter = xlsxwriter.utility.xl_col_to_name(at)
    sheet.write_string(end + 1, 0, "Interest payment", made.label)
    if form.interest is None:
        sheet.write_blank(end + 1, at, None, made.cells[CellKind.MONEY])
    else:
        sheet.write_number(end + 1, at, float(form.interest), made.cells[CellKind.MONEY])
    sheet.write_string(end + 2, 0, "Total remittance", made.label)
    if form.remitted is not None:
        formula = f"={letter}{end + 1}+{letter}{end + 2}"
        sheet.write_formula(end + 2, at, formula, made.total, float(form.remitted))


def _add_evidence(book: xlsxwriter.Workbook, form: FilledForm) -> None:
    sheet = book.add_worksheet("Evidence")
    made = _Formats(book)
    sheet.hide_gridlines(2)
    title = plain(f"Evidence for the disputed units of this form, {form.state} {form.period}")
    sheet.write_string(0, 0, title, made.title)
    for place, name in enumerate(EVIDENCE_COLUMNS):
        shown = [str(row[name]) for row in form.evidence if row[name] is not None]
        sheet.set_column(place, place, _width_of([*EVIDENCE_TITLES[name].split(), *shown]))
        sheet.write_string(2, place, EVIDENCE_TITLES[name], made.header)
    sheet.set_row(2, 44)
    for number, row in enumerate(form.evidence, start=3):
        for place, name in enumerate(EVIDENCE_COLUMNS):
            value = row[name]
            if value is None:
                sheet.write_blank(number, place, None, made.cells[CellKind.TEXT])
            elif name == "units":
                sheet.write_number(number, place, float(value), made.cells[CellKind.UNITS])
            else:
                sheet.write_string(number, place, plain(str(value)), made.cells[CellKind.TEXT])
    sheet.freeze_panes(3, 0)
    sheet.repeat_rows(2)
    sheet.set_landscape()
    sheet.set_paper(1)
    sheet.fit_to_pages(1, 0)
    sheet.set_footer("&L&A&R&P of &N")


class _Formats:
    """Formats of one workbook."""

    def __init__(self, book: xlsxwriter.Workbook):
        def made(**properties: Any) -> Any:
            return book.add_format({"font_name": "Calibri", "font_size": 10, "font_color": _INK, **properties})

        boxed = {"border": 1, "border_color": _LINE}
        self.title = made(bold=True, font_size=14)
        self.draft = made(bold=True, font_color=_WARNING)
        self.label = made(bold=True)
        self.field = made(num_format="@", bottom=1, bottom_color=_LINE)
        self.letter = made(**boxed, bold=True, align="center", bg_color=_SHADE)
        self.header = made(**boxed, bold=True, align="center", valign="vcenter", text_wrap=True, bg_color=_SHADE)
        numbers = {kind: made(**boxed, num_format=_NUMBERS[kind], valign="top") for kind in _NUMBERS}
        text = {"num_format": "@", "align": "left", "indent": 1, "text_wrap": True, "valign": "top"}
        self.cells = {CellKind.TEXT: made(**boxed, **text), **numbers}
        self.total_label = made(**boxed, bold=True, bg_color=_SHADE)
        self.total = made(**boxed, bold=True, bg_color=_SHADE, num_format=_NUMBERS[CellKind.MONEY])
