"""The attributes of a planned case."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from engine.contracts.codes import Subject
from engine.settings import SyntheticSettings
from synthetic.kinds import Days, Entity, Label, Place, Twist
from synthetic.payers import COMMERCIAL, FFS, MCO, PARTD, Terms
from synthetic.products import Pool

MEDICAID = (FFS, MCO)
CONTRACTED = (COMMERCIAL, PARTD)


@dataclass(frozen=True)
class Scenario:
    """One kind of planned case. `share`: its part of the rate, if a rule has several kinds."""

    kind: str
    rule: str
    label: Label = Label.TRUTH
    programs: tuple[int, ...] = MEDICAID
    products: Pool = Pool.ORDINARY
    place: Place = Place.RETAIL
    entity: Entity = Entity.NOTHING
    terms: Terms = Terms.NONE
    days: Days = Days.ANY
    twist: Twist = Twist.NONE
    also: tuple[Twist, ...] = ()  # further twists of the same claim
    share: float = 1.0
    subject: Subject = Subject.REBATE_CLAIM  # whose row is labeled; no payer bills a rebate on an ENTITY_CLAIM
    in_pattern: bool = False  # part of a pattern that needs many dispenses
    parts: tuple[Scenario, ...] = ()  # the cases of a combination, all of one dispense

    @property
    def twists(self) -> frozenset[Twist]:
        """All twists of the case and of its parts."""
        of_parts = (part.twists for part in self.parts)
        return frozenset((self.twist, *self.also)).union(*of_parts) - {Twist.NONE}

    def rate(self, settings: SyntheticSettings) -> float:
        """Share of all dispenses."""
        if self.parts:
            return self.share * settings.combination_rate
        rates = {
            Label.TRUTH: settings.violation_rate,
            Label.LOOK_ALIKE: settings.look_alike_rate,
            **dict.fromkeys((Label.ANOMALY, Label.USUAL, Label.GROUP), settings.anomaly_rate),
            Label.WATCH: settings.late_reversal_rate,
        }
        return self.share * rates[self.label]


def linked(rule: str, programs: tuple[int, ...], terms: Terms = Terms.NONE, **more: Any) -> Scenario:
    """A claim for a dispense that an entity reported."""
    values: dict[str, Any] = {
        "place": Place.CONTRACT,
        "entity": Entity.LIVE,
        "products": Pool.AT_340B,
        "kind": "reported_as_340b",
    }
    return Scenario(**{**values, **more}, rule=rule, programs=programs, terms=terms)


def look_alike(kind: str, rule: str, **more: Any) -> Scenario:
    """A rebate claim that resembles a violation of the rule and is none."""
    return Scenario(kind, rule, Label.LOOK_ALIKE, **more)


def on_entity_claim(kind: str, rule: str, label: Label = Label.TRUTH, **more: Any) -> Scenario:
    """A case on a 340B claim; half as often as others, so that enough ordinary 340B claims remain."""
    values: dict[str, Any] = {
        "products": Pool.AT_340B,
        "place": Place.CONTRACT,
        "entity": Entity.LIVE,
        "programs": CONTRACTED,
    }
    return Scenario(kind, rule, label, **{**values, "share": 0.5, **more}, subject=Subject.ENTITY_CLAIM)


def entity_look_alike(kind: str, rule: str, **more: Any) -> Scenario:
    """A 340B claim that resembles a violation of the rule and is none."""
    return on_entity_claim(kind, rule, Label.LOOK_ALIKE, **more)
