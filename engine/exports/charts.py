"""Geometry of the report's bar charts; the template draws them as SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from engine.contracts.codes import Evidence
from engine.errors import counted
from engine.exports.formats import EVIDENCE_COLORS
from engine.exports.redacted import suppressed
from engine.exports.totals import Group, Sum

WIDTH, VALUE_WIDTH = 560, 74
BAR_HEIGHT, GAP = 20, 8
LONGEST_LABEL = 38
# Pixels at the template's font size; estimates are high rather than low.
CAPITAL_WIDTH, OTHER_WIDTH = 8.8, 6.7


@dataclass(frozen=True)
class Segment:
    """A part of a bar. x, width: pixels; description: its caption."""

    x: float
    width: float
    color: str
    description: str


@dataclass(frozen=True)
class Bar:
    """A row of a chart. y, value_x: pixels; label: shortened if it is long; shown: the value as text."""

    y: int
    label: str
    full_label: str
    shown: str
    value_x: float
    segments: tuple[Segment, ...]


@dataclass(frozen=True)
class Chart:
    """One bar per group, in parts by evidence class. description: what the picture shows, in words."""

    title: str
    description: str
    bars: tuple[Bar, ...]
    label_width: int
    width: int = WIDTH

    @property
    def height(self) -> int:
        """Height of the picture in pixels."""
        return len(self.bars) * (BAR_HEIGHT + GAP) + GAP


def bar_chart(
    title: str,
    groups: Sequence[Group],
    in_dollars: bool,
    labels: Mapping[str, str] | None = None,
    least_count: int | None = None,
) -> Chart:
    """Bars with a length proportional to dollars at issue, or to findings if there are no dollars.

    `labels`: label by value, for groups whose own label is not used. `least_count`: groups with fewer findings have
    no bar, nor do groups that would reveal such a number; evidence classes are then not distinguished.
    """
    hidden = set() if least_count is None else suppressed({g.value: g.total.findings for g in groups}, least_count)
    names = [(labels or {}).get(group.value, group.label) for group in groups]
    shown = [bar_label(name) for name in names]
    label_width = width_of_labels(shown)
    most = max((measure(group.total, in_dollars) for group in groups if group.value not in hidden), default=0)
    scale = (WIDTH - label_width - VALUE_WIDTH) / most if most > 0 else 0
    bars = []
    for place, (group, name, label) in enumerate(zip(groups, names, shown, strict=True)):
        shown_value = measured(group.total, in_dollars)
        segments: tuple[Segment, ...]
        if least_count is None:
            segments = _segments(group, name, in_dollars, label_width, scale)
        elif group.value in hidden:
            segments, shown_value = (), f"under {least_count}" if group.total.findings < least_count else "withheld"
        else:
            width = round(measure(group.total, in_dollars) * scale, 1)
            segments = (Segment(label_width, width, EVIDENCE_COLORS[Evidence.STRONG.value], f"{name}: {shown_value}"),)
        end = segments[-1].x + segments[-1].width if segments else label_width
        y = GAP + place * (BAR_HEIGHT + GAP)
        bars.append(Bar(y, label, name, shown_value, round(end + 6, 1), segments))
    description = "; ".join(f"{bar.full_label}: {bar.shown}" for bar in bars) or "nothing to show"
    return Chart(title, description, tuple(bars), label_width)


def _segments(group: Group, name: str, in_dollars: bool, start: float, scale: float) -> tuple[Segment, ...]:
    segments: list[Segment] = []
    for evidence in Evidence:
        part = group.by_evidence.get(evidence.value, Sum())
        width = measure(part, in_dollars) * scale
        if width > 0:
            count = counted(part.findings, "finding", "findings")
            description = f"{name}, {evidence.value}: {count}, {measured(part, in_dollars)}"
            segments.append(Segment(round(start, 1), round(width, 1), EVIDENCE_COLORS[evidence.value], description))
            start += width
    return tuple(segments)


def bar_label(name: str) -> str:
    """A name that fits next to a bar, shortened with an ellipsis."""
    return name if len(name) <= LONGEST_LABEL else name[: LONGEST_LABEL - 1] + "…"


def width_of_labels(labels: Sequence[str]) -> int:
    """Width in pixels of the labels left of the bars."""
    return round(16 + max((_text_width(label) for label in labels), default=0))


def _text_width(text: str) -> float:
    return sum(CAPITAL_WIDTH if character.isupper() else OTHER_WIDTH for character in text)


def measure(total: Sum, in_dollars: bool) -> float:
    """The value of a bar: dollars at issue (at least 0), or findings."""
    return max(float(total.amount), 0.0) if in_dollars else float(total.findings)


def measured(total: Sum, in_dollars: bool) -> str:
    """The value of a bar, in words."""
    return short_dollars(float(total.amount)) if in_dollars else f"{total.findings:,}"


def short_dollars(amount: float) -> str:
    """$950, $12.3 k, $4.56 M, $1.20 B; -$2.5 k."""
    sign, size = ("-" if amount < 0 else ""), abs(amount)
    for least, unit, decimals in ((1e9, "B", 2), (1e6, "M", 2), (1e3, "k", 1)):
        if size >= least:
            return f"{sign}${size / least:,.{decimals}f} {unit}"
    return f"{sign}${size:,.0f}"
