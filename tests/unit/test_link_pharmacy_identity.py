"""Contract pharmacies found again in `pharmacies`: a table of pairs, most of them as OPAIS and registers write them."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from pyspark.sql import DataFrame, Row, SparkSession

from engine.contracts.tables import TABLES
from engine.link import resolve_pharmacies
from engine.link.place_agreement import address_weight, agreement, confidence, is_same_street, log2_odds, name_weight
from engine.settings import PharmacyIdentitySettings

SETTINGS = PharmacyIdentitySettings()
NOTHING = None

# Ordinary values of both sides; {} is the number of the case, which so has a ZIP area, a state and phones of its own.
PLACE = {"address": "12 N MAIN ST", "city": "ELMTON", "state": "S{}", "zip": "{}10", "phone": "{}-555-0142"}
NO_STREET, NO_PHONE = {"address": None}, {"phone": None}
BARE = NO_STREET | NO_PHONE
OTHER_PHONE = {"phone": "{}-555-0199"}

# what: (contract, pharmacies, which of them is asserted). A text is a name; a pair adds what is not ordinary.
SAME = {
    "all equal": ("ELM DRUGS", ["ELM DRUGS"], 0),
    "legal form, abbreviations, suite dropped, ZIP+4": (
        ("Elm's Pharmacy, Inc.", {"address": "12 North Main Street, Suite 4"} | NO_PHONE),
        [("ELMS PHCY", {"zip": "{}10-1234"})],
        0,
    ),
    "typing errors in name and street": (
        ("GILLESPIE DRUGS", NO_PHONE),
        [("GILLESPEI DRUGS", {"address": "12 N MIAN ST"})],
        0,
    ),
    "legal name against trade name at one address with one phone": ("ULMER MEDE INC", ["BAY PHARMACY"], 0),
    "moved, phone kept": ("ELM DRUGS", [("ELM DRUGS", {"address": "900 OAK AVE"})], 0),
    "phone changed": ("ELM DRUGS", [("ELM DRUGS", OTHER_PHONE)], 0),
    "wrong ZIP, all else equal": ("ELM DRUGS", [("ELM DRUGS", {"zip": "{}77"})], 0),
    "trade name and store number in the address": (
        ("OHIO CVS STORES, L.L.C.", BARE | {"address": "DBA: CVS/PHARMACY # 02405"}),
        ["CVS PHARMACY #2405"],
        0,
    ),
    "store number tells two stores of one chain in a ZIP apart": (
        ("WALGREENS #7704", BARE),
        [("WALGREENS #07703", {}), ("WALGREENS #07704", {"address": "80 OAK AVE"})],
        1,
    ),
    "a rare name and the ZIP": (("SHERIDAN PHARMACY", BARE), ["SHERIDAN RX", "BLAKE PHARMACY"], 0),
    "two pharmacies in one house: the name tells": (
        ("ENCORE PHARMACY #1", NO_PHONE),
        [("RECEPT PHARMACY #1", {}), ("ENCORE PHARMACY", {})],
        1,
    ),
    "two suites of one house": (
        ("GENOA HEALTHCARE", {"address": "12 N MAIN ST STE 4"} | NO_PHONE),
        [("GENOA HEALTHCARE", {"address": "12 N MAIN ST STE 6"}), ("GENOA HEALTHCARE", {"address": "12 N MAIN ST #4"})],
        1,
    ),
    "the NPI that was valid while the contract was in force": (
        ("ELM DRUGS", {"begin_date": date(2020, 1, 1)}),
        [("ELM DRUGS", {"valid_to": date(2020, 1, 1)}), ("ELM DRUGS", {"valid_from": date(2020, 1, 1)})],
        1,
    ),
    "the NPI that was valid until the contract ended": (
        ("ELM DRUGS", {"termination_date": date(2020, 1, 1)}),
        [("ELM DRUGS", {"valid_to": date(2020, 1, 1)}), ("ELM DRUGS", {"valid_from": date(2020, 1, 1)})],
        0,
    ),
}
NOT_THE_SAME = {
    "store numbers differ, house the same": (("CVS #1234", NO_PHONE), ["CVS #1235"], NOTHING),
    "another house in the ZIP": (("ELM DRUGS", NO_PHONE), [("ELM DRUGS", {"address": "99 N MAIN ST"})], NOTHING),
    "another name in the house": (("SHERIDAN PHARMACY", NO_PHONE), ["QUICK RX"], NOTHING),
    "another part of the country": (
        ("ELM DRUGS", BARE),
        [("ELM DRUGS", {"zip": "99910", "state": "S{}", "city": "OAKVILLE"})],
        NOTHING,
    ),
    "closed before the contract began": (
        ("ELM DRUGS", {"begin_date": date(2020, 1, 1)}),
        [("ELM DRUGS", {"valid_to": date(2019, 1, 1)})],
        NOTHING,
    ),
    "opened after the contract ended": (
        ("ELM DRUGS", {"termination_date": date(2020, 1, 1)}),
        [("ELM DRUGS", {"valid_from": date(2020, 1, 1)})],
        NOTHING,
    ),
}
NOT_DECIDABLE = {
    "two NPIs of one description": ("ELM DRUGS", ["ELM DRUGS", "ELM DRUGS"], NOTHING),
    "a chain in a ZIP without number, street or phone": (
        ("WALGREENS", BARE),
        [("WALGREENS", {}), ("WALGREENS", {"address": "80 OAK AVE"})],
        NOTHING,
    ),
    "a ZIP and nothing else": ((None, BARE), ["ELM DRUGS"], NOTHING),
    "nothing at all": ((None, BARE | {"zip": None, "city": None, "state": None}), ["ELM DRUGS"], NOTHING),
    "fillers are not values": (
        ("ELM DRUGS", NO_STREET | {"phone": "000-000-0000", "zip": "00000"}),
        [("ELM DRUGS", NO_STREET | {"phone": "000-000-0000", "zip": "00000"})],
        NOTHING,
    ),
    "words that any pharmacy has": (("THE PHARMACY", BARE), ["OUTPATIENT PHARMACY"], NOTHING),
    "both NPIs were valid during the contract": (
        ("ELM DRUGS", {"begin_date": date(2019, 1, 1)}),
        [("ELM DRUGS", {"valid_to": date(2020, 1, 1)}), ("ELM DRUGS", {"valid_from": date(2020, 1, 1)})],
        NOTHING,
    ),
}
CASES = SAME | NOT_THE_SAME | NOT_DECIDABLE


@pytest.fixture(scope="module")
def found(spark: SparkSession) -> dict[str, Row]:
    contracts, pharmacies = [], []
    for number, (contract, registered, _) in enumerate(CASES.values()):
        contracts.append({"entity_id": f"case {number}", **_row(number, contract, "pharmacy_name")})
        for nth, pharmacy in enumerate(registered):
            pharmacies.append({"npi": f"{number}/{nth}", **_row(number, pharmacy, "name")})
    contracts.append(contracts[0] | {"entity_id": "given", "pharmacy_npi": "1003000126"})
    contracts += [contracts[0]] * 2
    frames = (_frame(spark, "contract_pharmacies", contracts), _frame(spark, "pharmacies", pharmacies))
    resolved = resolve_pharmacies(*frames, SETTINGS)
    assert resolved.columns[: len(frames[0].columns)] == frames[0].columns
    rows = resolved.collect()
    assert len(rows) == len(contracts)
    assert sum(row.entity_id == "case 0" for row in rows) == 3
    return {row.entity_id: row for row in rows}


@pytest.mark.parametrize("case", CASES)
def test_pairs(found: dict[str, Row], case: str) -> None:
    number = list(CASES).index(case)
    expected = CASES[case][2]
    row = found[f"case {number}"]
    if expected is NOTHING:
        told = (row.pharmacy_npi, row.pharmacy_match_confidence, row.pharmacy_match_fields)
        assert told == (None, None, None)
    else:
        assert row.pharmacy_npi == f"{number}/{expected}"
        assert SETTINGS.threshold <= row.pharmacy_match_confidence < 1


def test_what_agreed_is_told(found: dict[str, Row]) -> None:
    def fields(case: str) -> list[str]:
        return found[f"case {list(CASES).index(case)}"].pharmacy_match_fields

    assert fields("all equal") == ["name", "address", "phone", "zip"]
    assert fields("wrong ZIP, all else equal") == ["name", "address", "phone"]
    assert fields("trade name and store number in the address") == ["name", "store_number", "zip"]
    assert fields("legal name against trade name at one address with one phone") == ["address", "phone", "zip"]


def test_an_npi_of_the_source_stays(found: dict[str, Row]) -> None:
    row = found["given"]
    assert (row.pharmacy_npi, row.pharmacy_match_confidence, row.pharmacy_match_fields) == ("1003000126", 1.0, None)


def test_a_block_with_too_many_candidates_is_left_out(spark: SparkSession) -> None:
    """Two contracts with the phone of two pharmacies make four candidates."""
    shared = {"name": "ELM", "address": "1 ELM ST", "phone": "212-555-0142", "state": "S1"}
    contracts = [
        {"entity_id": str(n), "pharmacy_name": "ELM", "address": f"{n} ELM ST", "phone": "212-555-0142"} for n in (1, 2)
    ]
    pharmacies = [{"npi": "right", **shared}, {"npi": "other", **shared, "name": "OAK", "address": "7 OAK ST"}]
    frames = (_frame(spark, "contract_pharmacies", contracts), _frame(spark, "pharmacies", pharmacies))
    asserted = {}
    for most in (3, 4):
        limited = SETTINGS.model_copy(update={"most_candidates_per_block": most})
        asserted[most] = {row.entity_id: row.pharmacy_npi for row in resolve_pharmacies(*frames, limited).collect()}
    assert asserted == {3: {"1": None, "2": None}, 4: {"1": "right", "2": None}}


def test_log2_odds_and_confidence() -> None:
    assert log2_odds(0.5) == 0
    assert confidence(0) == 0.5
    assert confidence(log2_odds(0.95)) == pytest.approx(0.95)
    assert confidence(60) < 1, "only the source itself is certain"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("N MAIN ST", "MAIN ST", True),
        ("N MAIN ST", "S MAIN ST", False),
        ("MAIN ST", "MAIN AVE", False),
        ("CARLTON DAVIDSON LN", "CARLTON DAVIDSN LN", True),
        ("MAIN ST", "OAK ST", False),
        (None, None, False),
        ("MAIN ST", None, False),
    ],
)
def test_streets(one: str | None, other: str | None, same: bool) -> None:
    assert is_same_street(one, other, SETTINGS.street_agrees) is same


def test_a_name_says_less_the_more_places_carry_it() -> None:
    def weight(one: str, other: str, carriers: int = 1) -> float:
        return name_weight([{"name": one, "carriers": carriers}], [{"name": other, "carriers": 1}], SETTINGS)

    weights = SETTINGS.weights
    assert weight("SHERIDAN", "SHERIDAN") == weights.name
    assert weight("SHERIDAN", "SHERIDAN", carriers=4) == weights.name - 2
    assert weight("SHERIDAN", "SHERIDAN", carriers=5_000) == weights.chain_name
    assert weight("SHERIDAN", "BLAKE") == weights.name_differs
    assert name_weight([], [{"name": "BLAKE", "carriers": 1}], SETTINGS) == 0


def test_conflicts_count_against() -> None:
    house = {"house_number": "12", "street": "MAIN ST", "suite": "4"}
    weights = SETTINGS.weights
    assert address_weight(house, house, SETTINGS) == weights.address
    assert address_weight(house, house | {"suite": "5"}, SETTINGS) == weights.address + weights.suite_differs
    assert address_weight(house, house | {"suite": None}, SETTINGS) == weights.address
    assert address_weight(house, house | {"house_number": "14"}, SETTINGS) == weights.house_number_differs
    assert address_weight(house, house | {"street": "OAK ST"}, SETTINGS) == 0
    store = {"names": [{"name": "CVS", "carriers": 1}], "store_number": "1", "city": "A", "state": "B", **house}
    store |= {"zip5": "10001", "phone10": "2125550142"}
    score, fields = agreement(store, store, SETTINGS)
    other, _ = agreement(store, store | {"store_number": "2"}, SETTINGS)
    assert fields == ["name", "store_number", "address", "phone", "zip"]
    assert other - score == weights.store_number_differs - weights.store_number


def _row(number: int, described: tuple[str | None, dict[str, Any]] | str, name: str) -> dict[str, Any]:
    given, changed = (described, {}) if described is None or isinstance(described, str) else described
    row = {**PLACE, name: given, **changed}
    return {key: value.format(200 + number) if isinstance(value, str) else value for key, value in row.items()}


def _frame(spark: SparkSession, table: str, rows: list[dict[str, Any]]) -> DataFrame:
    schema = TABLES[table].schema
    return spark.createDataFrame([tuple(row.get(name) for name in schema.names) for row in rows], schema)
