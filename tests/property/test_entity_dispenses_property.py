"""Other 340B claims of a dispense next to the obvious way: compare every claim with every other."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from importlib import import_module
from typing import Any

import pytest
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from engine.contracts.prepared import PREPARED_ENTITY_CLAIMS
from engine.facts import entity_claim_facts
from engine.settings import PeerSettings
from tests.property.worlds import worlds
from tests.unit.facts_rows import apart, frame
from tests.unit.test_facts_entity_claims import given

WORLDS = 150
# Related rows that are named, so few that crowds have more.
MOST = 2
LONG_AGO = datetime(1, 1, 1)


@st.composite
def dispenses(draw: Callable[..., Any]) -> list[dict[str, Any]]:
    """Claims of few entities, most of one dispense; sites share a parent."""
    rows = []
    for number in range(draw(st.integers(6, 14))):
        entity = draw(st.sampled_from(["DSH1", "DSH1A", "CAH2", "RRC3"]))
        rows.append(
            given(
                f"row-{number:02}",
                entity_id=entity,
                parent_entity_id=entity[:4],
                claim_type=(kind := draw(st.sampled_from(["RX", "RX", "RX", "MEDICAL"]))),
                hcpcs_code=draw(st.sampled_from(["J1234", None])) if kind == "MEDICAL" else None,
                script_key=draw(st.sampled_from(["1234567", "1234567", "1234567", None])),
                fill_number=draw(st.sampled_from([0, 0, 0, None])),
                submitted_at=draw(st.none() | st.integers(1, 3).map(lambda day: datetime(2025, 3, day))),
            )
        )
    return rows


def reference(rows: list[dict[str, Any]]) -> dict[str, tuple[Any, ...]]:
    """{row id: (entities, their number, rows of others, number, earlier rows, number)}."""
    found: dict[str, tuple[Any, ...]] = {}
    for own in rows:
        same = [row for row in rows if _dispense(row) == _dispense(own)]
        before = [row for row in same if _order(row) < _order(own)]
        if own["script_key"] is None or (own["claim_type"] == "MEDICAL" and own["hcpcs_code"] is None):
            found[own["source_row_id"]] = (None, None, None, None, None, None)
            continue
        others = sorted((row for row in same if row["parent_entity_id"] != own["parent_entity_id"]), key=_order)
        entities = list(dict.fromkeys(row["entity_id"] for row in others))
        earlier = [
            row
            for row in sorted(before, key=_order, reverse=True)
            if row["parent_entity_id"] == own["parent_entity_id"]
            and (own["submitted_at"] is None or row["submitted_at"] != own["submitted_at"])
        ]
        found[own["source_row_id"]] = (
            sorted(entities[:MOST]),
            len(entities),
            [row["source_row_id"] for row in others][:MOST],
            len(others),
            [row["source_row_id"] for row in earlier][:MOST],
            len(earlier),
        )
    return found


def _dispense(row: dict[str, Any]) -> tuple[Any, ...]:
    script = row["script_key"] or f"raw:{row['rx_number_raw']}"
    of_claim = row["hcpcs_code"] if row["claim_type"] == "MEDICAL" else None
    return (row["claim_type"], script, row["fill_number"], of_claim)


def _order(row: dict[str, Any]) -> tuple[Any, ...]:
    return (row["submitted_at"] or LONG_AGO, row["source_row_id"])


def test_other_claims_of_a_dispense_are_those_of_the_obvious_way(
    spark: SparkSession, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_module("engine.facts.entity_claims"), "MOST_RELATED_ROWS", MOST)
    crowds = [
        [apart(number, row) | {"source_row_id": f"{number}/{row['source_row_id']}"} for row in rows]
        for number, rows in enumerate(worlds(dispenses(), WORLDS, seed))
    ]
    claims = frame(spark, [row for crowd in crowds for row in crowd], PREPARED_ENTITY_CLAIMS).repartition(3)
    facts = entity_claim_facts(claims, {}, None, None, PeerSettings())
    names = (
        *("other_entity_ids", "other_entity_count", "other_entity_row_ids", "other_entity_row_count"),
        *("earlier_row_ids", "earlier_row_count"),
    )
    found = {row["source_row_id"]: tuple(row[name] for name in names) for row in facts.collect()}
    expected = {row_id: values for crowd in crowds for row_id, values in reference(crowd).items()}
    for crowd in (3, 5):
        assert any((values[crowd] or 0) > MOST for values in expected.values()), "poor worlds"
    assert found == expected
