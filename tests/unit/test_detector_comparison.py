"""What `train --compare` says of detectors: on the console, and as a table and a picture in MLflow."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from engine.models import Flags
from engine.models.measures import Resampled, Truth, measured
from engine.pipeline import detector_comparison
from engine.pipeline.detector_comparison import DetectorComparison
from engine.pipeline.stages import SubjectScores
from engine.pipeline.training import Trained
from engine.settings import EvaluationSettings
from tests.unit.test_models_card import model_of

LEVEL = 0.95


def figures(area: float, difference: tuple[float, float, float] | None = None) -> dict[str, float]:
    found = {"auprc": area, "auprc_low": area - 0.1, "auprc_high": area + 0.1}
    if difference is not None:
        found |= {
            f"against_champion_auprc{end}": value for end, value in zip(("", "_low", "_high"), difference, strict=True)
        }
    return found


def detector(name: str, version: str, metrics: dict[str, float], resampled: Resampled | None = None) -> Trained:
    flags = Flags(None, tested=0, flagged=0, largest_p_value=None)
    scores = SubjectScores(model_of(name), "claims", version, None, None, flags, drift={})
    return Trained(scores, metrics, resampled)


def side_by_side(trained: list[Trained], champion: str, level: float) -> DetectorComparison:
    return detector_comparison.side_by_side(trained, "claims", champion, level)


CHAMPION = detector("power_sum", "1", figures(0.8))
WIDE = detector("loda", "2", figures(0.95, (0.15, -0.05, 0.4)))
BETTER = detector("isolation_forest", "3", figures(0.9, (0.1, 0.02, 0.2)))
WORSE = detector("ecod", "4", figures(0.3, (-0.5, -0.6, -0.4)))


def test_detectors_are_in_the_order_of_what_decides_and_the_best_is_shown_to_be_better() -> None:
    compared = side_by_side([CHAMPION, WORSE, BETTER, WIDE], "1", LEVEL)
    assert [one.detector for one in compared.candidates] == ["loda", "isolation_forest", "power_sum", "ecod"]
    assert compared.best.version == "3", "the first one's interval reaches below zero"
    first, *lines = compared.lines("runs")
    assert "what decides is the difference to the champion's on the same rows (champion: version 1)" in first
    assert "0.900 (0.800 to 1.000)" in lines[1]
    assert "+0.100 (+0.020 to +0.200)" in lines[1]
    assert "champion" in lines[2]
    assert lines[-1].endswith("./spark-submit.sh promote --model claims/3 --output runs")


def test_where_none_is_better_no_command_is_given() -> None:
    for shown in ([CHAMPION], [CHAMPION, WIDE], [CHAMPION, WORSE]):
        compared = side_by_side(shown, "1", LEVEL)
        assert compared.best is None
        assert "promote" not in " ".join((*compared.lines("runs"), compared.markdown(), compared.html()))


def test_without_truth_there_is_nothing_to_compare() -> None:
    assert "nothing to compare" in next(side_by_side([replace(CHAMPION, metrics={})], "1", LEVEL).lines("runs"))
    assert not list(side_by_side([], "1", LEVEL).lines("runs"))


def test_decisions_drawn_at_random_measure_where_nothing_is_planted() -> None:
    by_decisions = {f"random_{name}": value for name, value in figures(0.7).items()}
    [one] = side_by_side([replace(CHAMPION, metrics=by_decisions)], "1", LEVEL).candidates
    assert one.figures["auprc"] == pytest.approx((0.7, 0.6, 0.8))


def test_the_page_of_mlflow_says_the_same() -> None:
    compared = side_by_side([CHAMPION, WORSE, BETTER, WIDE], "1", LEVEL)
    for page in (compared.markdown(), compared.html().replace("<br>", " ")):
        assert "The best is isolation_forest, version 3" in page
        assert "+0.100 (+0.020 to +0.200)" in page
        assert "95% intervals" in page
    rows = [line for line in compared.markdown().splitlines() if line.startswith("|")]
    assert {row.count("|") for row in rows} == {rows[0].count("|")}
    assert len(rows) == 2 + 4
    assert "<tr class=best><td>isolation_forest</td>" in compared.html()


def test_the_picture_has_names_axes_and_a_legend_inside_of_it() -> None:
    figure = side_by_side([CHAMPION, WORSE, BETTER, WIDE], "1", LEVEL).figure()
    figure.draw_without_rendering()
    left, right = figure.axes
    assert [label.get_text() for label in left.get_yticklabels()] == [
        "loda (v2)",
        "isolation_forest (v3)",
        "power_sum (v1)",
        "ecod (v4)",
    ]
    assert "(decides)" in left.get_xlabel()
    assert right.get_xlabel() == "average precision"
    [legend] = figure.legends
    assert {text.get_text() for text in legend.get_texts()} == {
        "champion",
        "better",
        "not shown to be better",
    }
    whole = figure.bbox
    for part in (legend, *left.get_yticklabels(), left.xaxis.label, right.xaxis.label):
        drawn = part.get_window_extent()
        assert whole.x0 <= drawn.x0 < drawn.x1 <= whole.x1, part
        assert whole.y0 <= drawn.y0 < drawn.y1 <= whole.y1, part


def test_detectors_of_the_same_rows_are_compared_draw_by_draw() -> None:
    hits = np.arange(400) % 20 == 0
    noise = np.random.default_rng(1).normal(size=400)
    truth = Truth(hits, np.zeros(400), np.ones(400), np.arange(400))
    other_rows = replace(truth, is_hit=np.roll(hits, 1))
    settings = EvaluationSettings(resamples=50)

    def resampled(scores: npt.NDArray[Any], rows: Truth) -> Resampled:
        return measured(scores, {"feature": noise}, None, rows, 20, settings).resampled

    strong, weak = resampled(noise + 5 * hits, truth), resampled(noise + hits, truth)
    less: Any = strong.less(weak, LEVEL)
    difference, low, high = less
    assert difference == pytest.approx(strong.auprc - weak.auprc)
    assert 0 < low < difference < high
    assert weak.less(strong, LEVEL) == pytest.approx((-difference, -high, -low))
    assert strong.less(strong, LEVEL) == (0, 0, 0)
    assert strong.less(resampled(noise, other_rows), LEVEL) is None

    pair = side_by_side(
        [detector("power_sum", "1", figures(0.8), strong), detector("ecod", "2", figures(0.3), weak)], "1", LEVEL
    )
    assert pair.candidates[0].against == {"2": (difference, low, high)}
