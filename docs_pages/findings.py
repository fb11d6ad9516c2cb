"""The columns of findings as a page, made from their schema and the sheet `Findings`."""

from __future__ import annotations

from pyspark.sql import types as T

from engine.contracts.findings import FINDINGS
from engine.exports.sheet_columns import FINDINGS_COLUMNS

_OPENING = """\
# Findings

Made by `python -m docs_pages` from `engine/contracts/findings.py` and `engine/exports/sheet_columns.py`; do not edit.
The columns of `findings/`, one row per finding, in their order, and where the sheet `Findings` of the
[workbook](workbook.md) shows them.

| column | type | in the sheet | meaning |
|---|---|---|---|
"""


def findings_page() -> str:
    """Markdown: one row per column of FINDINGS."""
    return _OPENING + "".join(f"| {' | '.join(_cells(field))} |\n" for field in FINDINGS)


def _cells(field: T.StructField) -> tuple[str, str, str, str]:
    shown = next((column for column in FINDINGS_COLUMNS if column.name == field.name), None)
    heading, meaning = ("", "") if shown is None else (shown.heading, shown.meaning)
    return f"`{field.name}`", _kind(field.dataType), heading, meaning.replace("|", "\\|")


def _kind(kind: T.DataType) -> str:
    if isinstance(kind, T.ArrayType):
        return f"list of {_kind(kind.elementType)}"
    if isinstance(kind, T.StructType):
        return f"({', '.join(kind.names)})"
    return kind.simpleString()
