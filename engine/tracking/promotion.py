"""Which version becomes champion: the alias moves only to a version that is shown to be better, or back."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from engine.errors import Problem, PromotionRefused
from engine.tracking.champions import SAME_ROWS, Kind, Promotion, champion_version, move, now, promotions
from engine.tracking.mlflow_access import found

if TYPE_CHECKING:
    from engine.tracking.tracker import Tracker

_AGAINST = "against_champion_version"
_JUDGE = "against_champion_truth"
_DIFFERENCE = ("against_champion_auprc", "against_champion_auprc_low", "against_champion_auprc_high")
# What is in charge where no version is: values of the settings, for models that only replace such.
SETTINGS = "settings"
_TOLD = (*_DIFFERENCE, "auprc", "gain_auprc", "gain_auprc_low", "gain_auprc_high")


def comparison_tags(champion_version: str, judge: str) -> dict[str, str]:
    """What a training run says of its comparison with the champion of its day, beside the metrics
    `against_champion_auprc`, `_low` and `_high`. `champion_version`: SETTINGS where these were in charge."""
    return {_AGAINST: champion_version, _JUDGE: judge}


def promote(
    tracker: Tracker,
    model_name: str,
    version: str | None,
    features: Sequence[str] | Mapping[str, Sequence[str]],
    by: str,
    reason: str = "",
) -> Promotion:
    """Make a version (by default the best challenger) champion, if its training says that it is better than the present
    one. What decides is `against_champion_auprc`. The best challenger is the one with the largest difference of those
    whose interval lies above zero, in the newest training run that has any: those of one run are of the same rows.

    Raises PromotionRefused, with all reasons and figures, where the version was not compared with the present champion
    on the same rows, where the interval of the difference does not lie above zero, or where it was trained on other
    features than the configured ones. Where there is no champion, only the features count, but for a version that would
    take over from SETTINGS: it must be better than these.
    """
    with tracker.connected("cannot promote") as client:
        champion = champion_version(client, model_name, tracker.alias)
        challenger = _challenger(client, model_name, version, champion)
        tags, metrics = _said_of(client, challenger)
        problems = refusals(str(challenger.version), champion, tags, metrics, features, model_name)
        if problems:
            raise PromotionRefused(problems)
        figures = {name: metrics[name] for name in _TOLD if name in metrics}
        figures |= dict(zip(_DIFFERENCE, _difference(champion or SETTINGS, tags, metrics) or (), strict=False))
        return move(
            client,
            tracker.alias,
            Promotion(
                at=now(),
                by=by,
                kind=Kind.FIRST if champion is None else Kind.PROMOTED,
                model=model_name,
                from_version=champion,
                to_version=str(challenger.version),
                reason=reason or _why(champion, tags, figures),
                figures=figures,
            ),
        )


def roll_back(tracker: Tracker, model_name: str, by: str, reason: str = "") -> Promotion:
    """Make champion what was champion before the present one, by the log; doing it twice goes back two versions.

    Raises PromotionRefused where the log knows of no version before it, or where that is no longer registered.
    """
    with tracker.connected("cannot roll back") as client:
        champion = champion_version(client, model_name, tracker.alias)
        before = version_before(promotions(client, model_name), champion)
        there = {str(one.version) for one in _versions(client, model_name)}
        if champion is None or before is None or before not in there:
            raise PromotionRefused(
                Problem(
                    "there is no version to go back to",
                    f"model {model_name}, champion: {_version(champion)}",
                    "none in the promotion log" if before is None else f"version {before} is no longer registered",
                    to_do="see `promote --log`; promote another version, or train one",
                )
            )
        return move(
            client,
            tracker.alias,
            Promotion(now(), by, Kind.ROLLED_BACK, model_name, champion, before, reason or "rolled back"),
        )


def promotion_log(tracker: Tracker, model_name: str) -> list[Promotion]:
    """Every entry, the oldest first; none where there is no such model."""
    with tracker.connected("cannot read the promotion log") as client:
        return promotions(client, model_name)


def refusals(
    version: str,
    champion: str | None,
    tags: Mapping[str, str],
    metrics: Mapping[str, float],
    features: Sequence[str] | Mapping[str, Sequence[str]],
    model_name: str = "model",
) -> list[Problem]:
    """Why the version must not become champion; empty where it may. `tags`, `metrics`: of its training. `features`:
    those of the settings, by what detectors read where they differ."""
    if isinstance(features, Mapping):
        features = features[tags.get("inputs", "z")]
    where = f"model {model_name}, challenger: version {version}, champion: {_version(champion)}"
    if version == champion:
        return [Problem("the version is champion already", where, to_do="name another with --model NAME/VERSION")]
    problems = []
    if tags.get("features") != ",".join(features):
        problems.append(
            Problem(
                "the challenger was trained on other features than the configured ones",
                where,
                tags.get("features", "unknown"),
                ",".join(features),
                "train with this configuration, or give the challenger's with --config",
            )
        )
    if champion is None and tags.get(_AGAINST) != SETTINGS:
        return problems
    in_charge = champion or SETTINGS
    figures = _difference(in_charge, tags, metrics)
    of_its_day = _difference(tags.get(_AGAINST, SETTINGS), tags, metrics)
    if figures is None and of_its_day is None:
        problems.append(
            Problem(
                "the challenger was not compared with the champion",
                where,
                "no figures of both on the same rows",
                "planted truth, or decisions of both kinds on findings drawn at random",
                "run `train` once more, on input that has them",
            )
        )
    elif figures is None and of_its_day is not None:
        problems.append(
            Problem(
                "the challenger was compared with a version that is no longer champion",
                where,
                f"compared with {_in_charge(tags[_AGAINST])}: {_figures(*of_its_day)}",
                f"compared with {_in_charge(in_charge)}",
                "run `train` once more: it compares with the champion of the day",
            )
        )
    elif figures is not None and not figures[1] > 0:
        problems.append(
            Problem(
                "the challenger is not shown to be better than the champion",
                where,
                f"{_figures(*figures)} by {tags.get(_JUDGE, 'unknown')} truth",
                "an interval of the difference that lies above zero",
                "keep the champion, or evaluate on more truth",
            )
        )
    return problems


def version_before(entries: Iterable[Promotion], champion: str | None) -> str | None:
    """What the champion took the alias from, by the last entry that made it champion other than by going back."""
    into = [one for one in entries if one.to_version == champion and one.kind is not Kind.ROLLED_BACK]
    return into[-1].from_version if into else None


def _challenger(client: Any, model_name: str, version: str | None, champion: str | None) -> Any:
    """The version named, else the best challenger; where there is nothing but the champion, that: refused by name."""
    if version is not None:
        challenger = found(lambda: client.get_model_version(model_name, version))
    else:
        versions = _versions(client, model_name)
        challenger = _best_challenger(client, [one for one in versions if str(one.version) != champion], champion)
        challenger = challenger or next(iter(versions), None)
    if challenger is None:
        raise PromotionRefused(
            Problem(
                "there is no such model version",
                f"--model {model_name}{f'/{version}' if version else ''}",
                to_do="see the MLflow registry; `train` registers a version",
            )
        )
    return challenger


def _best_challenger(client: Any, versions: Sequence[Any], champion: str | None) -> Any | None:
    """Of the versions that are shown to be better than the champion, else of those that were compared with it, else of
    all, those of the newest training run; of these the one with the largest difference (where there is none: with the
    largest average precision), of equal ones the newest."""
    said = {int(one.version): _said_of(client, one) for one in versions}
    differences = {number: _difference(champion or SETTINGS, *of_version) for number, of_version in said.items()}
    compared = {number: figures for number, figures in differences.items() if figures is not None}
    better = [number for number, figures in compared.items() if figures[1] > 0]
    pool = better or list(compared) or list(said)
    if not pool:
        return None
    newest = said[max(pool)][0].get("run_id")
    of_run = [number for number in pool if number == max(pool) or (newest and said[number][0].get("run_id") == newest)]

    def standing(number: int) -> tuple[float, float, int]:
        return compared.get(number, (0.0,))[0], said[number][1].get("auprc", 0.0), number

    best = max(of_run, key=standing)
    return next(one for one in versions if int(one.version) == best)


def _said_of(client: Any, version: Any) -> tuple[dict[str, str], dict[str, float]]:
    """Tags and metrics of a version's training, the version's own tags first."""
    run = client.get_run(version.run_id).data
    return {**run.tags, **version.tags}, dict(run.metrics)


def _difference(
    in_charge: str, tags: Mapping[str, str], metrics: Mapping[str, float]
) -> tuple[float, float, float] | None:
    """Average precision less that of the version in charge on the same rows, with its interval: as it was measured in
    training, or by a comparison of versions of one run. None where neither was."""
    if tags.get(_AGAINST) == in_charge and all(name in metrics for name in _DIFFERENCE):
        difference, low, high = (metrics[name] for name in _DIFFERENCE)
        return difference, low, high
    same_rows = json.loads(tags.get(SAME_ROWS, "{}")).get(in_charge)
    return None if same_rows is None else tuple(same_rows)


def _versions(client: Any, model_name: str) -> list[Any]:
    return list(client.search_model_versions(f"name='{model_name}'"))


def _why(champion: str | None, tags: Mapping[str, str], figures: Mapping[str, float]) -> str:
    if champion is None and tags.get(_AGAINST) != SETTINGS:
        return "no version was champion"
    told = _figures(*(figures[name] for name in _DIFFERENCE))
    return f"better than {_in_charge(tags[_AGAINST])}: {told} by {tags.get(_JUDGE, 'unknown')} truth"


def _figures(difference: float, low: float, high: float) -> str:
    return f"difference of auprc {difference:+.4f}, interval {low:+.4f} to {high:+.4f}"


def _version(version: str | None) -> str:
    return "none" if version is None else f"version {version}"


def _in_charge(champion: str) -> str:
    return "the settings" if champion == SETTINGS else _version(champion)
