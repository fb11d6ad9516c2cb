"""From which number sources count fills: learned from pairs, each case worked out by hand."""

from __future__ import annotations

import pytest

from engine.link.fill_offsets import learn
from engine.settings import LinkSettings

# what: (payer, entity, entity's fill less payer's, pairs) ..., payers' offsets, entities' offsets
CASES = {
    "all count from 0": ([("GA", "E1", 0, 50), ("NY", "E2", 0, 50)], {}, {}),
    "an entity counts from 1": ([("GA", "E1", 1, 50), ("GA", "E2", 0, 60)], {}, {"E1": 1}),
    "a payer counts from 1": ([("GA", "E1", 0, 50), ("NY", "E1", -1, 40), ("NY", "E2", -1, 40)], {"NY": 1}, {}),
    "both count from 1": (
        [("NY", "E1", 0, 30), ("NY", "E2", -1, 40), ("GA", "E1", 1, 30), ("GA", "E2", 0, 60)],
        {"NY": 1},
        {"E1": 1},
    ),
    "small entities are settled by a large payer": (
        [("NY", f"E{n}", -1, 6) for n in range(6)] + [("NY", f"F{n}", 0, 6) for n in range(4)],
        {"NY": 1},
        {f"F{n}": 1 for n in range(4)},
    ),
    "too few pairs": ([("GA", "E1", 1, 4), ("GA", "E2", 0, 60)], {}, {}),
    "pairs that do not agree": ([("GA", "E1", 1, 30), ("GA", "E1", 0, 20), ("GA", "E2", 0, 60)], {}, {}),
    "nobody counts from below 0": ([("GA", "E1", -1, 50), ("GA", "E2", -1, 50)], {"GA": 1}, {}),
    "sources without a name": ([(None, "E1", 1, 50), ("GA", None, 1, 50)], {}, {}),
    "no pairs": ([], {}, {}),
}


@pytest.mark.parametrize("what", CASES)
def test_offsets(what: str) -> None:
    steps, payers, entities = CASES[what]
    for rows in (steps, steps[::-1]):
        found = learn(rows, LinkSettings())
        assert (found.payers, found.entities) == (payers, entities)


def test_what_the_settings_say_holds() -> None:
    steps = [("GA", "E1", 1, 50), ("GA", "E2", 0, 60)]
    found = learn(steps, LinkSettings(fill_offsets={"E1": 0}))
    assert found.entities == {"E1": 0}
