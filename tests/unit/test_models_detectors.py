"""Each kind of detector, as arrays: the library's own answers, one row at a time, and explanations that hold."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.metrics import roc_auc_score

from engine.models.fitting import fit_scorer
from engine.models.scorers import KINDS as SCORERS
from engine.models.scorers import load_scorer, save_scorer, scorer_class
from engine.settings import SHIPPED_DETECTORS, EcodSettings, LodaSettings
from tests.unit.detector_rows import DETECTORS, KINDS, fitted, library_scores, skewed_rows

ROOT = Path(__file__).resolve().parents[2]
TRAINING = skewed_rows(1_500)
ADDITIVE = {"ecod", "copod", "hbos", "power_sum"}
BY_OCCLUSION = {"loda", "rank_combination"}
BENCHMARKS = ("2_annthyroid", "6_cardio", "23_mammography", "31_satimage-2", "38_thyroid", "42_WBC")


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def scorer(kind: str) -> Any:
    return fitted(kind, TRAINING)


@pytest.fixture(scope="module")
def tested() -> npt.NDArray[Any]:
    """New rows, rows of the training and rows far beyond it."""
    return np.vstack([skewed_rows(150, seed=1), TRAINING[:30], skewed_rows(20, seed=2) * 20])


def test_scores_are_the_librarys_for_each_row_alone(kind: str, scorer: Any, tested: npt.NDArray[Any]) -> None:
    rows = tested[::5]
    if kind == "rank_combination":  # of ranks among the training rows, not of the batch
        members = [fitted(name, TRAINING) for name in DETECTORS[kind].members]
        ranks = [[(member.scores(TRAINING) <= score).sum() for score in member.scores(rows)] for member in members]
        places = len(TRAINING) + 1
        expected = (np.max(ranks, axis=0) + np.mean(ranks, axis=0) / places) / places
    else:
        expected = np.array([library_scores(kind, TRAINING, row[np.newaxis])[0] for row in rows])
    assert scorer.scores(rows) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("name", ["ecod", "copod"])
def test_a_single_row_tells_the_library_what_a_batch_would_tell_otherwise(name: str) -> None:
    """Why ours is the answer for the row alone: the library's changes with the batch."""
    odd = np.full((1, 5), 10.0)
    alone = library_scores(name, TRAINING, odd)[0]
    among_others_like_it = library_scores(name, TRAINING, np.repeat(odd, 300, axis=0))[0]
    assert among_others_like_it < alone - 1
    assert fitted(name, TRAINING).scores(odd)[0] == pytest.approx(alone)


def test_neither_batch_nor_order_nor_layout_changes_a_bit(scorer: Any, tested: npt.NDArray[Any]) -> None:
    scores, contributions = scorer.scores(tested), scorer.contributions(tested)
    order = np.random.default_rng(0).permutation(len(tested))
    for rows in (tested[order], np.asfortranarray(tested[order])):
        assert np.array_equal(scorer.scores(rows), scores[order])
        assert np.array_equal(scorer.contributions(rows), contributions[order])
    for place in range(0, len(tested), 7):
        assert scorer.scores(tested[place : place + 1])[0] == scores[place]
        assert np.array_equal(scorer.contributions(tested[place : place + 1])[0], contributions[place])
    assert scorer.scores(tested[:0]).shape == (0,)
    assert scorer.contributions(tested[:0]).shape == (0, 5)


def test_two_fits_are_one_detector_and_other_rows_another(kind: str, scorer: Any) -> None:
    assert fitted(kind, TRAINING.copy()).digest == scorer.digest
    if kind == "power_sum":
        pytest.skip("learns nothing but the number of measures")
    assert fitted(kind, skewed_rows(1_500, seed=5)).digest != scorer.digest


def test_more_rows_than_a_detector_keeps_are_sampled_by_the_seed(kind: str) -> None:
    if "rows" not in type(DETECTORS[kind]).model_fields:
        pytest.skip("learns from all rows")
    few, again, other = (
        fit_scorer(TRAINING, DETECTORS[kind].model_copy(update={"rows": 300, "seed": seed}), DETECTORS)
        for seed in (1, 1, 2)
    )
    assert few.digest == again.digest != other.digest
    size = {name: array.nbytes for name, array in few.arrays.items()}
    assert sum(size.values()) < sum(array.nbytes for array in fitted(kind, TRAINING).arrays.values())


def test_a_higher_score_is_more_anomalous_and_finite_however_far(scorer: Any) -> None:
    typical, far, farthest = (np.full((1, 5), value) for value in (0.0, 9.0, 1e12))
    scores = [scorer.scores(rows)[0] for rows in (typical, far, farthest)]
    assert scores[0] < scores[1] <= scores[2]
    assert np.isfinite(scores).all()
    assert np.isfinite(scorer.contributions(np.vstack([typical, far, farthest, -farthest]))).all()


def test_constant_and_equal_training_rows_give_finite_answers(kind: str) -> None:
    for training in (np.zeros((300, 3)), np.column_stack([np.zeros(300), np.arange(300) % 2, np.ones(300)])):
        scorer = fitted(kind, training)
        rows = np.vstack([training[:3], np.full((1, 3), 5.0)])
        assert np.isfinite(scorer.scores(rows)).all()
        assert np.isfinite(scorer.contributions(rows)).all()


def test_contributions_add_up_to_the_score_where_they_are_parts_of_it(
    kind: str, scorer: Any, tested: npt.NDArray[Any]
) -> None:
    if kind not in ADDITIVE:
        pytest.skip("not a sum of parts")
    assert scorer.contributions(tested).sum(axis=1) == pytest.approx(scorer.scores(tested), rel=1e-9)


def test_contributions_are_drops_of_the_score_where_no_parts_are_defined(
    kind: str, scorer: Any, tested: npt.NDArray[Any]
) -> None:
    if kind not in BY_OCCLUSION:
        pytest.skip("a sum of parts, or of changes of the path")
    contributions = scorer.contributions(tested)
    for feature in range(5):
        typical = tested.copy()
        typical[:, feature] = 0.0
        assert np.array_equal(contributions[:, feature], scorer.scores(tested) - scorer.scores(typical))
    assert (contributions[tested == 0] == 0).all()


def test_the_feature_that_is_far_off_is_the_strongest_reason(kind: str) -> None:
    training = np.random.default_rng(3).normal(size=(1_500, 5))
    odd = np.zeros((5, 5))
    np.fill_diagonal(odd, 9.0)
    scorer = fit_scorer(training, SHIPPED_DETECTORS[kind], SHIPPED_DETECTORS)
    assert scorer.contributions(odd).argmax(axis=1).tolist() == list(range(5))


def test_a_scorer_comes_back_from_disk_and_from_a_pickle_as_it_was(
    kind: str, scorer: Any, tested: npt.NDArray[Any], tmp_path: Path
) -> None:
    save_scorer(scorer, tmp_path)
    for again in (load_scorer(kind, tmp_path), pickle.loads(pickle.dumps(scorer))):
        assert type(again) is scorer_class(kind) is type(scorer)
        assert again.digest == scorer.digest
        assert again.features == 5
        assert np.array_equal(again.scores(tested), scorer.scores(tested))


def test_arrays_of_another_kind_are_refused(scorer: Any, tmp_path: Path) -> None:
    save_scorer(scorer, tmp_path)
    others = [other for other in KINDS if scorer_class(other) is not type(scorer)]
    for other in others:
        with pytest.raises((ValueError, KeyError)):
            load_scorer(other, tmp_path)
    with pytest.raises(ValueError, match="unknown kind: oracle"):
        load_scorer("oracle", tmp_path)


def test_a_matrix_of_other_features_is_refused(scorer: Any) -> None:
    with pytest.raises(ValueError, match="5 features"):
        scorer.scores(TRAINING[:, :4])


def test_every_shipped_detector_has_a_scorer_and_a_unit() -> None:
    assert set(SCORERS) == {*KINDS, "calibrated_logistic"}, "the last is the re-ranker's, no detector"
    assert all(one.contribution_unit for one in SCORERS.values())


def test_a_combination_may_have_several_members_of_one_kind() -> None:
    detectors = {
        "few": LodaSettings(cuts=10),
        "many": LodaSettings(cuts=60),
        "both": DETECTORS["rank_combination"].model_copy(update={"members": ("few", "many", "ecod")}),
        "ecod": EcodSettings(),
    }
    combined: Any = fit_scorer(TRAINING, detectors["both"], detectors)
    assert combined.kinds == ("loda", "loda", "ecod")
    assert [member.features for member in combined.members] == [5, 5, 5]
    assert 0 <= combined.scores(TRAINING).min() < combined.scores(TRAINING).max() <= 1


@pytest.mark.parametrize("name", BENCHMARKS)
def test_auroc_on_public_benchmarks_is_the_librarys(public_data: Path, name: Any, kind: Any) -> None:
    arrays = np.load(public_data / "anomaly" / f"{name}.npz")
    rows, labels = arrays["X"].astype(float), arrays["y"].ravel()
    on_all_rows = {
        other: settings.model_copy(update={"rows": len(rows)} if "rows" in type(settings).model_fields else {})
        for other, settings in DETECTORS.items()
    }
    ours = roc_auc_score(labels, fit_scorer(rows, on_all_rows[kind], on_all_rows).scores(rows))
    assert ours == pytest.approx(roc_auc_score(labels, library_scores(kind, rows, rows)), abs=0.001)


SCORE_ALONE = """
import pickle, sys
import numpy as np
scorer = pickle.load(open(sys.argv[1], "rb"))
scorer.scores(np.zeros((3, 5)))
scorer.contributions(np.zeros((3, 5)))
print(sorted(name for name in sys.modules if name.startswith("engine.models.scorers.")))
heavy = {"pydantic", "sklearn", "pyod", "pyspark", "mlflow", "pandas"} & set(sys.modules)
assert not heavy, heavy
"""


@pytest.mark.parametrize(
    ("name", "modules"),
    [("power_sum", {"power_sum"}), ("ecod", {"feature_steps"}), ("loda", {"projections"})],
)
def test_executors_import_the_module_of_their_scorer_alone(tmp_path: Path, name: str, modules: set[str]) -> None:
    (tmp_path / "scorer").write_bytes(pickle.dumps(fitted(name, TRAINING)))
    done = subprocess.run(
        [sys.executable, "-c", SCORE_ALONE, str(tmp_path / "scorer")],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert eval(done.stdout) == sorted(f"engine.models.scorers.{module}" for module in {"base", *modules})


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("isolation_forest", {"left_child": lambda a: a + np.uint32(10**9)}),
        ("isolation_forest", {"left_child": lambda a: np.full_like(a, len(a) - 1)}),
        ("isolation_forest", {"feature": lambda a: a + np.uint32(99)}),
        ("isolation_forest", {"roots": lambda a: a + np.uint32(10**8)}),
        ("isolation_forest", {"depths": lambda a: a + 10**15}),
        ("isolation_forest", {"path_length": lambda a: a[:-1]}),
        ("isolation_forest", {"left_child": lambda a: a.astype(np.int64) - 10**6}),
        ("loda", {"terms": lambda a: a[:, :2]}),
        ("loda", {"weights": lambda a: a[:, :1]}),
        ("ecod", {"terms": lambda a: a[:, :3]}),
        ("power_sum", {"exponent": lambda a: a - 2.0}),
    ],
)
def test_arrays_that_point_outside_one_another_are_refused_before_compiled_code_reads_them(
    kind: str, changes: dict[str, Callable[..., Any]]
) -> None:
    scorer = fitted(kind, skewed_rows(300))
    arrays = {name: changes[name](array) if name in changes else array for name, array in scorer.arrays.items()}
    with pytest.raises(ValueError, match="do not fit together"):
        type(scorer).of_arrays(arrays)


def test_no_detector_consists_of_training_rows() -> None:
    assert not [kind for kind in KINDS if fitted(kind, skewed_rows(300)).keeps_rows]
