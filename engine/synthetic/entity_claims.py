"""What covered entities report as dispensed at the 340B price, and what they bought for it."""

from __future__ import annotations

from enum import IntEnum

import numpy as np
import pyarrow as pa

from engine.contracts.codes import ClaimType
from engine.contracts.tables import ENTITY_CLAIMS, TABLES
from engine.synthetic import arrow
from engine.synthetic.calendar import MICROSECONDS_PER_DAY, QUARTER_STARTS, QUARTERS, quarter_of
from engine.synthetic.dispenses import Dispenses, Plan
from engine.synthetic.fills import Fills
from engine.synthetic.identifiers import generator, mixed
from engine.synthetic.mess import Mess
from engine.synthetic.scenarios import Entity
from engine.synthetic.strangers import Strangers
from engine.synthetic.texts import bin_numbers, ndc_texts, pharmacy_npis, prescription, rx_digits
from engine.synthetic.world import World

_NOT_SENT = ("claim_id", "hcpcs_code", "hcpcs_units", "modifiers", "pcn")
COLUMNS = tuple(name for name in ENTITY_CLAIMS.column_names if name not in _NOT_SENT)
SCHEMA = arrow.arrow_schema(ENTITY_CLAIMS, COLUMNS)

UNSTATED_SHARE = 0.1  # of live claims: is_340b left out
SENT_AFTER_DAYS = (3, 40)

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
    """What a row is to its dispense; also the last digit of its source_row_id."""

    CLAIM = 0
    REVERSAL = 1
    STRANGER = 2


def source_row_ids(number: np.ndarray, kind: np.ndarray) -> pa.Array:
    return arrow.joined(arrow.constant("EC", len(number)), arrow.padded(number * 10 + kind, 12))


def entity_batch(world: World, plan: Plan, chunk: int, d: Dispenses, f: Fills, m: Mess, s: Strangers) -> pa.RecordBatch:
    """The claims of a chunk with COLUMNS of the contract's entity_claims."""
    rng = generator(plan.seed, "entity_rows", chunk)
    present = np.zeros((len(d.number), len(Sent)), dtype=bool)
    present[:, Sent.CLAIM] = f.entity_report != Entity.NOTHING
    present[:, Sent.REVERSAL] = f.entity_report == Entity.REVERSED
    present[:, Sent.STRANGER] = s.on_entity
    at, kind = np.nonzero(present)
    rows, report = len(at), f.entity_report[at]
    reversal, stranger = kind == Sent.REVERSAL, kind == Sent.STRANGER

    def own_or_strangers(own: np.ndarray, strangers: np.ndarray) -> np.ndarray:
        return np.where(stranger, strangers[at], own[at])

    day = own_or_strangers(m.day, s.day)
    unstated = (rng.random(len(d.number)) < UNSTATED_SHARE)[at] & (report == Entity.LIVE)
    days_later = rng.integers(*SENT_AFTER_DAYS, len(d.number))[at] + np.where(
        reversal, 5 + rng.integers(0, 20, len(d.number))[at], 0
    )
    since_prescribed = rng.integers(0, 3, len(d.number))[at] + d.fill[at] * f.days_supply[at]
    submitted = (f.day[at] + days_later) * MICROSECONDS_PER_DAY + d.number[at] % 3_600 * 1_000_000
    columns = {
        "source_row_id": source_row_ids(d.number[at], kind),
        "entity_id": arrow.chosen(world.entities.id, m.reported_by[at]),
        "claim_type": arrow.constant(ClaimType.RX.value, rows),
        "pharmacy_npi": pharmacy_npis(world, m.entity, at),
        **prescription(world, rx_digits(world, plan, d), m.entity, at, np.ones(rows, dtype=bool)),
        "date_of_service": arrow.dates(day),
        "date_prescribed": arrow.dates(np.minimum(day, f.day[at]) - since_prescribed),
        "ndc": ndc_texts(world, own_or_strangers(m.product, s.product), m.entity.is_hyphenated[at]),
        "quantity": arrow.decimals(own_or_strangers(m.quantity, s.units), arrow.UNITS),
        "prescriber_npi": arrow.chosen(
            world.pharmacies.prescribers, own_or_strangers(m.entity.prescriber, s.prescriber)
        ),
        "bin": arrow.padded(bin_numbers(f.program[at], f.contract[at], d.state[at], f.plan[at]), 6),
        "status": arrow.chosen(_STATUSES, reversal.astype(np.int64)),
        "is_340b": arrow.booleans(report != Entity.NOT_340B, ~unstated),
        "submitted_at": arrow.timestamps(submitted),
    }
    return arrow.batch(columns, SCHEMA)


def purchases(d: Dispenses, f: Fills, m: Mess, s: Strangers) -> pa.RecordBatch:
    """Units that entities bought at the 340B price for the dispenses of a chunk: one row per PURCHASE_KEYS."""
    at, beside = np.flatnonzero(f.is_340b_sale & (d.entity >= 0)), np.flatnonzero(s.on_entity)
    columns = (
        np.concatenate([d.entity[at], d.entity[beside]]),
        np.concatenate([m.product[at], s.product[beside]]),
        quarter_of(np.concatenate([f.day[at], s.day[beside]])),
        np.concatenate([f.units[at], s.units[beside]]),
    )
    return pa.RecordBatch.from_arrays([pa.array(column) for column in columns], schema=PURCHASE_SCHEMA)


def chargeback_batch(world: World, totals: pa.RecordBatch) -> pa.RecordBatch:
    """Chargebacks of whole packages for summed purchases; now and then the entity also bought at another price."""
    entity, product, quarter, units = (totals.column(name).to_numpy() for name in PURCHASE_SCHEMA.names)
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
