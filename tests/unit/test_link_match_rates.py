"""Match rates by source, month and tier, and when a month is a feed problem."""

from __future__ import annotations

from datetime import date

from pyspark.sql import SparkSession

from engine.contracts.match_rates import MatchRate, Side
from engine.link import feed_problems, match_rates
from engine.settings import MatchRateSettings

SETTINGS = MatchRateSettings()


def months(*counts: tuple[int, int] | tuple[int, int, int], source: str = "GA") -> list[MatchRate]:
    """A payer's months from January on: claims, links of T1, links of T3."""
    return [
        MatchRate(
            Side.PAYER,
            "MDRP_FFS",
            source,
            date(2025, n, 1),
            claims,
            {"T1": exact} | ({"T3": near[0]} if near else {}),
        )
        for n, (claims, exact, *near) in enumerate(counts, start=1)
    ]


def found(*rates: MatchRate, settings: MatchRateSettings = SETTINGS) -> list[tuple[str, int, int, bool]]:
    problems = feed_problems(rates, settings)
    return [(p.source, p.month.month, p.linked, p.is_of_strong_tiers) for p in problems]


def test_a_month_that_links_far_less_than_the_others_is_a_problem() -> None:
    (problem,) = feed_problems(months((1000, 300), (1000, 310), (1000, 120)), SETTINGS)
    assert (problem.month, problem.claims, problem.linked, problem.usual_share) == (date(2025, 3, 1), 1000, 120, 0.305)
    assert problem.message.startswith(
        "Of 1,000 claims of GA (MDRP_FFS) with service in 2025-03 120 link to a 340B claim, 12.0%, in its other months "
        "30.5%:"
    )


def test_a_drop_within_the_bound_is_none_however_sure_it_is() -> None:
    assert found(*months((100_000, 30_000), (100_000, 22_000))) == []
    bound = SETTINGS.model_copy(update={"largest_drop": 0.2})
    assert found(*months((100_000, 30_000), (100_000, 22_000)), settings=bound) == [("GA", 2, 22_000, False)]


def test_a_drop_that_chance_explains_is_none() -> None:
    assert found(*months((100, 30), (100, 20))) == []


def test_few_links_to_expect_say_nothing() -> None:
    assert found(*months((1000, 300), (1000, 310), (30, 0))) == []
    assert found(*months((1000, 300), (1000, 310), (100, 0))) == [("GA", 3, 0, False)]


def test_months_of_few_odd_claims_do_not_say_what_is_usual() -> None:
    late = [(9, 9)] * 8  # claims sent late, all of them 340B ones
    assert found(*months(*late, (190, 55), (190, 46), (190, 60), (197, 43))) == []
    # nor is a month of many claims held against few of another kind alone
    assert found(*months(*late, (197, 43))) == []
    every = SETTINGS.model_copy(update={"comparable_size": 0.0})
    assert found(*months(*late, (190, 55), (190, 46), (190, 60), (197, 43)), settings=every) == [("GA", 12, 43, False)]


def test_a_single_month_has_nothing_beside_it() -> None:
    assert found(*months((1000, 0))) == []


def test_links_that_became_weaker_are_told_as_such() -> None:
    assert found(*months((1000, 300, 10), (1000, 290, 20), (1000, 100, 205))) == [("GA", 3, 100, True)]


def test_the_more_is_tested_the_less_chance_is_believed() -> None:
    one = months((1000, 100), (1000, 50))
    assert found(*one) == [("GA", 2, 50, False)]
    many = [rate for n in range(400) for rate in months((1000, 80), (1000, 80), source=f"S{n}")]
    assert found(*one, *many) == []


def test_the_source_that_misses_most_links_comes_first() -> None:
    small, large = months((1000, 300), (1000, 0), source="AK"), months((9000, 2700), (9000, 900), source="CA")
    assert [source for source, *_ in found(*small, *large)] == ["CA", "AK"]


def test_rates_count_each_claim_once(spark: SparkSession) -> None:
    claims = spark.createDataFrame(
        [
            ("r1", "MDRP_FFS", "GA", date(2025, 1, 31)),
            ("r2", "MDRP_FFS", "GA", date(2025, 1, 1)),
            ("r3", "MDRP_FFS", "GA", date(2025, 2, 1)),
            ("r4", "COMMERCIAL", "PBM", date(2025, 1, 31)),
        ],
        "source_row_id string, program string, payer_id string, date_of_service date",
    )
    given = spark.createDataFrame(
        [("e1", "CE1", date(2025, 1, 31)), ("e2", "CE1", date(2025, 1, 30)), ("e3", "CE1", date(2025, 2, 1))],
        "source_row_id string, entity_id string, date_of_service date",
    )
    links = spark.createDataFrame(
        [("r1", "T3", ["e1", "e2"]), ("r4", "T1", ["e1"])],
        "source_row_id string, link_tier string, link_source_row_ids array<string>",
    )
    january, february = date(2025, 1, 1), date(2025, 2, 1)
    assert match_rates(claims, given, links) == [
        MatchRate(Side.ENTITY, None, "CE1", january, 2, {"T1": 1, "T3": 1}),
        MatchRate(Side.ENTITY, None, "CE1", february, 1, {}),
        MatchRate(Side.PAYER, "COMMERCIAL", "PBM", january, 1, {"T1": 1}),
        MatchRate(Side.PAYER, "MDRP_FFS", "GA", january, 2, {"T3": 1}),
        MatchRate(Side.PAYER, "MDRP_FFS", "GA", february, 1, {}),
    ]
