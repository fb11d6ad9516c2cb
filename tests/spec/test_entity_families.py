"""Parents of covered entities (contract parts 1 and 7.4): a register's rows, and whose parent is who on a day.

Register: `entity > parent @ valid_from..valid_to # snapshot_date`, each part where it is given. Parents on a day:
`entity day = parent`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from itertools import pairwise

import pytest

from engine.entity_families import Registered, memberships_of, site_stem

STEMS = """
DSH330214     DSH330214    a hospital
DSH330214A    DSH330214    its site
DSH330214AB   DSH330214    its 27th site
CAH161342-00  CAH161342    the main site of a critical access hospital
CAH161342-01  CAH161342    another
BL030740      BL03074      the main site of a grantee
BL03074A      BL03074      its site
CH000001      CH000001     a grantee whose id ends in another digit
CH00001A      CH00001
FP12345       FP12345
RWI1230       RWI123
12345         12345        no id of a covered entity
"""

CASES = {
    "the register names the parent": (
        "DSH1A > DSH1; DSH1",
        "",
        "DSH1A 2025-01-01 = DSH1; DSH1 2025-01-01 = DSH1",
    ),
    "without a register ids of the feed share a stem": (
        "",
        "DSH010001 DSH010001A CAH161342-00 CAH161342-01 BL030740 BL03074A BL03074B",
        (
            "DSH010001A 2025-01-01 = DSH010001; DSH010001 2025-01-01 = DSH010001; "
            "CAH161342-00 2025-01-01 = CAH161342-00; CAH161342-01 2025-01-01 = CAH161342-00; "
            "BL03074A 2025-01-01 = BL030740; BL03074B 2025-01-01 = BL030740; BL030740 2025-01-01 = BL030740"
        ),
    ),
    "a stem that no other id shares is nobody's": (
        "",
        "DSH010001A DSH010002B CH000001 CH000002",
        "DSH010001A 2025-01-01 = DSH010001A; DSH010002B 2025-01-01 = DSH010002B; CH000001 2025-01-01 = CH000001",
    ),
    "two sites of a hospital that is not known itself": (
        "",
        "DSH010001A DSH010001B",
        "DSH010001A 2025-01-01 = DSH010001; DSH010001B 2025-01-01 = DSH010001",
    ),
    "letters behind the whole id of a grantee": (
        "",
        "CH123450 CH123450A",
        "CH123450A 2025-01-01 = CH123450; CH123450 2025-01-01 = CH123450",
    ),
    "an id of the feed joins the family of the register": (
        "BL03074A > BL030740; CAH161342-01 > CAH161342-00",
        "BL03074B CAH161342-02",
        "BL03074B 2025-01-01 = BL030740; BL030740 2025-01-01 = BL030740; CAH161342-02 2025-01-01 = CAH161342-00",
    ),
    "an entity changes its parent": (
        "DSH2A > DSH2 @ ..2025-01-01; DSH2A > DSH3 @ 2025-01-01..",
        "",
        "DSH2A 2024-12-31 = DSH2; DSH2A 2025-01-01 = DSH3; DSH2 2025-01-01 = DSH2; DSH3 2024-12-31 = DSH3",
    ),
    "an entity leaves its parent": (
        "CH71 > DSH3 @ ..2025-01-01; CH71 @ 2025-01-01..",
        "",
        "CH71 2024-12-31 = DSH3; CH71 2025-01-01 = CH71",
    ),
    "a parent that never changes holds outside its dates": (
        "CH71 > DSH3 @ 2020-01-01..2021-01-01",
        "",
        "CH71 2019-12-31 = DSH3; CH71 2025-01-01 = DSH3",
    ),
    "the latest snapshot in force counts": (
        "CH4 > DSH4 # 2025-01-01; CH4 > DSH5 # 2025-06-01",
        "",
        "CH4 2025-03-01 = DSH5",
    ),
    "rows that disagree name nobody": (
        "CH6 > DSH6; CH6 > DSH7",
        "",
        "CH6 2025-08-01 = CH6",
    ),
    "the parent of a parent": (
        "CH1 > CH2; CH2 > DSH3 @ 2025-01-01..; CH2 @ ..2025-01-01",
        "",
        "CH1 2024-12-31 = CH2; CH1 2025-01-01 = DSH3; CH2 2025-01-01 = DSH3",
    ),
    "a circle is one family": (
        "CH1 > CH2; CH2 > CH1",
        "",
        "CH1 2025-01-01 = CH1; CH2 2025-01-01 = CH1",
    ),
}


def registered(text: str) -> Iterator[Registered]:
    for row in filter(None, text.split("; ")):
        row, _, snapshot = row.partition(" # ")
        row, _, span = row.partition(" @ ")
        entity, _, parent = row.partition(" > ")
        begin, _, end = span.partition("..")
        days = [date.fromisoformat(day) if day else None for day in (begin, end, snapshot)]
        yield Registered(entity, parent or None, *days)


def test_stems() -> None:
    for line in STEMS.strip().splitlines():
        entity, stem = line.split()[:2]
        assert site_stem(entity) == stem, entity


@pytest.mark.parametrize("name", CASES)
def test_parents_of_a_day(name: str) -> None:
    register, ids, expected = CASES[name]
    memberships = memberships_of(registered(register), ids.split())
    for one in expected.split("; "):
        known, _, parent = one.partition(" = ")
        entity, day = known.split()
        found = [
            membership.parent
            for membership in memberships
            if membership.entity_id == entity
            and (membership.since is None or membership.since <= date.fromisoformat(day))
            and (membership.until is None or date.fromisoformat(day) < membership.until)
        ]
        assert (found or [entity]) == [parent], one


@pytest.mark.parametrize("name", CASES)
def test_all_entities_of_a_parent_have_its_times(name: str) -> None:
    register, ids, _ = CASES[name]
    memberships = memberships_of(registered(register), ids.split())
    times = {(one.parent, one.since): one.until for one in memberships}
    for one in memberships:
        assert times[one.parent, one.since] == one.until
    for parent in {one.parent for one in memberships}:
        spans = sorted({(one.since or date.min, one.until or date.max) for one in memberships if one.parent == parent})
        assert all(end <= begin for (_, end), (begin, _) in pairwise(spans))
