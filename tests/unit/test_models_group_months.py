"""A month of a pharmacy, prescriber or covered entity that stands out is one finding, on its most unusual claim.

Made-up claims: 40 pharmacies with four claims a month for a year, all of one product, unless a test says otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import SparkSession
from scipy.stats import chi2, chi2_contingency

from engine.contracts.codes import Subject
from engine.models.group_months import GroupMonths, counts_of_groups, months_of_groups, stand_out
from engine.models.month_statistics import dispersion, share_evidence
from engine.settings import GroupSettings

PHARMACIES, MONTHS, USUAL = 40, 12, 4
AUGUST = 7
OURS = "9999999999"
SETTINGS = GroupSettings()
SCHEMA = (
    "source_row_id string, date_of_service date, ndc9 string, ndc_units decimal(15,3), quantity decimal(15,3), "
    "pharmacy_key string, prescriber_npi string, entity_id string, paid_per_unit_surprise double, anomaly_score double"
)
numbers = np.random.default_rng(20)


def claims(group: str, month: int, count: int, ndc9: str = "000027597", **others: Any) -> Iterator[dict[str, Any]]:
    """`count` claims of a pharmacy in a month (0: January 2025), usual ones unless `others` says otherwise."""
    for number in range(count):
        day = date(2025, 1 + month % 12, 1 + number % 28) + timedelta(days=365 * (month // 12))
        yield {
            "source_row_id": f"{group}/{month:02}/{ndc9}/{number:04}",
            "date_of_service": day,
            "ndc9": ndc9,
            "ndc_units": 30,
            "quantity": 30,
            "pharmacy_key": group,
            "prescriber_npi": None,
            "entity_id": group,
            "paid_per_unit_surprise": round(float(numbers.exponential()), 6),
            "anomaly_score": float(number % 7),
        } | others


def others_months(times: dict[int, int] | None = None, every: int = 1, **others: Any) -> list[dict[str, Any]]:
    """The other pharmacies; `times`: months in which all of them have so many times the usual claims; `every`: times
    in every month.
    """
    return [
        claim
        for pharmacy in range(PHARMACIES)
        for month in range(MONTHS)
        for claim in claims(
            f"1{pharmacy:09}",
            month,
            every * (USUAL + (pharmacy + month) % 3 - 1) * (times or {}).get(month, 1),
            **others,
        )
    ]


def our_months(*but: int, count: int = USUAL, **others: Any) -> list[dict[str, Any]]:
    return [claim for month in range(MONTHS) if month not in but for claim in claims(OURS, month, count, **others)]


@pytest.fixture
def flagged(spark: SparkSession) -> Callable[..., tuple[GroupMonths, list[dict[str, Any]]]]:
    def judge(
        rows: list[dict[str, Any]],
        subject: Subject = Subject.REBATE_CLAIM,
        settings: GroupSettings = SETTINGS,
        seed: int | None = None,
        partitions: int = 2,
        measures: tuple[Any, ...] | None = None,
    ) -> tuple[GroupMonths, list[dict[str, Any]]]:
        frame = pd.DataFrame(rows)
        frame = frame if seed is None else frame.sample(frac=1.0, random_state=seed)
        frame = frame.astype(object).where(frame.notna(), None)
        made = spark.createDataFrame(frame[[part.split()[0] for part in SCHEMA.split(", ")]], SCHEMA)
        made = made.repartition(partitions)
        names = ("paid_per_unit",) if measures is None else measures
        months = months_of_groups(counts_of_groups(made, subject, names), settings)
        scores = made if subject is Subject.REBATE_CLAIM else None
        found = stand_out(months, made, scores, subject, names, settings)
        return found, [row.asDict(recursive=True) for row in found.rows.orderBy("source_row_id").collect()]

    return judge


def test_a_month_of_many_claims_is_one_finding_on_its_most_unusual_claim(
    flagged: Callable[..., tuple[GroupMonths, list[dict[str, Any]]]],
) -> None:
    found, rows = flagged(others_months() + our_months(AUGUST) + list(claims(OURS, AUGUST, 61)))
    assert found.flagged == len(rows) == 1
    row = rows[0]
    assert row["source_row_id"] == f"{OURS}/07/000027597/0006"  # the first of those with the highest score
    assert row["group_row_count"] == 60
    assert len(row["group_source_row_ids"]) == 50
    assert row["source_row_id"] not in row["group_source_row_ids"]
    # the most unusual ones come first
    assert [int(one[-4:]) % 7 for one in row["group_source_row_ids"][:8]] == [6] * 7 + [5]
    words = row["group_words"][0]
    assert words.startswith(f"pharmacy {OURS} in 2025-08: 61 claims")
    assert "15.2 times as many as expected of its other months and of other pharmacies that month" in words
    assert "comparable months of pharmacies have" in words
    reason = row["group_reasons"][0]
    assert reason["value"] == pytest.approx(61 / 4, rel=0.05)
    assert reason["typical_low"] < 1 < reason["typical_high"] < reason["value"]


@pytest.mark.parametrize(
    ("ours", "settings"),
    [
        pytest.param(our_months(count=30), {}, id="many claims every month"),
        pytest.param(our_months(AUGUST) + list(claims(OURS, AUGUST, 6)), {}, id="a few claims more"),
        pytest.param(
            [claim for month in range(5, 9) for claim in claims(OURS, month, 60 if month == AUGUST else 4)],
            {},
            id="too few other months",
        ),
        pytest.param(
            our_months(AUGUST) + list(claims(OURS, AUGUST, 60)), {"minimum_peers": 41}, id="too few other pharmacies"
        ),
        pytest.param(our_months(AUGUST) + list(claims(OURS, AUGUST, 60)), {"minimum_claims": 61}, id="too few claims"),
        pytest.param(
            our_months(AUGUST) + list(claims(OURS, AUGUST, 60, pharmacy_key=None)), {}, id="pharmacy not known"
        ),
        pytest.param(
            [claim for month in range(6, MONTHS) for claim in claims(OURS, month, 30)], {}, id="opened in July"
        ),
    ],
)
def test_what_does_not_stand_out(
    flagged: Callable[..., tuple[GroupMonths, list[dict[str, Any]]]],
    ours: list[dict[str, Any]],
    settings: dict[str, int],
) -> None:
    found, rows = flagged(others_months() + ours, settings=SETTINGS.model_copy(update=settings))
    assert found.flagged == 0
    assert rows == []


def test_a_month_that_is_as_busy_for_all_pharmacies_does_not_stand_out(
    flagged: Callable[..., tuple[GroupMonths, list[dict[str, Any]]]],
) -> None:
    ours = our_months(AUGUST) + list(claims(OURS, AUGUST, 40))
    assert flagged(others_months({AUGUST: 10}) + ours)[0].flagged == 0


def test_a_product_of_few_claims_stands_out_among_many_other_claims(
    flagged: Callable[..., tuple[GroupMonths, list[dict[str, Any]]]],
) -> None:
    """300 claims a month of one product hide 40 of another; the product's own months do not."""
    rare = {"ndc9": "000020001"}
    others = [
        claim
        for pharmacy in range(PHARMACIES)
        for month in range(MONTHS)
        for claim in claims(f"1{pharmacy:09}", month, 1 + (pharmacy + month) % 3, **rare)
    ]
    ours = our_months(count=300) + our_months(AUGUST, count=2, **rare) + list(claims(OURS, AUGUST, 40, **rare))
    _, rows = flagged(others_months() + others + ours)
    assert [row["group_words"][0].split(", ")[0] for row in rows] == [
        f"pharmacy {OURS} in 2025-08: 40 claims of NDC-9 000020001"
    ]
    assert all("/000020001/" in one for one in [rows[0]["source_row_id"], *rows[0]["group_source_row_ids"]])


def dear(month: int, count: int = 30, group: str = OURS) -> list[dict[str, Any]]:
    """Claims paid more than nine of ten comparable ones, each well within their range."""
    return list(claims(group, month, count, paid_per_unit_surprise=2.6))


def test_many_claims_that_are_each_only_a_little_far_out_stand_out_together(
    flagged: Callable[..., tuple[GroupMonths, list[dict[str, Any]]]],
) -> None:
    _, rows = flagged(others_months(every=5) + our_months(AUGUST, count=30) + dear(AUGUST))
    assert len(rows) == 1
    words = rows[0]["group_words"][0]
    assert "30 of 30 claims among the outermost 10 % of comparable ones by paid per unit" in words
    assert rows[0]["group_row_count"] == 29


def test_a_pharmacy_that_is_always_dear_does_not_stand_out(
    flagged: Callable[..., tuple[GroupMonths, list[dict[str, Any]]]],
) -> None:
    always = [claim for month in range(MONTHS) for claim in dear(month)]
    assert flagged(others_months(every=5) + always)[0].flagged == 0


def test_a_month_in_which_everything_is_dear_does_not_stand_out(
    flagged: Callable[..., tuple[GroupMonths, list[dict[str, Any]]]],
) -> None:
    others = [claim | {"paid_per_unit_surprise": 2.6} if "/07/" in claim["source_row_id"] else claim
              for claim in others_months(every=5)]  # fmt: skip
    assert flagged(others + our_months(AUGUST, count=30) + dear(AUGUST))[0].flagged == 0


def test_an_unknown_measure_is_no_evidence(flagged: Callable[..., tuple[GroupMonths, list[dict[str, Any]]]]) -> None:
    unknown = list(claims(OURS, AUGUST, 30, paid_per_unit_surprise=None))
    assert flagged(others_months(every=5) + our_months(AUGUST, count=30) + unknown)[0].flagged == 0


def test_two_groups_with_one_most_unusual_claim_are_named_together(
    flagged: Callable[..., tuple[GroupMonths, list[dict[str, Any]]]],
) -> None:
    """All claims of the pharmacy's month were written by one prescriber."""
    writer = "1234567893"
    others = [claim | {"prescriber_npi": claim["pharmacy_key"]} for claim in others_months()]
    usual = our_months(AUGUST, prescriber_npi=writer)
    found, rows = flagged(others + usual + list(claims(OURS, AUGUST, 60, prescriber_npi=writer)))
    assert found.flagged == 2
    assert [words.split(" in ")[0] for words in rows[0]["group_words"]] == [f"pharmacy {OURS}", f"prescriber {writer}"]
    assert len(rows) == 1


def test_340b_claims_of_an_entity_stand_out_without_a_model(
    flagged: Callable[..., tuple[GroupMonths, list[dict[str, Any]]]],
) -> None:
    ours = our_months(AUGUST) + list(claims(OURS, AUGUST, 60)) + [next(claims(OURS, AUGUST, 1, quantity=99))]
    ours[-1]["source_row_id"] = "the greatest quantity"
    _, rows = flagged(others_months() + ours, Subject.ENTITY_CLAIM, measures=())
    assert [row["source_row_id"] for row in rows] == ["the greatest quantity"]
    assert rows[0]["group_words"][0].startswith(f"covered entity {OURS} in 2025-08: 61 340B claims")


def test_the_budget_keeps_the_strongest_evidence(
    flagged: Callable[..., tuple[GroupMonths, list[dict[str, Any]]]],
) -> None:
    rows = others_months() + our_months(AUGUST) + list(claims(OURS, AUGUST, 60))
    rows += [claim | {"pharmacy_key": "8888888888", "source_row_id": "8" + claim["source_row_id"]}
             for claim in our_months(AUGUST) + list(claims(OURS, AUGUST, 30))]  # fmt: skip
    both, only = flagged(rows), flagged(rows, settings=SETTINGS.model_copy(update={"budget": 1}))
    assert [len(both[1]), len(only[1])] == [2, 1]
    assert OURS in only[1][0]["group_words"][0]


def test_order_and_partitions_of_rows_change_nothing(
    flagged: Callable[..., tuple[GroupMonths, list[dict[str, Any]]]],
) -> None:
    rows = others_months() + our_months(AUGUST) + list(claims(OURS, AUGUST, 60))
    assert flagged(rows)[1] == flagged(rows, seed=3, partitions=5)[1]


@pytest.mark.parametrize("table", [(60, 104, 160, 1920), (3, 10, 5, 12), (1, 2, 900, 1000), (7, 7, 0, 50)])
def test_the_evidence_is_half_of_the_g_statistic(table: tuple[int, int, int, int]) -> None:
    hits, of, peer_hits, peer_of = table
    g = chi2_contingency([[hits, of - hits], [peer_hits, peer_of - peer_hits]], correction=False,
                         lambda_="log-likelihood").statistic  # fmt: skip
    found = share_evidence(*(np.array([float(one)]) for one in table))[0]
    assert abs(found) == pytest.approx(g / 2, abs=1e-6)
    assert (found > 0) == (hits / of > peer_hits / peer_of)
    assert math.exp(-abs(found)) >= chi2.sf(g, 1) - 1e-12  # never smaller than the p-value that it stands in for


def test_dispersion_is_one_for_independent_claims_and_hardly_moved_by_months_that_stand_out() -> None:
    independent = chi2.rvs(1, size=20_000, random_state=1) / 2
    ones = np.ones(len(independent))
    assert dispersion(independent, ones) == pytest.approx(1.0, abs=0.05)
    assert dispersion(3 * independent, ones) == pytest.approx(3.0, rel=0.05)
    some = np.where(np.arange(len(independent)) < 400, 100.0, independent)
    assert dispersion(some, ones) == pytest.approx(1.0, abs=0.1)
    assert dispersion(np.array([0.01]), np.array([1.0])) == 1.0
