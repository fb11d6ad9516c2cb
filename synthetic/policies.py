"""340B claims outside the manufacturer's policies on contract pharmacies (R044), and with provider numbers that are
invalid (R051) or former ones (R043): invented policies and state laws, planted numbers, and what is known of the rows
that entities send.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from synthetic import arrow
from synthetic.calendar import FIRST_DAY, LAST_DAY, day
from synthetic.dispenses import Dispenses, Plan
from synthetic.entity_claims import Sent
from synthetic.fills import Fills
from synthetic.identifiers import mixed
from synthetic.kinds import Label
from synthetic.labels import LABELS
from synthetic.places import ENTITY_TYPES, STATE_CODES, state_index
from synthetic.products import Pool
from synthetic.world import World

R043, R044, R051 = "R043", "R044", "R051"
PLACES_IN_POOL = (1, 2)  # of the two drugs with a policy among those of the pool AT_340B, by popularity
POLICY_BEGINS = day(2025, 7, 1)  # the one that offers the price at no contract pharmacy
EXEMPT_TYPES = ("BL", "CH", "FP", "FQHCLA", "HM", "RWI", "RWII", "STD", "TB")  # grantees
PROTECTING_STATES = {"OH": FIRST_DAY, "GA": day(2025, 10, 1)}
NEVER = LAST_DAY + 1
WINDOW_DAYS = {Pool.SHORT_WINDOW: 30, Pool.LONG_WINDOW: 90}  # to report a claim
ENTITY_SHARE = 10  # about one dispense in so many is reported by an entity; rates are of all dispenses
WRONG_NPI, DEA_NUMBER = "1234567890", "AB1234563"


@dataclass(frozen=True)
class Reports:
    """Rows that entities send, as written in `entity_claims`; indices into the world's lists are -1 for values that
    they do not contain.
    """

    number: np.ndarray  # of the dispense
    entity: np.ndarray
    pharmacy: np.ndarray
    family: np.ndarray
    day: np.ndarray
    is_live: np.ndarray
    is_own: np.ndarray  # the first report of the dispense, not a stranger's claim or a later one


def with_wrong_numbers(world: World, plan: Plan, batch: pa.RecordBatch, d: Dispenses, f: Fills) -> pa.RecordBatch:
    """The `entity_claims` of a chunk. A few rows for which nothing is planned and that no payer bills get an invalid
    prescriber number, or a DEA number.
    """
    sent, settings = _read(world, batch), plan.settings
    chance = mixed(sent.number, world.seed + 1).astype(np.float64) / 2.0**64
    is_free = sent.is_live & sent.is_own & (d.is_plain & ~f.is_rebated)[sent.number - d.number[0]]
    wrong, dea = settings.violation_rate * ENTITY_SHARE, settings.look_alike_rate * ENTITY_SHARE
    npi = batch["prescriber_npi"]
    for number, low, high in ((WRONG_NPI, 0.0, wrong), (DEA_NUMBER, wrong, wrong + dea)):
        is_chosen = is_free & (low <= chance) & (chance < high)
        npi = arrow.either(is_chosen, arrow.constant(number, len(npi)), npi)
    return batch.set_column(batch.schema.get_field_index("prescriber_npi"), "prescriber_npi", npi)


def policy_labels(world: World, batch: pa.RecordBatch) -> pa.RecordBatch:
    """LABELS of a chunk's live `entity_claims`: of products with a policy whether it allows the claim, and which
    numbers of providers are wrong.
    """
    sent = _read(world, batch)
    nowhere, designated = (sent.family == family for family in _families_with_policy(world))
    entities = world.entities
    types = np.isin(entities.type, [ENTITY_TYPES.index(kind) for kind in EXEMPT_TYPES])[sent.entity]
    laws = np.full(len(STATE_CODES), NEVER)
    laws[[state_index(state) for state in PROTECTING_STATES]] = list(PROTECTING_STATES.values())
    prescriber = batch["prescriber_npi"]
    is_old, is_dea = sent.pharmacy < 0, _equals(prescriber, DEA_NUMBER)
    has_policy = nowhere | designated
    kinds = (
        (R044, Label.LOOK_ALIKE, "before_policy", nowhere & (sent.day < POLICY_BEGINS)),
        (R044, Label.LOOK_ALIKE, "protected_by_state", has_policy & (sent.day >= laws[entities.state[sent.entity]])),
        (R044, Label.LOOK_ALIKE, "exempt_entity", has_policy & types),
        (R044, Label.LOOK_ALIKE, "own_pharmacy", has_policy & _is_own(world, sent)),
        (R044, Label.LOOK_ALIKE, "designated", designated & _is_designated(world, sent)),
        (R044, Label.TRUTH, "outside_policy", has_policy),
        (R043, Label.LOOK_ALIKE, "contract_under_present_number", is_old),
        (R051, Label.TRUTH, "pharmacy_by_old_number", is_old),
        (R051, Label.TRUTH, "prescriber_invalid", _equals(prescriber, WRONG_NPI) & ~is_old),
        (R051, Label.LOOK_ALIKE, "dea_number", is_dea & ~is_old),
    )
    is_labeled = {rule: np.zeros(len(sent.number), dtype=bool) for rule in (R043, R044, R051)}
    labels = []
    for rule, label, kind, condition in kinds:
        at = np.flatnonzero(sent.is_live & condition & ~is_labeled[rule])
        is_labeled[rule][at] = True
        words = (label.value, rule, kind)
        ids = batch["source_row_id"].take(pa.array(at))
        label_texts, rules, kind_texts = (arrow.constant(word, len(at)) for word in words)
        labels.append([label_texts, ids, rules, kind_texts])
    columns = [pa.concat_arrays(parts) for parts in zip(*labels, strict=True)]
    return pa.RecordBatch.from_arrays(columns, names=LABELS.names)


def policy_tables(world: World) -> dict[str, dict[str, pa.Array]]:
    """Columns of the reference tables about policies on contract pharmacies."""
    products, entities = world.products, world.entities
    ndcs = [products.ndc[family] for family in _families_with_policy(world)]
    holder, pharmacy = _designations(world)
    return {
        "manufacturer_policies": {
            "labeler_code": pa.array([ndc[:5] for ndc in ndcs], pa.string()),
            "ndc9": pa.array([ndc[:9] for ndc in ndcs], pa.string()),
            "contract_pharmacies": pa.array(["NONE", "DESIGNATED"], pa.string()),
            "exempt_entity_types": arrow.constant("|".join(EXEMPT_TYPES), len(ndcs)),
            "begin_date": arrow.dates(np.array([POLICY_BEGINS, day(2022, 1, 1)])),
            "source": arrow.constant("invented", len(ndcs)),
        },
        "designated_pharmacies": {
            "entity_id": arrow.chosen(entities.id, holder),
            "pharmacy_npi": arrow.chosen(world.pharmacies.npi, pharmacy),
            "begin_date": arrow.dates(np.full(len(holder), day(2022, 1, 1))),
        },
        "submission_windows": _submission_windows(world),
        "contract_pharmacy_laws": {
            "state": pa.array([*PROTECTING_STATES], pa.string()),
            "begin_date": arrow.dates(np.array([*PROTECTING_STATES.values()])),
            "source": arrow.constant("invented", len(PROTECTING_STATES)),
        },
    }


def _submission_windows(world: World) -> dict[str, pa.Array]:
    products = world.products
    rows = [
        (products.ndc[product], days) for pool, days in WINDOW_DAYS.items() for product in products.pools[pool].tolist()
    ]
    return {
        "labeler_code": pa.array([ndc[:5] for ndc, _ in rows], pa.string()),
        "ndc9": pa.array([ndc[:9] for ndc, _ in rows], pa.string()),
        "begin_date": arrow.dates(np.full(len(rows), day(2022, 1, 1))),
        "days": arrow.integers(np.array([days for _, days in rows])),
        "source": arrow.constant("invented", len(rows)),
    }


def _families_with_policy(world: World) -> tuple[int, int]:
    """Of the drugs that entities buy at 340B prices, the one with the price at no contract pharmacy, and the one with
    it at designated ones.
    """
    families = list(dict.fromkeys(world.products.family[world.products.pools[Pool.AT_340B]].tolist()))
    nowhere, designated = (families[place] for place in PLACES_IN_POOL)
    return nowhere, designated


def _designations(world: World) -> tuple[np.ndarray, np.ndarray]:
    """Entities and pharmacies: every second contract."""
    return world.entities.contract_entity[::2], world.entities.contract_pharmacy[::2]


def _is_own(world: World, sent: Reports) -> np.ndarray:
    """Whether the pharmacy is of the entity's system."""
    parents = np.full(world.pharmacies.count + 1, -1)
    parents[world.entities.own_pharmacy] = world.entities.parent
    return parents[sent.pharmacy] == world.entities.parent[sent.entity]


def _is_designated(world: World, sent: Reports) -> np.ndarray:
    """Whether an entity of the system designated the pharmacy."""
    entities, count = world.entities, world.pharmacies.count
    holder, pharmacy = _designations(world)
    pairs = entities.parent[holder] * count + pharmacy
    return np.isin(entities.parent[sent.entity] * count + sent.pharmacy, pairs) & (sent.pharmacy >= 0)


def _read(world: World, batch: pa.RecordBatch) -> Reports:
    products = world.products
    product = _index_in(batch["ndc"], products.ndc)
    product = np.where(product < 0, _index_in(batch["ndc"], products.hyphenated), product)
    row_id = pc.utf8_slice_codeunits(batch["source_row_id"], 2).cast(pa.int64()).to_numpy()
    number = row_id // 10
    entity = _index_in(batch["entity_id"], world.entities.id)
    submitted = batch["submitted_at"].cast(pa.int64()).to_numpy()
    is_reversal = _equals(batch["status"], "REVERSED")
    is_340b = pc.fill_null(batch["is_340b"], True).to_numpy(zero_copy_only=False)
    taken_back = _taken_back(number * world.entities.count + entity, submitted, is_reversal)
    return Reports(
        number=number,
        entity=entity,
        pharmacy=_index_in(batch["pharmacy_npi"], world.pharmacies.npi),
        family=products.family[product],
        day=batch["date_of_service"].cast(pa.int32()).to_numpy(),
        is_live=is_340b & ~is_reversal & ~taken_back,
        is_own=row_id % 10 == Sent.CLAIM,
    )


def _taken_back(key: np.ndarray, submitted: np.ndarray, is_reversal: np.ndarray) -> np.ndarray:
    """Whether a reversal of the same dispense and entity was sent with or after the row."""
    if not is_reversal.any():
        return is_reversal
    order = np.lexsort((submitted[is_reversal], key[is_reversal]))
    keys, times = key[is_reversal][order], submitted[is_reversal][order]
    last = np.searchsorted(keys, key, side="right") - 1
    return (last >= 0) & (keys[last] == key) & (times[last] >= submitted)


def _index_in(texts: pa.Array, words: Sequence[str]) -> np.ndarray:
    position = pc.index_in(texts, value_set=pa.array(words, pa.string()))
    return pc.fill_null(position, -1).to_numpy().astype(np.int64)


def _equals(texts: pa.Array, word: str) -> np.ndarray:
    return pc.fill_null(pc.equal(texts, word), False).to_numpy(zero_copy_only=False)
