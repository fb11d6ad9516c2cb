"""The files of one filled form."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

from engine.contracts.forms import REMITTED, CellKind, FilledForm
from engine.exports.csv_files import csv_writer, identifier
from engine.exports.forms.pdf import write_pdf
from engine.exports.forms.sheet import write_workbook
from engine.exports.plain_text import file_name, safe_text
from engine.runtime.storage import Storage, join

FormFormat = Literal["csv", "xlsx", "pdf"]
DRAFT_PREFIX = "DRAFT-"


def write_form(
    form: FilledForm, storage: Storage, folder: str, formats: Sequence[FormFormat] = ("csv", "xlsx", "pdf")
) -> list[str]:
    """Write the form in each format; returns the names of its files.

    The name consists of state, labeler code, quarter, invoice number and, if not federal, the rebate type. Equal forms
    give equal files. Raises OutputError.
    """
    parts = [form.state, form.labeler_code, form.period, form.invoice_number or "no-number"]
    if form.rebate_type != "FEDERAL":
        parts.append(form.rebate_type.lower())
    stem = file_name("-".join([form.form.value.lower(), *parts]))
    stem = f"{DRAFT_PREFIX}{stem}" if form.is_draft else stem
    writers = {"csv": _write_csv, "xlsx": write_workbook, "pdf": write_pdf}
    names = []
    for name in formats:
        names.append(f"{stem}.{name}")
        with storage.local_file(join(folder, names[-1])) as path:
            writers[name](form, path)
    return names


def _write_csv(form: FilledForm, path: Path) -> None:
    """One row per line: the header's fields, then the form's columns with letter and title; the totals come last.

    Identifiers that a spreadsheet would convert to numbers or dates follow a tab (see `csv_files.identifiers`).
    """
    fields = [("Status", "DRAFT" if form.is_draft else "FINAL"), ("Form", form.title), *form.header]
    own = [safe_text(text) if name in _WORDS else identifier(text) for name, text in fields]
    columns = form.columns
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv_writer(file)
        writer.writerow([*(name for name, _ in fields), *(f"{c.letter} {c.title}" for c in columns)])
        for line in form.lines:
            writer.writerow([*own, *(_cell(c.kind, line[c.name], c.letter) for c in columns)])
        totals = {c.name: form.total(c.name) for c in columns if c.kind is CellKind.MONEY}
        writer.writerow([*own, *_summary("Total", columns, totals)])
        if form.interest is not None:
            writer.writerow([*own, *_summary("Interest", columns, {REMITTED[form.form]: form.interest})])
        writer.writerow([*own, *_summary("Total remittance", columns, {REMITTED[form.form]: form.remitted})])


_DIGITS = {CellKind.UNITS: 3, CellKind.PRICE: 6, CellKind.MONEY: 2}
_WORDS = {"Status", "Form", "Labeler name", "Labeler contact", "E-mail", "Date"}


def _summary(title: str, columns: Sequence[Any], values: dict[str, Decimal | None]) -> list[str | None]:
    cells = [_cell(c.kind, values.get(c.name), c.letter) for c in columns]
    return [title, *cells[1:]]


def _cell(kind: CellKind, value: Any, letter: str) -> str | None:
    if value is None:
        return None
    if kind is not CellKind.TEXT:
        return format(value, f".{_DIGITS[kind]}f")
    return identifier(str(value)) if letter == "A" else safe_text(str(value))
