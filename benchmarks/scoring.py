"""How fast rows are scored: this engine's kernel beside scikit-learn's `score_samples`, one thread each.

    python benchmarks/scoring.py [--rows 200000] [--features 20] [--trees 200] [--repeats 5]

Prints rows per second, their ratio and the largest difference of a score. The two take turns, and the best of their
times counts, so that another program's load on the machine weighs on both.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
from sklearn.ensemble import IsolationForest

from engine.models.scorers.flat_forest import flatten


def main() -> None:
    options = _options()
    generator = np.random.default_rng(1)
    training = generator.normal(size=(50_000, options.features))
    forest = IsolationForest(n_estimators=options.trees, max_samples=256, random_state=1).fit(training)
    rows = np.asfortranarray(generator.normal(size=(options.rows, options.features)), dtype=np.float32)

    started = time.perf_counter()
    flat = flatten(forest)
    flat.scores(rows[:1])
    prepared = time.perf_counter() - started
    largest = np.abs(flat.scores(rows) - -forest.score_samples(rows)).max()
    contenders: dict[str, Callable[[], object]] = {
        "scikit-learn score_samples": lambda: forest.score_samples(rows),
        "flat forest": lambda: flat.scores(rows),
        "flat forest, explanations": lambda: flat.contributions(rows),
    }
    best = dict.fromkeys(contenders, float("inf"))
    for _ in range(options.repeats):
        for name, work in contenders.items():
            started = time.perf_counter()
            work()
            best[name] = min(best[name], time.perf_counter() - started)

    print(f"{options.rows:,} rows, {options.features} features, {options.trees} trees of 256 rows")
    for name, seconds in best.items():
        ratio = best["scikit-learn score_samples"] / seconds
        print(f"{name:<28} {options.rows / seconds:>12,.0f} rows/s   {ratio:5.2f} x score_samples")
    print(f"largest difference of a score: {largest:.1e}; flattened and compiled (or from cache) in {prepared:.2f} s")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("rows", 200_000), ("features", 20), ("trees", 200), ("repeats", 5)):
        parser.add_argument(f"--{name}", type=int, default=default)
    return parser.parse_args()


if __name__ == "__main__":
    main()
