"""The input tables as a page and as text, made from the declarations of the contract."""

from __future__ import annotations

from collections.abc import Iterable

from engine.contracts.columns import Column, Kind, Table, TableRole
from engine.contracts.tables import TABLES

_FORMATS = {
    Kind.IDENTIFIER: "text, leading zeros kept",
    Kind.NDC: "text: 10 or 11 digits, hyphens optional",
    Kind.TEXT: "text",
    Kind.CODE: "text, any case",
    Kind.TWO_DIGIT_CODE: "two characters, zero-padded when read",
    Kind.QUARTER: "YYYYQn",
    Kind.INTEGER: "whole number",
    Kind.UNITS: "number, 3 decimals",
    Kind.UNIT_PRICE: "number, 6 decimals",
    Kind.MONEY: "number, 2 decimals",
    Kind.DATE: "YYYY-MM-DD",
    Kind.TIMESTAMP: "ISO time, UTC without a zone",
    Kind.BOOLEAN: "true/false, yes/no, 1/0 or Y/N",
}
HEADINGS = ("column", "required", "type", "meaning", "format", "example")

_OPENING = """\
# Input tables

Made by `python -m docs_pages` from the declarations in `engine/contracts/`; do not edit. The same tables appear
in the terminal: `./spark-submit.sh tables`, or `./spark-submit.sh tables rebate_claims` for one of them.

## Check your files first

`./spark-submit.sh check --input DIR` opens every table as `detect` would, with the same settings, and samples it. In
seconds it reports, by column, what would be quarantined or become NULL, with examples whose digits and letters are
masked; formats to declare, as lines of YAML; files that are not used; missing tables and columns; and the rules,
guards and features that would be off. It changes nothing. Exit status 0: `detect` would start. 2: it would stop; one
message gives the reason. `--output DIR` reads the whole tables and writes their rejected rows under
`DIR/quarantine/<table>`, as CSV, or as Parquet with `--format parquet`.

## Files

Formats and endings of files: `docs/file-formats.md`. Tables of databases: `docs/databases.md`.

## General rules

- At least one of `rebate_claims`, `entity_claims` and `invoices` is needed. Other tables may be missing; what needs
  them is off, and the run summary lists it.
- **required**: *yes* must be present and not empty in every row, *or* is one of a group listed above its table of
  columns. Other columns may be missing or empty.
- A bad value in a required column quarantines the row; elsewhere it becomes NULL and is counted (`COERCED_NULL`).
- Columns are found by name, whatever its case, blanks and underscores; `input.tables.<table>.columns` maps other names
  (`columns: {ndc: NDC_CODE}`). Locations and text formats: [input-files.md](input-files.md).
- An identifier column that holds numbers stops the run: its leading zeros are gone. NPIs alone may be numbers.
- Intervals are `[start, end)`; an empty start or end is open. In columns marked *bound* the placeholder dates
  0001-01-01, 1753-01-01, 1900-01-01 and 9999-12-31 mean *no bound* and are read as NULL; quarantine keeps the row as
  received. In other columns they stay as they are, and what is computed from one is NULL. Years outside 1 to 9999 are
  bad values.
"""


def input_page() -> str:
    """Markdown: one section per table with every column's type, meaning, format and example."""
    roles = {TableRole.FEED: "Claim feeds", TableRole.REFERENCE: "Reference tables"}
    lines = [_OPENING]
    for role, heading in roles.items():
        lines.append(f"## {heading}\n")
        for table in TABLES.values():
            if table.role is role:
                lines += _section(table)
    return "\n".join(lines)


def _section(table: Table) -> Iterable[str]:
    yield f"### {table.name}\n"
    yield f"{table.meaning} Key: {', '.join(table.key)}.\n"
    for sentence in either_sentences(table):
        yield f"{sentence}\n"
    yield _row(HEADINGS)
    yield _row(["---"] * len(HEADINGS))
    for column in table.columns:
        name, required, kind, meaning, format_, example = column_cells(table, column)
        yield _row([f"`{name}`", required, kind, meaning, format_, f"`{example}`"])
    yield ""


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def either_sentences(table: Table) -> list[str]:
    """One sentence per group of columns of which at least one is required."""
    sentences = []
    for group in table.either:
        members = ", or ".join(" with ".join(member) for member in group)
        of_rows = "every RX row" if group[0] == ("rx_number",) else "every row"
        sentences.append(f"Required in {of_rows}: {members}.")
    return sentences


def column_cells(table: Table, column: Column) -> tuple[str, ...]:
    """The column's cells under HEADINGS."""
    in_group = any(column.name in member for group in table.either for member in group)
    required = "or" if in_group and not column.required else "yes" if column.required else ""
    return column.name, required, _type(column), column.meaning, _format(column), column.example


def _type(column: Column) -> str:
    name = column.kind.spark_type.simpleString()
    return f"{name}, bound" if column.is_bound else name


def _format(column: Column) -> str:
    if column.is_npi:
        return "10 digits, as text or number"
    if column.codes is None:
        return _FORMATS[column.kind]
    codes = ", ".join(column.codes)
    return f"{codes}; empty means {column.default}" if column.default is not None else codes
