"""One-to-one assignment of competing claims.

Exact, for small groups: only groups of one prescription in which a claim has more than one candidate get here. Plain
Python, because an optimal assignment cannot be written as a column expression. See
docs/decisions/0002-one-to-one-linking.md.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

# A connected component with more pairs than this is a placeholder Rx number, not a prescription. It is assigned
# greedily to bound the run time.
MOST_PAIRS_EXACT = 500


@dataclass(frozen=True)
class Pair:
    """A rebate row and an entity row that reach a tier.

    `rebate_claim`, `entity_claim`: the units of the one-to-one assignment; rows of one claim share its partner.
    `score`: in millionths, so sums are exact. `part_of`: the fill that the rebate row is a part of, if the parts add up
    to the entity's quantity, else None.
    """

    index: int
    rebate_row: str
    entity_row: str
    rebate_claim: Hashable
    entity_claim: Hashable
    tier: int
    score: int
    days: int
    part_of: Hashable | None = None

    @property
    def rank(self) -> tuple[int, int]:
        """Smallest is best."""
        return self.tier, -self.score


@dataclass(frozen=True)
class Choice:
    """A rebate row's link: the pair's index, all tied entity rows, and whether another assignment is equally good."""

    index: int
    entity_rows: tuple[str, ...]
    is_ambiguous: bool
    candidates: int


@dataclass(frozen=True)
class _Edge:
    """A rebate claim and an entity claim with the best tier and score of any of their rows."""

    rebate: Hashable
    entity: Hashable
    tier: int
    weight: int
    order: tuple[int, str, str]


@dataclass(frozen=True)
class _Match:
    edge: _Edge
    as_good: frozenset[Hashable]
    is_certain: bool


def assign(pairs: Iterable[Pair]) -> list[Choice]:
    """The links of one group: claims of one prescription in one stream of a payer.

    Tier by tier, T1 first, takes the assignment with the highest total score; claims linked in a better tier are
    excluded from later ones. Tie-break among equally good assignments: nearest dates, then smallest row ids. All entity
    rows that some best assignment gives the row are listed, and the link is marked ambiguous.
    """
    pairs = list(pairs)
    edges = _edges(pairs)
    matches: dict[Hashable, _Match] = {}
    used: set[Hashable] = set()
    for tier in sorted({edge.tier for edge in edges}):
        still_free = [e for e in edges if e.tier == tier and e.rebate not in matches and e.entity not in used]
        for component in _components(still_free):
            for match in _best(component):
                matches[match.edge.rebate] = match
                used.add(match.edge.entity)
    matches.update(_other_parts_of_the_fill(pairs, edges, matches))
    return _choices(pairs, matches)


def _edges(pairs: list[Pair]) -> list[_Edge]:
    first_row: dict[tuple[str, Hashable], str] = {}
    best: dict[tuple[Hashable, Hashable], tuple[int, int, int]] = {}
    for pair in pairs:
        for side, claim, row in (("r", pair.rebate_claim, pair.rebate_row), ("e", pair.entity_claim, pair.entity_row)):
            first_row[side, claim] = min(row, first_row.get((side, claim), row))
        key = (pair.rebate_claim, pair.entity_claim)
        value = (*pair.rank, pair.days)
        best[key] = min(value, best.get(key, value))
    return [
        # a pair that reaches a tier is linked even if the configured weights give it no positive score
        _Edge(rebate, entity, tier, max(-cost, 1), (days, first_row["r", rebate], first_row["e", entity]))
        for (rebate, entity), (tier, cost, days) in best.items()
    ]


def _components(edges: list[_Edge]) -> list[list[_Edge]]:
    """Connected components: edges that share claims, directly or through other edges."""
    at: dict[tuple[str, Hashable], list[_Edge]] = defaultdict(list)
    for edge in edges:
        at["r", edge.rebate].append(edge)
        at["e", edge.entity].append(edge)
    components, seen = [], set()
    for start in edges:
        if start in seen:
            continue
        seen.add(start)
        component, waiting = [], [start]
        while waiting:
            edge = waiting.pop()
            component.append(edge)
            for neighbor in (*at["r", edge.rebate], *at["e", edge.entity]):
                if neighbor not in seen:
                    seen.add(neighbor)
                    waiting.append(neighbor)
        components.append(component)
    return components


def _best(edges: list[_Edge]) -> list[_Match]:
    if len(edges) > MOST_PAIRS_EXACT:
        return _greedy(edges)
    total = _highest_total(edges)
    optimal = [edge for edge in edges if edge.weight + _highest_total(_apart_from(edge, edges)) == total]
    chosen: list[_Edge] = []
    open_edges, worth = edges, 0
    for edge in sorted(optimal, key=lambda e: e.order):
        remaining = _apart_from(edge, open_edges)
        if edge in open_edges and worth + edge.weight + _highest_total(remaining) == total:
            chosen.append(edge)
            open_edges, worth = remaining, worth + edge.weight
    return [
        _Match(
            edge,
            frozenset(other.entity for other in optimal if other.rebate == edge.rebate),
            is_certain=_highest_total([other for other in edges if other.rebate != edge.rebate]) < total,
        )
        for edge in chosen
    ]


def _highest_total(edges: list[_Edge]) -> int:
    if len(edges) <= 1:
        return sum(edge.weight for edge in edges)
    rows = {claim: n for n, claim in enumerate(dict.fromkeys(edge.rebate for edge in edges))}
    columns = {claim: n for n, claim in enumerate(dict.fromkeys(edge.entity for edge in edges))}
    # 0 means no pair, which is as good as staying unlinked. Integers of this size are exact in a double.
    worth = np.zeros((len(rows), len(columns)))
    for edge in edges:
        worth[rows[edge.rebate], columns[edge.entity]] = edge.weight
    return int(worth[linear_sum_assignment(worth, maximize=True)].sum())


def _apart_from(edge: _Edge, edges: list[_Edge]) -> list[_Edge]:
    return [other for other in edges if other.rebate != edge.rebate and other.entity != edge.entity]


def _greedy(edges: list[_Edge]) -> list[_Match]:
    taken: set[tuple[str, Hashable]] = set()
    matches = []
    weights: dict[tuple[str, Hashable], list[tuple[int, Hashable]]] = defaultdict(list)
    for edge in edges:
        weights["r", edge.rebate].append((edge.weight, edge.entity))
        weights["e", edge.entity].append((edge.weight, edge.rebate))
    for edge in sorted(edges, key=lambda e: (-e.weight, *e.order)):
        sides = {("r", edge.rebate), ("e", edge.entity)}
        if sides & taken:
            continue
        taken |= sides
        as_good = frozenset(entity for weight, entity in weights["r", edge.rebate] if weight == edge.weight)
        rivals = [rebate for weight, rebate in weights["e", edge.entity] if weight == edge.weight]
        matches.append(_Match(edge, as_good, is_certain=len(rivals) == 1))
    return matches


def _other_parts_of_the_fill(
    pairs: list[Pair], edges: list[_Edge], matches: dict[Hashable, _Match]
) -> dict[Hashable, _Match]:
    """Link remaining P and C rows to the 340B claim of their fill's other part: the entity reported the fill once."""
    parts_linked = {
        (pair.part_of, pair.entity_claim)
        for pair in pairs
        if pair.part_of is not None
        and pair.rebate_claim in matches
        and matches[pair.rebate_claim].edge.entity == pair.entity_claim
    }
    shared: dict[Hashable, _Match] = {}
    by_claims = {(edge.rebate, edge.entity): edge for edge in edges}
    for pair in sorted(pairs, key=lambda p: (p.rank, p.days, p.entity_row)):
        is_unlinked = pair.rebate_claim not in matches and pair.rebate_claim not in shared
        if is_unlinked and (pair.part_of, pair.entity_claim) in parts_linked:
            edge = by_claims[pair.rebate_claim, pair.entity_claim]
            shared[pair.rebate_claim] = _Match(edge, frozenset({edge.entity}), is_certain=True)
    return shared


def _choices(pairs: list[Pair], matches: dict[Hashable, _Match]) -> list[Choice]:
    by_row: dict[str, list[Pair]] = defaultdict(list)
    for pair in pairs:
        by_row[pair.rebate_row].append(pair)
    choices = []
    for rows_pairs in by_row.values():
        match = matches.get(rows_pairs[0].rebate_claim)
        if match is None:
            continue
        tied: list[Pair] = []
        for entity_claim in match.as_good:
            # a row under another NPI of the pharmacy may lack a pair that another row of its claim has
            of_claim = [pair for pair in rows_pairs if pair.entity_claim == entity_claim]
            best = min((pair.rank for pair in of_claim), default=None)
            tied += [pair for pair in of_claim if pair.rank == best]
        shown = min(
            (pair for pair in tied if pair.entity_claim == match.edge.entity),
            key=lambda p: (p.days, p.entity_row),
            default=None,
        )
        if shown is None:
            continue
        entity_rows = tuple(sorted({pair.entity_row for pair in tied}))
        is_ambiguous = len(entity_rows) > 1 or not match.is_certain
        choices.append(Choice(shown.index, entity_rows, is_ambiguous, len(rows_pairs)))
    return sorted(choices, key=lambda choice: choice.index)
