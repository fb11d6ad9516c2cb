"""Thousands of rows under one key: each row names few of the others and counts all of them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from engine.contracts.findings import MOST_RELATED_ROWS
from engine.contracts.prepared import PREPARED_ENTITY_CLAIMS
from engine.contracts.tables import TABLES
from engine.facts import duplicates, entity_claim_facts
from engine.facts.duplicates import with_repeats
from engine.facts.lineage import with_periods
from engine.facts.patients import MOST_FILLS, with_patient_fills
from engine.prepare import conform, net_entity_claims, net_rebate_claims
from engine.settings import PeerSettings
from tests.unit.facts_rows import claim, claims, frame, reference
from tests.unit.prepare_rows import AS_OF, received, row, settled
from tests.unit.test_facts_entity_claims import given

ROWS = 3_000
DAY = datetime(2025, 4, 1, tzinfo=UTC)


def at(number: int) -> datetime:
    return DAY + timedelta(minutes=number)


def test_duplicates_of_a_crowd_are_linear(spark: SparkSession) -> None:
    """Half of the rows are Medicaid's, half MFP's, each under an ICN of its own."""
    rows = [claim(f"c{n:05}", received_at=at(n)) for n in range(ROWS)]
    rows += [claim(f"m{n:05}", program="MFP", payer_id="MTF", mtf_icn=str(n), received_at=at(n)) for n in range(ROWS)]
    found = {row["source_row_id"]: row for row in duplicates(claims(spark, rows, partitions=2)).collect()}
    assert len(found) == 2 * (ROWS - 1)
    assert sum(len(row["duplicate_source_row_ids"]) for row in found.values()) <= len(found) * MOST_RELATED_ROWS
    for kind in "cm":
        last = found[f"{kind}{ROWS - 1:05}"]
        assert last["duplicate_source_row_ids"] == [
            f"{kind}{n:05}" for n in range(ROWS - 2, ROWS - 2 - MOST_RELATED_ROWS, -1)
        ]
        assert last["duplicate_row_count"] == ROWS - 1
        assert sum(found[f"{kind}{n:05}"]["duplicate_row_count"] for n in range(1, ROWS)) == ROWS * (ROWS - 1) // 2


@pytest.mark.parametrize("icn", ["own", "none"])
def test_features_of_a_crowd_are_counted(spark: SparkSession, icn: str) -> None:
    """Claims of one prescription, claim number and patient, on many lines and at many pharmacies."""
    rows = [
        claim(
            f"c{n:05}",
            program="MFP" if icn == "own" else "MDRP_FFS",
            mtf_icn=str(n) if icn == "own" else None,
            mtf_xref_icn="7" if n == 8 and icn == "own" else None,
            claim_id="0",
            claim_line=n,
            patient_key="UNKNOWN",
            received_at=at(n),
        )
        for n in range(ROWS)
    ]
    feed = claims(spark, rows, partitions=2)
    found = with_periods(with_repeats(feed, feed, feed), feed, feed)
    counts = found.groupBy(
        "repeats.f34_same_key_count", "repeats.f57_mtf_dup_icn", "f37_cross_period_count", "claim_products"
    ).count()
    expected = (None, True, 1, 1, ROWS) if icn == "own" else (ROWS, None, 1, 1, ROWS)
    assert [tuple(row) for row in counts.collect()] == [expected]


def test_a_placeholder_is_no_patient(spark: SparkSession) -> None:
    def fills(patient: str, number: int) -> list[dict[str, Any]]:
        return [
            claim(f"{patient}{n}", patient_key=patient, pharmacy_key=f"P{n}", date_of_service=date(2025, 2, 1 + n % 20))
            for n in range(number)
        ]

    feed = claims(spark, fills("UNKNOWN", MOST_FILLS + 1) + fills("a", MOST_FILLS), partitions=2)
    found = with_patient_fills(feed).groupBy("patient_key")
    most = {
        row["patient_key"]: row["most"] for row in found.agg(F.max("f43_overlap_pharmacies").alias("most")).collect()
    }
    assert most == {"UNKNOWN": None, "a": MOST_FILLS - MOST_FILLS // 20 + 1}


def test_claims_of_one_dispense_by_many_entities_are_linear(spark: SparkSession) -> None:
    """Two parents submit in turn; a third has one claim, the last of all. Part B lines of the service are as many."""
    medical = {"claim_type": "MEDICAL", "hcpcs_code": "J1234"}
    rows = [
        given(f"e{n:05}", entity_id=("A", "B")[n % 2], submitted_at=at(n).replace(tzinfo=None), **medical)
        for n in range(ROWS)
    ]
    rows.append(given("last", entity_id="C", submitted_at=at(ROWS).replace(tzinfo=None), **medical))
    line = {"provider_npi": rows[0]["pharmacy_npi"], "hcpcs_code": "J1234", "date_of_service": "2025-02-10"}
    lines = reference(spark, "part_b_lines", *({**line, "source_row_id": f"b{n:05}"} for n in range(ROWS)))
    feed = frame(spark, rows, PREPARED_ENTITY_CLAIMS).repartition(2)
    facts = entity_claim_facts(feed, {"part_b_lines": lines}, None, None, PeerSettings(minimum=3))
    found = {row["source_row_id"]: row for row in facts.collect()}
    for name in ("other_entity_row_ids", "earlier_row_ids", "part_b_unmarked_row_ids"):
        assert max(len(row[name]) for row in found.values()) == MOST_RELATED_ROWS
    own, others = found[f"e{ROWS - 1:05}"], ROWS // 2 + 1
    assert own["other_entity_row_ids"] == [f"e{n:05}" for n in range(0, 2 * MOST_RELATED_ROWS, 2)]
    assert (own["other_entity_ids"], own["other_entity_count"], own["other_entity_row_count"]) == (
        ["A", "C"],
        2,
        others,
    )
    assert own["earlier_row_ids"][:2] == [f"e{ROWS - 3:05}", f"e{ROWS - 5:05}"]
    assert own["earlier_row_count"] == ROWS // 2 - 1
    assert own["part_b_unmarked_row_ids"][0] == "b00000"
    assert own["part_b_lines_unmarked"] == ROWS
    assert found["last"]["other_entity_row_ids"] == [f"e{n:05}" for n in range(MOST_RELATED_ROWS)]


def test_lineage_of_a_crowd_is_netted(spark: SparkSession) -> None:
    """Versions of one claim: each adjustment replaces what came before."""
    rows = [
        row("rebate_claims", f"r{n:05}", claim_id="0", units=str(n + 1), transaction="ADJUSTMENT" if n else "ORIGINAL",
            prior_claim_id="0" if n else None, received_at=at(n).strftime("%Y-%m-%dT%H:%M:%SZ"))
        for n in range(ROWS)
    ]  # fmt: skip
    conformed = settled(conform(received(spark, rows, 2), TABLES["rebate_claims"], as_of=AS_OF))
    netting = net_rebate_claims(conformed).groupBy("left_as", "prior_not_found").count().collect()
    assert {tuple(one) for one in netting} == {("REPLACED", False, ROWS - 1)}


def test_reversals_of_a_crowd_are_netted(spark: SparkSession) -> None:
    """Submissions and as many reversals of one dispense, in turn, the last submission after all reversals."""
    rows = [
        row("entity_claims", f"e{n:05}", status="REVERSED" if n % 2 else "SUBMITTED",
            submitted_at=at(n).strftime("%Y-%m-%dT%H:%M:%SZ"))
        for n in range(2 * ROWS + 1)
    ]  # fmt: skip
    conformed = settled(conform(received(spark, rows, 2), TABLES["entity_claims"], as_of=AS_OF))
    netting = net_entity_claims(conformed).groupBy("left_as", "reversal_unmatched").count().collect()
    assert {tuple(one) for one in netting} == {
        ("REVERSED", None, ROWS),
        (None, None, 1),  # stands, and is not the first of equals
        ("REVERSAL_TRANSACTION", False, ROWS),
    }
