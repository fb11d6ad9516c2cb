"""What covered entities report as dispensed at the 340B price, and what they bought for it."""

from __future__ import annotations

from dataclasses import dataclass
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
from engine.synthetic.rebate_claims import ndc_texts, rx_digits
from engine.synthetic.scenarios import SCENARIOS, Entity, Label
from engine.synthetic.world import World

_NOT_SENT = ("rx_number_hash", "hash_scheme", "claim_id", "hcpcs_code", "hcpcs_units", "modifiers", "pcn")
COLUMNS = tuple(name for name in ENTITY_CLAIMS.column_names if name not in _NOT_SENT)
SCHEMA = arrow.arrow_schema(ENTITY_CLAIMS, COLUMNS)

# How the entity's record of a planned dispense differs from the payer's; the rest agrees in full.
NO_FILL_SHARE, OTHER_DAY_SHARE = 0.12, 0.12
OTHER_PACKAGE_SHARE = 0.5  # of drugs that come in two packages
UNSTATED_SHARE = 0.1  # of live claims: is_340b left out
SENT_AFTER_DAYS = (3, 40)

PURCHASE_KEYS = ("entity", "product", "quarter")
PURCHASE_SCHEMA = pa.schema([(name, pa.int64()) for name in (*PURCHASE_KEYS, "units")])
CHARGEBACKS = TABLES["chargebacks"]
CHARGEBACK_COLUMNS = tuple(
    name for name in CHARGEBACKS.column_names if name not in ("ship_to_npi", "valid_from", "valid_to", "snapshot_date")
)
CHARGEBACK_SCHEMA = arrow.arrow_schema(CHARGEBACKS, CHARGEBACK_COLUMNS)

_IN_TRUTH = np.array([*(scenario.label == Label.TRUTH for scenario in SCENARIOS), False])
_STATUSES = ["SUBMITTED", "REVERSED"]
_WHOLESALERS = ["Harbor Drug", "Summit Wholesale", "Prairie Supply"]


class Sent(IntEnum):
    """What a row is to its dispense; also the last digit of its source_row_id."""

    CLAIM = 0
    REVERSAL = 1


@dataclass(frozen=True)
class EntityRecord:
    """The entity's own record of each dispense."""

    has_fill: np.ndarray
    day: np.ndarray
    product: np.ndarray


def draw_entity_record(world: World, plan: Plan, chunk: int, d: Dispenses, f: Fills) -> EntityRecord:
    """Records of planned violations now and then leave out the fill, are dated up to three days later, or name another
    package of the same drug."""
    rng = generator(plan.seed, "entity_record", chunk)
    chance, size = rng.random(len(d.number)), len(d.number)
    chance = np.where(_IN_TRUTH[d.scenario], chance, 1.0)
    no_fill = chance < NO_FILL_SHARE
    other_day = ~no_fill & (chance < NO_FILL_SHARE + OTHER_DAY_SHARE)
    other_package = ~no_fill & ~other_day & (chance < NO_FILL_SHARE + OTHER_DAY_SHARE + OTHER_PACKAGE_SHARE)
    return EntityRecord(
        has_fill=~no_fill,
        day=f.day + np.where(other_day, rng.integers(1, 4, size), 0),
        product=np.where(other_package, world.products.twin[d.product], d.product),
    )


def entity_batch(world: World, plan: Plan, chunk: int, d: Dispenses, f: Fills, e: EntityRecord) -> pa.RecordBatch:
    """The claims of a chunk with COLUMNS of the contract's entity_claims."""
    rng = generator(plan.seed, "entity_rows", chunk)
    present = np.zeros((len(d.number), len(Sent)), dtype=bool)
    present[:, Sent.CLAIM] = f.entity_report != Entity.NOTHING
    present[:, Sent.REVERSAL] = f.entity_report == Entity.REVERSED
    at, kind = np.nonzero(present)
    rows, report = len(at), f.entity_report[at]
    digits = rx_digits(world, plan, d)[at]
    is_padded = rng.random(rows) < plan.settings.padded_rx_rate
    unstated = (rng.random(len(d.number)) < UNSTATED_SHARE)[at] & (report == Entity.LIVE)
    days_later = rng.integers(*SENT_AFTER_DAYS, len(d.number))[at] + np.where(
        kind == Sent.REVERSAL, 5 + rng.integers(0, 20, len(d.number))[at], 0
    )
    prescribed = f.day[at] - rng.integers(0, 3, len(d.number))[at] - d.fill[at] * f.days_supply[at]
    submitted = (f.day[at] + days_later) * MICROSECONDS_PER_DAY + d.number[at] % 3_600 * 1_000_000
    columns = {
        "source_row_id": arrow.joined(arrow.constant("EC", rows), arrow.padded(d.number[at] * 10 + kind, 12)),
        "entity_id": arrow.chosen(world.entities.id, d.entity[at]),
        "claim_type": arrow.constant(ClaimType.RX.value, rows),
        "pharmacy_npi": arrow.chosen(world.pharmacies.npi, d.pharmacy[at]),
        "rx_number": arrow.either(is_padded, arrow.padded(digits, 12), arrow.plain(digits)),
        "fill_number": arrow.integers(d.fill[at], e.has_fill[at]),
        "date_of_service": arrow.dates(e.day[at]),
        "date_prescribed": arrow.dates(prescribed),
        "ndc": ndc_texts(world, e.product[at], plan.settings.hyphenated_ndc_rate, rng),
        "quantity": arrow.decimals(f.units[at], arrow.UNITS),
        "prescriber_npi": arrow.chosen(world.pharmacies.prescribers, d.prescriber[at]),
        "bin": arrow.padded(600_000 + f.program[at] * 37 + d.state[at], 6),
        "status": arrow.chosen(_STATUSES, kind),
        "is_340b": arrow.booleans(report != Entity.NOT_340B, ~unstated),
        "submitted_at": arrow.timestamps(submitted),
    }
    return arrow.batch(columns, SCHEMA)


def purchases(d: Dispenses, f: Fills, e: EntityRecord) -> pa.RecordBatch:
    """Units that entities bought at the 340B price for the dispenses of a chunk: one row per PURCHASE_KEYS."""
    at = np.flatnonzero(f.is_340b_sale & (d.entity >= 0))
    columns = (d.entity[at], e.product[at], quarter_of(f.day[at]), f.units[at])
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
