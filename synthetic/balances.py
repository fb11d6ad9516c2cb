"""Purchases at the 340B price compared with the entities' claims; a few drugs are purchased in excess (R049)."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pyarrow as pa

from synthetic import arrow
from synthetic.calendar import QUARTER_STARTS, QUARTERS
from synthetic.entity_claims import EntityRows, source_row_ids
from synthetic.identifiers import mixed
from synthetic.kinds import Label
from synthetic.labels import LABELS
from synthetic.world import World

RULE = "R049"
ONE_IN = 25  # of entities (with their sites) and drugs: bought BOUGHT_TIMES as much as dispensed
BOUGHT_TIMES = 5
QUARTERS_COMPARED = 4
MOST_TIMES_CLAIMED = 1.1
LEAST_EXCESS = 100_000  # thousandths

KEYS = ("parent", "family", "quarter")
SUMS, FIRST, LAST = ("bought", "claimed"), "first_day", "last"
PART_SCHEMA = pa.schema([(name, pa.int64()) for name in (*KEYS, *SUMS, FIRST, LAST)])
EVERY = -1  # family and quarter of the rows that state when a parent's claims begin
_IDS = 10**13  # row numbers are below; `last` is day x _IDS + row number
_NEVER = int(QUARTER_STARTS[-1]) + 1_000


def hoards(world: World, entity: np.ndarray, product: np.ndarray) -> np.ndarray:
    """Whether the entity's system buys too much of the drug. Systems that change within the quarters never do."""
    key = world.entities.parent[entity] * world.products.count + world.products.family[product]
    changes = np.concatenate([world.entities.movers, world.entities.parent_for_a_time])
    stays = ~np.isin(world.entities.parent[entity], changes)
    return stays & (mixed(key, world.seed) % np.uint64(ONE_IN) == 0)


def times_bought(world: World, totals: pa.RecordBatch, plants_violations: bool) -> np.ndarray:
    """How many times the dispensed units each summed purchase is."""
    entity, product = (totals.column(name).to_numpy() for name in ("entity", "product"))
    return np.where(plants_violations & hoards(world, entity, product), BOUGHT_TIMES, 1)


def balance_parts(world: World, r: EntityRows, bought: pa.RecordBatch) -> pa.RecordBatch:
    """The rows of a chunk to add up (PART_SCHEMA): one per claim or purchase of a hoarded drug, and one with the first
    day of each parent's claims. `bought`: the chunk's purchases.
    """
    parent, family = world.entities.parent, world.products.family
    live = np.flatnonzero(r.is_live)
    entity, product, quarter, units = (bought.column(name).to_numpy() for name in bought.schema.names)
    claimed_at = live[hoards(world, r.entity[live], r.product[live])]
    bought_at = np.flatnonzero(hoards(world, entity, product))
    every, nothing = np.full(len(live), EVERY), np.zeros(len(live), dtype=np.int64)
    parts = (
        (parent[r.entity[live]], every, every, nothing, nothing, r.day[live], nothing),
        (
            parent[r.entity[claimed_at]],
            family[r.product[claimed_at]],
            np.searchsorted(QUARTER_STARTS, r.day[claimed_at], side="right") - 1,
            nothing[: len(claimed_at)],
            r.quantity[claimed_at],
            r.day[claimed_at],
            r.day[claimed_at] * _IDS + r.number[claimed_at] * 10 + r.kind[claimed_at],
        ),
        (
            parent[entity[bought_at]],
            family[product[bought_at]],
            quarter[bought_at],
            units[bought_at] * BOUGHT_TIMES,
            np.zeros(len(bought_at), dtype=np.int64),
            np.full(len(bought_at), _NEVER),
            np.zeros(len(bought_at), dtype=np.int64),
        ),
    )
    columns = [np.concatenate(column).astype(np.int64) for column in zip(*parts, strict=True)]
    return pa.RecordBatch.from_arrays([pa.array(column) for column in columns], schema=PART_SCHEMA)


def balance_labels(totals: pa.Table) -> pa.Table:
    """LABELS of the last claim of each quarter, from summed parts: more was bought than claimed over four quarters, or
    a reason not to report it: the claims begin later than the purchases, or the surplus is small.
    """
    rows = totals.select(PART_SCHEMA.names).to_pylist()
    begin = {row["parent"]: row[FIRST] for row in rows if row["family"] == EVERY}
    of_quarter: defaultdict[tuple[int, int, int], dict[str, int]] = defaultdict(lambda: dict.fromkeys(SUMS, 0))
    of_quarter.update({tuple(row[key] for key in KEYS): row for row in rows if row["family"] != EVERY})
    results = []
    for (parent, family, quarter), row in sorted(of_quarter.items()):
        if row[LAST] == 0 or quarter >= len(QUARTERS):
            continue
        compared = [(parent, family, quarter - ago) for ago in range(QUARTERS_COMPARED)]
        bought, claimed = (sum(of_quarter.get(key, {}).get(name, 0) for key in compared) for name in SUMS)
        second = quarter - QUARTERS_COMPARED + 2
        if bought <= claimed * MOST_TIMES_CLAIMED or bought - claimed <= LEAST_EXCESS:
            label, kind = Label.LOOK_ALIKE, "little_in_stock"
        elif second < 0 or begin[parent] >= QUARTER_STARTS[second]:
            label, kind = Label.LOOK_ALIKE, "claims_begin_later"
        else:
            label, kind = Label.TRUTH, "bought_too_much"
        results.append((label.value, row[LAST] % _IDS, kind))
    labels, ids, kinds = zip(*results, strict=True) if results else ((), (), ())
    numbers = np.array(ids, dtype=np.int64)
    columns = {
        "label": pa.array(labels, pa.string()),
        "source_row_id": source_row_ids(numbers // 10, numbers % 10),
        "rule_id": arrow.constant(RULE, len(results)),
        "kind": pa.array(kinds, pa.string()),
    }
    return pa.Table.from_batches([arrow.batch(columns, pa.schema([(field.name, pa.string()) for field in LABELS]))])
