"""Promotion and rollback of versions: the alias moves only to a version that is shown to be better, or back."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from engine.errors import Problem, PromotionRefused
from engine.tracking.champions import SAME_ROWS, Kind, Promotion, champion_version, move, now, promotions
from engine.tracking.mlflow_access import existing

if TYPE_CHECKING:
    from engine.tracking.tracker import Tracker

_AGAINST = "against_champion_version"
_JUDGE = "against_champion_truth"
_LABELS = {
    "PLANTED": "planted anomalies",
    "RANDOM": "decisions on findings drawn at random",
    "QUEUE": "decisions on findings of the queue",
}
_DIFFERENCE = ("against_champion_auprc", "against_champion_auprc_low", "against_champion_auprc_high")
# In charge if no version is: values of the settings, for models that would replace only these.
SETTINGS = "settings"
_REPORTED = (*_DIFFERENCE, "auprc", "gain_auprc", "gain_auprc_low", "gain_auprc_high")


def comparison_tags(champion_version: str, judge: str) -> dict[str, str]:
    """The tags that describe a training run's comparison with the champion at that time.

    They supplement the metrics `against_champion_auprc`, `_low` and `_high`. `champion_version`: SETTINGS if these were
    in charge.
    """
    return {_AGAINST: champion_version, _JUDGE: judge}


def promote(
    tracker: Tracker,
    model_name: str,
    version: str | None,
    features: Sequence[str] | Mapping[str, Sequence[str]],
    by: str,
    reason: str = "",
) -> Promotion:
    """Make a version (by default the best challenger) champion if its training shows that it is better.

    `against_champion_auprc` decides whether it is better than the present champion. The best challenger has the
    largest difference among those whose interval is above zero, in the newest training run that has any, because
    versions of one run are measured on the same rows.

    Raises PromotionRefused, with all reasons and figures, if the version was not compared with the present champion on
    the same rows, if the interval of the difference is not above zero, or if it was trained on other features than the
    configured ones. Without a champion, only the features count, except for a version that would replace SETTINGS: it
    must be better than these.
    """
    with tracker.connected("cannot promote") as client:
        champion = champion_version(client, model_name, tracker.alias)
        challenger = _challenger(client, model_name, version, champion)
        tags, metrics = _training_of(client, challenger)
        problems = refusals(str(challenger.version), champion, tags, metrics, features, model_name)
        if problems:
            raise PromotionRefused(problems)
        figures = {name: metrics[name] for name in _REPORTED if name in metrics}
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
    """Restore the champion that preceded the present one in the log; a second call goes back two versions.

    Raises PromotionRefused if the log has no earlier version, or if that version is no longer registered.
    """
    with tracker.connected("cannot roll back") as client:
        champion = champion_version(client, model_name, tracker.alias)
        before = version_before(promotions(client, model_name), champion)
        there = {str(version.version) for version in _versions(client, model_name)}
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
    """Every entry, the oldest first; empty if the model does not exist."""
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
    """The reasons why the version must not become champion; empty if it may.

    `tags`, `metrics`: of its training. `features`: those of the settings, by the detectors' inputs if they differ.
    """
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
                "planted anomalies, or decisions of both kinds on findings drawn at random",
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
                f"{_figures(*figures)}{_measured_on(tags)}",
                "an interval of the difference that lies above zero",
                "keep the champion, or evaluate on more planted anomalies or decisions",
            )
        )
    return problems


def version_before(entries: Iterable[Promotion], champion: str | None) -> str | None:
    """The version that the champion replaced, from the last entry that made it champion other than by a rollback."""
    into = [entry for entry in entries if entry.to_version == champion and entry.kind is not Kind.ROLLED_BACK]
    return into[-1].from_version if into else None


def _challenger(client: Any, model_name: str, version: str | None, champion: str | None) -> Any:
    """The version named, else the best challenger, else the champion itself, which is then refused by name."""
    if version is not None:
        challenger = existing(lambda: client.get_model_version(model_name, version))
    else:
        versions = _versions(client, model_name)
        challenger = _best_challenger(client, [each for each in versions if str(each.version) != champion], champion)
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
    """The best of the versions that are shown to be better than the champion.

    If there are none, the best of those that were compared with it, else of all. Only versions of the newest training
    run among them count. The best has the largest difference (without differences, the largest average precision), and
    among equals is the newest.
    """
    trainings = {int(each.version): _training_of(client, each) for each in versions}
    differences = {number: _difference(champion or SETTINGS, *of_version) for number, of_version in trainings.items()}
    compared = {number: figures for number, figures in differences.items() if figures is not None}
    better = [number for number, figures in compared.items() if figures[1] > 0]
    pool = better or list(compared) or list(trainings)
    if not pool:
        return None
    newest = trainings[max(pool)][0].get("run_id")
    of_run = [
        number for number in pool if number == max(pool) or (newest and trainings[number][0].get("run_id") == newest)
    ]

    def rank(number: int) -> tuple[float, float, int]:
        return compared.get(number, (0.0,))[0], trainings[number][1].get("auprc", 0.0), number

    best = max(of_run, key=rank)
    return next(each for each in versions if int(each.version) == best)


def _training_of(client: Any, version: Any) -> tuple[dict[str, str], dict[str, float]]:
    """Tags and metrics of a version's training run; the version's own tags take precedence."""
    run = client.get_run(version.run_id).data
    return {**run.tags, **version.tags}, dict(run.metrics)


def _difference(
    in_charge: str, tags: Mapping[str, str], metrics: Mapping[str, float]
) -> tuple[float, float, float] | None:
    """Average precision less that of the version in charge on the same rows, with its interval.

    Measured in training, or by a comparison of versions of one run; None without either.
    """
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
    difference = _figures(*(figures[name] for name in _DIFFERENCE))
    return f"better than {_in_charge(tags[_AGAINST])}: {difference}{_measured_on(tags)}"


def _figures(difference: float, low: float, high: float) -> str:
    return f"difference of auprc {difference:+.4f}, interval {low:+.4f} to {high:+.4f}"


def _version(version: str | None) -> str:
    return "none" if version is None else f"version {version}"


def _in_charge(champion: str) -> str:
    return "the settings" if champion == SETTINGS else _version(champion)


def _measured_on(tags: Mapping[str, str]) -> str:
    """The source of the labels by which two versions were compared; empty if the version does not state it."""
    labels = tags.get(_JUDGE)
    return "" if labels is None else f", measured on {_LABELS.get(labels, labels)}"
