"""R050 on generated tables against a slow, plain reading of the rule.

Nothing here looks into the generator: the rule is worked out from the tables that it writes.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from math import asin, cos, log, radians, sin, sqrt
from statistics import median
from typing import Any

import pytest

from synthetic.kinds import Label
from tests.property.test_synthetic_entity_truth import live_claims, with_register
from tests.property.test_synthetic_truth import MESSY, Tables, ndc11, pairs, quarter

KILOMETRES, SHARE, PRESCRIPTIONS, Z, TIMES_USUAL, ENTITIES = 100, 0.1, 20, 4, 10, 20
LOOK_ALIKES = {"pharmacy_near", "own_pharmacy_far", "usual_volume", "prescriber_known"}


@pytest.fixture(scope="module", params=[(3, {}), (20_260_101, {}), (12, MESSY)], ids=["3", "20260101", "messy"])
def tables(request: pytest.FixtureRequest) -> Tables:
    seed, settings = request.param
    return with_register(Tables(seed, **settings))


def number(period: str) -> int:
    return 4 * int(period[:4]) + int(period[5])


def kilometres(one: dict[str, Any], other: dict[str, Any]) -> float:
    """Great-circle distance on a sphere of the Earth's mean radius."""
    latitude, longitude = radians(one["latitude"]), radians(one["longitude"])
    to_latitude, to_longitude = radians(other["latitude"]), radians(other["longitude"])
    chord = sin((to_latitude - latitude) / 2) ** 2
    chord += cos(latitude) * cos(to_latitude) * sin((to_longitude - longitude) / 2) ** 2
    return 2 * 6371.0088 * asin(sqrt(chord))


class Reading:
    """What the rule reads, of all live claims of the tables."""

    def __init__(self, tables: Tables) -> None:
        self.live = live_claims(tables)
        reference = tables.reference
        self.entity = {row["entity_id"]: row for row in reference["covered_entities"]}
        self.point = {row["zip"]: row for row in reference["zip_centroids"]}
        self.pharmacy_zip = {row["npi"]: row["zip"] for row in reference["pharmacies"]}
        self.own = {(self.entity[row["entity_id"]]["parent_entity_id"], row["npi"]) for row in reference["entity_npis"]}
        claimed = {row["source_row_id"][2:-1] for row in self.live}
        self.prescribed: defaultdict[tuple[Any, ...], Counter[Any]] = defaultdict(
            Counter
        )  # by parent, None for payers, and quarter
        for row in self.live:
            self.prescribed[self.of_prescriber(row)][row["parent"], number(quarter(row["date_of_service"]))] += 1
        for row in tables.rebate:
            if row["source_row_id"][2:-1] not in claimed:
                row = {**row, "ndc11": ndc11(row["ndc"] or "")}
                self.prescribed[self.of_prescriber(row)][None, number(quarter(row["date_of_service"]))] += 1
        self.units: defaultdict[tuple[Any, ...], Counter[Any]] = defaultdict(Counter)
        for row in self.live:
            self.units[self.of_quarter(row)][row["parent"]] += row["quantity"]

    def of_prescriber(self, row: dict[str, Any]) -> tuple[Any, ...]:
        return row["prescriber_npi"], row["ndc11"][:9]

    def of_quarter(self, row: dict[str, Any]) -> tuple[Any, ...]:
        return row["ndc11"][:9], quarter(row["date_of_service"])

    def is_hardly_known(self, row: dict[str, Any]) -> bool:
        served = number(quarter(row["date_of_service"]))
        known = self.prescribed[self.of_prescriber(row)]
        earlier = Counter()
        for (parent, when), prescriptions in known.items():
            earlier[parent] += prescriptions if 1 <= served - when <= 4 else 0
        return earlier.total() >= PRESCRIPTIONS and earlier[row["parent"]] < SHARE * earlier.total()

    def is_far(self, row: dict[str, Any]) -> bool:
        places = self.pharmacy_zip[row["pharmacy_npi"]], self.entity[row["entity_id"]]["zip"]
        return kilometres(*(self.point[zip_code] for zip_code in places)) > KILOMETRES

    def claims_far_more(self, row: dict[str, Any]) -> bool:
        units = self.units[self.of_quarter(row)]
        if len(units) < ENTITIES:
            return False
        logs = [log(of_entity) for of_entity in units.values()]
        usual = median(logs)
        scale = max(1.4826 * median(abs(one - usual) for one in logs), 0.05 * abs(usual), 0.01)
        more = log(units[row["parent"]]) - usual
        return more > Z * scale and more >= log(TIMES_USUAL)

    def found(self) -> set[tuple[str, str]]:
        return {
            (row["source_row_id"], "R050")
            for row in self.live
            if row["claim_type"] == "RX"
            and self.is_hardly_known(row)
            and self.claims_far_more(row)
            and self.is_far(row)
            and (row["parent"], row["pharmacy_npi"]) not in self.own
        }


def test_what_may_be_diverted_is_what_the_rule_finds(tables: Tables) -> None:
    told = {label: [row for row in tables.label[label] if row["rule_id"] == "R050"] for label in Label}
    truth = pairs(told[Label.TRUTH])
    assert Reading(tables).found() == truth
    assert len(truth) >= 15
    look_alikes = Counter(row["kind"] for row in told[Label.LOOK_ALIKE])
    assert set(look_alikes) == LOOK_ALIKES
    assert min(look_alikes.values()) >= 15
