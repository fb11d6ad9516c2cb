"""States, pharmacies, covered entities and the pharmacies that they contract with."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from synthetic.calendar import QUARTER_STARTS, day
from synthetic.identifiers import generator, ncpdp_ids, npis, scattered
from synthetic.products import NO_DAY

RETAIL_PHARMACIES = 3_500
CLINICS = 300
ENTITIES = 1_250
MAIL_ORDER = 0  # the largest pharmacy; serves all states
MAIL_ORDER_SHARE = 0.05
PHARMACY_EXPONENT = 0.9
PRESCRIBERS = 6_000
LISTED_SHARE = 0.3
SUCCESSIONS = 525  # retail pharmacies whose NPI changed in the year before the first quarter
QUARTERS_LISTED_IN_PART = 3
FAR_STATE = "WA"  # more than 1,000 km from every other one
FAR_CONTRACTS = 300
MOVING = 4  # entities that leave their parent within the quarters, and as many that come under one
LEAVING = 12  # entities that leave the 340B program within the quarters, and as many whose contracts end


@dataclass(frozen=True)
class State:
    """A state with its part in the dispenses and its practice on 340B claims."""

    code: str
    weight: float
    ncpdp_prefix: int
    method: str | None  # how 340B units are kept off Medicaid invoices; None: not known
    zip_prefix: str
    latitude: float  # of the place that the ZIP codes belong to
    longitude: float

    @property
    def carves_out_contract_pharmacies(self) -> bool:
        """Whether the state excludes contract pharmacies by a list of providers."""
        return self.method == "PROVIDER_LIST"


# Invented policies; methods as in the contract's state_340b_policies.
STATES = (
    State("CA", 0.15, 5, "CLAIM_FLAG", "900", 34.0, -118.2),
    State("TX", 0.11, 45, "CLAIM_FLAG", "750", 33.0, -96.8),
    State("NY", 0.10, 33, "MEF", "100", 40.8, -74.0),
    State("FL", 0.09, 10, "MEF", "331", 25.8, -80.2),
    State("PA", 0.08, 39, "MEF", "191", 40.0, -75.2),
    State("OH", 0.07, 36, "MEF", "441", 41.5, -81.7),
    State("IL", 0.07, 14, "MEF", "606", 41.9, -87.6),
    State("GA", 0.06, 11, "MEF", "303", 33.8, -84.4),
    State("NC", 0.06, 34, "MEF", "275", 35.8, -78.6),
    State("MI", 0.06, 23, "MEF", "482", 42.4, -83.1),
    State("WA", 0.05, 48, "PROVIDER_LIST", "981", 47.6, -122.3),
    State("MA", 0.04, 22, "MEF", "021", 42.4, -71.1),
    State("KY", 0.03, 18, "MEF", "402", 38.2, -85.8),
    State("SC", 0.02, 42, None, "292", 34.0, -81.0),
    State("RI", 0.01, 41, "RETRO_FILE", "029", 41.8, -71.4),
)
STATE_CODES = [state.code for state in STATES]
STATE_WEIGHTS = np.array([state.weight for state in STATES])
MEF_STATES = np.array([state.method in ("MEF", None) for state in STATES])
LOCAL_STATES = np.argsort(-STATE_WEIGHTS, kind="stable")[:6]


def state_index(code: str) -> int:
    """Position of a state in STATES; ValueError for one that is not generated."""
    return STATE_CODES.index(code)


class Listing(IntEnum):
    """How an entity's own pharmacy is listed in the Medicaid Exclusion File. Listed means carve-in: the entity uses
    340B stock for Medicaid fee for service, so the state must not bill a rebate.
    """

    NONE = 0
    BY_NPI = 1
    BY_MEDICAID_NUMBER = 2
    OTHER_STATE = 3  # listed for a neighboring state only
    FIRST_QUARTERS = 4  # no longer listed after the first quarters


_LISTING_SHARES = (0.45, 0.25, 0.1, 0.1, 0.1)
ENTITY_TYPES = ("DSH", "PED", "CAN", "CAH", "RRC", "SCH", "CH", "FQHCLA", "RWI", "RWII", "HM", "STD", "TB", "FP", "BL")
WITHOUT_ORPHANS = ("CAH", "RRC", "SCH", "CAN")  # 42 U.S.C. 256b(e)
_TYPE_SHARES = (0.2, 0.02, 0.01, 0.09, 0.08, 0.05, 0.3, 0.04, 0.05, 0.03, 0.02, 0.05, 0.02, 0.03, 0.01)


@dataclass(frozen=True)
class Groups:
    """Members sorted by group, so that members are drawn without a loop."""

    members: np.ndarray
    starts: np.ndarray

    def pick(self, group: np.ndarray, chance: np.ndarray) -> np.ndarray:
        """A member of each group; `chance` in [0, 1)."""
        size = self.starts[group + 1] - self.starts[group]
        return self.members[self.starts[group] + (chance * size).astype(np.int64)]


@dataclass(frozen=True)
class Pharmacies:
    """Retail pharmacies first (MAIL_ORDER is one of them), then clinics that bill drugs, entities' own, and one more
    that an entity owns in FAR_STATE.
    """

    npi: list[str]
    old_npi: list[str | None]  # the former NPI
    npi_since: np.ndarray  # day of the change; 0 if the NPI did not change
    ncpdp: list[str | None]
    state: np.ndarray
    medicaid_number: list[str]
    weights: np.ndarray  # cumulative in each state, plus the state's index
    order: np.ndarray  # retail pharmacies in the order of `weights`
    clinics: Groups
    prescribers: list[str]

    @property
    def count(self) -> int:
        """Number of pharmacies."""
        return len(self.npi)

    @property
    def central_fill(self) -> np.ndarray:
        """Per state: the pharmacy that fills for others, its largest."""
        every = np.arange(len(STATES))
        return self.pick_retail(every, np.full(len(STATES), MAIL_ORDER_SHARE))

    def pick_retail(self, state: np.ndarray, chance: np.ndarray) -> np.ndarray:
        """A retail pharmacy of the state by its volume, or the mail-order pharmacy."""
        retail_chance = (chance - MAIL_ORDER_SHARE) / (1 - MAIL_ORDER_SHARE)
        position = np.searchsorted(self.weights, state + np.clip(retail_chance, 0, 1 - 1e-12), side="right")
        return np.where(retail_chance < 0, MAIL_ORDER, self.order[np.minimum(position, len(self.order) - 1)])


@dataclass(frozen=True)
class Entities:
    """Covered entities; each has a pharmacy or clinic of its own (`own_pharmacy`).

    Some, of other states, have a contract with a pharmacy in FAR_STATE; the first of them owns the one there too.
    """

    id: list[str]
    parent: np.ndarray
    type: np.ndarray
    state: np.ndarray
    listing: np.ndarray
    listed_state: np.ndarray
    own_pharmacy: np.ndarray
    by_state: Groups
    contract_entity: np.ndarray  # contract pharmacies: entity, pharmacy
    contract_pharmacy: np.ndarray
    contracts_by_state: Groups
    listed_contracts_by_state: Groups  # with pharmacies on the payers' lists
    unlisted_contracts_by_state: Groups
    pharmacy_is_listed: np.ndarray
    end_day: np.ndarray  # of taking part in the 340B program; NO_DAY
    contract_end_day: np.ndarray
    leaving: np.ndarray  # entities with an end_day
    ending_contracts: np.ndarray  # positions in contract_entity
    movers: np.ndarray  # entities with a temporary parent; their `parent` is the entity itself
    move_day: np.ndarray
    moves_out: np.ndarray  # the parent is theirs before the day, else from that day on
    parent_for_a_time: np.ndarray
    mover_pharmacy: np.ndarray  # under contract with that parent only
    site_entity: np.ndarray  # child sites and pharmacies under contract with their parent only
    site_pharmacy: np.ndarray
    shared_entity: np.ndarray  # entities of two systems with one contract pharmacy
    shared_with: np.ndarray
    shared_pharmacy: np.ndarray
    far_entity: np.ndarray
    far_pharmacy: np.ndarray
    far_own_pharmacy: int

    @property
    def count(self) -> int:
        """Number of covered entities, child sites included."""
        return len(self.id)

    def with_listing(self, listings: tuple[Listing, ...], in_mef_states: bool) -> np.ndarray:
        """Entities with one of these listings, in states with or without a Medicaid exclusion file in use."""
        return np.flatnonzero(np.isin(self.listing, listings) & (MEF_STATES[self.state] == in_mef_states))

    @property
    def near_pharmacy(self) -> int:
        """A contract pharmacy in its own state, of the first of the entities with one far away."""
        return int(self.contract_pharmacy[self.contract_entity == self.far_entity[0]][0])

    @property
    def with_a_month(self) -> np.ndarray:
        """Two entities that stay in the program and take part in no pattern: one for each place of OWN_MANY."""
        return np.setdiff1d(self.by_state.members, self.far_entity)[:2]

    def may_buy_orphans(self, may: bool) -> np.ndarray:
        """Entities that stay in the program and may, or may not, buy orphan drugs at 340B prices."""
        stays = np.isin(np.arange(self.count), self.by_state.members)
        excluded = np.isin(self.type, [ENTITY_TYPES.index(kind) for kind in WITHOUT_ORPHANS])
        return np.flatnonzero(stays & (excluded != may))

    def is_listed_in(self, quarter: int) -> np.ndarray:
        """Which entities are in the file of a quarter (index)."""
        gone = (self.listing == Listing.FIRST_QUARTERS) & (quarter >= QUARTERS_LISTED_IN_PART)
        return (self.listing != Listing.NONE) & ~gone


def build_places(seed: int) -> tuple[Pharmacies, Entities]:
    """Draw pharmacies and covered entities; the result depends only on the seed."""
    rng = generator(seed, "places")
    count = RETAIL_PHARMACIES + CLINICS + ENTITIES + 1
    numbers = scattered(count + PRESCRIBERS + SUCCESSIONS, 10**8, rng)
    old_npi, npi_since = _successions(seed, count, npis(numbers[count + PRESCRIBERS :]))
    far = state_index(FAR_STATE)
    state = np.concatenate([_states(RETAIL_PHARMACIES, rng), _states(CLINICS, rng), _states(ENTITIES, rng), [far]])
    own = RETAIL_PHARMACIES + CLINICS + np.arange(ENTITIES)
    prefixes = np.array([s.ncpdp_prefix for s in STATES])[state]
    ncpdp: list[str | None] = list(ncpdp_ids(prefixes, scattered(count, 10**4, rng)))
    ncpdp[RETAIL_PHARMACIES : RETAIL_PHARMACIES + CLINICS] = [None] * CLINICS
    order, weights = _volumes(state[:RETAIL_PHARMACIES])
    pharmacies = Pharmacies(
        npi=npis(numbers[:count]),
        old_npi=old_npi,
        npi_since=npi_since,
        ncpdp=ncpdp,
        state=state,
        medicaid_number=[f"{number:09d}" for number in scattered(count, 10**9, rng).tolist()],
        weights=weights,
        order=order,
        clinics=_groups(RETAIL_PHARMACIES + np.arange(CLINICS), state[RETAIL_PHARMACIES:][:CLINICS]),
        prescribers=npis(numbers[count : count + PRESCRIBERS]),
    )
    return pharmacies, _entities(pharmacies, own, seed, rng)


def _successions(seed: int, count: int, old: list[str]) -> tuple[list[str | None], np.ndarray]:
    """NPI before the change, and its day, of each pharmacy."""
    rng = generator(seed, "successions")
    changed = MAIL_ORDER + 1 + rng.permutation(RETAIL_PHARMACIES - 1)[: len(old)]
    old_npi: list[str | None] = [None] * count
    for pharmacy, npi in zip(changed.tolist(), old, strict=True):
        old_npi[pharmacy] = npi
    since = np.zeros(count, dtype=np.int64)
    since[changed] = day(2024, 2, 1) + rng.integers(0, 330, len(old))
    return old_npi, since


def _states(count: int, rng: np.random.Generator) -> np.ndarray:
    """A state each by weight; every state has some."""
    states = np.arange(len(STATES)).repeat(3)
    return np.concatenate([states, rng.choice(len(STATES), count - len(states), p=STATE_WEIGHTS / STATE_WEIGHTS.sum())])


def _groups(members: np.ndarray, group: np.ndarray) -> Groups:
    order = np.argsort(group, kind="stable")
    return Groups(members[order], np.searchsorted(group[order], np.arange(len(STATES) + 1)))


def _volumes(state: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pharmacies by state and, in each, cumulative shares of its volume (Zipf's law) plus the state's index."""
    members = np.arange(1, len(state))  # without MAIL_ORDER
    grouped = _groups(members, state[1:])
    shares = []
    for index in range(len(STATES)):
        size = grouped.starts[index + 1] - grouped.starts[index]
        cumulative = np.cumsum((1.0 + np.arange(size)) ** -PHARMACY_EXPONENT)
        shares.append(index + cumulative / cumulative[-1])
    return grouped.members, np.concatenate(shares)


def _entities(pharmacies: Pharmacies, own: np.ndarray, seed: int, rng: np.random.Generator) -> Entities:
    of_ends = generator(seed, "entities_end")
    state = pharmacies.state[own]
    kind = rng.choice(len(ENTITY_TYPES), ENTITIES, p=_TYPE_SHARES)
    parent = _parents(state, rng)
    kind = kind[parent]
    listing = rng.choice(len(Listing), ENTITIES, p=_LISTING_SHARES)
    leaving, ending, movers = _ending(parent, state, of_ends)
    stays = ~np.isin(np.arange(ENTITIES), np.concatenate([leaving, ending, movers]))
    listing[~stays] = Listing.NONE
    neighbor = (state + 1) % len(STATES)
    numbers = 100_000 + scattered(ENTITIES, 10**5, rng)
    contract_entity = np.repeat(np.arange(ENTITIES), rng.integers(4, 21, ENTITIES))
    contract_pharmacy = pharmacies.pick_retail(
        state[contract_entity], rng.uniform(MAIL_ORDER_SHARE, 1, len(contract_entity))
    )
    pairs = np.unique(contract_entity * pharmacies.count + contract_pharmacy)
    pairs = pairs[~np.isin(pairs // pharmacies.count, leaving)]
    contract_entity, contract_pharmacy = pairs // pharmacies.count, pairs % pharmacies.count
    contract_ends = np.isin(contract_entity, ending)
    end_day, contract_end_day = np.full(ENTITIES, NO_DAY), np.full(len(pairs), NO_DAY)
    end_day[leaving] = _end_days(LEAVING, of_ends)
    contract_end_day[contract_ends] = _end_days(int(contract_ends.sum()), of_ends)
    holds = np.flatnonzero(~contract_ends & ~np.isin(contract_entity, movers))
    moves_out = np.arange(len(movers)) % 2 == 0
    move_day = QUARTER_STARTS[2 + np.arange(len(movers)) % 3]
    new_parent, mover_pharmacy = _for_a_time(movers, state, parent, contract_entity, contract_pharmacy, holds)
    site_entity, site_pharmacy = _of_parents(contract_entity, contract_pharmacy, parent)
    shared_entity, shared_with, shared_pharmacy = _shared(contract_entity[holds], contract_pharmacy[holds], parent)
    far_entity, far_pharmacy = _far(pharmacies, state, parent, contract_entity[holds], generator(seed, "far_contracts"))
    is_listed = np.zeros(pharmacies.count, dtype=bool)
    is_listed[:RETAIL_PHARMACIES] = rng.random(RETAIL_PHARMACIES) < LISTED_SHARE
    # of the first three pharmacies of each state, one is on the lists, so that every state has both kinds
    is_listed[: 3 * len(STATES)] = np.arange(3 * len(STATES)) % 3 == 1
    on_list = is_listed[contract_pharmacy[holds]]
    pair_state = state[contract_entity[holds]]
    return Entities(
        id=_entity_ids(kind, parent, numbers),
        parent=parent,
        type=kind,
        state=state,
        listing=listing,
        listed_state=np.where(listing == Listing.OTHER_STATE, neighbor, state),
        own_pharmacy=own,
        by_state=_groups(np.flatnonzero(stays), state[stays]),
        contract_entity=contract_entity,
        contract_pharmacy=contract_pharmacy,
        contracts_by_state=_groups(holds, pair_state),
        listed_contracts_by_state=_groups(holds[on_list], pair_state[on_list]),
        unlisted_contracts_by_state=_groups(holds[~on_list], pair_state[~on_list]),
        pharmacy_is_listed=is_listed,
        end_day=end_day,
        contract_end_day=contract_end_day,
        leaving=leaving,
        ending_contracts=np.flatnonzero(contract_ends),
        movers=movers,
        move_day=move_day,
        moves_out=moves_out,
        parent_for_a_time=new_parent,
        mover_pharmacy=mover_pharmacy,
        site_entity=site_entity,
        site_pharmacy=site_pharmacy,
        shared_entity=shared_entity,
        shared_with=shared_with,
        shared_pharmacy=shared_pharmacy,
        far_entity=far_entity,
        far_pharmacy=far_pharmacy,
        far_own_pharmacy=pharmacies.count - 1,
    )


def _far(
    pharmacies: Pharmacies, state: np.ndarray, parent: np.ndarray, with_contracts: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Entities without sites, of other states, and for each a pharmacy in FAR_STATE."""
    far = state_index(FAR_STATE)
    is_alone = np.bincount(parent, minlength=len(parent))[parent] == 1
    may = is_alone & (state != far) & np.isin(np.arange(len(state)), with_contracts)
    entity = rng.permutation(np.flatnonzero(may))[:FAR_CONTRACTS]
    chance = rng.uniform(MAIL_ORDER_SHARE, 1, len(entity))
    return entity, pharmacies.pick_retail(np.full(len(entity), far), chance)


def _ending(
    parent: np.ndarray, state: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Entities that leave the program, that lose their contracts, and that have a temporary parent: without sites, in
    large states.
    """
    is_alone = np.bincount(parent, minlength=len(parent))[parent] == 1
    chosen = rng.permutation(np.flatnonzero(is_alone & np.isin(state, LOCAL_STATES)))
    return chosen[:LEAVING], chosen[LEAVING : 2 * LEAVING], chosen[2 * LEAVING :][: 2 * MOVING]


def _end_days(count: int, rng: np.random.Generator) -> np.ndarray:
    return day(2025, 7, 1) + rng.integers(0, 240, count)


def _for_a_time(
    movers: np.ndarray,
    state: np.ndarray,
    parent: np.ndarray,
    contract_entity: np.ndarray,
    contract_pharmacy: np.ndarray,
    holds: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """For each mover: another entity of its state, without sites, and a pharmacy under contract with that entity and
    not with the mover.
    """
    is_alone = np.bincount(parent, minlength=len(parent))[parent] == 1
    heads, pharmacies = [], []
    for mover in movers.tolist():
        own = contract_pharmacy[contract_entity == mover]
        others = holds[is_alone[contract_entity[holds]] & (state[contract_entity[holds]] == state[mover])]
        chosen = others[~np.isin(contract_pharmacy[others], own)][mover % 7]
        heads.append(contract_entity[chosen])
        pharmacies.append(contract_pharmacy[chosen])
    return np.array(heads), np.array(pharmacies)


def _of_parents(
    contract_entity: np.ndarray, contract_pharmacy: np.ndarray, parent: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Child sites with pharmacies that only their parent has a contract with."""
    size = int(contract_pharmacy.max()) + 1
    pairs = [
        child * size + contract_pharmacy[contract_entity == parent[child]]
        for child in np.flatnonzero(parent != np.arange(len(parent)))
    ]
    alone = np.setdiff1d(np.concatenate(pairs), contract_entity * size + contract_pharmacy)
    return alone // size, alone % size


def _shared(
    contract_entity: np.ndarray, contract_pharmacy: np.ndarray, parent: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Adjacent contracts of a pharmacy with entities of two systems: entity, entity, pharmacy."""
    order = np.lexsort((contract_entity, contract_pharmacy))
    first, second = order[:-1], order[1:]
    same = contract_pharmacy[first] == contract_pharmacy[second]
    is_shared = same & (parent[contract_entity[first]] != parent[contract_entity[second]])
    first, second = first[is_shared], second[is_shared]
    return contract_entity[first], contract_entity[second], contract_pharmacy[first]


def _parents(state: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Every fifth entity is a child site of another one in its state."""
    parent = np.arange(len(state))
    is_child = rng.random(len(state)) < 0.2
    for index in range(len(STATES)):
        members = np.flatnonzero(state == index)
        heads = members[~is_child[members]]
        children = members[is_child[members]]
        if len(heads):
            parent[children] = heads[rng.integers(0, len(heads), len(children))]
    return parent


def _entity_ids(kind: np.ndarray, parent: np.ndarray, numbers: np.ndarray) -> list[str]:
    """340B ids: type and number; child sites carry the parent's id with letters behind it."""
    ids: list[str] = []
    children: dict[int, int] = {}
    for index, head in enumerate(parent.tolist()):
        text = f"{ENTITY_TYPES[kind[head]]}{numbers[head]}"
        if head != index:
            number = children[head] = children.get(head, 0) + 1
            text += chr(ord("A") + (number - 1) // 26) + chr(ord("A") + (number - 1) % 26)
        ids.append(text)
    return ids
