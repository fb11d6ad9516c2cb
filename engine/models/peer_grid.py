"""How extreme a value is among its peers: quantile grids, and surprises computed from them. Arrays only, no Spark.

The surprise of a value x is -ln of the two-sided tail probability min(1, 2 min(P(X <= x), P(X >= x))) among its peers,
in natural log units: 0 for a median value, 3.9 at the 2nd and 98th percentile. All computations use ln x.

- Ties: both tails include x itself (upper rank), so a value that many peers share is never surprising.
- Tails: beyond the value that the outermost peers exceed (2 % of them, but at least `LEFT_OUT` peers), the peers
  themselves are not counted, because several bad values of one product would make each other look usual. There P decays
  exponentially in ln x, at the rate of its decay between the median and that value, but at most at 1 / the measure's
  `least_scale`.
- A value that is unknown, not above zero, or has too few peers has no surprise (NaN).
- Peers are those of the finest level with enough peers that have a value.

Executors import this module: it imports nothing but numpy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float64]
Keys = tuple[str | None, ...]

TAIL = 0.02
LEFT_OUT = 2
POINTS = 33
# Values with a one-sided tail probability below this are outside the peers' range; values within are never a reason.
OUTSIDE = 0.005
# Largest surprise of one measure: a probability of e^-40.
CAP = 40.0
# Rounded, because functions of libraries may differ in the last digits of a double.
_LOG_DECIMALS, _DECIMALS, _DIGITS = 11, 10, 12


@dataclass(frozen=True)
class Tails:
    """The peers' distribution of one measure in one group; all values in ln.

    at: up to POINTS observed values, ascending; at_most and at_least: the shares of peers with at most and at least
    each value. lower and upper: beyond them, tails are extrapolated from probability `tail` at a rate of 1 / scale.
    """

    peers: int
    at: Matrix
    at_most: Matrix
    at_least: Matrix
    tail: float
    lower: float
    upper: float
    lower_scale: float
    upper_scale: float
    inside: float  # share of the peers within `range`

    @classmethod
    def of(cls, values: Matrix, weights: Matrix, least_scale: float) -> Tails:
        """`values`: ln of known values, at least one; `weights`: number of peers that each represents."""
        at, place = np.unique(values, return_inverse=True)
        held = np.bincount(place, weights=weights)
        total = held.sum()
        at_most = np.round(np.cumsum(held) / total, _LOG_DECIMALS)
        at_least = np.round(np.cumsum(held[::-1])[::-1] / total, _LOG_DECIMALS)
        independent = weights.sum() ** 2 / (weights**2).sum()
        tail = min(max(TAIL, (LEFT_OUT + 1) / independent), 0.5)
        median = at[np.flatnonzero(at_most >= 0.5)[0]]
        upper = at[np.flatnonzero(1.0 - at_most <= tail)[0]]
        lower = at[np.flatnonzero(1.0 - at_least <= tail)[-1]]
        span = np.log(0.5 / tail) if tail < 0.5 else 1.0
        lower_scale = max(least_scale, float((median - lower) / span))
        upper_scale = max(least_scale, float((upper - median) / span))
        reach = np.log(tail / OUTSIDE)
        is_inside = (at >= lower - lower_scale * reach) & (at <= upper + upper_scale * reach)
        inside = float(np.round(held[is_inside].sum() / total, _LOG_DECIMALS))
        if len(at) > POINTS:
            kept = np.unique(np.searchsorted(at_most, np.linspace(0.0, at_most[-1], POINTS)))
            at, at_most, at_least = at[kept], at_most[kept], at_least[kept]
        return cls(
            peers=round(float(total)),
            at=at,
            at_most=at_most,
            at_least=at_least,
            tail=float(tail),
            lower=float(lower),
            upper=float(upper),
            lower_scale=lower_scale,
            upper_scale=upper_scale,
            inside=inside,
        )

    @property
    def range(self) -> tuple[float, float]:
        """Values between which a one-sided tail probability is at least OUTSIDE, in the measure's unit."""
        reach = np.log(self.tail / OUTSIDE)
        ends = (self.lower - self.lower_scale * reach, self.upper + self.upper_scale * reach)
        return _significant(np.exp(ends[0])), _significant(np.exp(ends[1]))


@dataclass(frozen=True)
class PeerGrid:
    """Tails by measure and peer group; small: one row per product and program.

    measures: names, in the order of the scored columns. levels: for each measure, the key columns of each level, finest
    first, as positions in the keys of a row. groups: by measure, level and keys, the row of the arrays below; only
    groups with enough peers.
    """

    measures: tuple[str, ...]
    key_columns: tuple[str, ...]
    levels: tuple[tuple[tuple[int, ...], ...], ...]
    groups: Mapping[tuple[int, int, Keys], int]
    peers: npt.NDArray[np.int64]
    at: Matrix
    at_most: Matrix
    at_least: Matrix
    ends: Matrix  # columns: tail, lower, upper, lower_scale, upper_scale
    low: Matrix
    high: Matrix
    inside: Matrix

    @classmethod
    def of(
        cls,
        measures: Sequence[str],
        key_columns: Sequence[str],
        levels: Sequence[Sequence[Sequence[str]]],
        least_scales: Sequence[float],
        keys: Sequence[npt.NDArray[Any]],
        values: Matrix,
        weights: Matrix,
        minimum: int,
    ) -> PeerGrid:
        """`keys`: one array per key column; `values`, `weights`: rows x measures, NaN where unknown, in their units.

        Groups with fewer than `minimum` peers with a value, or with a missing key, are excluded.
        """
        places = [[tuple(key_columns.index(name) for name in level) for level in of] for of in levels]
        logs = logarithms(values)
        tails: list[Tails] = []
        groups: dict[tuple[int, int, Keys], int] = {}
        for level in sorted({level for of in places for level in of}):
            order, starts, members = _grouped([keys[place] for place in level])
            for number, of_measure in enumerate(places):
                if level not in of_measure:
                    continue
                for start, end, group in zip(starts[:-1], starts[1:], members, strict=True):
                    rows = order[start:end]
                    rows = rows[~np.isnan(logs[rows, number])]
                    if not len(rows) or None in group or weights[rows, number].sum() < minimum:
                        continue
                    groups[number, of_measure.index(level), group] = len(tails)
                    tails.append(Tails.of(logs[rows, number], weights[rows, number], least_scales[number]))
        points = max((len(tail.at) for tail in tails), default=1)
        ranges = [tail.range for tail in tails]
        return cls(
            measures=tuple(measures),
            key_columns=tuple(key_columns),
            levels=tuple(tuple(of) for of in places),
            groups=groups,
            peers=np.array([tail.peers for tail in tails], dtype=np.int64),
            at=_padded([tail.at for tail in tails], points, np.inf),
            at_most=_padded([tail.at_most for tail in tails], points, 1.0),
            at_least=_padded([tail.at_least for tail in tails], points, 0.0),
            ends=np.array(
                [(tail.tail, tail.lower, tail.upper, tail.lower_scale, tail.upper_scale) for tail in tails]
            ).reshape(-1, 5),
            low=np.array([low for low, _ in ranges]),
            high=np.array([high for _, high in ranges]),
            inside=np.array([tail.inside for tail in tails]),
        )

    def group_of(self, measure: int, keys: Keys) -> int:
        """The row of the finest level with enough peers; -1 if there is none."""
        for number, level in enumerate(self.levels[measure]):
            group = self.groups.get((measure, number, tuple(keys[place] for place in level)), -1)
            if group >= 0:
                return group
        return -1

    def groups_of(self, keys: Sequence[Keys]) -> npt.NDArray[np.int64]:
        """`group_of` for each key and measure: keys x measures."""
        rows = [[self.group_of(measure, key) for measure in range(len(self.measures))] for key in keys]
        return np.array(rows, dtype=np.int64).reshape(-1, len(self.measures))

    def surprises(self, values: Matrix, groups: npt.NDArray[np.int64]) -> Matrix:
        """Rows x measures; NaN if a value is unknown or has too few peers. `groups`: see `groups_of`, by row."""
        logs = logarithms(values)
        surprises = np.full(values.shape, np.nan)
        for measure in range(len(self.measures)):
            known = np.flatnonzero((groups[:, measure] >= 0) & ~np.isnan(logs[:, measure]))
            if len(known):
                surprises[known, measure] = self._surprise(logs[known, measure], groups[known, measure])
        return surprises

    def is_outside(self, values: Matrix, groups: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """Rows x measures: whether the value is outside the peers' range; false if that is unknown."""
        low, high = self.ranges(groups)[:2]
        with np.errstate(invalid="ignore"):
            return (values > 0) & ((values < low) | (values > high))

    def ranges(self, groups: npt.NDArray[np.int64]) -> list[Matrix]:
        """Low and high end of the peers' range, number of peers, and their share within it; each rows x measures, NaN
        without peers.
        """
        of_group = (self.low, self.high, self.peers.astype(np.float64), self.inside)
        if not len(self.peers):
            return [np.full(groups.shape, np.nan) for _ in of_group]
        return [np.where(groups >= 0, of_groups[np.maximum(groups, 0)], np.nan) for of_groups in of_group]

    def _surprise(self, x: Matrix, group: npt.NDArray[np.int64]) -> Matrix:
        at, at_most, at_least = self.at[group], self.at_most[group], self.at_least[group]
        rows, last = np.arange(len(x)), at.shape[1] - 1
        below = (at < x[:, np.newaxis]).sum(axis=1)  # values of the grid below x
        is_point = at[rows, np.minimum(below, last)] == x
        left, right = np.clip(below - 1, 0, last), np.minimum(below, last)
        with np.errstate(invalid="ignore", divide="ignore"):
            way = (x - at[rows, left]) / (at[rows, right] - at[rows, left])
        way = np.where(np.isfinite(way), way, 0.0)
        # the grid omits the peers between two of its points
        from_left = np.where(below > 0, at_most[rows, left], 0.0)
        from_right = np.where(below > last, 0.0, at_least[rows, right])
        at_most_x = np.where(is_point, at_most[rows, right], from_left + (1.0 - from_right - from_left) * way)
        at_least_x = np.where(is_point, at_least[rows, right], 1.0 - from_left - (1.0 - from_right - from_left) * way)
        tail, lower, upper, lower_scale, upper_scale = self.ends[group].T
        with np.errstate(over="ignore"):
            at_most_x = np.where(x < lower, tail * np.exp((x - lower) / lower_scale), at_most_x)
            at_least_x = np.where(x > upper, tail * np.exp((upper - x) / upper_scale), at_least_x)
        probability = np.clip(2.0 * np.minimum(at_most_x, at_least_x), np.exp(-CAP), 1.0)
        return np.abs(np.round(-np.log(probability), _DECIMALS))


def logarithms(values: Matrix) -> Matrix:
    """ln of each value; NaN if it is unknown or not above zero."""
    known = np.asarray(values, dtype=np.float64)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.round(np.log(np.where(known > 0, known, np.nan)), _LOG_DECIMALS), dtype=np.float64)


def _grouped(
    keys: Sequence[npt.NDArray[Any]],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], list[Keys]]:
    """Rows ordered by group, the start of each group (and the end of the last one), and the groups' keys."""
    members: dict[Keys, int] = {}
    number = np.array([members.setdefault(key, len(members)) for key in zip(*keys, strict=True)], dtype=np.int64)
    sizes = np.bincount(number, minlength=len(members))
    return np.argsort(number, kind="stable"), np.concatenate([[0], np.cumsum(sizes)]), list(members)


def _padded(rows: Sequence[Matrix], width: int, filler: float) -> Matrix:
    padded = np.full((len(rows), width), filler)
    for row, values in zip(padded, rows, strict=True):
        row[: len(values)] = values
    return padded


def _significant(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")
