"""Settings of findings: their priority and deadlines (`engine.findings`)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from engine.contracts.codes import Evidence
from engine.settings.base import Fraction, NonNegative, PositiveInt, Section


class PrioritySettings(Section):
    """priority = p(valid) x amount - handling cost - p(not valid) x interest on the amount."""

    probability_valid: dict[Evidence, Fraction] = Field(
        default_factory=lambda: {
            Evidence.STRONG: 0.9,
            Evidence.MEDIUM: 0.6,
            Evidence.WEAK: 0.2,
            Evidence.CONTEXT: 0.02,
        },
        description="p(valid) where no re-ranker is champion; of STRONG findings the least that one may give them",
    )
    prior_answers: PositiveInt = Field(
        30, description="answers that probability_valid is worth where counterparties answered disputes of a rule"
    )
    handling_cost: NonNegative = Field(15.0, description="US dollars per finding")
    annual_interest: Fraction = Field(0.05, description="on amounts withheld in the end wrongly")
    share_at_issue: Fraction = Field(
        0.1, description="part of a claim's worth that ranks it if no rule states the units at issue (the model alone)"
    )
    days_withheld: PositiveInt = Field(90, description="for which interest is due when a dispute is rejected")


class DeadlineSettings(Section):
    """Legal terms from which deadlines are counted."""

    days_after_postmark: PositiveInt = Field(37, description="last day without interest")
    mfp_days_after_receipt: PositiveInt = Field(14, description="prompt payment of MFP refunds, US Eastern time")
    dispute_quarters: PositiveInt = Field(12, description="quarters in which a Medicaid invoice may be disputed")
    dispute_quarters_from: Literal["POSTMARK", "PERIOD"] = Field(
        "POSTMARK", description="quarter after which they are counted: the postmark's if known, or the period covered"
    )
