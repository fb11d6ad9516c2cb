"""The waterfall of a link's score: a bar per contribution, from where the one before ended to the score."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from matplotlib.colors import to_rgb

from engine.contracts.codes import NotLinked
from engine.exports.waterfall import DOWN, UP, outcome_words, waterfall_chart, waterfall_figure, waterfall_steps

PARTS = [
    {"field": "met_by", "level": "PRESCRIPTION", "weight": 5.0},
    {"field": "date_of_service", "level": "SAME", "weight": 3.7},
    {"field": "bin", "level": "DIFFERENT", "weight": -11.2},
]


def pair(**fields: Any) -> dict[str, Any]:
    return {
        "source_row_id": "R1",
        "link_source_row_id": "E1",
        "link_tier": "T1",
        "link_probability": 0.15,
        "link_contributions": PARTS,
        "link_is_chosen": True,
        "link_is_ambiguous": False,
        "why_not": None,
        **fields,
    }


def test_each_step_begins_where_the_one_before_ended() -> None:
    steps = waterfall_steps(PARTS)
    assert [step.label for step in steps] == [
        "matched by: pharmacy and prescription",
        "date of service: same day",
        "BIN: different",
        "score",
    ]
    assert [step.shown for step in steps] == ["+5.0", "+3.7", "-11.2", "-2.5"]
    assert steps[0].start == 0
    assert all(one.end == after.start for one, after in pairwise(steps[:-1]))
    assert (steps[-1].start, steps[-1].end) == (0, steps[-2].end)


def test_the_chart_is_in_proportion_and_stays_within_its_width() -> None:
    bars = waterfall_chart("t", PARTS).bars
    segments = [bar.segments[0] for bar in bars]
    assert len(segments) == len(PARTS) + 1
    assert segments[1].width / segments[0].width == pytest.approx(3.7 / 5, abs=0.01)
    assert segments[1].x == pytest.approx(segments[0].x + segments[0].width, abs=0.2)
    assert segments[2].x + segments[2].width == pytest.approx(segments[1].x + segments[1].width, abs=0.2)
    assert all(bar.value_x + 40 < 560 for bar in bars)


def test_the_picture_has_a_bar_per_contribution_and_one_for_the_score() -> None:
    figure = waterfall_figure("t", [pair(), pair(link_tier=None, link_is_chosen=False, why_not="NO_TIER")])
    assert len(figure.axes) == 2
    for axes in figure.axes:
        assert len(axes.patches) == len(PARTS) + 1
        left, right = axes.get_xlim()
        bars: Any = axes.patches
        assert all(left < bar.get_x() + min(bar.get_width(), 0) for bar in bars)
        assert all(bar.get_x() + max(bar.get_width(), 0) < right for bar in bars)
    assert "no tier" in figure.axes[1].get_title(loc="left")


def test_up_and_down_differ_without_color() -> None:
    def grey(color: str) -> float:
        red, green, blue = to_rgb(color)
        return 0.299 * red + 0.587 * green + 0.114 * blue

    assert grey(DOWN) - grey(UP) > 0.4


def test_many_pairs_are_cut_and_the_picture_says_so() -> None:
    figure = waterfall_figure("t", [pair()] * 30)
    assert len(figure.axes) == 8
    assert "8 of 30" in figure.get_suptitle()


@pytest.mark.parametrize("why_not", list(NotLinked))
def test_the_outcome_of_a_pair_in_words(why_not: NotLinked) -> None:
    assert outcome_words(pair(link_is_chosen=False, why_not=why_not.value)).startswith("not linked: ")
    assert outcome_words(pair()) == "linked"
    assert "equally likely" in outcome_words(pair(link_is_ambiguous=True))
