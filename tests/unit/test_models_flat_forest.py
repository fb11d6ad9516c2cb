"""The flat forest gives scikit-learn's own scores, and explanations that add up."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score

from engine import models
from engine.models.scorers.flat_forest import BLOCK, flatten

ROOT = Path(__file__).resolve().parents[2]
SCORER_MODULES = ("__init__", "base", "flat_forest")
BENCHMARKS = ("2_annthyroid", "6_cardio", "23_mammography", "31_satimage-2", "38_thyroid", "42_WBC")


def random_rows(rows: int, features: int, seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    values = generator.normal(size=(rows, features))
    values[: rows // 50] *= 6
    # ties, as z-scores capped at 10 and unknown ones taken as 0 make them
    values[generator.random(values.shape) < 0.2] = 0.0
    return np.clip(values, -10, 10)


def fitted(rows: np.ndarray, **parameters: Any) -> IsolationForest:
    return IsolationForest(
        **{"n_estimators": 50, "max_samples": min(256, len(rows)), "random_state": 7, **parameters}
    ).fit(rows)


@pytest.mark.parametrize(
    ("rows", "features", "parameters"),
    [
        (3_000, 20, {}),
        (3_000, 1, {}),
        (3_000, 5, {"max_samples": 3_000}),  # deep trees
        (3_000, 6, {"max_features": 3}),  # trees that know some features only
        (300, 4, {"bootstrap": True}),
        (2, 2, {}),
        (1, 2, {}),
    ],
)
def test_scores_are_those_of_scikit_learn(rows: int, features: int, parameters: dict[str, int]) -> None:
    training = random_rows(rows, features)
    forest = fitted(training, **parameters)
    tested = np.vstack([training, random_rows(2 * BLOCK + 5, features, seed=1) * 3])
    assert np.abs(flatten(forest).scores(tested) - -forest.score_samples(tested)).max() <= 1e-12


def test_rows_on_a_split_go_the_way_that_scikit_learn_sends_them() -> None:
    """Training values themselves, and their neighbours in double precision, which single precision makes equal."""
    training = np.round(random_rows(2_000, 3), 1)
    forest = fitted(training, max_samples=2_000)
    cuts = np.concatenate([tree.tree_.threshold[tree.tree_.feature >= 0] for tree in forest.estimators_])
    near = np.concatenate([cuts, np.nextafter(cuts, np.inf), np.nextafter(cuts, -np.inf)])
    tested = np.stack([near, near[::-1], np.roll(near, 1)], axis=1)
    assert np.abs(flatten(forest).scores(tested) - -forest.score_samples(tested)).max() <= 1e-12


def test_constant_features_make_all_rows_equal() -> None:
    training = np.ones((500, 3))
    scores = flatten(fitted(training)).scores(training)
    assert np.unique(scores).size == 1


def test_layout_of_the_matrix_changes_nothing() -> None:
    rows = random_rows(1_000, 4)
    forest = flatten(fitted(rows))
    expected = forest.scores(rows)
    assert np.array_equal(forest.scores(np.asfortranarray(rows)), expected)
    assert np.array_equal(forest.scores(rows.astype(np.float32)), expected)
    assert np.array_equal(np.concatenate([forest.scores(rows[:33]), forest.scores(rows[33:])]), expected)
    assert forest.scores(rows[:0]).shape == (0,)


def test_a_matrix_of_other_features_is_refused() -> None:
    forest = flatten(fitted(random_rows(300, 4)))
    with pytest.raises(ValueError, match="4 features"):
        forest.scores(random_rows(10, 3))


@pytest.mark.parametrize("name", BENCHMARKS)
def test_auroc_on_public_benchmarks_is_scikit_learns(public_data: Path, name: Any) -> None:
    arrays = np.load(public_data / "anomaly" / f"{name}.npz")
    rows, labels = arrays["X"].astype(float), arrays["y"].ravel()
    forest = IsolationForest(n_estimators=100, random_state=0).fit(rows)
    ours = roc_auc_score(labels, flatten(forest).scores(rows))
    theirs = roc_auc_score(labels, -forest.score_samples(rows))
    assert abs(ours - theirs) <= 0.001
    assert ours > 0.6


def test_contributions_are_the_changes_of_the_expected_path_length() -> None:
    """Against a slow walk over scikit-learn's own trees."""
    training = random_rows(600, 4)
    forest = fitted(training, n_estimators=10)
    tested = random_rows(40, 4, seed=2) * 2
    expected = np.zeros_like(tested)
    for estimator in forest.estimators_:
        for place, row in enumerate(tested.astype(np.float32)):
            walk(estimator.tree_, row, expected[place])
    assert np.allclose(flatten(forest).contributions(tested), expected / 10, atol=1e-12)


def walk(tree: Any, row: npt.NDArray[Any], credits: npt.NDArray[Any]) -> None:
    node, depth = 0, 0
    while tree.children_left[node] >= 0:
        goes_left = row[tree.feature[node]] <= tree.threshold[node]
        child = tree.children_left[node] if goes_left else tree.children_right[node]
        credits[tree.feature[node]] += expected_length(tree, node, depth) - expected_length(tree, child, depth + 1)
        node, depth = child, depth + 1


def expected_length(tree: Any, node: Any, depth: int) -> float:
    rows = tree.n_node_samples[node]
    if tree.children_left[node] < 0:
        # c(n): the mean of an unsuccessful search among the rows that the leaf does not tell apart
        harmonic = np.log(rows - 1) + np.euler_gamma if rows > 2 else 0.0
        return depth + (2 * harmonic - 2 * (rows - 1) / rows if rows > 2 else rows - 1.0)
    children = (tree.children_left[node], tree.children_right[node])
    return sum(tree.n_node_samples[child] * expected_length(tree, child, depth + 1) for child in children) / rows


def test_contributions_add_up_to_the_difference_in_mean_path_length() -> None:
    training = random_rows(3_000, 8)
    forest = flatten(fitted(training, n_estimators=200))
    shortened = forest.expected_path_length - forest.path_lengths(training) / 200
    assert np.abs(forest.contributions(training).sum(axis=1) - shortened).max() < 1e-9
    assert shortened.max() > 1.0


def test_a_feature_far_off_is_the_strongest_reason() -> None:
    training = np.random.default_rng(3).normal(size=(3_000, 6))
    forest = flatten(fitted(training, n_estimators=200))
    odd = np.zeros((6, 6))
    np.fill_diagonal(odd, 9.0)
    assert forest.contributions(odd).argmax(axis=1).tolist() == list(range(6))


SCORE_ALONE = """
import sys
import numpy as np
from engine.models.scorers.flat_forest import FlatForest
flat = FlatForest(**{name: value if value.ndim else value.item() for name, value in np.load(sys.argv[1]).items()})
np.save(sys.argv[3], flat.scores(np.load(sys.argv[2])))
heavy = {"pydantic", "sklearn", "pyod", "pyspark", "mlflow", "pandas"} & set(sys.modules)
assert not heavy, heavy
"""


def test_executors_score_from_a_zip_without_a_cache_folder_and_without_scikit_learn(tmp_path: Path) -> None:
    """As code shipped with --py-files to a user that may write nowhere: numba then compiles anew in each process."""
    rows = random_rows(300, 3)
    flat = flatten(fitted(rows))
    package = Path(models.__file__).parents[1]
    with zipfile.ZipFile(tmp_path / "engine.zip", "w") as archive:
        for name in ("__init__.py", "models/__init__.py", *(f"models/scorers/{n}.py" for n in SCORER_MODULES)):
            archive.write(package / name, f"engine/{name}")
    np.savez(tmp_path / "forest.npz", **flat.arrays)
    np.save(tmp_path / "rows.npy", rows)
    nowhere = {"HOME": "/dev/null/home", "XDG_CACHE_HOME": "/dev/null/cache"}
    subprocess.run(
        [sys.executable, "-c", SCORE_ALONE, *(str(tmp_path / n) for n in ("forest.npz", "rows.npy", "scores.npy"))],
        env={**os.environ, **nowhere, "PYTHONPATH": str(tmp_path / "engine.zip")},
        cwd=tmp_path,
        check=True,
        timeout=120,
    )
    assert np.array_equal(np.load(tmp_path / "scores.npy"), flat.scores(rows))


def test_importing_what_executors_need_brings_no_training_library_along() -> None:
    script = (
        "import sys, engine.models.batches; print({'sklearn', 'pyod', 'mlflow', 'pydantic'} & set(sys.modules) or '')"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True, capture_output=True, text=True)
    assert done.stdout.strip() == ""


def test_every_name_of_the_room_can_be_had() -> None:
    import engine.models

    assert all(getattr(engine.models, name) for name in engine.models.__all__)
    with pytest.raises(AttributeError, match="no attribute 'prophesy'"):
        engine.models.prophesy  # noqa: B018
