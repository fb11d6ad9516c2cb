"""Resolving pharmacies: rows are kept, order and partitions change nothing, and what is missing says nothing."""

from __future__ import annotations

import random
from collections import Counter
from datetime import date, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from pyspark.sql import DataFrame, Row, SparkSession

from engine.contracts.tables import TABLES
from engine.link import resolve_pharmacies
from engine.link.place_agreement import agreement
from engine.settings import PharmacyIdentitySettings

SETTINGS = PharmacyIdentitySettings()
PARTS = ("names", "store_number", "house_number", "street", "suite", "city", "state", "zip5", "phone10")
ROWS = 300


def maybe(values: Any) -> Any:
    return st.none() | st.sampled_from(values)


NAMES = st.lists(
    st.builds(dict, name=st.sampled_from(["CVS", "WALGREENS", "WALGREEN", "ELM"]), carriers=st.integers(1, 9)),
    max_size=2,
)
DESCRIPTIONS = st.fixed_dictionaries(
    {
        "names": st.none() | NAMES,
        "store_number": maybe(["1", "12"]),
        "house_number": maybe(["5", "7"]),
        "street": maybe(["MAIN ST", "N MAIN ST", "OAK AVE"]),
        "suite": maybe(["1", "2"]),
        "city": maybe(["ELMTON", "OAKVILLE"]),
        "state": maybe(["OH", "NY"]),
        "zip5": maybe(["10001", "10002", "43001"]),
        "phone10": maybe(["2125550142", "2125550143"]),
    }
)


@given(DESCRIPTIONS, DESCRIPTIONS, st.sampled_from(PARTS))
def test_what_is_missing_on_one_side_is_as_if_missing_on_both(
    one: dict[str, Any], other: dict[str, Any], part: str
) -> None:
    without, without_other = one | {part: None}, other | {part: None}
    expected = agreement(without, without_other, SETTINGS)
    assert agreement(without, other, SETTINGS) == expected
    assert agreement(one, without_other, SETTINGS) == expected


@given(DESCRIPTIONS, DESCRIPTIONS)
def test_agreement_knows_no_sides(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert agreement(one, other, SETTINGS) == agreement(other, one, SETTINGS)


def test_rows_stay_and_order_changes_nothing(spark: SparkSession, seed: int) -> None:
    rng = random.Random(seed)
    contracts = [contract(rng) for _ in range(ROWS)]
    pharmacies = [pharmacy(rng, number) for number in range(ROWS)]
    found = []
    for partitions in (1, 7):
        rng.shuffle(contracts)
        rng.shuffle(pharmacies)
        frames = (
            frame(spark, "contract_pharmacies", contracts).repartition(partitions),
            frame(spark, "pharmacies", pharmacies).repartition(partitions),
        )
        found.append(resolve_pharmacies(*frames, SETTINGS).collect())
    assert counted(found[0]) == counted(found[1])
    received = [name for name in frames[0].columns if name != "pharmacy_npi"]
    assert Counter(tuple(row[name] for name in received) for row in found[0]) == Counter(
        tuple(row.get(name) for name in received) for row in contracts
    )
    of_npi = {row["npi"]: row for row in pharmacies}
    asserted = [row for row in found[0] if row.pharmacy_match_fields is not None]
    assert 0 < len(asserted) < ROWS, "generated examples no longer cover every case"
    for row in asserted:
        assert_is_supported(row, of_npi[row.pharmacy_npi])


def assert_is_supported(row: Row, match: dict[str, Any]) -> None:
    """Nothing that is missing on either side is said to agree, and both were valid at one time."""
    for field in row.pharmacy_match_fields:
        theirs = "name" if field == "store_number" else field
        assert row["pharmacy_name" if theirs == "name" else theirs] is not None
        assert match.get(theirs) is not None
    start, end = match.get("valid_from"), match.get("valid_to")
    assert end is None or row.begin_date is None or row.begin_date < end
    assert start is None or row.termination_date is None or start < row.termination_date


def counted(rows: list[Row]) -> Counter[Any]:
    return Counter(repr(row) for row in rows)


def described(rng: random.Random, name: str) -> dict[str, Any]:
    def perhaps(*values: str) -> str | None:
        return rng.choice([None, *values, *values])

    zip3 = rng.randint(200, 240)
    row = {
        name: perhaps("CVS #12", "CVS PHARMACY", "WALGREENS # 0012", "WALGREENS #77", "ELM DRUGS", "OAK RX"),
        "address": perhaps("12 N MAIN ST", "12 North Main Street, Suite 4", "7 OAK AVE"),
        "city": perhaps("ELMTON", "OAKVILLE"),
        "state": perhaps("OH"),
        "zip": perhaps(f"{zip3}10", f"{zip3}11"),
        "phone": perhaps(f"{zip3}-555-0142", f"{zip3}-555-0143", "000-000-0000"),
    }
    return {key: value for key, value in row.items() if value is not None}


def contract(rng: random.Random) -> dict[str, Any]:
    begin = date(2019, 1, 1) + timedelta(days=rng.randint(0, 700))
    return {
        "entity_id": f"DSH{rng.randint(1, 30)}",
        "pharmacy_npi": rng.choice([None] * 9 + ["1003000126"]),
        "begin_date": rng.choice([None, begin]),
        "termination_date": rng.choice([None, begin + timedelta(days=rng.randint(1, 900))]),
        **described(rng, "pharmacy_name"),
    }


def pharmacy(rng: random.Random, number: int) -> dict[str, Any]:
    changed = date(2020, 1, 1)
    validity = rng.choice([{}, {"valid_from": changed}, {"valid_to": changed}])
    return {"npi": f"{number:010d}", **validity, **described(rng, "name")}


def frame(spark: SparkSession, table: str, rows: list[dict[str, Any]]) -> DataFrame:
    schema = TABLES[table].schema
    return spark.createDataFrame([tuple(row.get(name) for name in schema.names) for row in rows], schema)
