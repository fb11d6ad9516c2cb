"""What both yardsticks do in Python: identify sampled rows, settle contested links, fit and apply the forest."""

from __future__ import annotations

import argparse
import csv
import json
import os
import shutil
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from sklearn.ensemble import IsolationForest

RULES = (
    *("R001", "R003", "R004", "R005", "R016", "R017", "R018", "R019"),
    *("R020", "R021", "R022", "R023", "R024", "R027", "R053", "R056"),
)
FEATURES = (
    "f20_paid_per_unit_to_wac",
    "f23_rebate_to_paid",
    "f24_units_per_prescription",
    "f25_units_per_day",
    "f26_package_remainder",
    "f27_unit_factor_distance",
    "f42_early_refill_ratio",
    "f44_claim_age_days",
)
# Peers: at most about so many rows of a product and program, chosen by the hash of their id; at least so many values.
SAMPLE_PER_STRATUM, HASH_STEPS, FEWEST_PEERS = 500, 1 << 20, 20
TREES, ROWS_PER_TREE, TRAINING_ROWS, SEED = 200, 256, 200_000, 20_260_101
_BATCH_ROWS = 50_000
_REFERENCE = Path(__file__).resolve().parents[2] / "conf" / "reference"


def identifiers_340b() -> list[tuple[str | None, ...]]:
    """How states mark 340B claims: state, program, claim type (None: all), flag, first day on which it counts."""
    with open(_REFERENCE / "identifiers_340b.csv", encoding="utf-8", newline="") as file:
        return [
            tuple(
                value or None
                for value in (
                    *(row[name] for name in ("state", "program", "claim_type")),
                    f"{row['field']} {row['value']}",
                    row["begin_date"],
                )
            )
            for row in csv.DictReader(file)
        ]


class Laps:
    """Seconds per stage, by the clock."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the seconds that the block takes to the stage."""
        started = time.perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - started


def run(judge: Callable[[str, Path, str, Laps], None], description: str | None) -> None:
    """Run a script from its command line: input folder, output folder, day.

    Args:
        judge: What the script does, of input folder, output folder, day and laps. The output folder is empty.
        description: What `--help` says.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source")
    parser.add_argument("target", type=Path)
    parser.add_argument("--as-of", default="2026-09-30")
    options = parser.parse_args()
    laps = Laps()
    shutil.rmtree(options.target, ignore_errors=True)
    options.target.mkdir(parents=True)
    judge(options.source, options.target, options.as_of, laps)
    (options.target / "seconds.json").write_text(json.dumps(laps.seconds))


def hash_steps(row_ids: Iterable[str]) -> npt.NDArray[np.int64]:
    """A number from 0 to HASH_STEPS - 1 per row id: xxHash64 with seed 42, as `docs/features.md` chooses peers by."""
    from xxhash import xxh64_intdigest

    return np.fromiter((xxh64_intdigest(one.encode(), 42) % HASH_STEPS for one in row_ids), dtype=np.int64)


def assign(edges: pd.DataFrame) -> pd.DataFrame:
    """The edges of a one-to-one assignment: tier by tier, the highest total score in each group of competing claims.

    Args:
        edges: One row per rebate claim and 340B claim: `rebate`, `entity` (numbers), `tier`, `score` (whole),
            `days`, `rebate_row`, `entity_row` (the smallest row ids, which break ties).

    Returns:
        The chosen rows of `edges`, plus one row for each 340B claim that fits the rebate claim equally well.
    """
    chosen: list[int] = []
    equal: list[tuple[int, int]] = []
    used_rebate: set[int] = set()
    used_entity: set[int] = set()
    for _, of_tier in edges.groupby("tier", sort=True):
        free = of_tier[~of_tier.rebate.isin(used_rebate) & ~of_tier.entity.isin(used_entity)]
        if free.empty:
            continue
        rebates, rebate_at = np.unique(free.rebate.to_numpy(), return_inverse=True)
        entities, entity_at = np.unique(free.entity.to_numpy(), return_inverse=True)
        size = len(rebates) + len(entities)
        graph = coo_matrix((np.ones(len(free)), (rebate_at, len(rebates) + entity_at)), shape=(size, size))
        _, label = connected_components(graph, directed=False)
        groups = label[rebate_at]
        order = np.argsort(groups, kind="stable")
        for group in np.split(order, np.flatnonzero(np.diff(groups[order])) + 1):
            if len(group) == 1:
                best, ties = np.array(group), []
            else:
                of_group, equal_pairs = _best(free.iloc[group])
                best, ties = group[of_group], [(int(group[a]), int(group[b])) for a, b in equal_pairs]
            chosen += [free.index[b] for b in best]
            equal += [(free.index[a], free.index[b]) for a, b in ties]
            used_rebate |= set(free.rebate.iloc[best])
            used_entity |= set(free.entity.iloc[best])
    return edges.loc[[*chosen, *(other for _, other in equal)]]


def _best(group: pd.DataFrame) -> tuple[list[int], list[tuple[int, int]]]:
    """Positions of the edges that are chosen, and pairs of a chosen edge and another that some optimum has."""
    edges = list(zip(group.rebate, group.entity, np.maximum(group.score, 1), strict=True))

    def without(left: list[int], edge: int) -> list[int]:
        return [e for e in left if edges[e][0] != edges[edge][0] and edges[e][1] != edges[edge][1]]

    def total(left: list[int]) -> int:
        return _highest_total([edges[e] for e in left])

    everything = list(range(len(edges)))
    most = total(everything)
    optimal = [e for e in everything if edges[e][2] + total(without(everything, e)) == most]
    places = group[["days", "rebate_row", "entity_row"]].apply(tuple, axis=1).tolist()
    chosen: list[int] = []
    left, worth = everything, 0
    for edge in sorted(optimal, key=lambda e: places[e]):
        rest = without(left, edge)
        if edge in left and worth + edges[edge][2] + total(rest) == most:
            chosen.append(edge)
            left, worth = rest, worth + edges[edge][2]
    ties = [(c, o) for c in chosen for o in optimal if o != c and edges[o][0] == edges[c][0]]
    return chosen, ties


def _highest_total(edges: list[tuple[int, int, int]]) -> int:
    if len(edges) <= 1:
        return sum(worth for _, _, worth in edges)
    rows: dict[int, int] = defaultdict(lambda: len(rows))
    columns: dict[int, int] = defaultdict(lambda: len(columns))
    placed = [(rows[r], columns[e], worth) for r, e, worth in edges]
    matrix = np.zeros((len(rows), len(columns)))
    for row, column, worth in placed:
        matrix[row, column] = worth
    return int(matrix[linear_sum_assignment(matrix, maximize=True)].sum())


def forest_scores(matrix: npt.NDArray[np.float64], is_ordinary: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """Anomaly score of every row, higher is more anomalous, of a forest fitted on a sample of the ordinary rows."""
    ordinary = np.flatnonzero(is_ordinary)
    sample = ordinary
    if len(ordinary) > TRAINING_ROWS:
        sample = np.random.default_rng(SEED).choice(ordinary, TRAINING_ROWS, replace=False)
    forest = IsolationForest(n_estimators=TREES, max_samples=min(ROWS_PER_TREE, len(sample)), random_state=SEED)
    forest.fit(matrix[sample])
    batches = np.array_split(np.arange(len(matrix)), max(2, len(matrix) // _BATCH_ROWS))
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        return -np.concatenate(list(threads.map(lambda batch: forest.score_samples(matrix[batch]), batches)))
