"""What `train --compare` prints: the detectors of a subject, the best first, and how to promote the best."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from engine.pipeline.handed_on import Judged

_DECIDES = "auprc"


def comparison(trained: Sequence[Judged], output: str) -> Iterator[str]:
    """A line per detector, by average precision on the same rows; the first of `trained` is the configured one.

    A detector without truth to measure it by (planted rows, decisions drawn at random) has no figures; where none has,
    one line says so.
    """
    named = [one for one in trained if one.model is not None]
    figures = [one for one in named if _figure(one) is not None]
    if not named:
        return
    if not figures:
        yield f"{named[0].model_name}: nothing to compare detectors by: no planted rows and too few decisions"
        return
    yield (
        f"{named[0].model_name}: detectors by average precision (auprc, with its interval), the figure that decides; "
        "difference to the champion"
    )
    ranked = sorted(figures, key=lambda one: -(_figure(one) or 0.0))
    for one in ranked:
        assert one.model is not None
        yield (
            f"  {one.model.detector:<20} {_interval(one, _DECIDES, '.3f')}   "
            f"{_interval(one, 'against_champion_auprc', '+.3f')}   version {one.model_version}"
        )
    best = ranked[0]
    difference = best.metrics.get("against_champion_auprc_low")
    if difference is not None and difference > 0:
        version = f"{best.model_name}/{best.model_version}"
        yield f"  to promote the best: ./spark-submit.sh promote --model {version} --output {output}"
    else:
        yield "  none is shown to be better than the champion: its interval of the difference would lie above zero"


def _figure(one: Judged) -> float | None:
    return one.metrics.get(_DECIDES, one.metrics.get(f"random_{_DECIDES}"))


def _interval(one: Judged, name: str, form: str) -> str:
    name = name if name in one.metrics else f"random_{name}"
    if name not in one.metrics:
        return "-"
    middle, low, high = (one.metrics.get(f"{name}{end}", float("nan")) for end in ("", "_low", "_high"))
    return f"{middle:{form}} ({low:{form}} to {high:{form}})"
