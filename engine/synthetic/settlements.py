"""What was agreed on claims: credited before they were asked for (again), credited later, or disputed only."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from engine.contracts.tables import TABLES
from engine.synthetic import arrow
from engine.synthetic.calendar import MICROSECONDS_PER_DAY, QUARTERS
from engine.synthetic.dispenses import Dispenses
from engine.synthetic.payers import PROGRAMS
from engine.synthetic.places import STATE_CODES
from engine.synthetic.rebate_claims import claim_ids
from engine.synthetic.rebate_rows import RebateRows
from engine.synthetic.scenarios import Twist
from engine.synthetic.world import World

NAME = "settlements"
COLUMNS = ("program", "state", "ndc", "period", "settled_on", "kind", "units", "amount", "claim_id")
SCHEMA = arrow.arrow_schema(TABLES[NAME], COLUMNS)
DAYS_APART = 20  # of settlement and receipt
_TWISTS = (Twist.CREDITED_BEFORE, Twist.CREDITED_AFTER, Twist.DISPUTED_BEFORE)
_KINDS = ["STATE_CREDIT", "DISPUTED"]


def settlement_batch(world: World, d: Dispenses, r: RebateRows) -> pa.RecordBatch:
    """The settlements of a chunk, one row for each claim that is planned around one."""
    rows = np.flatnonzero(np.isin(d.twist[r.at], _TWISTS))
    at = r.at[rows]
    twist, received = d.twist[at], r.received[rows] // MICROSECONDS_PER_DAY
    settled = received + np.where(twist == Twist.CREDITED_AFTER, DAYS_APART, -DAYS_APART)
    columns = {
        "program": arrow.chosen([program.value for program in PROGRAMS], r.program[rows]),
        "state": arrow.chosen(STATE_CODES, r.state[rows]),
        "ndc": arrow.chosen(world.products.ndc, r.product[rows]),
        "period": arrow.chosen(QUARTERS, r.period[rows]),
        "settled_on": arrow.dates(settled),
        "kind": arrow.chosen(_KINDS, (twist == Twist.DISPUTED_BEFORE).astype(np.int64)),
        "units": arrow.decimals(r.units[rows], arrow.UNITS),
        "amount": arrow.decimals(r.rebate[rows], arrow.MONEY),
        "claim_id": claim_ids(d.number[at], np.zeros(len(at), dtype=np.int64)),
    }
    return arrow.batch(columns, SCHEMA)
