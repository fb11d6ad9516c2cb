"""A form as PDF: letter size, landscape, with the column titles on every page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from reportlab.lib import colors
from reportlab.lib.enums import TA_RIGHT
from reportlab.lib.pagesizes import landscape, letter
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import inch
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.platypus import Flowable, LongTable, Paragraph, SimpleDocTemplate, Spacer, Table, TableStyle

from engine.contracts.forms import EVIDENCE_COLUMNS, REMITTED, CellKind, FilledForm
from engine.exports.forms.sheet import EVIDENCE_TITLES
from engine.exports.plain_text import cut, plain

_MARGIN = 0.4 * inch
# Characters of the form's name, a field of the header and a cell; the CSV file and the workbook have longer texts.
_LONGEST_NAME, _LONGEST_FIELD, _LONGEST_CELL = 90, 300, 1_000
_INK, _SHADE, _LINE = colors.HexColor("#1F2937"), colors.HexColor("#E5ECF4"), colors.HexColor("#9AA5B1")
_DRAFT = colors.Color(0.75, 0.25, 0.1, alpha=0.16)
# Relative widths, scaled to the width of the page.
_WIDTHS = {CellKind.TEXT: 5.6, CellKind.UNITS: 6.6, CellKind.PRICE: 6.2, CellKind.MONEY: 6.6}
_WIDE = {"product": 6.4, "product_name": 10.5, "record_id": 4.8, "adjustment_codes": 6.8}
_EVIDENCE_WIDTHS = {"role": 10.0, "documents": 15.0, "reference": 14.0, "claim_id": 11.0, "claim_line": 4.5}
_EVIDENCE_WIDTHS |= {"fill_number": 4.0, "entity_id": 9.0, "pharmacy_npi": 8.5}
_MONEY = CellKind.MONEY
_DIGITS = {CellKind.UNITS: ",.3f", CellKind.PRICE: ".6f", CellKind.MONEY: ",.2f"}


def _fonts(form: FilledForm) -> tuple[str, str]:
    """Names of the regular and bold fonts: built into every PDF reader unless the form contains other letters."""
    texts = [form.title, *(text for _, text in form.header)]
    texts += [str(value) for line in (*form.lines, *form.evidence) for value in line.values() if isinstance(value, str)]
    try:
        "".join(texts).encode("latin-1")
    except UnicodeEncodeError:
        return _embedded_fonts()
    return "Helvetica", "Helvetica-Bold"


@cache
def _embedded_fonts() -> tuple[str, str]:
    """DejaVu, which covers most languages, from matplotlib's files."""
    folder = resources.files("matplotlib").joinpath("mpl-data", "fonts", "ttf")
    names = ("DejaVuSans", "DejaVuSans-Bold")
    for name in names:
        with resources.as_file(folder.joinpath(f"{name}.ttf")) as path:
            pdfmetrics.registerFont(TTFont(name, str(path)))
    return names


def write_pdf(form: FilledForm, path: Path) -> None:
    """Write the form to a PDF file. Equal forms give equal files: no time, no random id."""
    regular, bold = _fonts(form)
    size = 6.2 if len(form.columns) > 15 else 6.8
    text = ParagraphStyle("text", fontName=regular, fontSize=size, leading=size * 1.2, textColor=_INK)
    styles = {
        "text": text,
        "number": ParagraphStyle("number", text, alignment=TA_RIGHT),
        "bold": ParagraphStyle("bold", text, fontName=bold),
        "bold_number": ParagraphStyle("bold_number", text, fontName=bold, alignment=TA_RIGHT),
        "field": ParagraphStyle("field", text, fontSize=8, leading=10),
        "label": ParagraphStyle("label", text, fontName=bold, fontSize=8, leading=10),
        "title": ParagraphStyle("title", text, fontName=bold, fontSize=12, leading=16),
    }
    name = plain(f"{'DRAFT - ' if form.is_draft else ''}{form.title}, {form.state}, {form.period}", _LONGEST_NAME)
    document = SimpleDocTemplate(
        str(path),
        pagesize=landscape(letter),
        leftMargin=_MARGIN,
        rightMargin=_MARGIN,
        topMargin=_MARGIN,
        bottomMargin=0.6 * inch,
        title=name,
        author=plain(form.labeler_name or form.labeler_code, _LONGEST_FIELD),
        invariant=1,
    )
    story: list[Flowable] = [_paragraph(form.title, styles["title"], _LONGEST_FIELD)]
    story += [
        _header(form, styles, document.width),
        Spacer(1, 8),
        _lines(form, styles, document.width),
        Spacer(1, 6),
        _footer(form, styles),
    ]
    if form.evidence:
        story += [Spacer(1, 14), Paragraph("Evidence for the disputed units", styles["title"]), Spacer(1, 4)]
        story.append(_evidence(form, styles, document.width))
    draw = _page(form, name, regular, bold)
    document.build(story, onFirstPage=draw, onLaterPages=draw)


def _header(form: FilledForm, styles: dict[str, Any], width: float) -> Table:
    half = (len(form.header) + 1) // 2
    left, right = form.header[:half], form.header[half:]
    rows = []
    for number in range(half):
        pair = [left[number], right[number] if number < len(right) else ("", "")]
        cells = [cell for field in pair for cell in _of_field(field)]
        rows.append([_paragraph(cell, styles[kind], _LONGEST_FIELD) for cell, kind in cells])
    table = Table(rows, colWidths=[width * part for part in (0.17, 0.31, 0.12, 0.4)], hAlign="LEFT")
    line = [("LINEBELOW", (place, 0), (place, -1), 0.4, _LINE) for place in (1, 3)]
    table.setStyle(TableStyle([*line, ("TOPPADDING", (0, 0), (-1, -1), 1), ("BOTTOMPADDING", (0, 0), (-1, -1), 1)]))
    return table


def _of_field(field: tuple[str, str]) -> list[tuple[str, str]]:
    return [(field[0], "label"), (field[1], "field")]


def _lines(form: FilledForm, styles: dict[str, Any], width: float) -> LongTable:
    columns = form.columns
    rows: list[list[Any]] = [
        [Paragraph(c.letter, styles["bold"]) for c in columns],
        [Paragraph(escape(c.title), styles["bold"]) for c in columns],
    ]
    for line in form.lines:
        rows.append([_cell(line[c.name], c.kind, styles) for c in columns])
    rows.append(["Total", *(_number(form.total(c.name), c.kind) if c.kind is _MONEY else "" for c in columns[1:])])
    numbers = [place for place, c in enumerate(columns) if c.kind is not CellKind.TEXT]
    style = [
        *(("ALIGN", (place, 2), (place, -1), "RIGHT") for place in numbers),
        ("FONTNAME", (0, -1), (-1, -1), styles["bold"].fontName),
        ("BACKGROUND", (0, -1), (-1, -1), _SHADE),
    ]
    return _table(rows, styles, width, [_WIDE.get(c.name, _WIDTHS[c.kind]) for c in columns], 2, style)


def _table(
    rows: list[list[Any]],
    styles: dict[str, Any],
    width: float,
    parts: Sequence[float],
    heads: int,
    more: Sequence[tuple[Any, ...]] = (),
) -> LongTable:
    widths = [width * part / sum(parts) for part in parts]
    # a row with a text longer than a page continues on the next
    table = LongTable(rows, colWidths=widths, repeatRows=heads, splitInRow=1)
    text = styles["text"]
    style: list[tuple[Any, ...]] = [
        ("FONT", (0, 0), (-1, -1), text.fontName, text.fontSize, text.leading),
        ("TEXTCOLOR", (0, 0), (-1, -1), _INK),
        ("GRID", (0, 0), (-1, -1), 0.4, _LINE),
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("BACKGROUND", (0, 0), (-1, heads - 1), _SHADE),
        ("LEFTPADDING", (0, 0), (-1, -1), 2),
        ("RIGHTPADDING", (0, 0), (-1, -1), 2),
        ("TOPPADDING", (0, 0), (-1, -1), 1.5),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 2.5),
    ]
    table.setStyle(TableStyle([*style, *more]))
    return table


def _footer(form: FilledForm, styles: dict[str, Any]) -> Table:
    paid = form.total(REMITTED[form.form])
    rows = [("Amount paid with this form", paid), ("Interest payment", form.interest)]
    rows.append(("Total remittance", form.remitted))
    cells = [
        [Paragraph(name, styles["label"]), Paragraph(_number(value, CellKind.MONEY), styles["bold_number"])]
        for name, value in rows
    ]
    table = Table(cells, colWidths=[2 * inch, 1.4 * inch], hAlign="RIGHT")
    table.setStyle(TableStyle([("LINEBELOW", (1, 0), (1, -1), 0.4, _LINE), ("VALIGN", (0, 0), (-1, -1), "BOTTOM")]))
    return table


def _evidence(form: FilledForm, styles: dict[str, Any], width: float) -> LongTable:
    rows: list[list[Any]] = [[Paragraph(escape(EVIDENCE_TITLES[name]), styles["bold"]) for name in EVIDENCE_COLUMNS]]
    for row in form.evidence:
        kinds = [CellKind.UNITS if name == "units" else CellKind.TEXT for name in EVIDENCE_COLUMNS]
        rows.append([_cell(row[name], kind, styles) for name, kind in zip(EVIDENCE_COLUMNS, kinds, strict=True)])
    return _table(rows, styles, width, [_EVIDENCE_WIDTHS.get(name, 7.0) for name in EVIDENCE_COLUMNS], 1)


def _cell(value: Any, kind: CellKind, styles: dict[str, Any]) -> Paragraph | str:
    """A cell: text is wrapped; numbers are drawn unwrapped, which is far faster."""
    if value is None:
        return ""
    if kind is not CellKind.TEXT:
        return _number(value, kind)
    return _paragraph(str(value), styles["text"], _LONGEST_CELL)


def _paragraph(text: str, style: ParagraphStyle, longest: int) -> Paragraph:
    return Paragraph(escape(cut(_drawn(plain(text, longest), style.fontName), longest)), style)


def _drawn(text: str, font: str) -> str:
    """Text with a visible escape for each character that the embedded font lacks, or that readers could not copy."""
    glyphs = getattr(pdfmetrics.getFont(font).face, "charToGlyph", None)
    if glyphs is None:
        return text
    known = ((letter, ord(letter)) for letter in text)
    return "".join(c if code in glyphs and code < 0x10000 else f"\\u{code:04x}" for c, code in known)


def _number(value: Any, kind: CellKind) -> str:
    return "" if value is None else format(value, _DIGITS[kind])


def _page(form: FilledForm, name: str, regular: str, bold: str) -> Callable[[Any, Any], None]:
    def draw(canvas: Any, document: Any) -> None:
        width, height = document.pagesize
        canvas.saveState()
        canvas.setFillColor(_INK)
        canvas.setFont(regular, 7)
        canvas.drawString(_MARGIN, 0.32 * inch, _drawn(name, regular))
        canvas.drawRightString(width - _MARGIN, 0.32 * inch, f"Page {document.page}")
        if form.is_draft:
            canvas.setFont(bold, 9)
            canvas.drawCentredString(width / 2, 0.32 * inch, "DRAFT - not for submission")
            canvas.translate(width / 2, height / 2)
            canvas.rotate(30)
            canvas.setFillColor(_DRAFT)
            canvas.setFont(bold, 110)
            canvas.drawCentredString(0, -35, "DRAFT")
        canvas.restoreState()

    return draw
