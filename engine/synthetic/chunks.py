"""One table's rows of one chunk, each made from nothing but the world, the plan and the chunk's number."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa

from engine.synthetic import entity_claims, invoices, pharmacy_claims, rebate_claims
from engine.synthetic.dispenses import Plan, draw_dispenses
from engine.synthetic.fills import draw_fills
from engine.synthetic.labels import label_batch
from engine.synthetic.rebate_rows import draw_rebate_rows
from engine.synthetic.world import World

Maker = Callable[[World, Plan, int], pa.RecordBatch]


def rebate_claim_rows(world: World, plan: Plan, chunk: int) -> pa.RecordBatch:
    d = draw_dispenses(world, plan, chunk)
    f = draw_fills(world, plan, chunk, d)
    return rebate_claims.rebate_batch(world, plan, chunk, d, f, draw_rebate_rows(world, plan, chunk, d, f))


def pharmacy_claim_rows(world: World, plan: Plan, chunk: int) -> pa.RecordBatch:
    d = draw_dispenses(world, plan, chunk)
    return pharmacy_claims.pharmacy_batch(world, plan, chunk, d, draw_fills(world, plan, chunk, d))


def entity_claim_rows(world: World, plan: Plan, chunk: int) -> pa.RecordBatch:
    d = draw_dispenses(world, plan, chunk)
    f = draw_fills(world, plan, chunk, d)
    record = entity_claims.draw_entity_record(world, plan, chunk, d, f)
    return entity_claims.entity_batch(world, plan, chunk, d, f, record)


def purchase_rows(world: World, plan: Plan, chunk: int) -> pa.RecordBatch:
    d = draw_dispenses(world, plan, chunk)
    f = draw_fills(world, plan, chunk, d)
    return entity_claims.purchases(d, f, entity_claims.draw_entity_record(world, plan, chunk, d, f))


def invoice_part_rows(world: World, plan: Plan, chunk: int) -> pa.RecordBatch:
    d = draw_dispenses(world, plan, chunk)
    rows = draw_rebate_rows(world, plan, chunk, d, draw_fills(world, plan, chunk, d))
    return invoices.invoice_parts(world, d.product[rows.at], rows)


def label_rows(world: World, plan: Plan, chunk: int) -> pa.RecordBatch:
    d = draw_dispenses(world, plan, chunk)
    return label_batch(plan, chunk, d, draw_fills(world, plan, chunk, d))
