"""A reason in words, with its numbers. No score, p-value or contribution: messages leave the company."""

from __future__ import annotations

import math

from engine.contracts.facts import FEATURE_WORDS
from engine.contracts.words import PRICE_FEATURES

_DAYS = ("days_to_payment", "f44_claim_age_days")


def reason_in_words(
    rows: str,
    feature: str,
    value: float,
    low: float | None,
    high: float | None,
    peers: int | None,
    inside: float | None,
) -> str:
    """`paid per unit $0.42, where 99 % of 897 comparable claims have $6.10 to $9.80`.

    `rows`: what the peers are called; `low`, `high`: their range; `inside`: the share of the peers within it, shown as
    an integer percentage, rounded down. Without a range, only the value is shown.
    """
    named = f"{FEATURE_WORDS.get(feature, feature)} {_text(feature, value)}"
    if low is None or high is None:
        return named
    if feature in _DAYS:
        low, high = math.ceil(low), math.floor(high)
    usual = part_in_words(inside, peers, rows)
    return f"{named}, where {usual} have {_text(feature, low)} to {_text(feature, high)}"


def part_in_words(inside: float | None, peers: int | None, rows: str) -> str:
    """`99 % of 897 comparable claims`; `inside` is rounded down to an integer percentage."""
    part = "nearly all of" if inside is None else f"{math.floor(round(inside * 100, 6))} % of"
    return f"{part} {rows}" if peers is None else f"{part} {peers:,} {rows}"


def _text(feature: str, value: float) -> str:
    """Prices in dollars and cents, below $1 with four decimals; days as integers; others with two decimals, below 1
    with three digits, because the ends of a range are estimates.
    """
    if feature in PRICE_FEATURES:
        return f"${value:,.2f}" if abs(value) >= 1 else f"${value:.4f}"
    if feature in _DAYS:
        return f"{value:,.0f}"
    if abs(value) >= 1:
        return f"{value:,.2f}".rstrip("0").rstrip(".")
    return f"{value:.3g}" if abs(value) >= 0.001 else f"{value:.2g}"
