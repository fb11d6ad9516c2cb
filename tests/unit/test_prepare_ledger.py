"""What left while preparing: counts that add up, and quarantine rows with their reasons."""

from __future__ import annotations

import json

from pyspark.sql import SparkSession

from engine.contracts.findings import QUARANTINE
from engine.contracts.tables import TABLES
from engine.prepare import (
    good_rows,
    in_conflict,
    live_entity_claims,
    names_in_conflict,
    net,
    net_entity_claims,
    net_pharmacy_claims,
    net_rebate_claims,
    pharmacy_dispenses,
    quarantine,
    tally,
    with_dispenses,
    with_netting,
)
from tests.unit.prepare_rows import conformed, row, settled


def test_a_row_counts_once_under_its_first_reason(spark: SparkSession) -> None:
    rows = [
        row("rebate_claims", "good", state="Kentucky", fill_number="x", rx_number="12"),
        row("rebate_claims", "also good", claim_id="C2", compound_code="??"),
        row("rebate_claims", "two problems", ndc="1", units="x"),
        row("rebate_claims", "late and bad", ndc="1", received_at="2027-01-01"),
        row("rebate_claims", "again", claim_id="C3", received_at="2026-01-01"),
        row("rebate_claims", "again", claim_id="C4", received_at="2026-01-02"),
        row("rebate_claims", "sent twice", claim_id="C3", received_at="2026-01-03"),
    ]
    found = conformed(spark, "rebate_claims", rows)
    netting = settled(net_rebate_claims(found))
    counts = with_netting(tally(found, "rebate_claims"), netting)
    assert counts.dropped == {"NDC_INVALID": 1, "AFTER_AS_OF": 1, "SOURCE_ROW_ID_DUPLICATE": 1, "REDELIVERED": 1}
    assert (counts.rows_in, counts.rows_out) == (7, 3)
    assert counts.counted == {"COERCED_NULL": 3, "RX_NUMBER_UNUSABLE": 1, "PRIOR_NOT_FOUND": 0}
    quarantined = quarantine(found, TABLES["rebate_claims"])
    assert quarantined.schema.names == QUARANTINE.names
    (only,) = quarantined.collect()
    assert (only.source_row_id, only.reasons) == ("two problems", ["NDC_INVALID", "UNITS_INVALID"])
    assert json.loads(only.raw)["units"] == "x"


def test_a_row_in_conflict_is_kept_as_it_was_received(spark: SparkSession) -> None:
    rows = [
        row("rebate_claims", "R1", claim_id="C1", received_at="2026-01-01"),
        row("rebate_claims", " R1", claim_id="C2 ", units="30.50", ndc="0002-7597-01", received_at="2026-01-02"),
        row("rebate_claims", "R2", claim_id="C3"),
    ]
    table = TABLES["rebate_claims"]
    found = conformed(spark, "rebate_claims", rows)
    names = names_in_conflict(found, table, settled(net(found, table)))
    assert [one.row_name for one in names.collect()] == ["R1"]
    again = conformed(spark, "rebate_claims", rows, among=names)
    assert again.count() == 2
    (only,) = in_conflict(again, table, settled(net(again, table))).collect()
    assert (only.source_row_id, only.reasons) == ("R1", ["SOURCE_ROW_ID_DUPLICATE"])
    assert {name: value for name, value in json.loads(only.raw).items() if value is not None} == {
        name: value for name, value in rows[1].items() if value is not None
    }


def test_a_bad_row_is_kept_with_the_spaces_that_it_came_with(spark: SparkSession) -> None:
    (only,) = quarantine(
        conformed(spark, "rebate_claims", [row("rebate_claims", " R1 ", units=" x ", plan_id="  ")]),
        TABLES["rebate_claims"],
    ).collect()
    raw = json.loads(only.raw)
    assert only.source_row_id == "R1"
    assert (raw["source_row_id"], raw["units"], raw["plan_id"], raw["payer_id"]) == (" R1 ", " x ", "  ", "KY")


def test_a_table_without_row_id_gives_its_key(spark: SparkSession) -> None:
    found = conformed(spark, "prices", [{"ndc": "00002759701", "period": "2025Q9"}, {"ndc": None, "period": "2025Q1"}])
    rows = sorted(quarantine(found, TABLES["prices"]).collect(), key=lambda one: one.source_row_id)
    assert [one.reasons for one in rows] == [["NDC_MISSING"], ["PERIOD_INVALID"]]
    assert [one.source_row_id for one in rows] == ["/2025Q1", "00002759701/"]


def test_an_empty_feed_and_one_that_is_all_bad_count_to_nothing_left(spark: SparkSession) -> None:
    for rows, expected in (([row("rebate_claims", "R1", ndc="1")], {"NDC_INVALID": 1}), ([], {})):
        found = conformed(spark, "rebate_claims", rows or [row("rebate_claims", "R1")])
        found = found if rows else found.limit(0)
        counts = with_netting(tally(found, "rebate_claims"), net_rebate_claims(found))
        assert (counts.rows_in, counts.rows_out, counts.dropped) == (len(rows), 0, expected)
        assert counts.counted["COERCED_NULL"] == 0


def test_what_the_entity_did_not_say_is_340b_is_counted_as_assumed(spark: SparkSession) -> None:
    rows = [
        row("entity_claims", "said", is_340b="Y"),
        row("entity_claims", "not", is_340b="N"),
        row("entity_claims", "silent"),
    ]
    found = conformed(spark, "entity_claims", rows)
    netting = settled(net_entity_claims(found))
    counts = with_netting(tally(found, "entity_claims"), netting)
    assert counts.dropped == {"NOT_340B": 1}
    assert counts.counted["IS_340B_ASSUMED"] == 1
    live = {one.source_row_id: one.is_340b_assumed for one in live_entity_claims(found, netting).collect()}
    assert live == {"said": False, "silent": True}


def test_transactions_that_do_not_stand_leave_with_a_reason(spark: SparkSession) -> None:
    codes = {"1234567": "B1", "2345678": "B1 B2", "3456789": "B1 B2 B3", "123": "B1"}
    rows = [
        row(
            "pharmacy_claims",
            f"{rx}{place}",
            rx_number=rx,
            transaction_code=code,
            transaction_at=f"2026-01-0{place + 1}",
        )
        for rx, order in codes.items()
        for place, code in enumerate(order.split())
    ]
    found = conformed(spark, "pharmacy_claims", rows)
    netting = settled(net_pharmacy_claims(found))
    counts = with_dispenses(with_netting(tally(found, "pharmacy_claims"), netting), pharmacy_dispenses(found, netting))
    assert {reason: rows for reason, rows in counts.dropped.items() if rows} == {
        "REVERSAL_TRANSACTION": 2,
        "REVERSED": 1,
        "REPLACED": 1,
    }
    assert (counts.rows_in, counts.rows_out, counts.counted["RX_NUMBER_UNUSABLE"]) == (7, 3, 1)


def test_rows_without_a_key_get_dispense_hashes_of_their_own(spark: SparkSession) -> None:
    rows = [row("rebate_claims", f"R{number}", rx_number="12") for number in range(5)]
    rows += [row("rebate_claims", f"S{number}", fill_number=str(number)) for number in range(3)]
    rows += [row("rebate_claims", "M", claim_type="MEDICAL", claim_id="1234567", rx_number=None)]
    found = {one.source_row_id: one for one in good_rows(conformed(spark, "rebate_claims", rows)).collect()}
    assert len({found[f"R{number}"].dispense_hash for number in range(5)}) == 5
    assert len({found[f"S{number}"].dispense_hash for number in range(3)}) == 1
    assert (found["M"].script_key, found["M"].rx_key, found["R1"].script_key) == ("1234567", None, None)
    assert (found["M"].ndc9, found["M"].labeler_code) == ("000027597", "00002")
