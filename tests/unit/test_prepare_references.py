"""Reference rows of one key: which stand, which leave, and what is unknown afterwards."""

from __future__ import annotations

from typing import Any

import pytest
from pyspark.sql import Row, SparkSession

from engine.contracts.tables import TABLES
from engine.prepare import in_conflict, live_references, net, tally_references, with_netting
from engine.prepare.dropped_rows import Tally
from tests.unit.prepare_rows import conformed, settled

NDC = "00002759701"


def stood(
    spark: SparkSession, name: str, rows: list[dict[str, str | None]]
) -> tuple[Tally, bool, list[Row], list[Row]]:
    """Tally, rows that stand and what was set aside of a reference table."""
    found = conformed(spark, name, rows)
    netting = settled(net(found, TABLES[name]))
    (told,) = tally_references({name: found}, TABLES).values()
    counts, repeats = told
    live = live_references(found, netting).collect()
    counts = with_netting(counts, netting)
    assert counts.rows_out == len(live)
    aside = in_conflict(found, TABLES[name], netting).collect()
    return counts, repeats, live, aside


def price(**values: Any) -> dict[str, str | None]:
    return {"ndc": NDC, "period": "2025Q3", "wac_unit": "10", "ceiling_unit": "2", "snapshot_date": None, **values}


def test_rows_that_say_the_same_are_one(spark: SparkSession) -> None:
    counts, repeats, live, aside = stood(spark, "prices", [price(), price(ndc="0002-7597-01"), price(period="2025Q4")])
    assert (repeats, counts.dropped, len(live), aside) == (True, {"REDELIVERED": 1}, 2, [])


def test_a_later_snapshot_replaces_an_earlier_one(spark: SparkSession) -> None:
    rows = [price(wac_unit="9"), price(wac_unit="11", snapshot_date="2025-10-01"), price(snapshot_date="2025-09-01")]
    counts, _, (live,), _ = stood(spark, "prices", rows)
    assert counts.dropped == {"REPLACED": 2}
    assert (str(live.wac_unit), str(live.snapshot_date)) == ("11.000000", "2025-10-01")


def test_a_value_on_which_rows_disagree_is_unknown(spark: SparkSession) -> None:
    counts, _, (live,), (aside,) = stood(spark, "prices", [price(), price(wac_unit="11"), price()])
    assert counts.dropped == {"KEY_DUPLICATE": 1, "REDELIVERED": 1}
    assert counts.counted["COERCED_NULL"] == 1
    assert (live.wac_unit, str(live.ceiling_unit)) == (None, "2.000000")
    assert (aside.source_row_id, aside.reasons) == (f"{NDC}/2025Q3", ["KEY_DUPLICATE"])


def test_a_value_that_one_row_lacks_is_unknown_too(spark: SparkSession) -> None:
    _, _, (live,), _ = stood(spark, "prices", [price(), price(wac_unit=None)])
    assert live.wac_unit is None


@pytest.mark.parametrize(
    ("name", "first", "second"),
    [
        (
            "market_prices",
            {"ndc": NDC, "effective_date": "2025-07-01", "price_per_unit": "1"},
            {"price_per_unit": "2"},
        ),
        (
            "covered_entities",
            {"entity_id": "DSH1", "participating_start": "2020-01-01", "termination_date": "2025-01-01"},
            {"termination_date": "2025-06-30"},
        ),
        (
            "contract_pharmacy_lists",
            {"contract_id": "K", "pharmacy_npi": "1234567893", "begin_date": "2020-01-01", "end_date": None},
            {"end_date": "2021-01-01"},
        ),
        (
            "part_b_lines",
            {
                "source_row_id": "B1",
                "provider_npi": "1234567893",
                "date_of_service": "2025-08-01",
                "hcpcs_code": "J1234",
                "modifiers": "TB",
            },
            {"modifiers": None},
        ),
    ],
)
def test_no_row_stands_where_the_required_value_or_the_end_is_contested(
    spark: SparkSession, name: str, first: dict[str, str | None], second: dict[str, str | None]
) -> None:
    counts, _, live, aside = stood(spark, name, [first, {**first, **second}])
    assert (counts.dropped, live, len(aside)) == ({"KEY_DUPLICATE": 2}, [], 2)


def test_intervals_of_one_key_are_no_conflict(spark: SparkSession) -> None:
    rows = [
        {"entity_id": "DSH1", "participating_start": "2010-01-01", "termination_date": "2015-01-01"},
        {"entity_id": "DSH1", "participating_start": "2020-01-01", "termination_date": None},
    ]
    counts, repeats, live, _ = stood(spark, "covered_entities", rows)
    assert (repeats, counts.dropped, len(live)) == (False, {}, 2)


def test_pharmacies_without_npi_are_told_apart_by_name_and_address(spark: SparkSession) -> None:
    same = {"entity_id": "DSH1", "contract_id": "7", "pharmacy_npi": None, "begin_date": "2020-01-01"}
    rows = [{**same, "pharmacy_name": name, "address": "1 MAIN ST", "zip": "04101"} for name in ("A", "B")]
    assert not stood(spark, "contract_pharmacies", rows)[1]


def test_each_reference_table_has_its_own_tally(spark: SparkSession) -> None:
    found = {
        "prices": conformed(spark, "prices", [price(), price(ndc="1"), price(period="x")]),
        "entity_npis": conformed(spark, "entity_npis", [{"entity_id": "DSH1", "npi": "1234567893"}] * 2),
        "labelers": conformed(spark, "labelers", [{"labeler_code": "00002"}]).limit(0),
    }
    told = tally_references(found, TABLES)
    assert {name: (counts.rows_in, counts.dropped, repeats) for name, (counts, repeats) in told.items()} == {
        "prices": (3, {"NDC_INVALID": 1, "PERIOD_INVALID": 1}, False),
        "entity_npis": (2, {}, True),
        "labelers": (0, {}, False),
    }


def test_a_bad_ndc_that_is_not_required_is_unknown_and_counted(spark: SparkSession) -> None:
    line = {"source_row_id": "B1", "provider_npi": "1234567893", "date_of_service": "2025-08-01", "hcpcs_code": "j1234"}
    counts, _, (live,), _ = stood(spark, "part_b_lines", [{**line, "ndc": "12", "modifiers": "tb| jw"}])
    assert (live.ndc11, live.ndc_raw, live.hcpcs_code, live.modifiers) == (None, "12", "J1234", "TB|JW")
    assert (counts.dropped, counts.counted["COERCED_NULL"]) == ({}, 1)


# What becomes of settlements: key settlement_id, else all columns (contract part 2).
SETTLEMENTS = {
    "two part credits of one day": ([{"units": "10"}, {"units": "5"}], {}, 2),
    "two that are equal in all columns": ([{"units": "10"}, {"units": "10"}], {"REDELIVERED": 1}, 1),
    "two equal ones with ids": ([{"settlement_id": "S1"}, {"settlement_id": "S2"}], {}, 2),
    "one with an id and one without": ([{"settlement_id": "S1"}, {}], {}, 2),
    "an id sent again": ([{"settlement_id": "S1"}, {"settlement_id": "S1"}], {"REDELIVERED": 1}, 1),
    "an id of two amounts": (
        [{"settlement_id": "S1", "units": "10"}, {"settlement_id": "S1", "units": "5"}],
        {"KEY_DUPLICATE": 2},
        0,
    ),
    "an id in a later snapshot": (
        [
            {"settlement_id": "S1", "units": "10", "snapshot_date": "2026-01-01"},
            {"settlement_id": "S1", "units": "5", "snapshot_date": "2026-02-01"},
        ],
        {"REPLACED": 1},
        1,
    ),
    "the ledger of a later day": (
        [{"snapshot_date": "2026-01-01"}, {"snapshot_date": "2026-02-01"}],
        {"REPLACED": 1},
        1,
    ),
}


@pytest.mark.parametrize("case", SETTLEMENTS)
def test_settlements_are_told_apart_by_their_id_or_all_that_they_hold(spark: SparkSession, case: str) -> None:
    given, dropped, left = SETTLEMENTS[case]
    credit = {"program": "MDRP_FFS", "state": "KY", "ndc": NDC, "period": "2025Q3", "kind": "STATE_CREDIT"}
    credit |= {"settled_on": "2025-12-20", "units": "10", "claim_id": "C1"}
    names = sorted({name for one in given for name in one})
    rows = [credit | dict.fromkeys(names) | {"units": "10"} | one for one in given]
    counts, _, live, aside = stood(spark, "settlements", rows)
    assert (counts.dropped, len(live)) == (dropped, left)
    assert {one.source_row_id for one in aside} <= {"S1"}
