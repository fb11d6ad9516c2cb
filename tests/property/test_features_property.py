"""What other rows tell of a claim beside the obvious way, over many random worlds in one job."""

from __future__ import annotations

from typing import Any

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import types as T

from engine.contracts.links import LINKS_340B
from engine.contracts.prepared import PHARMACY_DISPENSES, PREPARED_ENTITY_CLAIMS
from engine.contracts.tables import TABLES
from engine.facts import Background, FoundOnClaims, claim_features, feature_inputs
from engine.facts.patients import with_patient_fills
from engine.settings import PeerSettings
from tests.property import features_reference
from tests.property.features_worlds import AS_OF, world, world_with_later_rows
from tests.unit.facts_rows import claims, frame, reference, with_families

WORLDS = range(120)
AGAIN = 1_000  # added to the number of a world that has later rows
LEAST_DAYS = 2
_SCREEN = (
    "source_row_id string, mef_entity_id string, state_340b_method string, contract_excludes_340b boolean, "
    "price_ceiling decimal(15,6), price_mfp decimal(15,6), ndc_units decimal(15,3)"
)


def measured(spark: SparkSession, worlds: list[dict[str, list[dict[str, Any]]]]) -> dict[str, dict[str, Any]]:
    """{row id: features} as the engine works them out for all worlds at once."""
    rows = {name: [row for one in worlds for row in one[name]] for name in worlds[0]}
    feed = claims(spark, rows["claims"], partitions=3).localCheckpoint()
    links = frame(spark, rows["links"], LINKS_340B)
    confidence = T.StructField("pharmacy_match_confidence", T.DoubleType())
    contract_pharmacies = T.StructType([*TABLES["contract_pharmacies"].schema.fields, confidence])
    references = {
        **{name: reference(spark, name, *rows[name]) for name in ("covered_entities", "chargebacks", "products")},
        "contract_pharmacies": frame(spark, rows["contract_pharmacies"], contract_pharmacies),
    }
    references = with_families(references)
    outcomes = frame(
        spark, rows["outcomes"], T.StructType.fromDDL("source_row_id string, answered_on date, answer string")
    )
    background = Background(
        feed,
        frame(spark, rows["entity_claims"], PREPARED_ENTITY_CLAIMS),
        frame(spark, rows["dispenses"], PHARMACY_DISPENSES),
        outcomes,
        AS_OF,
        PeerSettings(minimum=LEAST_DAYS),
    )
    found = FoundOnClaims(links, None, feed, None)
    flagged = frame(spark, rows["screen"], T.StructType.fromDDL(_SCREEN))
    asked = feature_inputs(flagged, feed, found, references).localCheckpoint()
    fills = with_patient_fills(feed).select("source_row_id", "f43_overlap_pharmacies").collect()
    pharmacies = {row["source_row_id"]: row["f43_overlap_pharmacies"] for row in fills}
    return {
        row["source_row_id"]: row.asDict() | {"f43_overlap_pharmacies": pharmacies[row["source_row_id"]]}
        for row in claim_features(asked, found, references, background).collect()
    }


@pytest.fixture(scope="module")
def both(spark: SparkSession) -> tuple[dict[str, dict[str, Any]], dict[str, dict[str, Any]]]:
    """Features of the worlds and, in the same job, of the same worlds with later rows: {row id: features} of each."""
    worlds = [world(number) for number in WORLDS]
    again = [world_with_later_rows(AGAIN + number, like=number) for number in WORLDS]
    every = measured(spark, worlds + again)
    own = {row["source_row_id"] for one in worlds for row in one["claims"]}
    later = {}
    for row_id, row in every.items():
        number, _, rest = row_id.partition("-")
        if row_id not in own:
            later[f"{int(number) - AGAIN}-{rest}"] = row
    return {row_id: row for row_id, row in every.items() if row_id in own}, later


@pytest.fixture(scope="module")
def found(both: tuple[dict[str, dict[str, Any]], dict[str, dict[str, Any]]]) -> dict[str, dict[str, Any]]:
    return both[0]


def test_features_are_those_of_the_obvious_way(found: dict[str, dict[str, Any]]) -> None:
    expected = {}
    for number in WORLDS:
        expected |= features_reference.features(world(number), AS_OF, LEAST_DAYS)
    assert found.keys() == expected.keys()
    wrong = [
        (row_id, name, found[row_id][name], value)
        for row_id, row in expected.items()
        for name, value in row.items()
        if found[row_id][name] != (pytest.approx(value, abs=1e-9) if isinstance(value, float) else value)
    ]
    assert not wrong, f"{len(wrong)} values; row, feature, found, expected: {wrong[:5]}"
    # a feature that never takes three values, unknown among them, would not be tested by this
    values = {name: {row[name] for row in expected.values()} for name in next(iter(expected.values()))}
    assert not [name for name, taken in values.items() if len(taken) < 3]


def test_later_rows_and_answers_change_no_feature_of_earlier_claims(
    both: tuple[dict[str, dict[str, Any]], dict[str, dict[str, Any]]],
) -> None:
    found, later = both
    assert found.keys() == later.keys()
    # `entity_bought_at_340b` is a guard, no feature: it looks two quarters ahead
    changed = [
        (row_id, name, value, later[row_id][name])
        for row_id, row in found.items()
        for name, value in row.items()
        if name.startswith("f") and later[row_id][name] != value
    ]
    assert not changed, f"{len(changed)} values; row, feature, before, after: {changed[:5]}"
