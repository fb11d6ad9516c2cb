"""Settings of cases and the review queue (`engine.cases`)."""

from __future__ import annotations

from pydantic import Field

from engine.settings.base import Fraction, NonNegative, PositiveInt, Section


class CounterpartySettings(Section):
    """How a counterparty is named and reached."""

    name: str | None = Field(None, description="of the agency or company, as people know it")
    contact: str | None = Field(None, description="whom to write to or call, in a line")


class CaseSettings(Section):
    """Findings by counterparty and root cause. Names and contacts of covered entities come from `covered_entities`."""

    counterparties: dict[str, CounterpartySettings] = Field(
        default_factory=dict, description="by state postal code or payer id"
    )


class QueueSettings(Section):
    """The review queue, in the order of priority. Findings whose priority is below zero are not in it."""

    capacity: PositiveInt | None = Field(
        None, description="findings that can be looked at, random ones included; default: all that are worth it"
    )
    random_share: Fraction = Field(0.05, description="part of the capacity drawn at random from the other findings")
    minimum_claim_amount: NonNegative = Field(
        0.0, description="US dollars at issue below which a finding is not in the queue"
    )
    minimum_case_amount: NonNegative = Field(
        0.0, description="open US dollars below which no finding of a case is in the queue"
    )
