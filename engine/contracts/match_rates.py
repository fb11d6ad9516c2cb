"""How many claims of a source link to a claim of the other side, by month of service; and where that falls off."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

# Tiers that make strong evidence (domain part 4.3).
STRONG_TIERS = ("T1", "T2")


def month_text(day: date) -> str:
    """`YYYY-MM` with four digits of every year (`%Y` writes year 1 as `1`)."""
    return day.isoformat()[:7]


class Side(StrEnum):
    """Whose claims a match rate counts."""

    PAYER = "PAYER"  # rebate claims of a program and payer that link to a 340B claim
    ENTITY = "ENTITY"  # 340B claims of a covered entity that link to a rebate claim


@dataclass(frozen=True)
class MatchRate:
    """Claims of a source with service in a month, and how many of them link, by tier.

    source: payer_id, or 340B id; program: NULL on the entities' side. month: its first day.
    """

    side: Side
    program: str | None
    source: str
    month: date
    claims: int
    by_tier: Mapping[str, int]

    @property
    def linked(self) -> int:
        """Claims that link in any tier."""
        return sum(self.by_tier.values())

    @property
    def linked_strongly(self) -> int:
        """Claims that link in a tier that makes strong evidence."""
        return sum(self.by_tier.get(tier, 0) for tier in STRONG_TIERS)

    @property
    def share(self) -> float:
        """Part of the claims that link, 0 to 1; a rate exists only for months with claims."""
        return self.linked / self.claims


@dataclass(frozen=True)
class FeedProblem:
    """A month in which fewer claims of a source link than in its other months.

    linked: of the month's claims, those that link, or that link strongly; usual_share: the same of the other months.
    """

    side: Side
    program: str | None
    source: str
    month: date
    claims: int
    linked: int
    usual_share: float
    is_of_strong_tiers: bool

    @property
    def share(self) -> float:
        """Part of the month's claims that link, 0 to 1."""
        return self.linked / self.claims

    @property
    def message(self) -> str:
        """One sentence: who, when, how many, how many usually."""
        is_payer = self.side is Side.PAYER
        whose = f"{self.source} ({self.program})" if is_payer else self.source
        kind, other = ("claims", "340B claim") if is_payer else ("340B claims", "payer's claim")
        how = " by exact agreement (T1, T2)" if self.is_of_strong_tiers else ""
        verb = "links" if self.linked == 1 else "link"
        return (
            f"Of {self.claims:,} {kind} of {whose} with service in {month_text(self.month)} {self.linked:,} {verb} to "
            f"a {other}{how}, {self.share:.1%}, in its other months {self.usual_share:.1%}: that month's data, on "
            "either side, may be incomplete or changed."
        )
