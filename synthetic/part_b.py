"""Medicare Part B lines of drugs that an entity administered and reports as 340B, with or without the 340B modifier."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from engine.contracts.tables import TABLES
from synthetic import arrow
from synthetic.dispenses import Dispenses
from synthetic.fills import Fills
from synthetic.kinds import Twist
from synthetic.planning import has
from synthetic.texts import hcpcs_codes
from synthetic.world import World

NAME = "part_b_lines"
COLUMNS = ("source_row_id", "provider_npi", "date_of_service", "hcpcs_code", "ndc", "modifiers")
SCHEMA = arrow.arrow_schema(TABLES[NAME], COLUMNS)
_UNMARKED, _MARKED = [None, "JW", "RT|JZ"], ["TB", "JG", "JZ|TB"]


def part_b_batch(world: World, d: Dispenses, f: Fills) -> pa.RecordBatch:
    """The lines of a chunk, one for each dispense with a planned line; two of three state the NDC."""
    at = np.flatnonzero(has(d.scenario, Twist.PART_B_UNMARKED, Twist.PART_B_MARKED))
    number, product = d.number[at], d.product[at]
    is_marked = has(d.scenario[at], Twist.PART_B_MARKED)
    columns = {
        "source_row_id": arrow.joined(arrow.constant("PB", len(at)), arrow.padded(number, 12)),
        "provider_npi": arrow.chosen(world.pharmacies.npi, d.pharmacy[at]),
        "date_of_service": arrow.dates(f.day[at]),
        "hcpcs_code": hcpcs_codes(world.products.hcpcs_number[product]),
        "ndc": arrow.chosen(world.products.ndc, np.where(number % 3 == 0, -1, product)),
        "modifiers": arrow.chosen([*_UNMARKED, *_MARKED], number % 3 + len(_UNMARKED) * is_marked),
    }
    return arrow.batch(columns, SCHEMA)
