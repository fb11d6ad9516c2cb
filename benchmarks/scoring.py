"""How fast rows are scored: this engine's scorers beside the libraries' own functions, and MLflow's.

    python benchmarks/scoring.py [--rows 20000] [--features 20] [--trees 200] [--repeats 3] [--spark]

For each kind of detector: rows per second of the library's `decision_function` (`score_samples` for the isolation
forest) and of our scorer, their ratio, the rows that are explained per minute, and the largest relative difference of a
score. The two take turns, and the best of their times counts, so that another program's load on the machine weighs on
both. ECOD and COPOD differ from the library by what the batch adds to it (docs/detectors.md). With `--spark`, the
forest through `mlflow.pyfunc.spark_udf` and through this engine, on two cores.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from engine.models.fitting import fit_scorer
from engine.models.scorers.base import Scorer
from engine.settings import SHIPPED_DETECTORS, IsolationForestSettings

TRAINING_ROWS = 5_000  # what KNN and LOF keep, so that library and scorer meet the same rows


def main() -> None:
    options = _options()
    generator = np.random.default_rng(1)
    training = generator.normal(size=(TRAINING_ROWS, options.features))
    rows = generator.normal(size=(options.rows, options.features))
    detectors = {
        **SHIPPED_DETECTORS,
        "isolation_forest": IsolationForestSettings(trees=options.trees),
    }
    print(f"{options.rows:,} rows, {options.features} features, {options.trees} trees of 256 rows, trained on 5,000")
    print(f"{'kind':<18}{'library rows/s':>16}{'ours rows/s':>14}{'ratio':>8}{'explained/min':>16}{'difference':>12}")
    for kind, settings in detectors.items():
        scorer = fit_scorer(training, settings, detectors)
        library = _library(kind, training, detectors)
        scorer.contributions(rows[:1])  # compiled
        contenders: dict[str, Callable[[], object]] = {"ours": partial(scorer.scores, rows)}
        if library is not None:
            contenders["library"] = partial(library, rows)
        best = _best(contenders, options.repeats)
        explained = rows[: max(options.rows // 10, 1)]
        seconds = _best({"": partial(scorer.contributions, explained)}, options.repeats)[""]
        theirs = f"{options.rows / best['library']:,.0f}" if library is not None else "-"
        ratio = f"{best['library'] / best['ours']:.2f}" if library is not None else "-"
        gap = f"{np.abs(scorer.scores(rows) / library(rows) - 1).max():.0e}" if library is not None else "-"
        ours, per_minute = options.rows / best["ours"], 60 * len(explained) / seconds
        print(f"{kind:<18}{theirs:>16}{ours:>14,.0f}{ratio:>8}{per_minute:>16,.0f}{gap:>12}", flush=True)
    if options.spark:
        _on_spark(fit_scorer(training, detectors["isolation_forest"], detectors), options)


def _best(contenders: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    best = dict.fromkeys(contenders, float("inf"))
    for _ in range(repeats):
        for name, work in contenders.items():
            started = time.perf_counter()
            work()
            best[name] = min(best[name], time.perf_counter() - started)
    return best


def _library(kind: str, training: np.ndarray, detectors: dict[str, Any]) -> Callable[[np.ndarray], np.ndarray] | None:
    """The library's own function of rows; None for the combination, which is no library's."""
    from pyod.models.copod import COPOD
    from pyod.models.ecod import ECOD
    from pyod.models.hbos import HBOS
    from pyod.models.loda import LODA
    from sklearn.ensemble import IsolationForest

    parameters = detectors[kind]
    if kind == "isolation_forest":
        forest = IsolationForest(n_estimators=parameters.trees, max_samples=256, random_state=parameters.seed)
        forest.fit(training)
        return lambda rows: -forest.score_samples(rows)
    made: dict[str, Callable[[], Any]] = {
        "ecod": ECOD,
        "copod": COPOD,
        "hbos": HBOS,
        "loda": lambda: LODA(random_state=parameters.seed),
    }
    return made[kind]().fit(training).decision_function if kind in made else None


def _on_spark(scorer: Scorer, options: argparse.Namespace) -> None:
    import mlflow
    from pyspark.sql import Column
    from pyspark.sql import functions as F

    from engine.contracts.codes import Subject
    from engine.models.anomaly_model import AnomalyModel
    from engine.models.batches import contributions_column, score_column
    from engine.runtime.session import build_session
    from engine.settings import MlflowSettings, SparkSettings
    from engine.tracking import Tracker

    names = tuple(f"f{place}" for place in range(options.features))
    count = 20 * options.rows
    spark = build_session("scoring", SparkSettings(master="local[2]", conf={"spark.ui.enabled": False}))
    with tempfile.TemporaryDirectory() as folder:
        columns = [F.randn(place).alias(f"{name}_z") for place, name in enumerate(names)]
        place = str(Path(folder, "rows"))
        spark.range(0, count, 1, 4).select(*columns).write.parquet(place)
        rows = spark.read.parquet(place)
        model = AnomalyModel(
            scorer, Subject.REBATE_CLAIM, "isolation_forest", "isolation_forest", names, {}, 5_000, {}, {}
        )
        model.save(Path(folder, "model"))
        tracker = Tracker(MlflowSettings(), str(Path(folder, "output")))
        version = tracker.log_training(
            model_folder=Path(folder, "model"),
            model_name="scoring",
            run_name="scoring",
            parameters={},
            metrics={},
            figures={},
            tags={},
        )
        served = mlflow.pyfunc.spark_udf(spark, f"models:/scoring/{version}", result_type="double", env_manager="local")
        inputs = [F.col(name) for name in rows.columns]
        contenders = {
            "mlflow spark_udf": served(F.struct(*inputs)),
            "engine, scores": score_column(spark, scorer, inputs, 50_000),
            "engine, explained": F.aggregate(
                contributions_column(spark, scorer, inputs, 50_000), F.lit(0.0), lambda total, part: total + part
            ),
        }

        def add_up(scores: Column) -> None:
            rows.agg(F.sum(scores)).collect()

        best = _best({name: partial(add_up, column) for name, column in contenders.items()}, 2)
        print(pd.Series({name: f"{count / seconds:,.0f} rows/s" for name, seconds in best.items()}).to_string())
    spark.stop()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("rows", 20_000), ("features", 20), ("trees", 200), ("repeats", 3)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--spark", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()
