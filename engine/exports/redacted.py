"""Findings and lines for readers who may not see Rx numbers and prices.

Only the last four characters of Rx numbers are kept; amounts and prices are removed, also from texts. Nothing else
changes. Suppression of small counts (CMS: no cell of 1 to 10, nor one from which such a number follows) is for reports.
"""

from __future__ import annotations

from collections.abc import Mapping

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from engine.contracts.findings import FEATURE_REASON, FINDINGS, RULE_HIT
from engine.contracts.words import PRICE_FEATURES
from engine.runtime.expressions import nullable

REMOVED = "[amount removed]"
# All texts of the engine show money with a dollar sign.
_AMOUNT = r"-?\$ ?-?[0-9][0-9,]*(\.[0-9]+)?"
_SHOWN_OF_RX = 4


def redacted_findings(findings: DataFrame) -> DataFrame:
    """FINDINGS without prices and amounts, Rx numbers masked. `priority` stays for ordering; no file shows it."""
    reasons, rules = FINDINGS["reasons"].dataType, FINDINGS["rules"].dataType
    return findings.withColumns(
        {
            **{name: masked_rx(F.col(name)) for name in ("rx_number", "rx_number_raw")},
            **{name: F.lit(None).cast(FINDINGS[name].dataType) for name in ("amount_at_issue", "unit_price_used")},
            "narrative": without_amounts(F.col("narrative")),
            "rules": nullable(F.transform("rules", _without_amount), rules),
            "reasons": nullable(F.transform("reasons", _without_price), reasons),
        }
    )


def redacted_lines(lines: DataFrame) -> DataFrame:
    """DISPUTE_LINES without amounts in their explanations, Rx numbers masked."""
    return lines.withColumns(
        {"rx_number": masked_rx(F.col("rx_number")), "explanation": without_amounts(F.col("explanation"))}
    )


def without_amounts(text: Column) -> Column:
    """A text with `[amount removed]` in place of every amount in dollars."""
    return F.regexp_replace(text, _AMOUNT, REMOVED)


def masked_rx(rx_number: Column) -> Column:
    """An Rx number in which `*` replaces all but the last four characters, or all if there are no more than four."""
    hidden = F.when(F.length(rx_number) > _SHOWN_OF_RX, F.length(rx_number) - _SHOWN_OF_RX).otherwise(
        F.length(rx_number)
    )
    return F.concat(F.repeat(F.lit("*"), hidden), F.substr(rx_number, hidden + 1))


def masked_rx_text(rx_number: str | None) -> str | None:
    """`masked_rx` of one number."""
    if rx_number is None:
        return None
    hidden = len(rx_number) - _SHOWN_OF_RX if len(rx_number) > _SHOWN_OF_RX else len(rx_number)
    return "*" * hidden + rx_number[hidden:]


def _without_amount(hit: Column) -> Column:
    kept = {name: hit[name] for name in RULE_HIT.names}
    kept["message"] = without_amounts(hit["message"])
    kept["amount_at_issue"] = F.lit(None).cast("decimal(18,2)")
    return F.struct(*(value.alias(name) for name, value in kept.items()))


def _without_price(reason: Column) -> Column:
    is_price = F.regexp_replace(reason["feature"], r"_z\z", "").isin(*PRICE_FEATURES)
    numbers = ("value", "typical_low", "typical_high")
    kept = {name: reason[name] for name in FEATURE_REASON.names}
    kept |= {name: F.when(~is_price, reason[name]) for name in numbers}
    return F.struct(*(value.alias(name) for name, value in kept.items()))


def suppressed(counts: Mapping[str, int], least: int) -> set[str]:
    """The cells of one breakdown whose counts must not be shown next to the total.

    Cells with counts of 1 to `least` - 1; if there is only one, also the smallest other cell, because the total would
    reveal the count (CMS Cell Size Suppression Policy of 2024-01-26).
    """
    small = {name for name, count in counts.items() if 0 < count < least}
    if len(small) == 1:
        others = sorted((count, name) for name, count in counts.items() if name not in small and count > 0)
        small |= {name for _, name in others[:1]}
    return small
