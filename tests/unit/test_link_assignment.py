"""The assignment by itself: what a reader would work out by hand."""

from __future__ import annotations

import random
from typing import Any

import pytest

from engine.link import assignment
from engine.link.assignment import Pair, assign


def pair(
    rebate_claim: str,
    entity_claim: str,
    score: int,
    tier: int = 3,
    *,
    days: int = 0,
    rebate_row: str | None = None,
    entity_row: str | None = None,
    part_of: str | None = None,
) -> dict[str, Any]:
    return {
        "rebate_row": rebate_row or rebate_claim,
        "entity_row": entity_row or entity_claim,
        "rebate_claim": rebate_claim,
        "entity_claim": entity_claim,
        "tier": tier,
        "score": score * 1_000_000,
        "days": days,
        "part_of": part_of,
    }


def links(*pairs: dict[str, Any]) -> dict[str, tuple[str, tuple[str, ...], bool]]:
    """{rebate row: (shown entity row, all tied, ambiguous)}, the same for any order of the pairs."""
    results = []
    for seed in range(4):
        shuffled = list(pairs)
        random.Random(seed).shuffle(shuffled)
        numbered = [Pair(index=n, **fields) for n, fields in enumerate(shuffled)]
        results.append(
            {
                numbered[c.index].rebate_row: (numbered[c.index].entity_row, c.entity_rows, c.is_ambiguous)
                for c in assign(numbered)
            }
        )
    assert all(result == results[0] for result in results)
    return results[0]


def test_highest_total_wins_over_highest_single_score() -> None:
    found = links(pair("A", "x", 20), pair("A", "y", 18), pair("B", "x", 19))
    assert found == {"A": ("y", ("y",), False), "B": ("x", ("x",), False)}


def test_a_claim_used_by_a_better_tier_is_gone() -> None:
    found = links(pair("A", "x", 30, tier=1), pair("B", "x", 35, tier=3), pair("B", "y", 10, tier=4))
    assert found == {"A": ("x", ("x",), False), "B": ("y", ("y",), False)}


def test_the_better_tier_is_taken_even_with_a_lower_score() -> None:
    assert links(pair("A", "x", 20, tier=2), pair("A", "y", 35, tier=3))["A"][0] == "x"


def test_tied_entity_claims_are_all_listed_and_the_nearest_in_time_is_shown() -> None:
    found = links(pair("A", "x", 20, days=3), pair("A", "y", 20, days=1), pair("A", "z", 19))
    assert found == {"A": ("y", ("x", "y"), True)}


def test_rows_of_one_entity_claim_tie_too() -> None:
    found = links(pair("A", "x", 20, entity_row="x2"), pair("A", "x", 20, entity_row="x1"))
    assert found == {"A": ("x1", ("x1", "x2"), True)}


def test_of_two_claims_that_fit_one_entity_claim_equally_well_one_is_linked_and_ambiguous() -> None:
    assert links(pair("A", "x", 20), pair("B", "x", 20)) == {"A": ("x", ("x",), True)}
    assert links(pair("A", "x", 20, days=2), pair("B", "x", 20, days=1)) == {"B": ("x", ("x",), True)}


def test_totals_that_tie_over_different_splits_are_ambiguous() -> None:
    found = links(pair("A", "x", 20), pair("A", "y", 19), pair("B", "x", 19), pair("B", "y", 18))
    assert found == {"A": ("x", ("x", "y"), True), "B": ("y", ("x", "y"), True)}


def test_duplicates_of_a_rebate_claim_share_its_link() -> None:
    rows = [pair("A", "x", 20, rebate_row=row) for row in ("a1", "a2")]
    assert links(*rows) == {"a1": ("x", ("x",), False), "a2": ("x", ("x",), False)}


def test_parts_of_a_fill_share_the_claim_that_holds_the_whole_fill() -> None:
    first = pair("P", "x", 30, tier=1, part_of="fill 0")
    second = pair("C", "x", 25, tier=3, days=2, part_of="fill 0")
    assert links(first, second) == {"P": ("x", ("x",), False), "C": ("x", ("x",), False)}
    other_fill = pair("C", "x", 25, tier=3, days=2, part_of="fill 1")
    assert links(first, other_fill) == {"P": ("x", ("x",), False)}


def test_parts_that_were_reported_each_keep_their_own_claim() -> None:
    found = links(
        pair("P", "x", 30, tier=1, part_of="fill 0"),
        pair("C", "x", 25, tier=3, part_of="fill 0"),
        pair("C", "y", 30, tier=1, part_of="fill 0"),
    )
    assert {row: link[0] for row, link in found.items()} == {"P": "x", "C": "y"}


def test_a_pair_links_whatever_its_score() -> None:
    assert links(pair("A", "x", -5)) == {"A": ("x", ("x",), False)}


@pytest.mark.parametrize("limit", [0, 500])
def test_a_heap_under_one_junk_number_stays_one_to_one(monkeypatch: pytest.MonkeyPatch, limit: int) -> None:
    """Beyond the limit the total need not be the highest, but nothing is linked twice."""
    monkeypatch.setattr(assignment, "MOST_PAIRS_EXACT", limit)
    rng = random.Random(7)
    sides = range(25)
    heap = [pair(f"r{i:02d}", f"e{j:02d}", rng.randint(14, 30)) for i in sides for j in sides if abs(i - j) <= 5]
    shown = [entity_row for entity_row, _, _ in links(*heap).values()]
    assert len(shown) == len(set(shown))
    assert len(shown) == 25 if limit else len(shown) >= 20
