"""Netting against a slow reference, on many small random worlds per Spark job, each with payers of its own."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from engine.contracts.tables import TABLES
from engine.prepare import (
    conform,
    in_conflict,
    live_entity_claims,
    live_rebate_claims,
    net_entity_claims,
    net_pharmacy_claims,
    net_rebate_claims,
    pharmacy_dispenses,
    tally,
    with_dispenses,
    with_netting,
)
from tests.property import prepare_reference as reference
from tests.unit.prepare_rows import AS_OF, received, row, settled

WORLDS = 240
TIMES = [None, "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", "2026-01-03T00:00:00Z"]
ALL_TIMES = [f"2026-02-{day:02}T00:00:00Z" for day in range(1, 29)]


def made(spark: SparkSession, table: Any, rows: Any, partitions: Any, seed: int) -> Any:
    """Conformed rows, dealt anew: the position of a row is kept in a column that netting does not look at."""
    dealt = list(rows)
    random.Random(seed).shuffle(dealt)
    return settled(conform(received(spark, dealt, partitions), TABLES[table], as_of=AS_OF))


def repeated(source: random.Random, rows: list[dict[str, str | None]], received_at: str) -> None:
    """Some rows again under their own id at a later time, as another claim: only the earlier may stay."""
    for one in list(rows):
        if one[received_at] and one[received_at] < TIMES[-1] and source.random() < 0.08:
            rows.append({**one, received_at: TIMES[-1], "rx_number": "7654321"})


def test_rebate_claims(spark: SparkSession, seed: int) -> None:
    source = random.Random(seed)
    worlds = [rebate_world(source, number) for number in range(WORLDS)]
    expected, roots, rows = {}, {}, []
    for world in worlds:
        lineages = reference.Lineages(world)
        for place, verdict in lineages.verdicts.items():
            expected[world[place]["patient_key"]] = verdict
        for place, root in lineages.roots.items():
            roots[world[place]["patient_key"]] = root
        rows += world
    seen = Counter(left for left, _ in expected.values())
    assert min(seen.values()) > 5, "generated examples no longer cover every case"
    assert set(seen) == {
        *("SOURCE_ROW_ID_DUPLICATE", "REDELIVERED", "VOID_TRANSACTION", "VOIDED", "REPLACED"),
        None,
    }
    assert sum(lost for _, lost in expected.values()) > 10
    for partitions in (1, 5):
        conformed = made(spark, "rebate_claims", rows, partitions, seed + partitions)
        netting = settled(net_rebate_claims(conformed))
        said = conformed.join(netting.withColumnRenamed("left_as", "net_left_as"), "row_id", "left").collect()
        assert len(said) == len(rows), "netting says two things of one row"
        for one in said:
            left, lost = expected[one.patient_key]
            assert (one.problem or one.net_left_as) == left, one.patient_key
            assert bool(one.prior_not_found) == lost, one.patient_key
        live = live_rebate_claims(conformed, netting, None, None).collect()
        assert {one.patient_key for one in live} == roots.keys()
        for one in live:
            if roots[one.patient_key] is not None and is_without_ties(worlds[int(one.patient_key.split(".")[0])]):
                assert lineage_of(one) == roots[one.patient_key], one.patient_key
        counts = with_netting(tally(conformed, "rebate_claims"), netting)
        dropped = {left: count for left, count in seen.items() if left is not None}
        assert (counts.rows_in, counts.rows_out, counts.dropped) == (len(rows), seen[None], dropped)
        assert counts.counted["PRIOR_NOT_FOUND"] == sum(lost for _, lost in expected.values())
        quarantined = in_conflict(conformed, TABLES["rebate_claims"], netting).collect()
        assert {tuple(one.reasons) for one in quarantined} == {("SOURCE_ROW_ID_DUPLICATE",)}
        assert len(quarantined) == seen["SOURCE_ROW_ID_DUPLICATE"]


def is_without_ties(world: Any) -> Any:
    """At one time nothing says which of two rows ended the other's chain first."""
    times = [one["received_at"] for one in world]
    return len(set(times)) == len(times)


def lineage_of(one: Any) -> Any:
    lineage = one.lineage or (one.program, one.claim_id, one.claim_line, 1, 1)
    program, claim, line, chain, branch = lineage
    return program, claim, str(line), chain, branch


def rebate_world(source: random.Random, number: int) -> list[dict[str, str | None]]:
    """Two worlds in three have a time of its own for each row."""
    times = TIMES if number % 3 == 0 else source.sample(ALL_TIMES, len(ALL_TIMES))

    def time() -> str | None:
        return source.choice(times) if times is TIMES else times.pop()

    rows = []
    for place in range(source.randrange(1, 9)):
        transaction = source.choice(["ORIGINAL", "ORIGINAL", "ADJUSTMENT", "VOID"])
        prior = None if transaction == "ORIGINAL" else source.choice([None, None, "C1", "C2", "C3", "C4"])
        # one payer and pharmacy per world; two claims, lines and programs, so that they meet
        rows.append(
            row(
                "rebate_claims",
                f"W{number}-{source.random()}",
                payer_id=f"P{number}-{source.choice('AAAB')}",
                plan_id=source.choice([None, None, "X"]),
                program=source.choice(["MDRP_FFS", "MDRP_FFS", "MDRP_MCO"]),
                rebate_type=source.choice([None, None, None, "FEDERAL", "SUPPLEMENTAL"]),
                claim_id=source.choice(["C1", "C2", "C3"]),
                claim_line=source.choice(["1", "1", "2"]),
                transaction=transaction,
                prior_claim_id=prior,
                prior_claim_line=None if prior is None else source.choice([None, None, "1", "2"]),
                units=source.choice(["30", "30", "31"]),
                amount_paid=source.choice([None, "1.00"]),
                amount_third_party=None,
                unit_rebate_amount=None,
                rebate_amount=None,
                received_at=time(),
                patient_key=f"{number}.{place}",
            )
        )
    for one in list(rows):
        if source.random() < 0.1:  # sent again, perhaps before the row that was made first
            rows.append({**one, "source_row_id": f"W{number}-{source.random()}", "received_at": time()})
    for number_of, one in enumerate(list(rows)):  # another row under its id: only the earlier may stay
        if one["received_at"] and source.random() < 0.08:
            received_at = f"2026-02-28T12:{number_of:02}:00Z"
            rows.append({**one, "received_at": received_at, "units": source.choice(["30", "99"])})
    if times is not TIMES and source.random() < 0.3:  # the whole feed again, under its own row ids or others
        suffix = source.choice(["", "'"])
        in_order = sorted(rows, key=lambda one: one["received_at"] or "")
        rows += [
            {**one, "source_row_id": one["source_row_id"] + suffix, "received_at": f"2026-03-{day:02}T00:00:00Z"}
            for day, one in enumerate(in_order, start=1)
        ]
    for place, one in enumerate(rows):
        one["patient_key"] = f"{number}.{place}"
    return rows


def test_pharmacy_claims(spark: SparkSession, seed: int) -> None:
    source = random.Random(seed)
    worlds = [pharmacy_world(source, number) for number in range(WORLDS)]
    expected = {key: found for world in worlds for key, found in reference.dispenses(world).items()}
    rows = [one for world in worlds for one in world]
    assert {found[1] for found in expected.values()} == {"B1", "B2", "B3"}
    for partitions in (1, 5):
        conformed = made(spark, "pharmacy_claims", rows, partitions, seed + partitions)
        netting = settled(net_pharmacy_claims(conformed))
        dispenses = settled(pharmacy_dispenses(conformed, netting))
        collected = dispenses.withColumn("day", F.col("date_of_service").cast("string")).collect()
        found = {}
        for one in collected:
            if one.rx_key is None:
                continue
            fill = None if one.fill_number is None else str(one.fill_number)
            natural = (one.pharmacy_key, one.rx_key, fill, one.day, one.ndc11)
            assert natural not in found
            last_id, last_code, transactions, reversals = expected[natural]
            found[natural] = (one.last_transaction, one.transactions, one.reversals)
            assert found[natural] == (last_code, transactions, reversals)
            assert one.is_reversed == (last_code == "B2")
            assert one.reversal_source_row_id == (last_id if last_code == "B2" else None)
        assert found.keys() == expected.keys()
        counts = with_dispenses(with_netting(tally(conformed, "pharmacy_claims"), netting), dispenses)
        assert counts.rows_in == len(rows)
        assert counts.rows_out + sum(counts.dropped.values()) == len(rows)
        assert counts.dropped["SOURCE_ROW_ID_DUPLICATE"] > 5
        assert counts.counted["RX_NUMBER_UNUSABLE"] > 5


def pharmacy_world(source: random.Random, number: int) -> list[dict[str, str | None]]:
    rows = []
    for _ in range(source.randrange(1, 7)):
        rows.append(
            row(
                "pharmacy_claims",
                f"W{number}-{source.random()}",
                pharmacy_npi=f"1{number:09}",
                rx_number=source.choice(["1234567", "1234567", "2345678", "123"]),
                fill_number=source.choice([None, "0", "0"]),
                ndc=source.choice(["00002759701", "00002759701", "00002759702"]),
                transaction_code=source.choice(["B1", "B1", "B2", "B3"]),
                transaction_at=source.choice(TIMES),
                received_at=source.choice(TIMES),
            )
        )
    repeated(source, rows, "received_at")
    return rows


def test_entity_claims(spark: SparkSession, seed: int) -> None:
    source = random.Random(seed)
    expected, rows = {}, []
    for number in range(WORLDS):
        world = entity_world(source, number)
        expected |= {world[place]["claim_id"]: verdict for place, verdict in reference.entity(world).items()}
        rows += world
    seen = Counter((left, is_lost) for left, is_lost, _ in expected.values())
    assert max(number or 0 for *_, number in expected.values()) > 1
    assert {left for left, _ in seen} == {"SOURCE_ROW_ID_DUPLICATE", "REVERSAL_TRANSACTION", "REVERSED", None}
    assert len(seen) == 5, "generated examples no longer cover every case"
    for partitions in (1, 5):
        conformed = made(spark, "entity_claims", rows, partitions, seed + partitions)
        netting = settled(net_entity_claims(conformed))
        said = conformed.join(netting.withColumnRenamed("left_as", "net_left_as"), "row_id", "left").collect()
        assert len(said) == len(rows), "netting says two things of one row"
        for one in said:
            left, is_lost, _ = expected[one.claim_id]
            assert (one.problem or one.net_left_as, bool(one.reversal_unmatched)) == (left, is_lost), one.claim_id
        live = {one.claim_id: one.claim_ordinal for one in live_entity_claims(conformed, netting).collect()}
        assert live == {name: number for name, (left, _, number) in expected.items() if left is None}
        counts = with_netting(tally(conformed, "entity_claims"), netting)
        assert (counts.rows_in, counts.rows_out) == (len(rows), len(live))
        assert counts.counted["REVERSAL_UNMATCHED"] == seen[("REVERSAL_TRANSACTION", True)]


def entity_world(source: random.Random, number: int) -> list[dict[str, str | None]]:
    rows = []
    for _ in range(source.randrange(1, 7)):
        rows.append(
            row(
                "entity_claims",
                f"W{number}-{source.random()}",
                entity_id=f"DSH{number}{source.choice('AAB')}",
                rx_number=source.choice(["1234567", "1234567", "123"]),
                fill_number=source.choice([None, "0", "0"]),
                ndc=source.choice(["00002759701", "00002759702", "00003000101"]),
                status=source.choice(["SUBMITTED", "SUBMITTED", "REVERSED"]),
                submitted_at=source.choice(TIMES),
            )
        )
    repeated(source, rows, "submitted_at")
    for place, one in enumerate(rows):
        one["claim_id"] = f"{number}.{place}"
    return rows
