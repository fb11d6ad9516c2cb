"""CMS's reports of the Part D inflation rebate: they exclude as many units as entities claim, of a few drugs half."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from engine.contracts.tables import TABLES
from synthetic import arrow
from synthetic.calendar import MFP_START
from synthetic.dispenses import Dispenses
from synthetic.entity_claims import EntityRows, Sent
from synthetic.fills import Fills
from synthetic.kinds import Label
from synthetic.labels import LABELS
from synthetic.payers import MFP, PARTD
from synthetic.texts import PART_D_BINS
from synthetic.world import World

NAME, RULE = "inflation_reports", "R014"
COLUMNS = ("ndc", "period", "total_units", "excluded_units", "exclusion_method", "unit_rebate_amount")
PERIOD = "2025Q4"  # begins the applicable period
FIRST_DAY_EXCLUDED = MFP_START  # of 340B units
ONE_IN = 4  # of the drugs that entities claim: half of it is excluded; of as many others all but a twentieth
LEAST_LEFT_IN = 100_000  # thousandths
_SURE = 1.2  # margin that a dispense sent twice cannot exceed
TIMES_TOTAL = 8  # ratio of the program's units to those that entities claim

KEY, SUM = "product", "units"
PART_SCHEMA = pa.schema([(KEY, pa.int64()), (SUM, pa.int64())])


def inflation_parts(d: Dispenses, f: Fills, r: EntityRows) -> pa.RecordBatch:
    """Product and units of each dispense of a chunk to members of Part D plans that entities claim."""
    is_part_d = np.isin(f.program[r.at], (PARTD, MFP)) & ~d.is_medical[r.at]
    live = np.flatnonzero(r.is_live & is_part_d & (r.day >= FIRST_DAY_EXCLUDED))
    # a dispense that is sent again, or by another entity, counts once
    _, first = np.unique(r.number[live] * 2 + (r.kind[live] == Sent.STRANGER), return_index=True)
    chosen = live[first]
    return pa.RecordBatch.from_arrays([pa.array(r.product[chosen]), pa.array(r.quantity[chosen])], schema=PART_SCHEMA)


def build_reports(world: World, totals: pa.Table, plants_violations: bool) -> tuple[pa.Table, pa.Table]:
    """`inflation_reports` (COLUMNS) from summed parts, and their labels."""
    product, claimed = (totals[name].to_numpy() for name in PART_SCHEMA.names)
    order = np.lexsort((product, -claimed))
    product, claimed = product[order], claimed[order]
    turn = np.arange(len(product)) % ONE_IN
    is_short, is_near = ((turn == place) & plants_violations for place in (0, 1))
    excluded = np.select([is_short, is_near], [claimed // 2, claimed - claimed // 20], claimed)
    left_in = claimed - excluded
    is_unsure = is_short & (left_in * _SURE > LEAST_LEFT_IN) & (left_in < LEAST_LEFT_IN * _SURE)
    excluded = np.where(is_unsure, claimed, excluded)
    is_truth = is_short & ~is_unsure & (left_in > LEAST_LEFT_IN)
    ndc = arrow.chosen(world.products.ndc, product)
    rows = len(product)
    columns = {
        "ndc": ndc,
        "period": arrow.constant(PERIOD, rows),
        "total_units": arrow.decimals(claimed * TIMES_TOTAL, arrow.UNITS),
        "excluded_units": arrow.decimals(excluded, arrow.UNITS),
        "exclusion_method": arrow.constant("CLAIMS", rows),
        "unit_rebate_amount": arrow.decimals(world.products.wac[product, 0] // 10, arrow.UNIT_PRICE),
    }
    kinds = np.select([is_truth, is_short & ~is_unsure, is_near], [0, 1, 2], -1)
    labeled = np.flatnonzero(kinds >= 0)
    row_id = arrow.joined(
        arrow.constant("PARTD_INFL//", len(labeled)),
        ndc.take(pa.array(labeled)),
        arrow.constant(f"/{PERIOD}", len(labeled)),
    )
    labels = {
        "label": arrow.chosen([Label.TRUTH.value, *[Label.LOOK_ALIKE.value] * 2], kinds[labeled]),
        "source_row_id": row_id,
        "rule_id": arrow.constant(RULE, len(labeled)),
        "kind": arrow.chosen(["half_left_in", "few_units", "within_tolerance"], kinds[labeled]),
    }
    label_schema = pa.schema([(field.name, pa.string()) for field in LABELS])
    return (
        pa.Table.from_batches([arrow.batch(columns, arrow.arrow_schema(TABLES[NAME], COLUMNS))]),
        pa.Table.from_batches([arrow.batch(labels, label_schema)]),
    )


def part_d_plans() -> dict[str, pa.Array]:
    """Columns of `part_d_plans`: every PCN of these BINs belongs to Part D."""
    return {"bin": arrow.padded(np.array(PART_D_BINS), 6)}
