"""The workbook's cell formats."""

from __future__ import annotations

from typing import Any

import xlsxwriter

from engine.contracts.codes import Evidence
from engine.contracts.tie_out import Color
from engine.exports.sheet_columns import NUMBER_FORMATS, Shown

INK, ACCENT, LINE = "#1F2937", "#1F4E79", "#D0D7DE"
INPUT, INPUT_ACCENT = "#FFF7E0", "#9A6700"
EVIDENCE_COLORS: dict[str, str] = {
    Evidence.STRONG.value: "#1F4E79",
    Evidence.MEDIUM.value: "#5B9BD5",
    Evidence.WEAK.value: "#BDD7EE",
    Evidence.CONTEXT.value: "#D9D9D9",
}
# Paler in cells, which have text on top.
_EVIDENCE_CELLS: dict[str, tuple[str, str]] = {
    Evidence.STRONG.value: ("#BCD6EE", "#0B3A66"),
    Evidence.MEDIUM.value: ("#DCEAF7", "#1F4E79"),
    Evidence.WEAK.value: ("#F1F6FB", "#3B5B7A"),
    Evidence.CONTEXT.value: ("#F3F4F6", "#57606A"),
}
# Fill and font colors of the tie-out: distinct with any color vision, and in gray by darkness; the cell also contains
# the word.
_TIE_OUT_CELLS: dict[str, tuple[str, str]] = {
    Color.RED.value: ("#D55E00", "#FFFFFF"),
    Color.YELLOW.value: ("#F7E68A", "#3D3500"),
    Color.GREEN.value: ("#CFEBE1", "#00493A"),
    Color.NONE.value: ("#F3F4F6", "#57606A"),
}
_FONT = {"font_name": "Calibri", "font_size": 10, "font_color": INK}


class Formats:
    """The formats of one workbook."""

    def __init__(self, book: xlsxwriter.Workbook):
        def made(**properties: Any) -> Any:
            return book.add_format({**_FONT, **properties})

        top = {"valign": "top"}
        self.title = made(bold=True, font_size=16)
        self.heading = made(bold=True, font_size=12)
        self.text = made(**top, align="left", indent=1)
        self.wrapped = made(**top, align="left", indent=1, text_wrap=True)
        self.label = made(**top, bold=True)
        self.quiet_line = made(**top, italic=True, font_color="#57606A")
        self.count = made(num_format="#,##0", **top)
        self.share = made(num_format="0.0%", **top)
        self.money = made(num_format=NUMBER_FORMATS[Shown.MONEY], **top)
        self.units = made(num_format=NUMBER_FORMATS[Shown.UNITS], **top)
        header = {"bold": True, "text_wrap": True, "align": "left", "indent": 1, "valign": "vcenter", "border": 1}
        header["border_color"] = LINE
        self.header = made(**header, bg_color=ACCENT, font_color="#FFFFFF")
        self.input_header = made(**header, bg_color=INPUT_ACCENT, font_color="#FFFFFF")

        def marked(cells: dict[str, tuple[str, str]]) -> dict[str, Any]:
            return {
                name: made(**top, bold=True, align="left", indent=1, bg_color=paper, font_color=ink)
                for name, (paper, ink) in cells.items()
            }

        self.evidence = marked(_EVIDENCE_CELLS)
        # by the column that determines the format
        self.by_value = {"evidence": self.evidence, "color": marked(_TIE_OUT_CELLS)}
        self.cells = {shown: made(**_cell(shown)) for shown in Shown}
        wrapped = {"align": "left", "indent": 1, "text_wrap": True, "valign": "top"}
        self.looked_up = {
            shown: made(**wrapped, num_format="General" if shown.is_text else NUMBER_FORMATS[shown]) for shown in Shown
        }
        self.unlocked = made(
            locked=False, num_format="@", bg_color=INPUT, border=1, border_color=LINE, align="left", indent=1
        )
        self.difference = book.add_format({"bold": True, "bg_color": "#FDE9D9", "font_color": "#7A3E00"})
        self.input = book.add_format({"bg_color": INPUT, "border": 1, "border_color": LINE})


def _cell(shown: Shown) -> dict[str, Any]:
    text = {"align": "left", "indent": 1, "text_wrap": shown == Shown.WRAPPED} if shown.is_text else {}
    return {"num_format": NUMBER_FORMATS[shown], "valign": "top", **text}
