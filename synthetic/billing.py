"""What invoices of large states omit: now and then any line of a product in a quarter, although it has claims."""

from __future__ import annotations

import numpy as np

from engine.settings import SyntheticSettings
from synthetic.calendar import QUARTERS
from synthetic.identifiers import mixed
from synthetic.places import LOCAL_STATES, STATE_CODES
from synthetic.products import Pool
from synthetic.world import World

ONE_IN = 150  # of products, quarters and programs of a large state; its invoices have lines of many other products
_NEVER, _LATE = range(2)


def is_never_billed(
    world: World,
    settings: SyntheticSettings,
    program: np.ndarray,
    state: np.ndarray,
    product: np.ndarray,
    period: np.ndarray,
) -> np.ndarray:
    """Whether no invoice has a federal line of the product for the quarter."""
    plants = settings.violation_rate > 0
    return plants & (_turn(world, program, state, product, period) == _NEVER)


def is_billed_late(
    world: World, program: np.ndarray, state: np.ndarray, product: np.ndarray, period: np.ndarray
) -> np.ndarray:
    """Whether the federal line of the product comes with the next quarter's invoice, as a difference."""
    has_next_invoice = period < len(QUARTERS) - 1
    return has_next_invoice & (_turn(world, program, state, product, period) == _LATE)


def _turn(world: World, program: np.ndarray, state: np.ndarray, product: np.ndarray, period: np.ndarray) -> np.ndarray:
    """_NEVER or _LATE of keys that are chosen; other numbers elsewhere."""
    sizes = (len(STATE_CODES), world.products.count, len(QUARTERS))
    key = ((program * sizes[0] + state) * sizes[1] + product) * sizes[2] + period
    may = np.isin(product, world.products.pools[Pool.ORDINARY]) & np.isin(state, LOCAL_STATES)
    return np.where(may, (mixed(key, world.seed + 2) % np.uint64(ONE_IN)).astype(np.int64), ONE_IN)
