"""Finding ids of rebate claims survive what happens to a claim and how it arrives (contract parts 4 and 7.2)."""

from __future__ import annotations

import random
from decimal import Decimal

import pytest
from pyspark.sql import Row, SparkSession

from engine.contracts.tables import TABLES
from engine.findings.identity import claim_finding_id
from engine.prepare import conform, live_rebate_claims, net_rebate_claims
from tests.property import prepare_reference as reference
from tests.unit.prepare_rows import AS_OF, received, row, settled

WORLDS = 150


def day(number: int) -> str:
    return f"2026-01-{number // 24 + 1:02}T{number % 24:02}:00:00Z"


def world(source: random.Random, number: int) -> list[dict[str, str | None]]:
    """Chains of a few claims: bills, rebills after a void, adjustments under the claim's own number or a new one."""
    rows, live, clock = [], [], iter(range(600))
    for place in range(source.randrange(2, 9)):
        fields = {
            "payer_id": f"P{number}",
            "claim_line": source.choice([None, "1", "2"]),
            "rebate_type": source.choice([None, "FEDERAL", "SUPPLEMENTAL"]),
            "received_at": day(next(clock)),
            "units": str(source.randrange(20, 24)),
            "patient_key": f"{number}.{place}",
            "prior_claim_id": None,
            "prior_claim_line": None,
        }
        kind = source.choice(["bill", "bill", "adjust", "adjust", "move", "void"]) if live else "bill"
        if kind == "bill":
            made = row("rebate_claims", f"{number}.{place}", claim_id=source.choice(["C1", "C2"]), **fields)
        else:
            of = source.choice(live)
            kept = {name: of[name] for name in ("claim_line", "rebate_type", "claim_id")}
            transaction = "VOID" if kind == "void" else "ADJUSTMENT"
            if kind == "move":
                line = source.choice([None, of["claim_line"]])
                kept |= {"claim_id": f"N{place}", "prior_claim_id": of["claim_id"], "prior_claim_line": line}
            made = row("rebate_claims", f"{number}.{place}", **(fields | kept), transaction=transaction)
        rows.append(made)
        if kind != "void":
            live.append(made)
    return rows


def ids(
    spark: SparkSession, worlds: list[list[dict[str, str | None]]], shuffled_with: random.Random | None = None
) -> list[Row]:
    """patient_key of every live row -> its finding id, and how many rows have each."""
    rows = [one for rows in worlds for one in rows]
    if shuffled_with is not None:
        shuffled_with.shuffle(rows)
    partitions = 1 if shuffled_with is None else 5
    conformed = settled(conform(received(spark, rows, partitions), TABLES["rebate_claims"], as_of=AS_OF))
    live = live_rebate_claims(conformed, settled(net_rebate_claims(conformed)), None, None)
    found = live.select("source_row_id", "patient_key", "units", claim_finding_id().alias("finding_id")).collect()
    assert len({one.finding_id for one in found}) == len(found), "two live rows have one id"
    return found


@pytest.fixture
def source(seed: int) -> random.Random:
    return random.Random(seed)


def test_the_order_of_files_and_rows_changes_no_id(spark: SparkSession, source: random.Random) -> None:
    worlds = [world(source, number) for number in range(WORLDS)]
    assert set(ids(spark, worlds)) == set(ids(spark, worlds, shuffled_with=source))


def test_an_adjustment_changes_no_id(spark: SparkSession, source: random.Random) -> None:
    """Every live claim is adjusted once more: its new version has its id."""
    worlds = [world(source, number) for number in range(WORLDS)]
    before = ids(spark, worlds)
    of = {one.patient_key: one.finding_id for one in before}
    number_of = {one["source_row_id"]: one for rows in worlds for one in rows}
    alone = [one for one in before if is_alone(number_of[one.source_row_id], before, number_of)]
    assert len(alone) > WORLDS
    adjusted = [
        {
            **number_of[one.source_row_id],
            "transaction": "ADJUSTMENT",
            "prior_claim_id": None,
            "prior_claim_line": None,
            "source_row_id": f"A{one.source_row_id}",
            "units": "7",
            "received_at": "2026-02-01T00:00:00Z",
        }
        for one in alone
    ]
    after = {one.patient_key: one.finding_id for one in ids(spark, [*worlds, adjusted])}
    assert after == of


def is_alone(one: dict[str, str | None], live: list[Row], row_of: dict[str, dict[str, str | None]]) -> bool:
    """Whether no other live row has the claim key of a row: an adjustment without a prior replaces them all."""
    keys = [key_of(row_of[other.source_row_id]) for other in live]
    return keys.count(key_of(one)) == 1


def key_of(one: dict[str, str | None]) -> tuple[str | None, str, str | None, str]:
    return one["payer_id"], one["rebate_type"] or "FEDERAL", one["claim_id"], one["claim_line"] or "1"


def test_a_feed_that_is_sent_again_changes_nothing(spark: SparkSession, source: random.Random) -> None:
    """Under the same row ids or others. A bill after a void counts as a chain of its own, and so does its copy: where
    there is one, the claims are the same, but not their ids.
    """
    worlds = [world(source, number) for number in range(WORLDS)]
    suffix = source.choice(["", "'"])
    copies = [
        {
            **one,
            "source_row_id": one["source_row_id"] + suffix,
            "received_at": one["received_at"].replace("-01-", "-02-"),
        }
        for rows in worlds
        for one in rows
    ]
    before, after = ids(spark, worlds), ids(spark, [*worlds, copies])
    assert {claim_of(one) for one in after} == {claim_of(one) for one in before}
    simple = {str(number) for number, rows in enumerate(worlds) if not has_rebill(rows)}
    assert len(simple) > WORLDS / 4
    assert ids_of(after, simple) == ids_of(before, simple)


def test_a_file_that_is_sent_again_at_one_time_changes_no_id(spark: SparkSession, source: random.Random) -> None:
    worlds = [[one | {"received_at": day(0)} for one in world(source, number)] for number in range(WORLDS)]
    copies = [
        one | {"source_row_id": f"{one['source_row_id']}'", "received_at": day(1)} for rows in worlds for one in rows
    ]
    every = {str(number) for number in range(WORLDS)}
    assert ids_of(ids(spark, [*worlds, copies]), every) == ids_of(ids(spark, worlds), every)


def claim_of(one: Row) -> tuple[str, Decimal]:
    """The world and the row as it was first sent; a copy has its units."""
    return one.patient_key, one.units


def ids_of(live: list[Row], of_worlds: set[str]) -> set[tuple[str, str, Decimal]]:
    return {(one.finding_id, *claim_of(one)) for one in live if one.patient_key.split(".")[0] in of_worlds}


def has_rebill(rows: list[dict[str, str | None]]) -> bool:
    """Whether anything of a claim was received after it was voided or replaced."""
    ended = set()
    for one in rows:
        if one["transaction"] == "ORIGINAL" and one["claim_id"] in ended:
            return True
        if one["transaction"] != "ORIGINAL":
            ended |= {one["claim_id"], one["prior_claim_id"]}
    return False


def test_ids_agree_with_the_slow_reading(spark: SparkSession, source: random.Random) -> None:
    worlds = [world(source, number) for number in range(WORLDS)]
    found = {one.source_row_id: one.finding_id for one in ids(spark, worlds)}
    meant = {}
    for rows in worlds:
        lineages = reference.Lineages([{**one, "claim_line": one["claim_line"] or "1"} | UNSAID for one in rows])
        for place, root in lineages.roots.items():
            assert root is not None
            one = rows[place]
            meant[one["source_row_id"]] = (one["payer_id"], one["rebate_type"] or "FEDERAL", *root)
    assert found.keys() == meant.keys()
    assert len(set(zip(found.values(), (meant[name] for name in found), strict=True))) == len(set(found.values()))


UNSAID = dict.fromkeys(("plan_id", "amount_paid", "amount_third_party", "unit_rebate_amount", "rebate_amount"))
