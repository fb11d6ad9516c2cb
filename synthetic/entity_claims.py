"""340B claims: dispenses that covered entities report, and the purchases for them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum

import numpy as np
import pyarrow as pa

from engine.contracts.codes import ClaimType
from engine.contracts.tables import ENTITY_CLAIMS, TABLES
from synthetic import arrow
from synthetic.calendar import MICROSECONDS_PER_DAY, QUARTER_STARTS, QUARTERS, quarter_of
from synthetic.dispenses import Dispenses, Plan
from synthetic.fills import Fills
from synthetic.identifiers import generator, mixed
from synthetic.kinds import Entity, Twist
from synthetic.mess import Mess
from synthetic.planning import has
from synthetic.strangers import Strangers
from synthetic.texts import bin_numbers, hcpcs_codes, ndc_texts, pharmacy_npis, prescription, rx_digits
from synthetic.world import World

_NOT_SENT = ("hcpcs_units", "modifiers", "pcn")
COLUMNS = tuple(name for name in ENTITY_CLAIMS.column_names if name not in _NOT_SENT)
SCHEMA = arrow.arrow_schema(ENTITY_CLAIMS, COLUMNS)

UNSTATED_SHARE = 0.1  # of live claims: is_340b is NULL
SENT_AFTER_DAYS = (3, 40)
REPORTED_IN_TIME_DAYS = 45  # under a usual policy
LATE_DAYS = (50, 85)
DAYS_TO_CORRECTION = 7

PURCHASE_KEYS = ("entity", "product", "quarter")
PURCHASE_SCHEMA = pa.schema([(name, pa.int64()) for name in (*PURCHASE_KEYS, "units")])
CHARGEBACKS = TABLES["chargebacks"]
CHARGEBACK_COLUMNS = tuple(
    name for name in CHARGEBACKS.column_names if name not in ("ship_to_npi", "valid_from", "valid_to", "snapshot_date")
)
CHARGEBACK_SCHEMA = arrow.arrow_schema(CHARGEBACKS, CHARGEBACK_COLUMNS)

_STATUSES = ["SUBMITTED", "REVERSED"]
_WHOLESALERS = ["Harbor Drug", "Summit Wholesale", "Prairie Supply"]


class Sent(IntEnum):
    """The kind of a row; also the last digit of its source_row_id."""

    CLAIM = 0
    REVERSAL = 1
    STRANGER = 2
    BY_OTHER = 3  # another entity reports the dispense as well
    REVERSAL_BY_OTHER = 4
    AGAIN = 5


_REVERSALS = (Sent.REVERSAL, Sent.REVERSAL_BY_OTHER)
_OF_OTHER = (Sent.BY_OTHER, Sent.REVERSAL_BY_OTHER)


def source_row_ids(number: np.ndarray, kind: np.ndarray) -> pa.Array:
    """Row ids: EC, the dispense's number and a digit for the kind of row."""
    return arrow.joined(arrow.constant("EC", len(number)), arrow.padded(number * 10 + kind, 12))


@dataclass(frozen=True)
class EntityRows:
    """One entry per row that entities send; `at`: position of its dispense in the chunk. Quantity in thousandths."""

    at: np.ndarray
    number: np.ndarray
    kind: np.ndarray
    is_live: np.ndarray
    entity: np.ndarray
    product: np.ndarray
    day: np.ndarray
    quantity: np.ndarray


def entity_rows(d: Dispenses, f: Fills, m: Mess, s: Strangers) -> EntityRows:
    """The rows of a chunk, in the order of dispenses."""
    present = np.zeros((len(d.number), len(Sent)), dtype=bool)
    present[:, Sent.CLAIM] = f.entity_report != Entity.NOTHING
    present[:, Sent.REVERSAL] = f.entity_report == Entity.REVERSED
    present[:, Sent.STRANGER] = s.on_entity
    present[:, Sent.BY_OTHER] = has(d.scenario, Twist.TWO_ENTITIES, Twist.TWO_ENTITIES_ONE_REVERSED)
    present[:, Sent.REVERSAL_BY_OTHER] = has(d.scenario, Twist.TWO_ENTITIES_ONE_REVERSED)
    present[:, Sent.AGAIN] = has(d.scenario, Twist.REPORTED_AGAIN, Twist.REVERSED_AND_REPORTED)
    present[:, Sent.REVERSAL] |= has(d.scenario, Twist.REVERSED_AND_REPORTED)
    taken_back = np.zeros_like(present)
    taken_back[:, Sent.CLAIM] = present[:, Sent.REVERSAL] | (f.entity_report == Entity.NOT_340B)
    taken_back[:, Sent.BY_OTHER] = present[:, Sent.REVERSAL_BY_OTHER]
    taken_back[:, _REVERSALS] = True
    at, kind = np.nonzero(present)
    stranger = kind == Sent.STRANGER

    def own_or_strangers(own: np.ndarray, strangers: np.ndarray) -> np.ndarray:
        return np.where(stranger, strangers[at], own[at])

    return EntityRows(
        at=at,
        number=d.number[at],
        kind=kind,
        is_live=~taken_back[at, kind],
        entity=np.where(np.isin(kind, _OF_OTHER), d.other_entity[at], m.reported_by[at]),
        product=own_or_strangers(m.product, s.product),
        day=own_or_strangers(m.day, s.day),
        quantity=own_or_strangers(m.quantity, s.units),
    )


def entity_batch(
    world: World, plan: Plan, chunk: int, d: Dispenses, f: Fills, m: Mess, s: Strangers, r: EntityRows
) -> pa.RecordBatch:
    """The claims of a chunk with COLUMNS of the contract's entity_claims."""
    rng = generator(plan.seed, "entity_rows", chunk)
    at, kind, report = r.at, r.kind, f.entity_report[r.at]
    medical = d.is_medical[at]
    reversal, of_other = np.isin(kind, _REVERSALS), np.isin(kind, _OF_OTHER)
    prescriber = np.where(kind == Sent.STRANGER, s.prescriber[at], m.entity.prescriber[at])
    unstated = (rng.random(len(d.number)) < UNSTATED_SHARE)[at] & (report == Entity.LIVE)
    days_later = rng.integers(*SENT_AFTER_DAYS, len(d.number))[at] + np.where(
        reversal, 5 + rng.integers(0, 20, len(d.number))[at], 0
    )
    days_later = _planned_days_later(d.scenario[at], kind, d.number[at], days_later)
    since_prescribed = rng.integers(0, 3, len(d.number))[at] + d.fill[at] * f.days_supply[at]
    submitted = (f.day[at] + days_later) * MICROSECONDS_PER_DAY + d.number[at] % 3_600 * 1_000_000
    digits = rx_digits(world, plan, d)
    own, others = (
        prescription(world, digits, side, at, ~medical)
        for side in (m.entity, replace(m.entity, is_hashed=m.other_hashes))
    )
    columns = {
        "source_row_id": source_row_ids(d.number[at], kind),
        "entity_id": arrow.chosen(world.entities.id, r.entity),
        "claim_type": arrow.chosen([ClaimType.RX.value, ClaimType.MEDICAL.value], medical.astype(np.int64)),
        "pharmacy_npi": pharmacy_npis(world, m.entity, at),
        **{name: arrow.either(of_other, others[name], own[name]) for name in own},
        "claim_id": arrow.either(medical, arrow.padded(d.number[at], 12), None),
        "date_of_service": arrow.dates(r.day),
        "date_prescribed": arrow.dates(np.minimum(r.day, f.day[at]) - since_prescribed),
        "ndc": ndc_texts(world, r.product, m.entity.is_hyphenated[at]),
        "quantity": arrow.decimals(r.quantity, arrow.UNITS),
        "hcpcs_code": arrow.either(medical, hcpcs_codes(world.products.hcpcs_number[r.product]), None),
        "prescriber_npi": arrow.chosen(world.pharmacies.prescribers, prescriber),
        "bin": arrow.padded(bin_numbers(f.program[at], f.contract[at], d.state[at], f.plan[at]), 6),
        "status": arrow.chosen(_STATUSES, reversal.astype(np.int64)),
        "is_340b": arrow.booleans(report != Entity.NOT_340B, ~unstated),
        "submitted_at": arrow.timestamps(submitted),
    }
    return arrow.batch(columns, SCHEMA)


def _planned_days_later(scenario: np.ndarray, kind: np.ndarray, number: np.ndarray, usual: np.ndarray) -> np.ndarray:
    """Days from dispense to submission; corrections are sent in order and in time, except late ones."""
    first, last = LATE_DAYS
    late = first + number % (last - first)
    in_turn = SENT_AFTER_DAYS[0] + DAYS_TO_CORRECTION * np.select([kind == Sent.AGAIN, kind == Sent.REVERSAL], [2, 1])
    is_late = (has(scenario, Twist.REPORTED_LATE)) | ((has(scenario, Twist.REPORTED_AGAIN)) & (kind == Sent.AGAIN))
    return np.select(
        [is_late, has(scenario, Twist.REVERSED_AND_REPORTED), has(scenario, Twist.REPORTED_ON_LAST_DAY)],
        [late, in_turn, np.full(len(scenario), REPORTED_IN_TIME_DAYS)],
        usual,
    )


def purchases(d: Dispenses, f: Fills, m: Mess, s: Strangers) -> pa.RecordBatch:
    """Units that entities bought at the 340B price for the dispenses of a chunk: one row per PURCHASE_KEYS. The quarter
    is that of the reported date of service, so that a date that is off by days creates no surplus.
    """
    at, strangers = np.flatnonzero(f.is_340b_sale & (d.entity >= 0)), np.flatnonzero(s.on_entity)
    quarter = quarter_of(np.concatenate([m.day[at], s.day[strangers]]))
    columns = (
        np.concatenate([d.entity[at], d.entity[strangers]]),
        np.concatenate([m.product[at], s.product[strangers]]),
        np.clip(quarter, 0, len(QUARTERS) - 1),
        np.concatenate([f.units[at], s.units[strangers]]),
    )
    return pa.RecordBatch.from_arrays([pa.array(column) for column in columns], schema=PURCHASE_SCHEMA)


def chargeback_batch(world: World, totals: pa.RecordBatch, times: np.ndarray) -> pa.RecordBatch:
    """Chargebacks of whole packages for summed purchases, `times` the dispensed units; some entities also bought at
    another price.
    """
    entity, product, quarter, units = (totals.column(name).to_numpy() for name in PURCHASE_SCHEMA.names)
    units = units * times
    key = (entity * world.products.count + product) * len(QUARTERS) + quarter
    at, kind = np.nonzero(np.stack([np.ones(len(key), dtype=bool), key % 20 == 0], axis=1))
    entity, product, quarter, key = entity[at], product[at], quarter[at], key[at]
    wac, ceiling = world.products.wac[product, quarter], world.products.ceiling[product, quarter]
    day = QUARTER_STARTS[quarter] + 5 + (mixed(key, world.seed) % np.uint64(80)).astype(np.int64)
    columns = {
        "chargeback_id": arrow.joined(arrow.constant("CB", len(at)), arrow.padded(key * 10 + kind, 11)),
        "entity_id": arrow.chosen(world.entities.id, entity),
        "ndc": arrow.chosen(world.products.ndc, product),
        "invoice_date": arrow.dates(day),
        "packages": arrow.decimals(units[at] * 1_000 // world.products.package[product], arrow.UNITS),
        "contract_type": arrow.chosen(["340B", "OTHER"], kind),
        "contract_price": arrow.decimals(np.where(kind == 0, ceiling, wac), arrow.UNIT_PRICE),
        "wac": arrow.decimals(wac, arrow.UNIT_PRICE),
        "wholesaler": arrow.chosen(_WHOLESALERS, entity % len(_WHOLESALERS)),
    }
    return arrow.batch(columns, CHARGEBACK_SCHEMA)
