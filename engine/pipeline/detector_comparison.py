"""Output of `train --compare`: the detectors of a subject side by side, best first, and how to promote the best."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

from engine.models import Estimate
from engine.pipeline.tags import run_tags
from engine.pipeline.training import Trained
from engine.runs import Run
from engine.sources import OpenedTable
from engine.tracking import Tracker

_DECIDES, _AREA, _PRECISION = "against_champion_auprc", "auprc", "precision_at_capacity"
_HEADINGS = (
    *("detector", "version", "difference to the champion (decides)", "average precision"),
    *("precision at capacity", "rows flagged", "role"),
)
_PAGE = """\
<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>
body {{ font: 12px sans-serif; margin: 0.5em }}
table {{ border-collapse: collapse }}
th, td {{ border-bottom: 1px solid #ccc; padding: 3px 7px; text-align: left; vertical-align: top }}
td {{ white-space: nowrap }}
.best td {{ font-weight: bold }}
p {{ max-width: 60em }}
</style></head><body>
<h1 style="font-size: 16px">{title}</h1>
<p><b>{outcome}</b></p>
<table>
{rows}
</table>
<p>{remarks}</p>
</body></html>
"""
_TITLE = "average precision (auprc) by detector; what decides is the difference to the champion's on the same rows"
_NONE_BETTER = "no detector is shown to be better than the champion: the interval of its difference must lie above zero"


@dataclass(frozen=True)
class Candidate:
    """A detector and its measurements.

    figures: metrics with their intervals (middle, low, high) by name. against: differences to other detectors on the
    same rows and the same bootstrap draws, by their version.
    """

    detector: str
    version: str
    is_champion: bool
    rows_flagged: int
    figures: dict[str, Estimate]
    against: dict[str, Estimate] = field(default_factory=dict)

    @property
    def is_better(self) -> bool:
        """Whether it is shown to be better than the champion."""
        return _DECIDES in self.figures and self.figures[_DECIDES][1] > 0

    @property
    def rank(self) -> tuple[float, float]:
        """Sort key, higher is better: the deciding difference to the champion, then average precision.

        The difference is zero for the champion itself.
        """
        nothing = (0.0 if self.is_champion else float("-inf"), 0.0, 0.0)
        return self.figures.get(_DECIDES, nothing)[0], self.figures.get(_AREA, nothing)[0]


@dataclass(frozen=True)
class DetectorComparison:
    """The detectors of one subject, best first. `unmeasured`: detectors without labels to measure them by; `level`:
    confidence level of the intervals.
    """

    model_name: str
    champion: str | None
    candidates: tuple[Candidate, ...]
    level: float
    unmeasured: tuple[str, ...] = ()

    @property
    def best(self) -> Candidate | None:
        """The detector to promote: the one with the largest difference to the champion, if shown to be better."""
        return next((candidate for candidate in self.candidates if candidate.is_better), None)

    def lines(self, output: str) -> Iterator[str]:
        """Lines for the console. `output`: the output folder, for the `promote` command."""
        if not self.candidates and not self.unmeasured:
            return
        if not self.candidates:
            yield f"{self.model_name}: nothing to compare detectors by: no planted rows and too few decisions"
            return
        yield f"{self.model_name}: {_TITLE} (champion: {self._champion})"
        for candidate in self.candidates:
            yield (
                f"  {candidate.detector:<20} {_in_words(candidate.figures.get(_AREA)):<24} "
                f"{self._difference(candidate):<28} version {candidate.version}"
            )
        yield f"  {self._outcome(f' --output {output}')}"

    def markdown(self) -> str:
        """The table with its conclusion, for the MLflow run."""
        lines = [
            f"# {self.model_name}: which detector is better",
            "",
            f"**{self._sentence}**",
            "",
            f"| {' | '.join(_HEADINGS)} |",
            "|---" * len(_HEADINGS) + "|",
            *(f"| {' | '.join(self._cells(candidate))} |" for candidate in self.candidates),
            "",
            *self._remarks,
            "",
            "Artifacts: this table (`detectors.html`) and a picture of it (`detectors.png`).",
        ]
        return "\n".join(lines) + "\n"

    def html(self) -> str:
        """The same as an HTML page."""
        rows = [f"<tr>{''.join(f'<th>{escape(name)}</th>' for name in _HEADINGS)}</tr>"]
        for candidate in self.candidates:
            # the interval is shown below its figure
            cells = "".join(f"<td>{escape(cell).replace(' (', '<br>(')}</td>" for cell in self._cells(candidate))
            rows.append(f"<tr{' class=best' if candidate is self.best else ''}>{cells}</tr>")
        return _PAGE.format(
            title=escape(f"{self.model_name}: which detector is better"),
            outcome=escape(self._sentence),
            rows="\n".join(rows),
            remarks=escape(" ".join(self._remarks)),
        )

    def figure(self) -> Any:
        """The same as a matplotlib figure."""
        from engine.models import figures

        return figures.detectors_compared(
            [f"{candidate.detector} (v{candidate.version})" for candidate in self.candidates],
            [candidate.figures.get(_AREA) for candidate in self.candidates],
            [
                (0.0, 0.0, 0.0) if candidate.is_champion else candidate.figures.get(_DECIDES)
                for candidate in self.candidates
            ],
            [self._role(candidate) for candidate in self.candidates],
            f"{self.model_name}: which detector is better, with {self.level:.0%} intervals",
        )

    def _cells(self, candidate: Candidate) -> list[str]:
        figures = [
            self._difference(candidate),
            *(_in_words(candidate.figures.get(name)) for name in (_AREA, _PRECISION)),
        ]
        return [candidate.detector, candidate.version, *figures, f"{candidate.rows_flagged:,}", self._role(candidate)]

    @property
    def _remarks(self) -> list[str]:
        return [
            f"In parentheses: {self.level:.0%} intervals, from resamples of pharmacies or states. Champion:",
            f"{self._champion}.",
            "A detector is better if the interval of its difference to the champion is above zero; if the",
            "difference is -, too few of the rows that it can judge are known to be unusual. Detectors on z-scores are",
            "compared with the champion on the rows that have one.",
        ]

    @property
    def _sentence(self) -> str:
        outcome = self._outcome()
        return f"{outcome[0].upper()}{outcome[1:]}."

    @property
    def _champion(self) -> str:
        return "none" if self.champion is None else f"version {self.champion}"

    def _role(self, candidate: Candidate) -> str:
        if candidate.is_champion:
            return "champion"
        return "better" if candidate.is_better else ""

    def _difference(self, candidate: Candidate) -> str:
        return "champion" if candidate.is_champion else _in_words(candidate.figures.get(_DECIDES), "+")

    def _outcome(self, options: str = "") -> str:
        if self.best is None:
            return _NONE_BETTER
        command = f"./spark-submit.sh promote --model {self.model_name}/{self.best.version}{options}"
        return f"the best is {self.best.detector}, version {self.best.version}; to promote it: {command}"


def side_by_side(trained: Sequence[Trained], model_name: str, champion: str | None, level: float) -> DetectorComparison:
    """Compare the detectors of a model that were trained on the same rows.

    `champion`: version of the champion; `level`: confidence level of the intervals.
    """
    measured = [model for model in trained if _figures(model)]
    candidates = [
        Candidate(
            detector=model.detector,
            version=model.scores.version,
            is_champion=model.scores.version == champion,
            rows_flagged=model.scores.flags.flagged,
            figures=_figures(model),
            against=_against(model, measured, level),
        )
        for model in measured
    ]
    return DetectorComparison(
        model_name=model_name,
        champion=champion,
        candidates=tuple(sorted(candidates, key=lambda candidate: candidate.rank, reverse=True)),
        level=level,
        unmeasured=tuple(model.detector for model in trained if not _figures(model)),
    )


def log_comparison(
    run: Run, tracker: Tracker, opened: Mapping[str, OpenedTable], compared: DetectorComparison, experiment: str
) -> None:
    """Log the comparison as the parent of the detectors' runs; does nothing if no detector was measured."""
    if not compared.candidates:
        return
    tracker.log_comparison(
        model_name=compared.model_name,
        run_name=f"comparison {run.run_id}",
        experiment=experiment,
        tags={name: tag for name, tag in run_tags(run, opened).items() if not name.startswith("input.")},
        against={
            candidate.version: candidate.against for candidate in compared.candidates if candidate.version.isdigit()
        },
        table=compared.html(),
        figure=compared.figure(),
        description=compared.markdown(),
    )


def _figures(model: Trained) -> dict[str, Estimate]:
    """Metrics by planted truth, else by decisions on findings drawn at random; empty if neither is available."""
    estimates: dict[str, Estimate] = {}
    for name in (_AREA, _DECIDES, _PRECISION):
        of_judge = name if name in model.metrics else f"random_{name}"
        if of_judge in model.metrics:
            low, high = (model.metrics.get(f"{of_judge}{end}", float("nan")) for end in ("_low", "_high"))
            estimates[name] = (model.metrics[of_judge], low, high)
    return estimates if _AREA in estimates else {}


def _against(model: Trained, others: Sequence[Trained], level: float) -> dict[str, Estimate]:
    differences = {}
    for other in others:
        if other is not model and model.resampled is not None and other.resampled is not None:
            difference = model.resampled.less(other.resampled, level)
            if difference is not None:
                differences[other.scores.version] = difference
    return differences


def _in_words(figure: Estimate | None, sign: str = "") -> str:
    if figure is None:
        return "-"
    middle, low, high = figure
    return f"{middle:{sign}.3f} ({low:{sign}.3f} to {high:{sign}.3f})"
