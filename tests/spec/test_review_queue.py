"""The review queue, sentence by sentence: what people look at first, what stays out, what is drawn at random."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import SparkSession

from engine.cases import queue_of, queue_size, standings
from engine.contracts.cases import CASES
from engine.contracts.findings import FINDINGS
from engine.settings import QueueSettings
from tests.unit.facts_rows import frame

AS_OF = date(2026, 3, 1)
USUAL = {"evidence": "STRONG", "priority": 100.0, "amount_at_issue": Decimal(200), "case_id": "C"}


def queue_rows(
    spark: SparkSession,
    rows: list[dict[str, Any]],
    settings: QueueSettings,
    as_of: date = AS_OF,
    case_amount: int | None = 1000,
) -> dict[str, tuple[Any, ...]]:
    """Standing and selection by finding."""
    found = frame(spark, [USUAL | row for row in rows], FINDINGS)
    cases = frame(spark, [{"case_id": "C", "amount_open": case_amount}], CASES)
    held = spark.createDataFrame([("held",)], "finding_id string")
    made = standings(found, cases, held, settings)
    worth = made.where("standing = 'QUEUE'").count()
    queue = queue_of(made, queue_size(worth, settings), as_of).collect()
    return {row["finding_id"]: (row["standing"], row["selection"], row["is_held"]) for row in queue}


# By finding: what it differs in, and why it is in the queue or not. At least $50 a claim.
STANDINGS = {
    "usual": ({}, "QUEUE"),
    "held": ({}, "QUEUE"),
    "no price": ({"amount_at_issue": None}, "QUEUE"),
    "in no case": ({"case_id": None}, "QUEUE"),
    "priority of zero": ({"priority": 0.0}, "QUEUE"),
    "costs more than it recovers": ({"priority": -0.01}, "NEGATIVE_PRIORITY"),
    "exactly the least amount": ({"amount_at_issue": Decimal(50)}, "QUEUE"),
    "below the least amount": ({"amount_at_issue": Decimal("49.99")}, "BELOW_CLAIM_MINIMUM"),
    "decided": ({"decision": "WATCH", "changed_since_decision": []}, "DECIDED"),
    "decided, and changed since": ({"decision": "WATCH", "changed_since_decision": ["units at issue"]}, "QUEUE"),
}


def test_what_is_in_the_queue(spark: SparkSession) -> None:
    rows = [{"finding_id": name, **own} for name, (own, _) in STANDINGS.items()]
    rows.append({"finding_id": "dismissed", "decision": "DISMISS", "is_dismissed": True})
    queue = queue_rows(spark, rows, QueueSettings(minimum_claim_amount=50, random_share=0))
    assert {name: standing for name, (standing, _, _) in queue.items()} == {n: s for n, (_, s) in STANDINGS.items()}
    assert [name for name, (_, _, is_held) in queue.items() if is_held] == ["held"]
    assert {selection for _, selection, _ in queue.values()} == {"QUEUE"}


@pytest.mark.parametrize(("amount", "standing"), [(500, "QUEUE"), (499, "BELOW_CASE_MINIMUM"), (None, "QUEUE")])
def test_small_cases_stay_out_whole(spark: SparkSession, amount: int | None, standing: str) -> None:
    queue = queue_rows(spark, [{"finding_id": "F"}], QueueSettings(minimum_case_amount=500), case_amount=amount)
    assert queue["F"][0] == standing


def by_rank(count: int) -> list[dict[str, Any]]:
    return [{"finding_id": f"F{number:03}", "priority": float(1000 - number)} for number in range(count)]


def test_a_capacity_takes_the_best_and_five_percent_at_random(spark: SparkSession) -> None:
    """40 findings can be looked at: 38 by priority, and 2 of what is left, whatever it is worth."""
    rows = by_rank(60) + [{"finding_id": f"N{number}", "priority": -5.0} for number in range(40)]
    queue = queue_rows(spark, rows, QueueSettings(capacity=40))
    assert sorted(name for name, (standing, *_) in queue.items() if standing == "QUEUE") == [
        f"F{n:03}" for n in range(38)
    ]
    drawn = {name: standing for name, (standing, selection, _) in queue.items() if selection == "RANDOM"}
    assert len(drawn) == 2
    assert set(drawn.values()) <= {"BEYOND_CAPACITY", "NEGATIVE_PRIORITY"}
    assert sum(standing == "BEYOND_CAPACITY" for standing, *_ in queue.values()) == 22


def drawn_of(queue: dict[str, tuple[Any, ...]]) -> set[str]:
    return {name for name, (_, selection, _) in queue.items() if selection == "RANDOM"}


def test_the_sample_is_the_same_until_the_next_quarter_and_what_is_decided_is_not_drawn_again(
    spark: SparkSession,
) -> None:
    settings = QueueSettings(capacity=20, random_share=0.5)
    rows = by_rank(80)
    drawn = drawn_of(queue_rows(spark, rows, settings))
    assert len(drawn) == 10
    assert drawn_of(queue_rows(spark, rows[::-1], settings, date(2026, 3, 31))) == drawn
    assert drawn_of(queue_rows(spark, rows, settings, date(2026, 4, 1))) != drawn
    decided = [row | ({"decision": "PAY"} if row["finding_id"] in drawn else {}) for row in rows]
    assert not drawn_of(queue_rows(spark, decided, settings)) & drawn


def test_what_explains_and_accuses_nobody_is_not_drawn(spark: SparkSession) -> None:
    rows = [{"finding_id": f"F{number}", "priority": -15.0, "evidence": "CONTEXT"} for number in range(9)]
    assert drawn_of(queue_rows(spark, rows, QueueSettings(capacity=5, random_share=1))) == set()


@pytest.mark.parametrize(
    ("worth", "capacity", "top", "drawn"),
    [
        (1000, 300, 285, 15),
        (100, 300, 100, 15),
        (1000, None, 1000, 50),
        (10, None, 10, 1),
        (9, None, 9, 0),
        (0, 3, 0, 0),
    ],
)
def test_the_random_share_is_part_of_the_capacity(worth: int, capacity: int | None, top: int, drawn: int) -> None:
    size = queue_size(worth, QueueSettings(capacity=capacity))
    assert (size.top, size.drawn) == (top, drawn)
