"""The last decision counts, up to the day of the run, under any order of rows; answers go before it."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from engine.findings import (
    answers_by_rule,
    as_reviewed,
    judged_findings,
    latest_decisions,
    reviewed_findings,
    with_decisions,
)
from engine.findings.worth import answered_probability
from engine.settings import PrioritySettings
from tests.unit.exports_rows import finding, frame_of

DECISIONS = [
    ("f1", datetime(2026, 9, 1, 8), "DISMISS", "RANDOM"),
    ("f1", datetime(2026, 9, 2, 8), "DISPUTE", "QUEUE"),
    ("f1", datetime(2026, 10, 1, 8), "PAY", "QUEUE"),  # after the day of the run
    ("f2", datetime(2026, 9, 3, 8), "DISMISS", "RANDOM"),
    ("f3", datetime(2026, 9, 29, 8), "DISPUTE", "QUEUE"),
    ("f3", datetime(2026, 9, 30, 23, 59), "WATCH", None),  # says neither that it was right nor that it was not
    ("f4", datetime(2026, 9, 1, 8), "DISPUTE", None),
]


def test_the_last_decision_up_to_the_day_of_the_run_counts(spark: SparkSession) -> None:
    schema = "finding_id string, decided_at timestamp, decision string, selection string"
    for decisions in (DECISIONS, DECISIONS[::-1]):
        given = spark.createDataFrame(decisions, schema).repartition(3)
        found = judged_findings(given, date(2026, 9, 30))
        assert sorted(map(tuple, found.collect())) == [
            ("f1", True, False),
            ("f2", False, True),
            ("f4", True, False),
        ]


ANSWERED, LATER = date(2026, 9, 20), date(2026, 9, 25)
OUTCOMES = [
    ("f4", None, ANSWERED, "REJECTED", None),  # disputed, and wrongly
    ("f2", None, ANSWERED, "ACCEPTED", None),  # dismissed, and wrongly
    ("f3", None, ANSWERED, "PARTIAL", None),  # on WATCH: no decision that counts
    ("f5", None, ANSWERED, "ACCEPTED", None),  # never decided here
    ("f5", None, LATER, "PARTIAL", 0.0),  # the last one counts, and credits nothing
    ("f5", None, date(2026, 10, 1), "ACCEPTED", None),  # after the day of the run
    ("f1", None, LATER, "NO_ANSWER", None),
    (None, "case 1", LATER, "ACCEPTED", None),
]


def test_findings_are_reviewed_by_answers_then_decisions_and_stand_as_they_stood_then(spark: SparkSession) -> None:
    decisions = spark.createDataFrame(
        DECISIONS, "finding_id string, decided_at timestamp, decision string, selection string"
    )
    outcomes = spark.createDataFrame(
        OUTCOMES, "finding_id string, case_id string, answered_on date, answer string, units_credited double"
    )
    reviewed = reviewed_findings(decisions, outcomes, date(2026, 9, 30))
    found = spark.createDataFrame(
        [
            *[(finding, run) for finding in ("f1", "f2", "f4", "f9") for run in ("a", "b", "c")],
            ("f3", "c"),
            ("f5", "a"),
            ("f5", "b"),
        ],
        "finding_id string, run_id string",
    )
    days = {"a": date(2026, 9, 1), "b": date(2026, 9, 2), "c": date(2026, 9, 30)}
    runs = spark.createDataFrame(
        [(name, number, day) for number, (name, day) in enumerate(days.items(), start=1)],
        "run_id string, run_number bigint, run_day date",
    )
    assert [row["finding_id"] for row in reviewed_findings(decisions, None, date(2026, 9, 30)).collect()] == ["f2"]
    stood = as_reviewed(found.repartition(3), reviewed, runs).select("finding_id", "is_valid", "is_random", "run_id")
    assert sorted(map(tuple, stood.collect())) == [
        ("f2", True, True, "b"),  # f1 was decided in the queue, and not answered
        ("f3", True, False, "c"),
        ("f4", False, False, "a"),
        ("f5", False, False, "a"),  # no decision: the first run
    ]


LATEST = "finding_id string, decision string, decided_on date"


def hit(
    rule_id: str, evidence: str = "STRONG", related: tuple[str, ...] = (), guards: tuple[Any, ...] = ()
) -> dict[str, Any]:
    return {
        "rule_id": rule_id,
        "evidence": evidence,
        "related_source_row_ids": list(related),
        "guards": [{"name": name, "state": state} for name, state in guards],
    }


CHANGES = {
    "nothing": ({}, []),
    "the model": ({"rules": [hit("R016"), hit("R052", "WEAK")]}, []),
    "the order of related rows": ({"rules": [hit("R016", related=("b", "a"))]}, []),
    "a rule": ({"rules": [hit("R016"), hit("R035", "MEDIUM")]}, ["rules"]),
    "a class": ({"rules": [hit("R016", "MEDIUM")]}, ["evidence classes"]),
    "units": ({"units_at_issue": Decimal(20)}, ["units at issue"]),
    "units and a related row": (
        {"units_at_issue": None, "rules": [hit("R016", related=("a",))]},
        ["units at issue", "related rows"],
    ),
    "a guard": ({"rules": [hit("R016", guards=(("THIRD_PARTY", "UNCHECKED"),))]}, ["guards"]),
}
THEN = {
    "the order of related rows": {"rules": [hit("R016", related=("a", "b"))]},
    "a guard": {"rules": [hit("R016", guards=(("THIRD_PARTY", "PASSED"),))]},
}


def test_a_dismissed_finding_stays_out_until_what_it_rests_on_changes_and_then_says_what(spark: SparkSession) -> None:
    usual = {"units_at_issue": Decimal(30), "rules": [hit("R016")]}
    then = [finding(0) | usual | THEN.get(name, {}) | {"finding_id": name} for name in CHANGES]
    now = [finding(0) | usual | changed | {"finding_id": name} for name, (changed, _) in CHANGES.items()]
    now += [finding(0) | usual | {"finding_id": name} for name in ("disputed", "undecided", "of no run")]
    then += [finding(0) | usual | {"finding_id": "disputed"}]
    decided_on = date(2026, 6, 1)
    latest = [(name, "DISMISS", decided_on) for name in (*CHANGES, "of no run")] + [("disputed", "DISPUTE", decided_on)]
    result = with_decisions(frame_of(spark, now), spark.createDataFrame(latest, LATEST), frame_of(spark, then))
    rows = {row["finding_id"]: row for row in result.collect()}
    for name, (_, changed) in CHANGES.items():
        row = rows[name]
        assert row["changed_since_decision"] == changed, name
        assert row["is_dismissed"] == (not changed), name
        again = f" Dismissed on 2026-06-01; otherwise since then: {', '.join(changed)}."
        assert row["narrative"].endswith(again) == bool(changed), name
        assert (row["decision"], row["decided_on"]) == ("DISMISS", decided_on)
    assert (rows["disputed"]["decision"], rows["disputed"]["is_dismissed"]) == ("DISPUTE", False)
    assert rows["disputed"]["changed_since_decision"] == []
    assert (rows["undecided"]["decision"], rows["undecided"]["changed_since_decision"]) == (None, None)
    assert rows["undecided"]["is_dismissed"] is False
    assert (rows["of no run"]["changed_since_decision"], rows["of no run"]["is_dismissed"]) == (None, True)


def test_without_an_earlier_run_a_decision_holds(spark: SparkSession) -> None:
    now = frame_of(spark, [finding(0) | {"finding_id": "f"}])
    (row,) = with_decisions(now, spark.createDataFrame([("f", "DISMISS", date(2026, 6, 1))], LATEST), None).collect()
    assert (row["is_dismissed"], row["changed_since_decision"]) == (True, None)


def test_watch_and_pay_are_decisions_too(spark: SparkSession) -> None:
    decisions = spark.createDataFrame(
        DECISIONS, "finding_id string, decided_at timestamp, decision string, selection string"
    )
    found = latest_decisions(decisions, date(2026, 9, 30)).collect()
    assert sorted((row["finding_id"], row["decision"], row["decided_on"].day) for row in found) == [
        ("f1", "DISPUTE", 2),
        ("f2", "DISMISS", 3),
        ("f3", "WATCH", 30),
        ("f4", "DISPUTE", 1),
    ]


def test_answers_are_counted_by_deciding_rule_and_payer(spark: SparkSession) -> None:
    def said(
        name: str, rules: list[dict[str, Any]], payer: str | None = "KY", code: str | None = "M", **more: Any
    ) -> dict[str, Any]:
        return finding(0) | {
            "finding_id": name,
            "run_id": "a",
            "rules": rules,
            "evidence": rules[0]["evidence"],
            "dispute_code": code,
            "payer_id": payer,
            "state": None if payer is None else "KY",
            **more,
        }

    duplicate, surplus = hit("R016") | {"code": "M"}, hit("R035", "MEDIUM") | {"code": "Q"}
    larger = hit("R018") | {"code": "M", "units_at_issue": Decimal(9)}
    found = frame_of(
        spark,
        [
            said("both classes", [duplicate, surplus]),
            said("more units", [duplicate | {"units_at_issue": Decimal(5)}, larger]),
            said("partly", [duplicate]),
            said("nothing credited", [duplicate]),
            said("changed", [duplicate]),
            said("silent", [duplicate]),
            said("another payer", [duplicate], payer="PBM"),
            said("no code, no payer", [hit("R044", "MEDIUM")], payer=None, code=None),
            said("never answered", [duplicate]),
        ],
    )
    day = date(2026, 9, 20)
    outcomes = [
        ("both classes", "ACCEPTED", None, day),
        ("more units", "REJECTED", None, day),
        ("partly", "PARTIAL", 1.0, day),
        ("nothing credited", "PARTIAL", 0.0, day),
        ("changed", "ACCEPTED", None, day),
        ("changed", "REJECTED", None, date(2026, 9, 21)),
        ("changed", "ACCEPTED", None, date(2026, 10, 1)),  # after the day of the run
        ("silent", "NO_ANSWER", None, day),
        ("another payer", "ACCEPTED", None, day),
        ("no code, no payer", "REJECTED", None, day),
        (None, "ACCEPTED", None, day),
    ]
    answered = spark.createDataFrame(
        outcomes, "finding_id string, answer string, units_credited double, answered_on date"
    )
    runs = spark.createDataFrame([("a", 1, date(2026, 9, 1))], "run_id string, run_number bigint, run_day date")
    counted = answers_by_rule(found, answered, runs, date(2026, 9, 30)).collect()
    assert {(row["rule_id"], row["payer"]): (row["accepted"], row["answers"]) for row in counted} == {
        ("R016", "KY"): (2, 4),
        ("R018", "KY"): (0, 1),
        ("R016", "PBM"): (1, 1),
        ("R044", ""): (0, 1),
    }


def test_answers_draw_the_prior_as_the_contract_says(spark: SparkSession) -> None:
    rows = [(None, None, 0.9), (0, 0, 0.9), (30, 30, 0.9), (0, 70, 0.9), (3, 4, 0.6)]
    given = spark.createDataFrame(rows, "accepted bigint, answers bigint, prior double")
    column = answered_probability(F.col("accepted"), F.col("answers"), F.col("prior"), PrioritySettings())
    found = [row["p"] for row in given.select(column.alias("p")).collect()]
    assert found == pytest.approx([0.9, 0.9, 57 / 60, 27 / 100, 21 / 34])
