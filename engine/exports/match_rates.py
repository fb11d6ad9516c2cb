"""How many claims link, by source, month and tier: the file of all of them, and the excerpts in report and workbook."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from engine.contracts.match_rates import FeedProblem, MatchRate, Side, month_text
from engine.contracts.run_report import Linking
from engine.errors import counted
from engine.exports.charts import BAR_HEIGHT, GAP, VALUE_WIDTH, WIDTH, Bar, Chart, Segment, width_of_labels
from engine.exports.csv_files import write_rows
from engine.runtime.storage import Storage

TIER_COLORS = {
    "T1": "#1f4e79",
    "T2": "#3a74a8",
    "T3": "#6a9cc9",
    "T4": "#9cc0e0",
    "T5": "#e0b36a",
    "T6": "#f0d9b0",
}
SIDE_WORDS = {Side.PAYER: "Payers' claims that link to a 340B claim", Side.ENTITY: "340B claims that link to a payer's"}
MOST_MONTHS, MOST_SOURCES = 12, 15
_FEW = 0.01


@dataclass(frozen=True)
class Cell:
    """A source's month. shown: the share of claims that link; empty if there are no claims."""

    shown: str
    description: str
    is_problem: bool


@dataclass(frozen=True)
class Matrix:
    """Months as columns, sources as rows: first those with problems, then the largest."""

    title: str
    months: tuple[str, ...]
    lines: tuple[tuple[str, tuple[Cell, ...]], ...]
    sources_left_out: int


def write_match_rates(rates: Sequence[MatchRate], storage: Storage, uri: str) -> None:
    """One line per side, source and month of service. Raises OutputError."""
    rows = (
        {
            "side": rate.side,
            "program": rate.program,
            "source": rate.source,
            "month": month_text(rate.month),
            "claims": rate.claims,
            "linked": rate.linked,
            **{tier.lower(): rate.by_tier.get(tier, 0) for tier in TIER_COLORS},
        }
        for rate in rates
    )
    names = ("side", "program", "source", "month", "claims", "linked", *(tier.lower() for tier in TIER_COLORS))
    write_rows(rows, names, storage, uri)


def match_rate_summary(linking: Linking) -> dict[str, Any]:
    """The entry of summary.json: claims and links of each side, and every feed problem."""
    sides = {}
    for side in Side:
        of_side = _of_side(linking, side)
        claims, linked = sum(rate.claims for rate in of_side), sum(rate.linked for rate in of_side)
        sides[side.lower()] = {"claims": claims, "linked": linked}
    problems = [
        {
            "side": problem.side,
            "program": problem.program,
            "source": problem.source,
            "month": month_text(problem.month),
            "claims": problem.claims,
            "linked": problem.linked,
            "usual_share": round(problem.usual_share, 6),
            "of_strong_tiers": problem.is_of_strong_tiers,
        }
        for problem in linking.feed_problems
    ]
    return {**sides, "feed_problems": problems}


def match_rate_charts(linking: Linking) -> list[Chart]:
    """Per side, a bar per month of service, in parts by tier, with a length proportional to the share that links."""
    return [_by_month(SIDE_WORDS[side], rates) for side in Side if (rates := _of_side(linking, side))]


def match_rate_matrices(linking: Linking) -> list[Matrix]:
    """A matrix of sources by month for each side that has rates."""
    return [_matrix(side, rates, linking.feed_problems) for side in Side if (rates := _of_side(linking, side))]


def _of_side(linking: Linking, side: Side) -> list[MatchRate]:
    return [rate for rate in linking.match_rates if rate.side is side]


def _by_month(title: str, rates: Sequence[MatchRate]) -> Chart:
    claims: Counter[date] = Counter()
    tiers: dict[date, Counter[str]] = {}
    for rate in rates:
        claims[rate.month] += rate.claims
        tiers.setdefault(rate.month, Counter()).update(rate.by_tier)
    months = sorted(claims)[-MOST_MONTHS:]
    names = [month_text(month) for month in months]
    start = width_of_labels(names)
    shares = {month: tiers[month].total() / claims[month] for month in months}
    # All claims of a small month may link; the other bars must stay long enough to see.
    most = max(shares[month] for month in months if claims[month] >= _FEW * max(claims.values()))
    bars = []
    for place, (month, name) in enumerate(zip(months, names, strict=True)):
        x, segments = float(start), []
        scale = (WIDTH - start - VALUE_WIDTH) / max(most, shares[month]) if most else 0.0
        for tier, color in TIER_COLORS.items():
            share = tiers[month][tier] / claims[month]
            if share:
                description = f"{name}, {tier}: {tiers[month][tier]:,} of {counted(claims[month], 'claim', 'claims')}"
                segments.append(Segment(round(x, 1), round(share * scale, 1), color, description))
                x += share * scale
        shown = f"{shares[month]:.1%}"
        bars.append(Bar(GAP + place * (BAR_HEIGHT + GAP), name, name, shown, round(x + 6, 1), tuple(segments)))
    return Chart(title, "; ".join(f"{bar.label}: {bar.shown}" for bar in bars), tuple(bars), start)


def _matrix(side: Side, rates: Sequence[MatchRate], problems: Sequence[FeedProblem]) -> Matrix:
    months = sorted({rate.month for rate in rates})[-MOST_MONTHS:]
    marked = {(problem.program, problem.source, problem.month) for problem in problems if problem.side is side}
    by_source: dict[tuple[str | None, str], dict[date, MatchRate]] = {}
    for rate in rates:
        by_source.setdefault((rate.program, rate.source), {})[rate.month] = rate
    has_problem = {(program, source) for program, source, _ in marked}
    size = {name: sum(rate.claims for rate in of_source.values()) for name, of_source in by_source.items()}
    ordered = sorted(by_source, key=lambda name: (name not in has_problem, -size[name], name[1], name[0] or ""))
    lines = []
    for program, source in ordered[:MOST_SOURCES]:
        of_source = by_source[program, source]
        cells = (_cell(of_source.get(month), (program, source, month) in marked) for month in months)
        lines.append((f"{source} ({program})" if program else source, tuple(cells)))
    left_out = max(len(ordered) - MOST_SOURCES, 0)
    return Matrix(SIDE_WORDS[side], tuple(month_text(month) for month in months), tuple(lines), left_out)


def _cell(rate: MatchRate | None, is_problem: bool) -> Cell:
    if rate is None:
        return Cell("", "no claims", is_problem=False)
    tiers = ", ".join(f"{tier} {n:,}" for tier, n in sorted(rate.by_tier.items()))
    claims = counted(rate.claims, "claim", "claims")
    return Cell(f"{rate.share:.1%}", f"{rate.linked:,} of {claims}{': ' if tiers else ''}{tiers}", is_problem)
