"""Dispenses of one chunk, as numpy columns: patient, product, pharmacy, payer, and the planned case.

A chunk depends only on the seed, its number and the settings, so that any worker can generate it again for each table.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.settings import SyntheticSettings
from synthetic.identifiers import generator
from synthetic.kinds import Entity, Place, Twist
from synthetic.payers import FFS, MCO, PARTD, PROGRAM_SHARES
from synthetic.places import STATE_CODES, STATE_WEIGHTS, Listing, state_index
from synthetic.planning import PLAIN, SCENARIOS, column, has, planned_codes, planned_share
from synthetic.products import NO_DAY, Pool
from synthetic.world import World

LONGEST_CHAIN = 5
LOCAL_PRODUCT_SHARE = 0.2
OWN_PHARMACY_SHARE = 0.3
NO_ENTITY = -1
TELEHEALTH_PRESCRIBER, ENTITYS_PRESCRIBER = 0, 2  # of the product TELEHEALTH
PRESCRIBER_OF_MONTH = 4
# Of retail pharmacies, in the order of their numbers.
GROUP_PLACES = {Place.MANY_IN_MONTH: 1_001, Place.DEAR_IN_MONTH: 1_002, Place.ALWAYS_DEAR: 1_003}

# States whose medical claims carry a 340B modifier that is valid throughout the quarters.
MODIFIER_STATES = {"TX": "U8", "GA": "UD"}
LATE_MODIFIER_STATE = "SC"

_OWN_PLACES = [place for place in Place if place.name.startswith("OWN")]
_LOCAL = (Pool.LOCAL, Pool.LOCAL_LIQUID)
_PLACE, _ENTITY, _POOL = column("place"), column("entity"), column("products")
_PROGRAM_A = np.array([*(scenario.programs[0] for scenario in SCENARIOS), 0])
_PROGRAM_B = np.array([*(scenario.programs[-1] for scenario in SCENARIOS), 0])


@dataclass(frozen=True)
class Plan:
    """How many dispenses, and how they are cut into chunks."""

    seed: int
    claims: int
    settings: SyntheticSettings

    @property
    def chunks(self) -> int:
        """Number of chunks; the last may be shorter."""
        return -(-self.claims // self.settings.dispenses_per_chunk)

    def start(self, chunk: int) -> int:
        """Number of a chunk's first dispense."""
        return chunk * self.settings.dispenses_per_chunk

    def size(self, chunk: int) -> int:
        """Dispenses of a chunk."""
        return min(self.settings.dispenses_per_chunk, self.claims - self.start(chunk))


@dataclass(frozen=True)
class Dispenses:
    """One entry per dispense. `number` counts over all chunks; `script` is the number of its prescription's first
    dispense; indices point into the world's lists, -1 for none.
    """

    number: np.ndarray
    scenario: np.ndarray
    first: np.ndarray  # position in the chunk of the prescription's first dispense
    fills: np.ndarray  # of the prescription
    fill: np.ndarray
    patient: np.ndarray
    state: np.ndarray
    program: np.ndarray  # PARTD may become MFP by product and date
    is_medical: np.ndarray
    product: np.ndarray
    pharmacy: np.ndarray
    prescriber: np.ndarray
    entity: np.ndarray
    other_entity: np.ndarray  # that reports the dispense as well, in planned cases
    end_day: np.ndarray  # of the entity's part in the 340B program or of its contract, in planned cases; else NO_DAY
    entity_report: np.ndarray

    @property
    def is_plain(self) -> np.ndarray:
        """Dispenses for which no case is planned."""
        return self.scenario == PLAIN

    @property
    def script(self) -> np.ndarray:
        """Number of the first dispense of each one's prescription."""
        return self.number[self.first]

    @property
    def is_340b(self) -> np.ndarray:
        """Filled with 340B stock."""
        return np.isin(self.entity_report, (Entity.LIVE, Entity.REVERSED))


@dataclass(frozen=True)
class _Scripts:
    """Chains of fills: position of the first, number of the fill, fills of the chain; first of the person's."""

    first: np.ndarray
    fill: np.ndarray
    fills: np.ndarray
    person: np.ndarray


def draw_dispenses(world: World, plan: Plan, chunk: int) -> Dispenses:
    """The dispenses of one chunk."""
    size, start, settings = plan.size(chunk), plan.start(chunk), plan.settings
    rng = generator(plan.seed, "dispenses", chunk)
    scenario = planned_codes(settings, plan.claims, start, size, rng)
    plain = scenario == PLAIN
    scripts = _scripts(plain, settings, rng)
    script_chance = [rng.random(size)[scripts.first] for _ in range(7)]
    person_chance = [rng.random(size)[scripts.person] for _ in range(2)]

    program = _programs(scenario, person_chance[0])
    is_medicaid = program <= MCO
    share = np.where(is_medicaid, settings.medicaid_share_340b, settings.other_share_340b)
    stock_340b = plain & (script_chance[0] < (share - _planned_340b(settings)) / (1 - planned_share(settings)))
    medical_share = settings.medical_rate / ((1 - PROGRAM_SHARES[PARTD]) * (1 - settings.other_share_340b))
    is_medical = (program != PARTD) & (script_chance[1] < medical_share)
    place = np.where(plain, _plain_places(stock_340b, is_medical, script_chance[1]), _PLACE[scenario])
    pool = np.where(plain, _plain_pools(place, stock_340b), _POOL[scenario])
    state = _states(person_chance[1], scenario, script_chance[2])
    product = _products(world, pool, script_chance[3])
    may_be_local = plain & is_medicaid & (pool == Pool.ORDINARY) & (script_chance[4] < LOCAL_PRODUCT_SHARE)
    product, state = _local_products(world, product, state, may_be_local, np.isin(pool, _LOCAL))
    state, pharmacy, entity, other_entity, end_day = _places(world, place, state, script_chance[5])
    report = np.where(plain, np.where(stock_340b, Entity.LIVE, Entity.NOTHING), _ENTITY[scenario])
    return Dispenses(
        number=start + np.arange(size),
        scenario=scenario,
        first=scripts.first,
        fills=scripts.fills,
        fill=scripts.fill,
        patient=start + _patients(world, scripts, plain, product),
        state=state,
        program=program,
        is_medical=pool == Pool.INFUSED,
        product=product,
        pharmacy=pharmacy,
        prescriber=_prescribers(world, state, product, scenario, script_chance[6]),
        entity=entity,
        other_entity=other_entity,
        end_day=end_day,
        entity_report=report,
    )


def _scripts(plain: np.ndarray, settings: SyntheticSettings, rng: np.random.Generator) -> _Scripts:
    """Runs of dispenses that are fills of one prescription; a planned dispense has its own.

    Two prescriptions in a row belong to one person.
    """
    size = len(plain)
    positions = np.arange(size)
    may_follow = plain.copy()
    may_follow[1:] &= plain[:-1]
    may_follow[:1] = False
    # planned dispenses and the longest chain break runs; so that refills still reach the configured rate:
    chance = min(1.0, settings.refill_rate / max(float(may_follow.mean()), 1e-9))
    is_first = ~(may_follow & (rng.random(size) < chance))
    run = positions - np.maximum.accumulate(np.where(is_first, positions, 0))
    is_first |= run % LONGEST_CHAIN == 0
    first = np.maximum.accumulate(np.where(is_first, positions, 0))
    ordinal = np.cumsum(is_first) - 1
    starts = np.flatnonzero(is_first)
    return _Scripts(first, positions - first, np.bincount(ordinal)[ordinal], starts[ordinal // 2 * 2])


def _programs(scenario: np.ndarray, chance: np.ndarray) -> np.ndarray:
    plain = np.searchsorted(np.cumsum(PROGRAM_SHARES), chance, side="right")
    planned = np.where(chance < 0.5, _PROGRAM_A[scenario], _PROGRAM_B[scenario])
    return np.where(scenario == PLAIN, np.clip(plain, FFS, PARTD), planned)


def _planned_340b(settings: SyntheticSettings) -> float:
    """Part of all dispenses that planned cases report as 340B."""
    return sum(s.rate(settings) for s in SCENARIOS if s.entity in (Entity.LIVE, Entity.REVERSED))


def _plain_places(stock_340b: np.ndarray, is_medical: np.ndarray, chance: np.ndarray) -> np.ndarray:
    at_340b = np.where(chance < OWN_PHARMACY_SHARE, Place.OWN, Place.CONTRACT)
    return np.where(stock_340b, at_340b, np.where(is_medical, Place.CLINIC, Place.RETAIL))


def _plain_pools(place: np.ndarray, stock_340b: np.ndarray) -> np.ndarray:
    return np.where(place == Place.CLINIC, Pool.INFUSED, np.where(stock_340b, Pool.AT_340B, Pool.ORDINARY))


def _states(chance: np.ndarray, scenario: np.ndarray, modifier_chance: np.ndarray) -> np.ndarray:
    """A state by weight; claims planned around a modifier are in states that use it."""
    cumulative = np.cumsum(STATE_WEIGHTS) / STATE_WEIGHTS.sum()
    state = np.minimum(np.searchsorted(cumulative, chance, side="right"), len(STATE_CODES) - 1)
    texas, georgia = (state_index(code) for code in MODIFIER_STATES)
    either = np.where(modifier_chance < 0.5, texas, georgia)
    state = np.where(has(scenario, Twist.MODIFIER, Twist.MODIFIER_OF_OTHER_STATE), either, state)
    return np.where(has(scenario, Twist.MODIFIER_TOO_EARLY), state_index(LATE_MODIFIER_STATE), state)


def _products(world: World, pool: np.ndarray, chance: np.ndarray) -> np.ndarray:
    """A product of each pool: by popularity among ordinary products, else uniformly."""
    products = world.products
    product = np.searchsorted(products.popularity, chance, side="right")
    for kind, members in products.pools.items():
        if kind == Pool.ORDINARY:
            continue
        here = np.flatnonzero(pool == kind)
        if kind == Pool.AT_340B:
            position = np.searchsorted(products.popularity_340b, chance[here], side="right")
        else:
            position = (chance[here] * len(members)).astype(np.int64)
        product[here] = members[np.minimum(position, len(members) - 1)]
    return np.minimum(product, products.count - 1)


def _local_products(
    world: World, product: np.ndarray, state: np.ndarray, may_be_local: np.ndarray, is_planned: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Product and state: some claims are for the state's own product; planned claims for it are in its state."""
    own = world.products.local_product
    product = np.where(may_be_local & (own[state] >= 0), own[state], product)
    home = np.full(world.products.count, -1)
    has_own = np.flatnonzero(own >= 0)
    home[own[has_own]] = has_own
    return product, np.where(is_planned, home[product], state)


def _places(
    world: World, place: np.ndarray, state: np.ndarray, chance: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """State, pharmacy, covered entity, a second entity, and the day when the entity's part in the program or its
    contract ends. Entities' own pharmacies and contracts of a planned kind determine the state.
    """
    pharmacies, entities = world.pharmacies, world.entities
    pharmacy = pharmacies.pick_retail(state, chance)
    entity, other = np.full(len(place), NO_ENTITY), np.full(len(place), NO_ENTITY)
    end_day = np.full(len(place), NO_DAY)
    state = state.copy()
    at = np.flatnonzero(place == Place.CLINIC)
    pharmacy[at] = pharmacies.clinics.pick(state[at], chance[at])
    for kind, groups in (
        (Place.CONTRACT, entities.contracts_by_state),
        (Place.CONTRACT_LISTED, entities.listed_contracts_by_state),
        (Place.CONTRACT_UNLISTED, entities.unlisted_contracts_by_state),
    ):
        at = np.flatnonzero(place == kind)
        contract = groups.pick(state[at], chance[at])
        pharmacy[at], entity[at] = entities.contract_pharmacy[contract], entities.contract_entity[contract]
    at = np.flatnonzero(place == Place.UNREGISTERED)
    # contracts are with pharmacies of an entity's own state
    pharmacy[at] = pharmacies.pick_retail((state[at] + 1) % len(STATE_CODES), chance[at])
    entity[at] = entities.by_state.pick(state[at], chance[at])
    at = np.flatnonzero(place == Place.CONTRACT_ENDED)
    contract = _one_of(entities.ending_contracts, chance[at])
    pharmacy[at], entity[at] = entities.contract_pharmacy[contract], entities.contract_entity[contract]
    end_day[at] = entities.contract_end_day[contract]
    for kind, goes_out in ((Place.MOVED_OUT, True), (Place.MOVED_IN, False)):
        at = np.flatnonzero(place == kind)
        mover = _one_of(np.flatnonzero(entities.moves_out == goes_out), chance[at])
        pharmacy[at], entity[at] = entities.mover_pharmacy[mover], entities.movers[mover]
        end_day[at] = entities.move_day[mover]
    at = np.flatnonzero(place == Place.CONTRACT_OF_PARENT)
    site = (chance[at] * len(entities.site_entity)).astype(np.int64)
    pharmacy[at], entity[at] = entities.site_pharmacy[site], entities.site_entity[site]
    at = np.flatnonzero(place == Place.CONTRACT_SHARED)
    pair = (chance[at] * len(entities.shared_entity)).astype(np.int64)
    pharmacy[at], entity[at] = entities.shared_pharmacy[pair], entities.shared_entity[pair]
    other[at] = entities.shared_with[pair]
    at = np.flatnonzero(np.isin(place, (Place.FAR, Place.FAR_OWN, Place.NEAR)))
    entity[at] = entities.far_entity[0]
    pharmacy[place == Place.FAR] = entities.far_pharmacy[0]
    pharmacy[place == Place.FAR_OWN] = entities.far_own_pharmacy
    pharmacy[place == Place.NEAR] = entities.near_pharmacy
    at = np.flatnonzero(place == Place.FAR_OF_OTHERS)
    other_far = 1 + (chance[at] * (len(entities.far_entity) - 1)).astype(np.int64)
    pharmacy[at], entity[at] = entities.far_pharmacy[other_far], entities.far_entity[other_far]
    at = np.flatnonzero(place == Place.OWN)
    entity[at] = entities.by_state.pick(state[at], chance[at])
    in_file = (Listing.BY_NPI, Listing.BY_MEDICAID_NUMBER)
    for kind, members in (
        (Place.OWN_IN_FILE, entities.with_listing(in_file, in_mef_states=True)),
        (Place.OWN_OTHER_METHOD, entities.with_listing(in_file, in_mef_states=False)),
        (Place.OWN_OTHER_STATE, entities.with_listing((Listing.OTHER_STATE,), in_mef_states=True)),
        (Place.OWN_FIRST_QUARTERS, entities.with_listing((Listing.FIRST_QUARTERS,), in_mef_states=True)),
        (Place.OWN_ENDED, entities.leaving),
        (Place.OWN_WITHOUT_ORPHANS, entities.may_buy_orphans(False)),
        (Place.OWN_WITH_ORPHANS, entities.may_buy_orphans(True)),
        (Place.OWN_MANY_IN_MONTH, entities.with_a_month[:1]),
        (Place.OWN_MANY_REVERSED, entities.with_a_month[1:]),
    ):
        at = np.flatnonzero(place == kind)
        entity[at] = _one_of(members, chance[at])
        end_day[at] = entities.end_day[entity[at]]
    at = np.flatnonzero(np.isin(place, _OWN_PLACES))
    pharmacy[at] = entities.own_pharmacy[entity[at]]
    state = np.where((entity >= 0) & (place > Place.OWN), entities.state[entity], state)
    for kind, number in GROUP_PLACES.items():
        pharmacy[place == kind], state[place == kind] = number, pharmacies.state[number]
    return state, pharmacy, entity, other, end_day


def _one_of(members: np.ndarray, chance: np.ndarray) -> np.ndarray:
    return members[(chance * len(members)).astype(np.int64)]


def _prescribers(
    world: World, state: np.ndarray, product: np.ndarray, scenario: np.ndarray, chance: np.ndarray
) -> np.ndarray:
    per_state = len(world.pharmacies.prescribers) // len(STATE_CODES)
    return np.select(
        [
            has(scenario, Twist.PRESCRIBER_KNOWN),
            has(scenario, Twist.PRESCRIBER_OF_MONTH),
            np.isin(product, world.products.pools[Pool.TELEHEALTH]),
        ],
        [ENTITYS_PRESCRIBER, PRESCRIBER_OF_MONTH, TELEHEALTH_PRESCRIBER],
        state * per_state + (chance * per_state).astype(np.int64),
    )


def _patients(world: World, scripts: _Scripts, plain: np.ndarray, product: np.ndarray) -> np.ndarray:
    """A person has two prescriptions, or one if both would be of the same drug, or if one is planned."""
    family = world.products.family[product]
    same_drug = (family == family[scripts.person]) & (scripts.first != scripts.person)
    shared = plain & plain[scripts.person] & ~same_drug
    return np.where(shared, scripts.person, scripts.first)
