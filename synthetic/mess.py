"""How payers and covered entities write the dispenses of a chunk: the known mess of domain part 4.2.

Kinds of mess are drawn independently, except combinations that would make a link impossible. All rows that a side
sends for one dispense have the same mess, so that reversals and duplicates match the rows they refer to.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.settings import MessSettings
from synthetic.dispenses import Dispenses, Plan
from synthetic.fills import Fills
from synthetic.habits import Habits, draw_habits, payers_of
from synthetic.identifiers import generator
from synthetic.kinds import Entity, Twist
from synthetic.payers import CONTRACT_TERMS, Terms
from synthetic.places import MAIL_ORDER, RETAIL_PHARMACIES
from synthetic.planning import IS_COMBINED, ON_ENTITY_CLAIM, has
from synthetic.world import World

MOST_DAYS_OFF = 3


@dataclass(frozen=True)
class Side:
    """What one side writes of each dispense; fill and prescriber are -1 if it states none."""

    pharmacy: np.ndarray
    has_old_npi: np.ndarray
    is_padded: np.ndarray
    is_suffixed: np.ndarray
    is_hashed: np.ndarray
    is_junk: np.ndarray
    is_hyphenated: np.ndarray
    fill: np.ndarray
    prescriber: np.ndarray

    @property
    def fill_is_stated(self) -> np.ndarray:
        """In a field of its own: for half of the suffixed Rx numbers, only the suffix states the fill."""
        return (self.fill >= 0) & ~(self.is_suffixed & (np.arange(len(self.fill)) % 2 == 0))


@dataclass(frozen=True)
class Mess:
    """Per dispense."""

    payer: Side
    by_ncpdp: np.ndarray  # the payer names the pharmacy by its NCPDP id only
    filled_at: np.ndarray  # pharmacy that the payer names as service provider, or -1
    entity: Side
    reported_by: np.ndarray  # covered entity whose 340B id the claim states
    day: np.ndarray  # the entity's
    product: np.ndarray  # the entity's
    quantity: np.ndarray  # the entity's, thousandths of units or packages
    other_hashes: np.ndarray  # the second entity that reports the dispense hashes Rx numbers

    @property
    def rx_is_missing(self) -> np.ndarray:
        """Dispenses whose Rx number is unusable on a side."""
        return self.payer.is_junk | self.entity.is_junk


@dataclass(frozen=True)
class _Draw:
    """Chances of one chunk. Every draw takes the same number of random values, whatever the rates are."""

    rng: np.random.Generator
    reported: np.ndarray

    def some(self, may: np.ndarray, rate: float) -> np.ndarray:
        """A share `rate` of the reported dispenses, chosen among those that `may`."""
        may = may & self.reported
        chance = rate * float(self.reported.mean()) / max(float(may.mean()), 1e-9)
        return may & (self.rng.random(len(may)) < chance)

    def rows(self, rate: float) -> np.ndarray:
        """A share `rate` of all dispenses."""
        return self.rng.random(len(self.reported)) < rate

    def half(self) -> np.ndarray:
        return self.rng.random(len(self.reported)) < 0.5


def draw_mess(world: World, plan: Plan, chunk: int, d: Dispenses, f: Fills) -> Mess:
    """How payer and entity write each dispense of a chunk."""
    rates, habits = plan.settings.mess, draw_habits(world, plan.settings.mess)
    # combinations have no mess, so that the class of every rule is known
    reported = (f.entity_report != Entity.NOTHING) & ~IS_COMBINED[d.scenario]
    # rates refer to dispenses that can be linked; cases planned on 340B claims have no mess
    draw = _Draw(generator(plan.seed, "mess", chunk), reported & ~ON_ENTITY_CLAIM[d.scenario])

    unlike, both_hash = habits.never_links_by_rx(d.entity), habits.both_hash(d.entity) & reported
    missing_rx = draw.some(~unlike & ~both_hash & ~f.in_two_parts, rates.missing_rx_rate)
    # the entity's reversal finds the claim by its Rx number
    of_payer = draw.half() | (f.entity_report == Entity.REVERSED)
    payer_is_junk, entity_is_junk = missing_rx & of_payer, missing_rx & ~of_payer
    without_rx = missing_rx | (unlike & reported)

    payer_has_old, entity_has_old = _old_npis(world, d, f, without_rx, draw, rates)
    succeeded = payer_has_old | entity_has_old
    hub = world.pharmacies.central_fill[d.state]
    fills_itself = (d.pharmacy >= RETAIL_PHARMACIES) | (d.pharmacy == MAIL_ORDER) | (d.pharmacy == hub)
    central = draw.some(~without_rx & ~succeeded & ~fills_itself, rates.central_fill_rate)
    only_by_rx = ~without_rx & ~succeeded & ~central

    days_off = _days_off(f, draw, ~without_rx, rates)
    swapped = draw.some(only_by_rx & (world.products.twin[d.product] != d.product), rates.other_package_rate)
    product = np.where(swapped, world.products.twin[d.product], d.product)
    package = world.products.package[product]
    is_whole = (package > 1_000) & (f.units % package == 0)
    in_packages = draw.some(only_by_rx & is_whole & ~f.in_two_parts, rates.quantity_in_packages_rate)
    is_child = (d.entity >= 0) & (world.entities.parent[d.entity] != d.entity)
    by_parent = draw.some(is_child, rates.parent_id_rate)
    payer_prescriber, entity_prescriber = _prescribers(d, draw, ~without_rx, rates)
    payer_fill, entity_fill = _fill_numbers(d, f, habits, reported, draw, rates)

    may_name_ncpdp = (d.is_plain | reported) & (d.pharmacy < RETAIL_PHARMACIES) & ~payer_has_old

    def written(is_hashed: np.ndarray, is_junk: np.ndarray, fill: np.ndarray, **who: np.ndarray) -> Side:
        is_plain = ~is_hashed & ~is_junk
        return Side(
            is_padded=draw.rows(rates.padded_rx_rate) & is_plain,
            is_suffixed=draw.rows(rates.suffixed_rx_rate) & is_plain & (fill >= 0),
            is_hyphenated=draw.rows(rates.hyphenated_ndc_rate),
            is_hashed=is_hashed,
            is_junk=is_junk,
            fill=fill,
            **who,
        )

    return Mess(
        payer=written(
            both_hash,
            payer_is_junk,
            payer_fill,
            pharmacy=d.pharmacy,
            has_old_npi=payer_has_old,
            prescriber=payer_prescriber,
        ),
        by_ncpdp=(draw.rows(rates.ncpdp_only_rate) & may_name_ncpdp) | has(d.scenario, Twist.NCPDP_ONLY),
        filled_at=np.where(central, hub, -1),
        entity=written(
            both_hash | (unlike & reported),
            entity_is_junk,
            entity_fill,
            pharmacy=np.where(central, hub, d.pharmacy),
            has_old_npi=entity_has_old,
            prescriber=entity_prescriber,
        ),
        reported_by=np.where(by_parent, world.entities.parent[d.entity], d.entity),
        day=f.day + days_off,
        product=product,
        quantity=np.where(in_packages, f.units * 1_000 // package, f.units),
        other_hashes=habits.never_links_by_rx(d.other_entity) | habits.both_hash(d.other_entity),
    )


def _old_npis(
    world: World, d: Dispenses, f: Fills, without_rx: np.ndarray, draw: _Draw, rates: MessSettings
) -> tuple[np.ndarray, np.ndarray]:
    """Whether payer and entity still use the former NPI. The payer uses the current NPI if its contract excludes a
    list of pharmacies.
    """
    succeeded = draw.some(~without_rx & (world.pharmacies.npi_since[d.pharmacy] > 0), rates.npi_succession_rate)
    is_listed_by_npi = (f.contract >= 0) & (f.contract % len(CONTRACT_TERMS) == Terms.EXCLUDES_LISTED)
    of_payer = draw.half() & ~is_listed_by_npi
    return succeeded & of_payer, succeeded & ~of_payer


def _days_off(f: Fills, draw: _Draw, may: np.ndarray, rates: MessSettings) -> np.ndarray:
    """Days by which the entity's date is off; later if the fill was in two parts."""
    is_off = draw.some(may, rates.shifted_date_rate)
    is_later = draw.half() | f.in_two_parts
    days = draw.rng.integers(1, MOST_DAYS_OFF + 1, len(is_off))
    return np.where(is_off, np.where(is_later, days, -days), 0)


def _prescribers(d: Dispenses, draw: _Draw, may: np.ndarray, rates: MessSettings) -> tuple[np.ndarray, np.ndarray]:
    """The payer's and the entity's prescriber; for some dispenses one of them states none, or a colleague."""
    differs = draw.some(may, rates.other_prescriber_rate)
    of_payer, is_unknown = draw.half(), draw.half()
    other = np.where(is_unknown, -1, d.prescriber ^ 1)
    return np.where(differs & of_payer, other, d.prescriber), np.where(differs & ~of_payer, other, d.prescriber)


def _fill_numbers(
    d: Dispenses, f: Fills, habits: Habits, reported: np.ndarray, draw: _Draw, rates: MessSettings
) -> tuple[np.ndarray, np.ndarray]:
    """The payer's and the entity's fill number. For planned duplicates and reversals, payers count as the pharmacy:
    another fill number would change the natural key, and the planned case would not occur.
    """
    counts_its_own_way = d.is_plain | reported
    payers_first = habits.first_fill_of_payer[payers_of(f.program, d.state, f.contract)]
    payers = d.fill + np.where(counts_its_own_way, payers_first, 0)
    entitys = d.fill + np.where(reported, habits.first_fill_of_entity[d.entity], 0)
    is_missing, of_payer = draw.some(draw.reported, rates.missing_fill_rate), draw.half()
    return np.where(is_missing & of_payer, -1, payers), np.where(is_missing & ~of_payer, -1, entitys)
