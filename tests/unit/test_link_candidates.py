"""Candidate pairs: what became of each pair that met, and why it is no link."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest
from pyspark.sql import SparkSession

from engine.contracts.codes import NotLinked
from engine.contracts.links import CANDIDATE_PAIRS
from engine.contracts.prepared import PREPARED_ENTITY_CLAIMS, PREPARED_REBATE_CLAIMS
from engine.contracts.words import LINK_FIELD_WORDS, LINK_LEVEL_WORDS, NOT_LINKED_WORDS
from engine.link import Learned, PairRequest, candidate_pairs, link_340b
from engine.link.agreement import LEVELS
from engine.link.fill_offsets import FillOffsets
from engine.link.keys import Block
from engine.link.weights import configured_weights
from engine.settings import LinkSettings
from tests.unit.link_rows import entity, frame, keep, rebate

pytestmark = pytest.mark.slow

SETTINGS = LinkSettings(most_pairs_per_key=5)
LEARNED = Learned(configured_weights(SETTINGS), FillOffsets({"NC": 1}, {"CE1": 2}))
PLACE, HASHED = "1003000142", {"script_key": "h:1", "rx_key": "h:1", "prescriber_npi": "doctor"}
NEXT_DAY, LATER = date(2025, 2, 11), date(2025, 2, 16)

REBATE = [
    rebate("better by its number", script_key="2000001"),
    rebate("taken", script_key="2000002"),
    rebate("taken, a day later", script_key="2000002", date_of_service=NEXT_DAY),
    rebate("another payer", script_key="2000002", payer_id="TX", date_of_service=NEXT_DAY),
    rebate("no tier", script_key="2000003", date_of_service=LATER),
    *(rebate(f"crowd {n}", script_key="2000004") for n in range(3)),
    rebate("hashed", **HASHED),
    rebate("elsewhere", script_key="2000005", service_npi=PLACE),
    rebate("of the place itself", script_key="2000005", pharmacy_key=PLACE),
    rebate("nobody's", script_key="2000006"),
]
ENTITY = [
    entity("E1", script_key="2000001"),
    entity("E1 next day", script_key="2000001", date_of_service=NEXT_DAY),
    entity("E2", script_key="2000002"),
    entity("E3", script_key="2000003"),
    *(entity(f"E4 {n}", script_key="2000004") for n in range(2)),
    *(entity(f"E6 {n}", script_key=f"200001{n}", prescriber_npi="doctor") for n in range(2)),
    entity("E5", script_key="2000005", pharmacy_key=PLACE),
    entity("apart", script_key="2000009", ndc11="00002000999"),
]
CHOSEN = None
WHY_NOT = {
    ("better by its number", "E1"): ("T1", CHOSEN),
    ("better by its number", "E1 next day"): ("T3", NotLinked.CLAIM_HAS_BETTER),
    ("taken", "E2"): ("T1", CHOSEN),
    ("taken, a day later", "E2"): ("T3", NotLinked.CLAIM_340B_HAS_BETTER),
    ("another payer", "E2"): ("T3", CHOSEN),
    ("no tier", "E3"): (None, NotLinked.NO_TIER),
    ("crowd 0", "E4 0"): ("T1", NotLinked.OVERSIZED_BLOCK),
    ("crowd 0", "E4 1"): ("T1", NotLinked.OVERSIZED_BLOCK),
    ("hashed", "E6 0"): (None, NotLinked.NOT_THE_ONLY_ONE),
    ("hashed", "E6 1"): (None, NotLinked.NOT_THE_ONLY_ONE),
    # only the rows of the first stage, which the answer hangs on, say that E5 is gone
    ("elsewhere", "E5"): ("T5", NotLinked.CLAIM_340B_HAS_BETTER),
}


def _pairs(spark: SparkSession, asked: PairRequest, settings: LinkSettings = SETTINGS) -> list[dict[str, Any]]:
    found = candidate_pairs(
        frame(spark, REBATE, PREPARED_REBATE_CLAIMS),
        frame(spark, ENTITY, PREPARED_ENTITY_CLAIMS),
        asked,
        LEARNED,
        settings,
        keep,
    )
    assert found.schema.simpleString() == CANDIDATE_PAIRS.simpleString()
    return [row.asDict(recursive=True) for row in found.collect()]


@pytest.fixture(scope="module")
def pairs(spark: SparkSession) -> dict[tuple[str, str], dict[str, Any]]:
    """Of all rebate claims but two of the crowd and the place's own."""
    asked = {row for row, _ in WHY_NOT} | {"nobody's"}
    found = _pairs(spark, PairRequest(rebate_claims=tuple(sorted(asked))))
    by_rows = {(pair["source_row_id"], pair["link_source_row_id"]): pair for pair in found}
    assert len(by_rows) == len(found)
    return by_rows


def test_every_pair_that_met_says_what_became_of_it(pairs: dict[tuple[str, str], dict[str, Any]]) -> None:
    told = {rows: (pair["link_tier"], pair["why_not"]) for rows, pair in pairs.items()}
    assert told == WHY_NOT
    for pair in pairs.values():
        assert pair["link_is_chosen"] is (pair["why_not"] is None)


def test_contributions_add_up_to_the_score_also_where_nothing_was_linked(
    pairs: dict[tuple[str, str], dict[str, Any]],
) -> None:
    for pair in pairs.values():
        parts = pair["link_contributions"]
        assert parts[0]["field"] == "met_by"
        assert sum(part["weight"] for part in parts) == pytest.approx(pair["link_score"], abs=1e-6)


def test_of_a_340b_claim_the_rebate_claims_that_compete_for_it(spark: SparkSession) -> None:
    found = _pairs(spark, PairRequest(entity_claims=("E2",)))
    assert {(pair["source_row_id"], pair["why_not"]) for pair in found} == {
        (rebate_row, why_not) for (rebate_row, entity_row), (_, why_not) in WHY_NOT.items() if entity_row == "E2"
    }


def test_chosen_are_the_links_and_they_score_the_same(
    spark: SparkSession, pairs: dict[tuple[str, str], dict[str, Any]]
) -> None:
    links = link_340b(
        frame(spark, REBATE, PREPARED_REBATE_CLAIMS),
        frame(spark, ENTITY, PREPARED_ENTITY_CLAIMS),
        LEARNED.in_settings(SETTINGS),
        keep,
    )
    linked = {(r["source_row_id"], tuple(r["link_source_row_ids"])): r["link_score"] for r in links.links.collect()}
    chosen = {(row, (other,)): pair["link_score"] for (row, other), pair in pairs.items() if pair["link_is_chosen"]}
    assert linked.items() >= chosen.items()
    assert {row for row, _ in linked} - {row for row, _ in chosen} == {"of the place itself"}


def test_what_was_learned_survives_json() -> None:
    again = Learned.from_json({**json.loads(json.dumps(LEARNED.as_json())), "links_by_tier": {"T1": 3}})
    assert again == LEARNED
    settings = again.in_settings(SETTINGS)
    weights = configured_weights(settings)
    assert weights.priors == LEARNED.weights.priors
    for field, levels in LEVELS.items():
        for level in levels:
            assert weights.weight(field, level) == LEARNED.weights.weight(field, level)


def test_everything_that_a_pair_may_say_has_words() -> None:
    assert set(LINK_FIELD_WORDS) == {"met_by", *LEVELS}
    assert {field: set(levels) for field, levels in LINK_LEVEL_WORDS.items()} == {
        "met_by": set(Block),
        **{field: set(levels) for field, levels in LEVELS.items()},
    }
    assert set(NOT_LINKED_WORDS) == set(NotLinked)
