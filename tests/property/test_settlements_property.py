"""Settlements against claims, unit by unit: whoever counts slowly comes to the same."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from engine.facts.settlements import with_claim_settlements
from tests.property.worlds import worlds
from tests.unit import facts_rows

WORLDS = 200
AS_OF = date(2026, 4, 1)
CREDITS, FREEING = ("STATE_CREDIT", "ENTITY_REPAID"), ("RELEASED", "WRITTEN_OFF")
KINDS = (*CREDITS, "STATE_CREDIT", "DISPUTED", *FREEING, "PAID")


@st.composite
def settled_claims(draw: Any) -> Any:
    """Claims of one or two lines, each received on one day, and settlements of lines, claims and the whole line."""
    claims = []
    for claim_id in draw(st.sampled_from(["A", "AB", "ABC"])):
        received = draw(st.sampled_from([None, 2, 5, 8]))
        for line in range(1, draw(st.integers(1, 2)) + 1):
            claims.append(
                facts_rows.claim(
                    f"{claim_id}/{line}",
                    claim_id=claim_id,
                    claim_line=line,
                    ndc_units=draw(st.sampled_from(["30", "20", "5", "0", "-10"])),
                    received_at=received and datetime(2025, received, 15, tzinfo=UTC),
                )
            )
    settlements = []
    for _ in range(draw(st.integers(1, 6))):
        claim_id = draw(st.sampled_from([None, "A", "A", "B", "Z"]))
        settlements.append(
            {
                "program": "MDRP_FFS",
                "state": "GA",
                "ndc11": facts_rows.NDC,
                "period": "2025Q1",
                "kind": draw(st.sampled_from(KINDS)),
                "settled_on": date(2025, draw(st.integers(1, 9)), 20),
                "units": str(draw(st.sampled_from([5, 10, 30, 45]))),
                "claim_id": claim_id,
                "claim_line": draw(st.sampled_from([None, 1, 2])) if claim_id else None,
            }
        )
    return claims, settlements


class Claim:
    """A claim line as a row of single units; each holds the days on which something happened to it."""

    def __init__(self, row: dict[str, Any]) -> None:
        self.key = (row["claim_id"], row["claim_line"])
        self.received = row["received_at"] and row["received_at"].date()
        size = max(int(row["ndc_units"]), 0)
        self.credited_since: list[date] = []
        self.credited_before: list[date] = []
        self.events: list[tuple[date, int, int]] = []
        self.room = {"since": size, "before": size, "dispute": size}
        self.size = size
        self.disputed = 0

    def in_dispute(self) -> int:
        held = 0
        for _, is_freeing, units in sorted(self.events, key=lambda event: event[:2]):
            held = max(held - units, 0) if is_freeing else held + units
        return max(min(held, self.size - len(self.credited_since)), 0)


def counted_slowly(rows: list[dict[str, Any]], settlements: list[dict[str, Any]]) -> dict[str, tuple[Any, ...]]:
    claims = sorted((Claim(row) for row in rows), key=lambda claim: claim.key)
    in_time = sorted(settlements, key=lambda one: one["settled_on"])
    effective = [one for one in in_time if one["kind"] != "PAID"]

    def meant(one: dict[str, Any]) -> list[Claim]:
        if one["claim_id"] is None:
            named = {c.key for other in effective if other["claim_id"] for c in meant(other)}
            return [claim for claim in claims if claim.key not in named]
        return [
            claim for claim in claims if claim.key[0] == one["claim_id"] and one["claim_line"] in (None, claim.key[1])
        ]

    def stage(one: dict[str, Any]) -> int:
        return 3 if one["claim_id"] is None else 1 if one["claim_line"] else 2

    for number in (1, 2, 3):
        for one in effective:
            if stage(one) == number and one["kind"] not in FREEING:
                _count(one, meant(one))
    # frees what is disputed, in the order of the claims: each of the settlements, one unit at a time
    for one, claim, units in _freed(effective, meant, stage):
        claim.events.append((one["settled_on"], 1, units))
    return {
        f"{claim.key[0]}/{claim.key[1]}": (
            len(claim.credited_since),
            len(claim.credited_before),
            claim.in_dispute(),
        )
        for claim in claims
    }


def _count(one: dict[str, Any], meant: list[Claim]) -> None:
    day, is_credit = one["settled_on"], one["kind"] in CREDITS
    is_since = any(claim.received and claim.received <= day for claim in meant)
    pool = ("since" if is_since else "before") if is_credit else "dispute"
    units = int(one["units"])
    for claim in meant:
        while units and claim.room[pool]:
            units, claim.room[pool] = units - 1, claim.room[pool] - 1
            if not is_credit:
                claim.disputed += 1
                claim.events.append((day, 0, 1))
            elif claim.received and claim.received <= day:
                claim.credited_since.append(day)
            elif one["claim_id"] is not None:
                claim.credited_before.append(day)


def _freed(effective: Any, meant: Any, stage: Any) -> Iterator[Any]:
    """Settlements that free units fill the disputed units of what they name; each group of them by itself."""
    room: dict[tuple[Any, ...], int] = defaultdict(int)
    for one in effective:
        if one["kind"] not in FREEING:
            continue
        group = (stage(one), one["claim_id"], one["claim_line"])
        units = int(one["units"])
        for claim in meant(one):
            taken = min(units, claim.disputed - room[(group, claim.key)])
            if taken > 0:
                units -= taken
                room[(group, claim.key)] += taken
                yield one, claim, taken


@pytest.fixture
def settled_worlds(seed: int) -> Any:
    return worlds(settled_claims(), WORLDS, seed)


def test_every_settlement_is_used_up_once(spark: SparkSession, settled_worlds: Any) -> None:
    rows, settlements, expected = [], [], {}
    for number, (own, settled) in enumerate(settled_worlds):
        rows += [facts_rows.apart(number, row) | {"source_row_id": f"{number}/{row['source_row_id']}"} for row in own]
        settlements += facts_rows.apart(number, settled)
        expected |= {f"{number}/{key}": units for key, units in counted_slowly(own, settled).items()}
    found = with_claim_settlements(
        facts_rows.claims(spark, rows, partitions=3),
        facts_rows.reference(spark, "settlements", *settlements),
        AS_OF,
    ).collect()
    names = ("settled_since_units", "settled_units", "units_in_dispute")
    got = {
        row["source_row_id"]: tuple(int((row["settlement"] and row["settlement"][name]) or 0) for name in names)
        for row in found
    }
    wrong = {key: (got[key], expected[key]) for key in expected if got[key] != expected[key]}
    assert wrong == {}
    assert all(any(units[place] for units in expected.values()) for place in range(3))
