"""Claims of other patients under a prescription number that a pharmacy assigned twice within days."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from synthetic.calendar import DAYS_PER_FILL, quarter_of
from synthetic.dispenses import Dispenses, Plan
from synthetic.fills import DISPENSING_FEE, Fills, cents
from synthetic.identifiers import generator
from synthetic.kinds import Entity
from synthetic.mess import MOST_DAYS_OFF, Mess
from synthetic.payers import MCO, MFP
from synthetic.places import STATES
from synthetic.planning import ON_ENTITY_CLAIM
from synthetic.products import Pool
from synthetic.world import World

SAME_DRUG_SHARE = 0.2
OTHER_PROGRAM_SHARE = 0.5  # of Medicaid claims
PAID_PER_MILLE = 960  # of WAC
FIRST_PATIENT = 10**12


@dataclass(frozen=True)
class Strangers:
    """Per dispense: whether, and on which side, a stranger's claim accompanies it, and what differs in that claim."""

    on_payer: np.ndarray
    on_entity: np.ndarray
    program: np.ndarray
    product: np.ndarray
    units: np.ndarray
    paid: np.ndarray
    day: np.ndarray
    prescriber: np.ndarray
    patient: np.ndarray


def draw_strangers(world: World, plan: Plan, chunk: int, d: Dispenses, f: Fills, m: Mess) -> Strangers:
    """Draw the strangers' claims of a chunk.

    Most are of another drug. Those of the same drug are never on the same day, because they could not be distinguished
    from the claim itself. The quarter is the same, so that invoices and payments stay in order.
    """
    rng = generator(plan.seed, "strangers", chunk)
    size = len(d.number)
    reported = (f.entity_report != Entity.NOTHING) & ~ON_ENTITY_CLAIM[d.scenario]
    may = (f.entity_report == Entity.LIVE) & d.is_plain & ~f.in_two_parts & ~m.rx_is_missing
    chance = plan.settings.mess.stranger_rate * float(reported.mean()) / max(float(may.mean()), 1e-9)
    is_present = may & (rng.random(size) < chance)
    on_payer = is_present & (rng.random(size) < 0.5) & (f.program != MFP)

    pool = world.products.pools[Pool.AT_340B]
    place = rng.integers(0, len(pool), size)
    family = world.products.family
    # packages of one drug are adjacent in the pool
    other = np.where(family[pool[place]] == family[d.product], pool[(place + 2) % len(pool)], pool[place])
    is_same = rng.random(size) < SAME_DRUG_SHARE
    product = np.where(is_same, d.product, other)
    days = np.where(is_same, rng.integers(1, MOST_DAYS_OFF + 1, size), rng.integers(0, MOST_DAYS_OFF + 1, size))
    days = days * np.where(rng.random(size) < 0.5, 1, -1)
    days = np.where(quarter_of(f.day + days) == quarter_of(f.day), days, -days)
    units = world.products.fill[product] * (f.days_supply // DAYS_PER_FILL)
    price = world.products.wac[product, quarter_of(f.day)] * PAID_PER_MILLE // 1_000
    changes_program = (f.program <= MCO) & (rng.random(size) < OTHER_PROGRAM_SHARE)
    per_state = len(world.pharmacies.prescribers) // len(STATES)
    step = rng.integers(1, per_state, size)
    return Strangers(
        on_payer=on_payer,
        on_entity=is_present & ~on_payer,
        program=np.where(changes_program, 1 - f.program, f.program),
        product=product,
        units=units,
        paid=cents(units, price) + DISPENSING_FEE,
        day=f.day + days,
        prescriber=d.prescriber // per_state * per_state + (d.prescriber + step) % per_state,
        patient=FIRST_PATIENT + d.number,
    )
