"""Who is champion and why: the gate, the log and the way back, in a real MLflow store (a sqlite file)."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from engine.contracts.facts import CLAIM_FEATURES, CLAIM_MEASURES
from engine.errors import ConfigurationError, PromotionRefused
from engine.settings import MlflowSettings
from engine.tracking import (
    Promotion,
    Tracker,
    comparison_tags,
    promote,
    promotion_log,
    roll_back,
    same_rows_tags,
)
from engine.tracking.champions import Kind, first_champion, move
from engine.tracking.promotion import refusals, version_before
from jobs.common import main
from jobs.promote import promote as promote_job
from tests.unit.test_tracking_tracker import saved_model

NAME = "claim-anomalies"
PROJECT = Path(__file__).resolve().parents[2]


def compared(against: str | None, difference: float, low: float, high: float) -> dict[str, Any]:
    figures = {"": difference, "_low": low, "_high": high}
    return {
        "metrics": {"auprc": 0.4, **{f"against_champion_auprc{end}": value for end, value in figures.items()}},
        "tags": {"features": ",".join(CLAIM_FEATURES)}
        | ({} if against is None else comparison_tags(against, "PLANTED")),
    }


def register(
    tracker: Tracker, folder: Path, metrics: dict[str, Any], tags: dict[str, Any], name: str = NAME
) -> str | None:
    return tracker.log_training(
        model_folder=folder, model_name=name, run_name="r", parameters={}, metrics=metrics, figures={}, tags=tags
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved_model(tmp_path_factory.mktemp("model"))[1]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, folder: Path) -> Tracker:
    """Version 1 champion; 2 shown to be better; 3 not; 4 better than 2."""
    tracker = Tracker(MlflowSettings(), str(tmp_path_factory.mktemp("store")))
    register(tracker, folder, {}, {"features": ",".join(CLAIM_FEATURES)})
    register(tracker, folder, **compared("1", 0.05, 0.01, 0.09))
    register(tracker, folder, **compared("1", 0.05, -0.01, 0.11))
    register(tracker, folder, **compared("2", 0.02, 0.01, 0.03))
    return tracker


BETTER = compared("1", 0.05, 0.01, 0.09)


@pytest.mark.parametrize(
    ("version", "champion", "changed", "expected"),
    [
        ("2", "1", {}, []),
        ("2", None, {"tags": {"features": ",".join(CLAIM_FEATURES)}, "metrics": {}}, []),
        ("1", "1", {}, ["is champion already"]),
        ("2", "3", {}, ["no longer champion"]),
        ("2", "1", compared("1", 0.05, 0.0, 0.1), ["not shown to be better"]),
        ("2", "1", compared("1", -0.05, -0.1, -0.01), ["not shown to be better"]),
        ("2", "1", {"metrics": {}}, ["not compared"]),
        ("2", "1", compared(None, 0.05, 0.01, 0.1), ["not compared"]),
        ("2", None, {"tags": {"features": "f1"}}, ["other features"]),
        ("2", "1", {**compared("1", 0.05, -0.1, 0.2), "tags": comparison_tags("1", "RANDOM")}, ["features", "better"]),
    ],
)
def test_the_gate(version: str, champion: str | None, changed: dict[str, dict[str, Any]], expected: list[str]) -> None:
    given = {**BETTER, **changed}
    problems = refusals(version, champion, given["tags"], given["metrics"], CLAIM_FEATURES)
    assert len(problems) == len(expected)
    for problem, words in zip(problems, expected, strict=True):
        assert words in problem.what


def test_features_are_those_of_what_the_challenger_reads() -> None:
    given = {"z": CLAIM_FEATURES, "surprise": CLAIM_MEASURES}
    for inputs, features, expected in (("z", CLAIM_FEATURES, 0), ("surprise", CLAIM_MEASURES, 0), ("z", ("f1",), 1)):
        tags = {"features": ",".join(features), "inputs": inputs}
        assert len(refusals("2", None, tags, {}, given)) == expected
    # versions from before there were surprises
    assert not refusals("2", None, {"features": ",".join(CLAIM_FEATURES)}, {}, given)


def test_a_refusal_tells_the_figures() -> None:
    given = compared("1", 0.05, -0.0123, 0.11)
    [problem] = refusals("3", "1", given["tags"], given["metrics"], CLAIM_FEATURES, NAME)
    assert "+0.0500, interval -0.0123 to +0.1100, measured on planted anomalies" in str(problem)
    assert "challenger: version 3, champion: version 1" in str(problem)


@pytest.mark.slow
def test_promotions_and_the_way_back(store: Tracker) -> None:
    assert [(one.kind, one.from_version, one.to_version) for one in promotion_log(store, NAME)] == [
        (Kind.FIRST, None, "1")
    ]
    with pytest.raises(PromotionRefused, match="no longer champion"):
        promote(store, NAME, "4", CLAIM_FEATURES, "ann")
    with pytest.raises(PromotionRefused, match="not shown to be better"):
        promote(store, NAME, "3", CLAIM_FEATURES, "ann")
    with pytest.raises(PromotionRefused, match="no such model version"):
        promote(store, NAME, "9", CLAIM_FEATURES, "ann")
    with pytest.raises(PromotionRefused, match="no version to go back to"):
        roll_back(store, NAME, "ann")
    assert store.fetch(NAME).version == "1"

    # the newest was compared with version 2, and version 3 is not shown to be better: the best challenger is version 2
    made = promote(store, NAME, None, CLAIM_FEATURES, "ann")
    assert (made.by, made.from_version, made.to_version) == ("ann", "1", "2")
    assert made.figures["against_champion_auprc_low"] == 0.01
    assert "better than version 1" in made.reason
    assert store.fetch(NAME).version == "2"
    promote(store, NAME, None, CLAIM_FEATURES, "bob", "the board's decision")
    assert store.fetch(NAME).version == "4"

    before = promotion_log(store, NAME)
    assert [roll_back(store, NAME, "ann").to_version, roll_back(store, NAME, "ann").to_version] == ["2", "1"]
    assert store.fetch(NAME).version == "1"
    with pytest.raises(PromotionRefused, match="no version to go back to"):
        roll_back(store, NAME, "ann")
    log = promotion_log(store, NAME)
    assert log[: len(before)] == before, "entries are never changed"
    assert [(one.kind.value, one.from_version, one.to_version, one.by) for one in log[1:]] == [
        ("PROMOTED", "1", "2", "ann"),
        ("PROMOTED", "2", "4", "bob"),
        ("ROLLED_BACK", "4", "2", "ann"),
        ("ROLLED_BACK", "2", "1", "ann"),
    ]
    assert log[2].reason == "the board's decision"
    assert [one.at for one in log] == sorted(one.at for one in log)
    assert all(one.at.endswith("+00:00") for one in log)


def test_versions_of_one_run_need_no_new_training_to_follow_each_other() -> None:
    # compared with version 1 on its day; version 3, of the same run, became champion since
    tags = compared("1", 0.05, 0.01, 0.09)["tags"] | same_rows_tags({"3": (0.02, 0.01, 0.03), "4": (0.1, -0.1, 0.3)})
    metrics = BETTER["metrics"]
    assert not refusals("2", "3", tags, metrics, CLAIM_FEATURES)
    assert not refusals("2", "1", tags, metrics, CLAIM_FEATURES)
    [problem] = refusals("2", "4", tags, metrics, CLAIM_FEATURES)
    assert "not shown to be better" in problem.what
    assert "+0.1000, interval -0.1000 to +0.3000" in str(problem)
    [problem] = refusals("2", "5", tags, metrics, CLAIM_FEATURES)
    assert "no longer champion" in problem.what


@pytest.mark.slow
def test_without_a_version_the_best_challenger_of_the_newest_comparison_is_taken(tmp_path: Path, folder: Path) -> None:
    tracker = Tracker(MlflowSettings(), str(tmp_path))

    def trained(run: str, against: str | None, *figures: float) -> str | None:
        given = compared(against, *figures) if against else {"metrics": {}, "tags": BETTER["tags"]}
        return register(tracker, folder, given["metrics"], given["tags"] | {"run_id": run})

    trained("first", None)
    trained("older", "1", 0.30, 0.20, 0.40)
    # a comparison of four: the largest difference is not shown, the last one is not the best
    trained("newer", "1", 0.25, -0.10, 0.60)
    trained("newer", "1", 0.20, 0.10, 0.30)
    trained("newer", "1", 0.10, 0.08, 0.12)
    trained("newer", "1", -0.10, -0.20, -0.05)
    # and training since then, which shows nothing to be better
    trained("newest", "1", 0.0, -0.01, 0.01)
    with tracker.connected("note the comparison") as client:
        for key, value in same_rows_tags({"4": (-0.1, -0.2, -0.01)}).items():
            client.set_model_version_tag(NAME, "5", key, value)

    made = promote(tracker, NAME, None, CLAIM_FEATURES, "ann")
    assert made.to_version == "4"
    assert made.figures["against_champion_auprc"] == 0.20

    # version 5 is of the same rows as the champion: its figures against it decide, those against version 1 no more
    with pytest.raises(PromotionRefused, match=r"-0\.1000, interval -0\.2000 to -0\.0100"):
        promote(tracker, NAME, None, CLAIM_FEATURES, "ann")


def test_a_version_that_is_gone_is_not_gone_back_to(store: Tracker, folder: Path) -> None:
    name = "other-anomalies"
    for _ in range(2):
        register(store, folder, **BETTER, name=name)
    promote(store, name, "2", CLAIM_FEATURES, "ann")
    with store.connected("delete") as client:
        client.delete_model_version(name, "1")
    with pytest.raises(PromotionRefused, match="version 1 is no longer registered"):
        roll_back(store, name, "ann")
    assert store.fetch(name).version == "2"


def test_an_alias_that_cannot_be_moved_leaves_no_entry(store: Tracker) -> None:
    before = promotion_log(store, NAME)
    with pytest.raises(ConfigurationError, match="cannot move"), store.connected("cannot move") as client:
        move(client, "latest", first_champion(NAME, "2", None, "ann"))  # an alias that MLflow keeps for itself
    assert promotion_log(store, NAME) == before


def test_the_log_of_no_model_is_empty(store: Tracker) -> None:
    assert promotion_log(store, "nothing") == []


def test_after_promotion_rollback_and_promotion_the_way_back_is_the_last_one() -> None:
    def entry(kind: Kind, before: str | None, after: str) -> Promotion:
        return Promotion("t", "ann", kind, NAME, before, after, "")

    log = [entry(Kind.FIRST, None, "1"), entry(Kind.PROMOTED, "1", "2"), entry(Kind.ROLLED_BACK, "2", "1")]
    log += [entry(Kind.PROMOTED, "1", "3")]
    assert version_before(log, "3") == "1"
    assert version_before(log, "1") is None
    assert version_before(log, None) is None
    assert version_before([], "1") is None


def test_an_entry_is_one_line_of_json() -> None:
    entry = Promotion("2026-01-31T00:00:00+00:00", "ann", Kind.PROMOTED, NAME, "1", "2", "two\nlines", {"auprc": 0.5})
    assert "\n" not in entry.to_json()
    assert Promotion.from_json(entry.to_json()) == entry


@pytest.mark.slow
def test_the_job_ends_with_2_and_figures_where_it_refuses(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tracker = Tracker(MlflowSettings(), str(tmp_path))
    register(tracker, folder, {}, {"features": ",".join(CLAIM_FEATURES)})
    register(tracker, folder, **compared("1", 0.05, -0.01, 0.11))
    register(tracker, folder, **BETTER)

    def job(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["promote", "--output", str(tmp_path), *words])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(promote_job)
        return (int(ended.value.code or 0), *capsys.readouterr())

    status, _, err = job("--model", f"{NAME}/2")
    assert status == 2
    assert "interval -0.0100 to +0.1100" in err
    assert "Traceback" not in err
    # the only one in a process of its own, to which MLflow must add no words
    command = [sys.executable, "-m", "jobs.promote", "--output", str(tmp_path), "--by", "ann"]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "version 3 is champion (before: 1)" in done.stdout
    entries = [json.loads(line) for line in job("--log")[1].splitlines()]
    assert [(one["kind"], one["to_version"]) for one in entries] == [("FIRST", "1"), ("PROMOTED", "3")]
    assert entries[1]["by"] == "ann"
    assert job("--model", "unheard-of")[0] == 2
