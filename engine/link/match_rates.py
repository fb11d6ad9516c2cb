"""Match rates by source, month and tier: a month far below a source's other months indicates a damaged or late feed.

If a source changes an identifier or omits rows, its claims look as if they had no counterpart.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from scipy.stats import hypergeom

from engine.contracts.match_rates import FeedProblem, MatchRate, Side
from engine.link.agreement import TIERS
from engine.runtime.expressions import first_of_month
from engine.settings import MatchRateSettings


def match_rates(rebate_claims: DataFrame, entity_claims: DataFrame, links: DataFrame) -> list[MatchRate]:
    """Match rates of both sides, sorted: one per source and month of service.

    `rebate_claims`, `entity_claims`: live claims; `links`: LINKS_340B. A 340B claim linked to several rebate claims (of
    several payers, or tied) counts once, with its best tier.
    """
    rebate_links = links.select("source_row_id", "link_tier")
    entity_links = links.select(F.explode("link_source_row_ids").alias("source_row_id"), "link_tier")
    entity_links = entity_links.groupBy("source_row_id").agg(F.min("link_tier").alias("link_tier"))
    counted = _counted(rebate_claims, rebate_links, Side.PAYER, F.col("program"), F.col("payer_id")).unionByName(
        _counted(entity_claims, entity_links, Side.ENTITY, F.lit(None).cast("string"), F.col("entity_id"))
    )
    rates = [
        MatchRate(
            Side(row["side"]),
            row["program"],
            row["source"],
            row["month"],
            row["claims"],
            {tier: row[tier] for tier in TIERS.values() if row[tier]},
        )
        for row in counted.collect()
    ]
    return sorted(rates, key=lambda rate: (rate.side, rate.program or "", rate.source, rate.month))


def feed_problems(rates: Iterable[MatchRate], settings: MatchRateSettings) -> list[FeedProblem]:
    """Months with a significantly lower match rate than the other months of the same source, most missing links first.

    Both must hold: the share drops by more than `largest_drop` relative to the other months, and the drop is
    significant (Fisher's exact test, one-sided, with Bonferroni correction over all tests). Months with far fewer
    claims are not used as the reference. Strong links are tested too; their drop is reported if the share of all links
    did not drop.
    """
    sources: dict[tuple[str, str | None, str], list[MatchRate]] = defaultdict(list)
    for rate in rates:
        sources[rate.side, rate.program, rate.source].append(rate)
    compared = [
        (rate, [other for other in of_source if other is not rate and _is_comparable(other, rate, settings)])
        for of_source in sources.values()
        for rate in of_source
    ]
    tests = [[_against(others, rate, strong) for strong in (False, True)] for rate, others in compared if others]
    tests_run = [test for both in tests for test in both if _expected(test) >= settings.least_expected]
    significance = settings.significance / max(len(tests_run), 1)
    drops = [next((test for test in both if _is_drop(test, significance, settings)), None) for both in tests]
    problems = [problem for problem, *_ in filter(None, drops)]
    return sorted(problems, key=lambda p: (p.linked - p.usual_share * p.claims, p.side, p.source, p.month))


def _counted(rows: DataFrame, linked: DataFrame, side: Side, program: Column, source: Column) -> DataFrame:
    narrow = rows.select(
        "source_row_id",
        F.lit(side.value).alias("side"),
        program.alias("program"),
        source.alias("source"),
        first_of_month("date_of_service").alias("month"),
    )
    tiers = [F.count_if(F.col("link_tier") == tier).alias(tier) for tier in TIERS.values()]
    return (
        narrow.join(linked, on="source_row_id", how="left")  # one link per row
        .groupBy("side", "program", "source", "month")
        .agg(F.count(F.lit(1)).alias("claims"), *tiers)
    )


# A month compared with the others of its source: the potential problem, and claims and links of the others.
_Test = tuple[FeedProblem, int, int]


def _is_comparable(other: MatchRate, rate: MatchRate, settings: MatchRateSettings) -> bool:
    return other.claims >= settings.comparable_size * rate.claims


def _against(others: Sequence[MatchRate], rate: MatchRate, strong: bool) -> _Test:
    def links(of: MatchRate) -> int:
        return of.linked_strongly if strong else of.linked

    claims, linked = sum(other.claims for other in others), sum(links(other) for other in others)
    problem = FeedProblem(
        rate.side, rate.program, rate.source, rate.month, rate.claims, links(rate), linked / claims, strong
    )
    return problem, claims, linked


def _expected(test: _Test) -> float:
    problem, *_ = test
    return problem.usual_share * problem.claims


def _is_drop(test: _Test, significance: float, settings: MatchRateSettings) -> bool:
    problem, claims, linked = test
    if _expected(test) < settings.least_expected or problem.share >= problem.usual_share * (1 - settings.largest_drop):
        return False
    chance = hypergeom.cdf(problem.linked, claims + problem.claims, linked + problem.linked, problem.claims)
    return bool(chance <= significance)
