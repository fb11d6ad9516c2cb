"""The rows of one table in one chunk, which depend only on the world, the plan and the chunk's number."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import pyarrow as pa

from synthetic import (
    balances,
    entity_claims,
    inflation,
    invoices,
    part_b,
    pharmacy_claims,
    policies,
    rebate_claims,
    settlements,
)
from synthetic.dispenses import Dispenses, Plan, draw_dispenses
from synthetic.entity_claims import EntityRows
from synthetic.fills import Fills, draw_fills
from synthetic.labels import label_batch
from synthetic.link_truth import link_truth_batch
from synthetic.mess import Mess, draw_mess
from synthetic.rebate_rows import RebateRows, draw_rebate_rows
from synthetic.strangers import Strangers, draw_strangers
from synthetic.world import World

Maker = Callable[[World, Plan, int], pa.RecordBatch]


class Chunk:
    """What is drawn for one chunk, each part at its first use."""

    def __init__(self, world: World, plan: Plan, number: int):
        self.of = (world, plan, number)

    @cached_property
    def dispenses(self) -> Dispenses:
        """What was dispensed, before anything is billed."""
        return draw_dispenses(*self.of)

    @cached_property
    def fills(self) -> Fills:
        """How each dispense is billed, reversed and billed again."""
        return draw_fills(*self.of, self.dispenses)

    @cached_property
    def mess(self) -> Mess:
        """How each side distorts what it reports."""
        return draw_mess(*self.of, self.dispenses, self.fills)

    @cached_property
    def strangers(self) -> Strangers:
        """Claims of other people that nearly match one of the chunk."""
        return draw_strangers(*self.of, self.dispenses, self.fills, self.mess)

    @cached_property
    def rebate_rows(self) -> RebateRows:
        """The rows that payers send: originals, adjustments, voids and copies."""
        return draw_rebate_rows(*self.of, self.dispenses, self.fills, self.strangers)

    @cached_property
    def entity_rows(self) -> EntityRows:
        """The rows that covered entities send."""
        return entity_claims.entity_rows(self.dispenses, self.fills, self.mess, self.strangers)

    @cached_property
    def purchases(self) -> pa.RecordBatch:
        """Purchases at 340B prices that cover the entities' claims."""
        return entity_claims.purchases(self.dispenses, self.fills, self.mess, self.strangers)


def rebate_claim_rows(world: World, plan: Plan, chunk: int) -> pa.RecordBatch:
    """Rows of `rebate_claims`."""
    c = Chunk(world, plan, chunk)
    return rebate_claims.rebate_batch(*c.of, c.dispenses, c.fills, c.mess, c.strangers, c.rebate_rows)


def pharmacy_claim_rows(world: World, plan: Plan, chunk: int) -> pa.RecordBatch:
    """Rows of `pharmacy_claims`."""
    c = Chunk(world, plan, chunk)
    return pharmacy_claims.pharmacy_batch(*c.of, c.dispenses, c.fills)


def entity_claim_rows(world: World, plan: Plan, chunk: int) -> pa.RecordBatch:
    """Rows of the 340B claims, some with wrong provider numbers."""
    c = Chunk(world, plan, chunk)
    batch = entity_claims.entity_batch(*c.of, c.dispenses, c.fills, c.mess, c.strangers, c.entity_rows)
    return policies.with_wrong_numbers(world, plan, batch, c.dispenses, c.fills)


def purchase_rows(world: World, plan: Plan, chunk: int) -> pa.RecordBatch:
    """Rows of the 340B purchases."""
    return Chunk(world, plan, chunk).purchases


def balance_part_rows(world: World, plan: Plan, chunk: int) -> pa.RecordBatch:
    """Units claimed and bought in this chunk by entity and product, to be summed over chunks."""
    c = Chunk(world, plan, chunk)
    return balances.balance_parts(world, c.entity_rows, c.purchases)


def inflation_part_rows(world: World, plan: Plan, chunk: int) -> pa.RecordBatch:
    """Units of this chunk by product and quarter for inflation rebates, to be summed over chunks."""
    c = Chunk(world, plan, chunk)
    return inflation.inflation_parts(c.dispenses, c.fills, c.entity_rows)


def part_b_rows(world: World, plan: Plan, chunk: int) -> pa.RecordBatch:
    """Rows of Medicare Part B claims."""
    c = Chunk(world, plan, chunk)
    return part_b.part_b_batch(world, c.dispenses, c.fills)


def settlement_rows(world: World, plan: Plan, chunk: int) -> pa.RecordBatch:
    """Rows of earlier settlements of this chunk's claims."""
    c = Chunk(world, plan, chunk)
    return settlements.settlement_batch(world, c.dispenses, c.rebate_rows)


def invoice_part_rows(world: World, plan: Plan, chunk: int) -> pa.RecordBatch:
    """Units of this chunk by invoice line, to be summed over chunks."""
    return invoices.invoice_parts(world, Chunk(world, plan, chunk).rebate_rows)


def label_rows(world: World, plan: Plan, chunk: int) -> pa.RecordBatch:
    """The truth about planted cases: one row per case and claim."""
    c = Chunk(world, plan, chunk)
    return label_batch(*c.of, c.dispenses, c.fills, c.rebate_rows)


def policy_label_rows(world: World, plan: Plan, chunk: int) -> pa.RecordBatch:
    """The truth about entities' claims that break a manufacturer's policy."""
    return policies.policy_labels(world, entity_claim_rows(world, plan, chunk))


def link_truth_rows(world: World, plan: Plan, chunk: int) -> pa.RecordBatch:
    """The truth about links: pairs of rebate and 340B claims of one dispense."""
    c = Chunk(world, plan, chunk)
    return link_truth_batch(c.dispenses, c.fills, c.mess, c.strangers, c.rebate_rows)
