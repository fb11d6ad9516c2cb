"""A link's score as a waterfall: from the prior odds of its blocking rule, each field up or down, to the score.

Geometry for the report, which draws it as SVG, and the picture that the job `explain` writes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure

from engine.contracts.codes import NotLinked
from engine.contracts.words import LINK_FIELD_WORDS, LINK_LEVEL_WORDS, NOT_LINKED_WORDS
from engine.exports.charts import (
    BAR_HEIGHT,
    GAP,
    VALUE_WIDTH,
    WIDTH,
    Bar,
    Chart,
    Segment,
    bar_label,
    width_of_labels,
)
from engine.exports.formats import INK
from engine.runtime.storage import Storage

_NEARLY_ONE = 0.9999
# Up is dark and down is light, so they also differ in gray.
UP, DOWN, TOTAL = "#1F4E79", "#BDD7EE", "#8C959F"
_MOST_PANELS = 8


@dataclass(frozen=True)
class WaterfallStep:
    """Start and end of a contribution to the score, in log2 units; the last step is the score itself, from 0."""

    label: str
    start: float
    end: float
    is_total: bool = False

    @property
    def shown(self) -> str:
        """The contribution with its sign, to one decimal."""
        return f"{self.end - self.start:+.1f}"

    @property
    def color(self) -> str:
        """Dark for a gain, light for a loss, gray for the score."""
        return TOTAL if self.is_total else UP if self.end >= self.start else DOWN


def contribution_words(part: Mapping[str, Any]) -> str:
    """`date of service: same day`."""
    field, level = part["field"], part["level"]
    return f"{LINK_FIELD_WORDS.get(field, field)}: {LINK_LEVEL_WORDS.get(field, {}).get(level, level)}"


def waterfall_steps(contributions: Sequence[Mapping[str, Any]]) -> list[WaterfallStep]:
    """One step per contribution of LINK_CONTRIBUTIONS, in order, and the score."""
    steps, total = [], 0.0
    for part in contributions:
        steps.append(WaterfallStep(contribution_words(part), total, total + part["weight"]))
        total += part["weight"]
    return [*steps, WaterfallStep("score", 0.0, total, is_total=True)]


def outcome_words(pair: Mapping[str, Any]) -> str:
    """The outcome of a row of CANDIDATE_PAIRS, in words."""
    if not pair["link_is_chosen"]:
        return f"not linked: {NOT_LINKED_WORDS[NotLinked(pair['why_not'])]}"
    return "linked, but another assignment is equally likely" if pair["link_is_ambiguous"] else "linked"


def waterfall_chart(title: str, contributions: Sequence[Mapping[str, Any]]) -> Chart:
    """The waterfall as a chart of the report: bars of one segment, each starting at the end of the previous one."""
    steps = waterfall_steps(contributions)
    names = [bar_label(step.label) for step in steps]
    label_width = width_of_labels(names)
    least = min(0.0, *(min(step.start, step.end) for step in steps))
    most = max(0.0, *(max(step.start, step.end) for step in steps))
    scale = (WIDTH - label_width - VALUE_WIDTH) / (most - least) if most > least else 0.0
    bars = []
    for place, (step, name) in enumerate(zip(steps, names, strict=True)):
        left, right = (label_width + (end - least) * scale for end in sorted((step.start, step.end)))
        description = f"{step.label}: {step.shown}"
        segment = Segment(round(left, 1), round(max(right - left, 1.0), 1), step.color, description)
        y = GAP + place * (BAR_HEIGHT + GAP)
        bars.append(Bar(y, name, step.label, step.shown, round(segment.x + segment.width + 6, 1), (segment,)))
    return Chart(title, "; ".join(f"{bar.full_label}: {bar.shown}" for bar in bars), tuple(bars), label_width)


def waterfall_figure(title: str, pairs: Sequence[Mapping[str, Any]]) -> Figure:
    """One panel per pair of CANDIDATE_PAIRS, in order, on one scale; only the first few pairs."""
    shown = pairs[:_MOST_PANELS]
    all_steps = [waterfall_steps(pair["link_contributions"]) for pair in shown]
    rows = [len(steps) for steps in all_steps]
    figure = Figure(figsize=(9.5, 0.7 + sum(0.34 * n + 0.95 for n in rows)), layout="constrained", dpi=120)
    panels = figure.subplots(len(shown), sharex=True, squeeze=False, gridspec_kw={"height_ratios": rows})[:, 0]
    for axes, pair, steps in zip(panels, shown, all_steps, strict=True):
        _draw(axes, steps)
        axes.set_title(_panel_title(pair), loc="left", fontsize=10, color=INK)
    ends = [0.0, *(step.end for steps in all_steps for step in steps)]
    panels[-1].set_xlim(min(ends) - 1, max(ends) + 3)  # space for the figures right of the bars
    panels[-1].set_xlabel("log2 odds that the two claims are one dispense (each unit doubles the odds)")
    more = f" (the first {len(shown)} of {len(pairs)} pairs)" if len(shown) < len(pairs) else ""
    figure.suptitle(f"{title}{more}", x=0.01, ha="left", fontsize=12, fontweight="bold", color=INK)
    return figure


def write_figure(figure: Figure, storage: Storage, uri: str) -> None:
    """Write a PNG. Raises OutputError."""
    with storage.local_file(uri) as local:
        figure.savefig(local, format="png")


def probability_words(share: float) -> str:
    """A probability as a percentage that is never shown as certain."""
    if share > _NEARLY_ONE:
        return f"more than {_NEARLY_ONE:.2%}"
    return f"{share:.2%}" if share >= 1 - _NEARLY_ONE else f"less than {1 - _NEARLY_ONE:.2%}"


def _panel_title(pair: Mapping[str, Any]) -> str:
    names = f"{pair['link_tier'] or 'no tier'}: rebate claim {pair['source_row_id']}, "
    names += f"340B claim {pair['link_source_row_id']}, {probability_words(pair['link_probability'])}"
    return f"{names}\n{outcome_words(pair)}"


def _draw(axes: Any, steps: Sequence[WaterfallStep]) -> None:
    places = range(len(steps))
    for place, step in zip(places, steps, strict=True):
        axes.barh(place, step.end - step.start, left=step.start, color=step.color, edgecolor=INK, linewidth=0.6)
        axes.annotate(
            step.shown,
            (max(step.start, step.end), place),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=9,
            fontweight="bold" if step.is_total else "normal",
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5},
        )
        if place + 1 < len(steps):
            axes.vlines(step.end, place, place + 1, color=TOTAL, linewidth=0.8, linestyle=":", zorder=0)
    axes.set_yticks(list(places), [step.label for step in steps], fontsize=9)
    axes.invert_yaxis()
    axes.axvline(0, color=INK, linewidth=0.8, zorder=0)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
