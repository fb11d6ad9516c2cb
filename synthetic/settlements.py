"""Settlements of claims: credited before they were billed (again), credited later, or disputed only."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from engine.contracts.tables import TABLES
from synthetic import arrow
from synthetic.calendar import MICROSECONDS_PER_DAY, QUARTERS
from synthetic.dispenses import Dispenses
from synthetic.kinds import Twist
from synthetic.payers import PROGRAMS
from synthetic.places import STATE_CODES
from synthetic.planning import has
from synthetic.rebate_claims import claim_ids
from synthetic.rebate_rows import RebateRows, Row
from synthetic.world import World

NAME = "settlements"
COLUMNS = (
    *("program", "state", "ndc", "period", "settled_on", "kind", "units", "amount", "claim_id", "claim_line"),
    "settlement_id",
)
SCHEMA = arrow.arrow_schema(TABLES[NAME], COLUMNS)
DAYS_APART = 20  # between settlement and receipt
QUARTER_OF_UNITS = 4
_AFTER = (Twist.CREDITED_AFTER, Twist.CREDITED_PART_AFTER)
_IN_TWO = (Twist.CREDITED_IN_PARTS, Twist.CREDITED_PART_AFTER)
_TWISTS = (Twist.CREDITED_BEFORE, Twist.DISPUTED_BEFORE, *_AFTER, Twist.CREDITED_IN_PARTS)
_KINDS = ["STATE_CREDIT", "DISPUTED"]


def settlement_batch(world: World, d: Dispenses, r: RebateRows) -> pa.RecordBatch:
    """The settlements of a chunk: one row for each claim with a planned settlement, or two rows of one day, of which
    the first names the claim's line.
    """
    planned = np.flatnonzero(has(d.scenario[r.at], *_TWISTS) & (r.kind == Row.CLAIM))
    in_two = has(d.scenario[r.at[planned]], *_IN_TWO)
    rows = np.concatenate([planned, planned[in_two]])
    is_second = np.arange(len(rows)) >= len(planned)
    order = np.lexsort([is_second, rows])
    rows, is_second = rows[order], is_second[order]
    at = r.at[rows]
    scenario, received = d.scenario[at], r.received[rows] // MICROSECONDS_PER_DAY
    settled = received + np.where(has(scenario, *_AFTER), DAYS_APART, -DAYS_APART)
    quarter = r.units[rows] // QUARTER_OF_UNITS
    units = np.select(
        [has(scenario, Twist.CREDITED_PART_AFTER), has(scenario, Twist.CREDITED_IN_PARTS)],
        [quarter, np.where(is_second, r.units[rows] - quarter, quarter)],
        r.units[rows],
    )
    numbers = d.number[at] * 2 + is_second
    columns = {
        "program": arrow.chosen([program.value for program in PROGRAMS], r.program[rows]),
        "state": arrow.chosen(STATE_CODES, r.state[rows]),
        "ndc": arrow.chosen(world.products.ndc, r.product[rows]),
        "period": arrow.chosen(QUARTERS, r.period[rows]),
        "settled_on": arrow.dates(settled),
        "kind": arrow.chosen(_KINDS, (has(scenario, Twist.DISPUTED_BEFORE)).astype(np.int64)),
        "units": arrow.decimals(units, arrow.UNITS),
        "amount": arrow.decimals(r.rebate[rows] * units // np.maximum(r.units[rows], 1), arrow.MONEY),
        "claim_id": claim_ids(d.number[at], np.zeros(len(at), dtype=np.int64)),
        "claim_line": arrow.integers(np.ones(len(at)), has(scenario, *_IN_TWO) & ~is_second),
        "settlement_id": arrow.joined(arrow.constant("ST", len(at)), arrow.padded(numbers, 12)),
    }
    return arrow.batch(columns, SCHEMA)
