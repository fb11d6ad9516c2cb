"""The analysts' workbooks, and the same findings as CSV."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, time
from functools import cached_property, partial
from itertools import accumulate
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import xlsxwriter
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from engine.contracts.cases import CaseStatus, QueueStatus, Selection
from engine.contracts.run_report import RunFacts
from engine.contracts.tie_out import Color
from engine.contracts.words import QUEUE_STATUS_WORDS, STATUS_WORDS
from engine.errors import counted
from engine.exports.batches import Stream, ordered_batches, priority_batches
from engine.exports.csv_files import csv_column, csv_lines, csv_writer, identifiers
from engine.exports.details import with_details
from engine.exports.finding_sheet import CLAIMS_SHEET, fill_finding_page, finding_page
from engine.exports.formats import Formats
from engine.exports.guide_sheet import add_guide_sheet
from engine.exports.page_sheets import Page
from engine.exports.quality_sheet import add_quality_sheet
from engine.exports.review_rows import (
    CASE_ORDER,
    ORDER,
    TIE_OUT_ORDER,
    both_claims_rows,
    case_rows,
    finding_rows,
    line_rows,
    tie_out_rows,
)
from engine.exports.row_sheets import RowSheet, cell_values, first_cells
from engine.exports.sheet_columns import (
    BOTH_CLAIMS_COLUMNS,
    CASE_COLUMNS,
    FINDINGS_COLUMNS,
    LINE_COLUMNS,
    TIE_OUT_COLUMNS,
    SheetColumn,
    Shown,
)
from engine.exports.summary_sheet import add_summary_sheet
from engine.exports.totals import Totals, is_dismissed
from engine.runtime.storage import Storage, join
from engine.settings import ReviewSettings

CSV_NAME = "findings.csv"
TIE_OUT_SHEET, QUEUE_SHEET, RANDOM_SHEET = "Tie-out", "Queue", "Random sample"
FINDINGS_SHEET, CASES_SHEET, LINES_SHEET = "Findings", "Cases", "Dispute lines"

# Columns that stay visible while scrolling to the right.
_FROZEN = {
    TIE_OUT_SHEET: 5,
    QUEUE_SHEET: 3,
    RANDOM_SHEET: 3,
    FINDINGS_SHEET: 3,
    CASES_SHEET: 5,
    LINES_SHEET: 3,
    CLAIMS_SHEET: 1,
}
_LINE_ORDER = (
    "route_words payer_id state labeler_code product_code package_code period record_id claim_id claim_line finding_id"
)


@dataclass(frozen=True)
class ReviewTables:
    """Tables of a workbook other than findings: TIE_OUT (None: no invoices), CASES and QUEUE.

    lines_held, lines_sent_before: claim lines that are not drafted because their line of the tie-out is red, or because
    they were sent before.
    """

    tie_out: DataFrame | None = None
    cases: DataFrame | None = None
    queue: DataFrame | None = None
    lines_held: int = 0
    lines_sent_before: int = 0

    @cached_property
    def colors(self) -> Mapping[str, int]:
        """Lines of the tie-out by color, including colors without lines; empty if there is no tie-out."""
        if self.tie_out is None:
            return {}
        by_word = {row["color"]: row["count"] for row in self.tie_out.groupBy("color").count().collect()}
        return {color.value: by_word.get(color.value, 0) for color in Color}

    @cached_property
    def cases_by_status(self) -> Mapping[str, int]:
        """Cases by status, including statuses without cases."""
        if self.cases is None:
            return {}
        by_word = {row["status"]: row["count"] for row in self.cases.groupBy("status").count().collect()}
        return {status.value: by_word.get(status.value, 0) for status in CaseStatus}

    @cached_property
    def queue_counts(self) -> Mapping[str, int]:
        """Findings by queue status, including statuses without findings; RANDOM: those drawn, which count twice."""
        if self.queue is None:
            return {}
        rows = self.queue.groupBy("standing", "selection").count().collect()
        counts = {status.value: 0 for status in QueueStatus} | {Selection.RANDOM.value: 0}
        for row in rows:
            counts[row["standing"]] += row["count"]
            if row["selection"] == Selection.RANDOM.value:
                counts[Selection.RANDOM.value] += row["count"]
        return counts


NO_TABLES = ReviewTables()


def write_workbooks(
    findings: DataFrame,
    dispute_lines: DataFrame,
    totals: Totals,
    facts: RunFacts,
    storage: Storage,
    folder: str,
    settings: ReviewSettings,
    tables: ReviewTables = NO_TABLES,
    redacted: bool = False,
    details: DataFrame | None = None,
) -> list[str]:
    """Write the review files into `folder`; returns their names, the first workbook first.

    Findings are ordered by priority, then id, without those that a person dismissed and that did not change since. A
    workbook holds at most `findings_per_workbook` of them and a sheet at most `rows_per_sheet`. Memory does not grow
    with their number. `redacted`: findings, lines and totals are redacted, and cells with amounts stay empty.
    `details`: DETAILS of the findings; without them, columns that come from claims are empty. Raises OutputError if the
    folder cannot be written.
    """
    finding_count, line_count = totals.findings - totals.dismissed, dispute_lines.count()
    listed = _Listed(findings.where(~is_dismissed()), details, tables.queue, redacted, facts)
    parts = _parts(finding_count, settings.findings_per_workbook)
    names = [_workbook_name(number, len(parts)) for number in range(len(parts))]
    rows, claims = listed.rows(finding_count), listed.both_claims(finding_count)
    with (
        storage.local_file(join(folder, CSV_NAME)) as csv_path,
        # with a byte-order mark; without it, Excel assumes the system's encoding
        csv_path.open("w", encoding="utf-8-sig", newline="") as file,
    ):
        csv_writer(file).writerow([column.heading for column in FINDINGS_COLUMNS])
        for name, part in zip(names, parts, strict=True):
            with storage.local_file(join(folder, name)) as path, _open_workbook(path, facts) as (book, formats):
                is_first = name == names[0]
                if is_first:
                    if tables.tie_out is not None:
                        # the first page: lines that do not tie out are reviewed before their claims
                        count = sum(tables.colors.values())
                        compared = _stream(tie_out_rows(tables.tie_out), TIE_OUT_ORDER, count)
                        _add_row_sheets(book, formats, TIE_OUT_SHEET, TIE_OUT_COLUMNS, compared, count, settings)
                    add_summary_sheet(book, formats, facts, totals, line_count, _lines_of_review(tables))
                add_guide_sheet(book, formats, facts)
                if is_first and len(parts) > 1:
                    _add_index_sheet(book, formats, names, parts)
                if is_first:
                    _add_queue_sheets(book, formats, listed, tables, settings)
                first = _add_row_sheets(book, formats, FINDINGS_SHEET, FINDINGS_COLUMNS, rows, part, settings, file)
                _add_one_finding(book, formats, claims, part, first, settings)
                if is_first:
                    if tables.cases is not None:
                        count = sum(tables.cases_by_status.values())
                        of_cases = _stream(case_rows(tables.cases, redacted), CASE_ORDER, count)
                        _add_row_sheets(book, formats, CASES_SHEET, CASE_COLUMNS, of_cases, count, settings)
                    lines = _stream(line_rows(dispute_lines), _LINE_ORDER.split(), line_count)
                    _add_row_sheets(book, formats, LINES_SHEET, LINE_COLUMNS, lines, line_count, settings)
                    add_quality_sheet(book, formats, facts)
    if not rows.is_empty:
        raise RuntimeError(f"more findings were read than the {finding_count} that were counted")
    return [*names, CSV_NAME]


def _stream(rows: DataFrame, order: Sequence[str], count: int) -> Stream:
    return Stream(ordered_batches(rows, [F.col(column) for column in order], count))


@dataclass(frozen=True)
class _Listed:
    """The findings that a workbook lists, and the inputs for their rows."""

    findings: DataFrame
    details: DataFrame | None
    queue: DataFrame | None
    redacted: bool
    facts: RunFacts

    def rows(self, count: int) -> Stream:
        """Rows of FINDINGS_COLUMNS ordered by priority."""
        return self._stream(
            count,
            lambda findings: finding_rows(findings, self.queue, self.redacted, self.facts.as_of, self.facts.code_texts),
        )

    def both_claims(self, count: int) -> Stream:
        """Rows of BOTH_CLAIMS_COLUMNS ordered by priority."""
        return self._stream(count, both_claims_rows)

    def chosen(self, queue: DataFrame) -> _Listed:
        """The findings in a part of the queue."""
        own = self.findings.join(F.broadcast(queue.select("finding_id")), on="finding_id", how="left_semi")
        return replace(self, findings=own, queue=queue)

    def _stream(self, count: int, shown: Callable[[DataFrame], DataFrame]) -> Stream:
        def rows(findings: DataFrame) -> DataFrame:
            return shown(with_details(findings, self.details, self.redacted))

        return Stream(priority_batches(self.findings, count, rows, ORDER))


def _add_queue_sheets(
    book: xlsxwriter.Workbook,
    formats: Formats,
    listed: _Listed,
    tables: ReviewTables,
    settings: ReviewSettings,
) -> None:
    """Add the sheet Queue if the capacity excludes findings, and the random sample if one was drawn.

    The sheet Findings lists them too; a decision counts on either sheet.
    """
    if tables.queue is None:
        return
    is_queued, is_drawn = (
        F.col(name) == value
        for name, value in (("standing", QueueStatus.QUEUE.value), ("selection", Selection.RANDOM.value))
    )
    counts = tables.queue_counts
    sheets = [(RANDOM_SHEET, is_drawn, counts[Selection.RANDOM.value])]
    if counts[QueueStatus.BEYOND_CAPACITY.value]:
        sheets.insert(0, (QUEUE_SHEET, is_queued, counts[QueueStatus.QUEUE.value]))
    for name, condition, count in sheets:
        if count:
            rows = listed.chosen(tables.queue.where(condition)).rows(count)
            _add_row_sheets(book, formats, name, FINDINGS_COLUMNS, rows, count, settings)


def _lines_of_review(tables: ReviewTables) -> list[tuple[str, str]]:
    """Key figures of the summary: label and text."""
    lines = []
    if colors := tables.colors:
        compared = ", ".join(f"{count:,} {color.lower()}" for color, count in colors.items() if color != "NONE")
        lines.append(("Tie-out", f"{compared}, {colors['NONE']:,} with nothing to compare"))
    if statuses := tables.cases_by_status:
        by_status = ", ".join(f"{statuses[status.value]:,} {STATUS_WORDS[status].lower()}" for status in CaseStatus)
        lines.append(("Cases", by_status))
    if counts := tables.queue_counts:
        lines.append(("Queue", f"{_findings(counts['QUEUE'])}, and {counts['RANDOM']:,} more drawn at random"))
        lines += [
            ("Not in the queue", f"{_findings(counts[status.value])}: {QUEUE_STATUS_WORDS[status]}")
            for status in QueueStatus
            if status is not QueueStatus.QUEUE and counts[status.value]
        ]
    if tables.lines_held:
        lines.append(("Not drafted", f"{_claim_lines(tables.lines_held)}: their invoice line is red in the tie-out"))
    if tables.lines_sent_before:
        lines.append(("Sent before", f"{_claim_lines(tables.lines_sent_before)}: not drafted again"))
    return lines


def _findings(count: int) -> str:
    return counted(count, "finding", "findings")


def _claim_lines(count: int) -> str:
    return counted(count, "claim line", "claim lines")


def _parts(rows: int, most: int) -> list[int]:
    """Rows of each part with at most `most` rows; one empty part if there are no rows."""
    return [min(most, rows - start) for start in range(0, rows, most)] or [0]


def _workbook_name(number: int, of: int) -> str:
    return "findings.xlsx" if of == 1 else f"findings-{number + 1}-of-{of}.xlsx"


@contextmanager
def _quick_compression() -> Iterator[None]:
    """Lower compression than XlsxWriter's: a third of the time for files that are a fifth larger."""
    module = xlsxwriter.workbook
    usual = module.ZipFile
    module.ZipFile = partial(usual, compresslevel=2)
    try:
        yield
    finally:
        module.ZipFile = usual


@contextmanager
def _open_workbook(path: Path, facts: RunFacts) -> Iterator[tuple[xlsxwriter.Workbook, Formats]]:
    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    with _quick_compression(), xlsxwriter.Workbook(str(path), options) as book:
        # the run's date, not the clock's: a repeated run gives the same file
        created = datetime.combine(facts.as_of, time())
        book.set_properties({"title": f"Findings of run {facts.run_id}", "created": created})
        book.set_size(2400, 1400)
        yield book, Formats(book)


def _add_row_sheets(
    book: xlsxwriter.Workbook,
    formats: Formats,
    name: str,
    columns: tuple[SheetColumn, ...],
    rows: Stream,
    count: int,
    settings: ReviewSettings,
    csv: IO[str] | None = None,
) -> dict[str, Any]:
    """Write `count` rows of the stream on as many sheets as needed, and the same lines to `csv` if given."""
    first: dict[str, Any] = {}
    for number, part in enumerate(_parts(count, settings.rows_per_sheet)):
        title = f"{name} {number + 1}" if number else name
        sheet = RowSheet(book, formats, title, columns, _FROZEN[name])
        for piece in rows.take(part):
            cells = {c.name: cell_values(piece.column(c.name), c.shown) for c in columns if c.name is not None}
            sheet.write(list(cells.values()))
            first = first or first_cells(cells, columns)
            if csv is not None:
                csv.write(csv_lines(_csv_columns(piece, columns)))
        if sheet.rows != part:
            raise RuntimeError(f"sheet {name}: {part} rows were counted, but {sheet.rows} came")
        sheet.finish()
    return first


def _add_one_finding(
    book: xlsxwriter.Workbook,
    formats: Formats,
    claims: Stream,
    part: int,
    first: dict[str, Any],
    settings: ReviewSettings,
) -> None:
    """Add the sheets One finding and Both claims of a workbook with `part` findings."""
    on_sheet = min(part, settings.rows_per_sheet)
    detailed = min(on_sheet, settings.findings_with_claims)
    page = finding_page(book, formats)
    first_claims = _add_row_sheets(book, formats, CLAIMS_SHEET, BOTH_CLAIMS_COLUMNS, claims, detailed, settings)
    claims.skip(part - detailed)
    fill_finding_page(page, formats, FINDINGS_SHEET, on_sheet, detailed, first, first_claims)


def _add_index_sheet(book: xlsxwriter.Workbook, formats: Formats, names: list[str], parts: list[int]) -> None:
    """Add the list of workbooks with their findings: the queue continues from one workbook to the next."""
    page = Page(book, formats, "Index", (30, 14, 14, 14))
    page.title(
        "Workbooks of this run", "The queue continues from one workbook to the next; findings.csv has all of it."
    )
    ends = list(accumulate(parts))
    page.table(
        ("Workbook", "Findings", "From place", "To place"),
        (formats.text, formats.count, formats.count, formats.count),
        ((name, part, end - part + 1, end) for name, part, end in zip(names, parts, ends, strict=True)),
    )


def _csv_columns(piece: pa.RecordBatch, columns: tuple[SheetColumn, ...]) -> Iterator[pa.Array]:
    for column in columns:
        if column.name is None:
            yield pa.nulls(piece.num_rows, pa.string())
        else:
            values = csv_column(piece.column(column.name))
            yield identifiers(values) if column.shown is Shown.TEXT else values
