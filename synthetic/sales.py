"""Units sold into a state: a tenth more than Medicaid invoices, of a few products half of it."""

from __future__ import annotations

import zlib
from collections import defaultdict

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from engine.contracts.tables import TABLES
from synthetic import arrow
from synthetic.calendar import QUARTERS
from synthetic.identifiers import mixed
from synthetic.invoices import source_row_ids
from synthetic.kinds import Label
from synthetic.world import World

NAME, RULE = "sales", "R034"
COLUMNS = ("ndc", "state", "period", "units", "source")
ONE_IN = 40  # of products and states: the sales are too low for the invoices
QUARTERS_COMPARED = 4
LEAST_EXCESS = 100_000  # thousandths


def build_sales(world: World, lines: pa.Table, plants_violations: bool) -> tuple[pa.Table, pa.Table]:
    """`sales` (COLUMNS) and the labels of the invoice `lines`. Supplemental lines are excluded: the federal lines count
    their units.
    """
    lines = lines.filter(pc.is_null(lines["rebate_type"]))
    rows = [
        (line["state"], line["ndc"], QUARTERS.index(line["period"]), int(line["units_reimbursed"] * 1_000))
        for line in lines.select(["state", "ndc", "period", "units_reimbursed"]).to_pylist()
    ]
    invoiced: defaultdict[tuple[str, str, int], int] = defaultdict(int)
    for state, ndc, quarter, units in rows:
        invoiced[state, ndc, quarter] += units
    is_short = {key[:2]: plants_violations and _is_short(world, *key[:2]) for key in invoiced}
    sold = {key: units // 2 if is_short[key[:2]] else units + units // 10 for key, units in sorted(invoiced.items())}
    exceeds: dict[Label, list[str]] = {Label.TRUTH: [], Label.LOOK_ALIKE: []}
    for (state, ndc, quarter, units), row_id in zip(rows, source_row_ids(lines).to_pylist(), strict=True):
        compared = [(state, ndc, earlier) for earlier in range(max(0, quarter - QUARTERS_COMPARED + 1), quarter + 1)]
        billed, available = (sum(of_key.get(key, 0) for key in compared) for of_key in (invoiced, sold))
        if is_short[state, ndc] and units > 0:  # a credit cannot exceed the sales
            exceeds[Label.TRUTH if billed > available + LEAST_EXCESS else Label.LOOK_ALIKE].append(row_id)
    keys = list(sold)
    columns = {
        "ndc": pa.array([ndc for _, ndc, _ in keys], pa.string()),
        "state": pa.array([state for state, _, _ in keys], pa.string()),
        "period": pa.array([QUARTERS[quarter] for _, _, quarter in keys], pa.string()),
        "units": arrow.decimals(np.array([*sold.values()], dtype=np.int64), arrow.UNITS),
        "source": arrow.constant("EDI 867", len(keys)),
    }
    labels = [
        pa.table(
            {
                "label": arrow.constant(label.value, len(ids)),
                "source_row_id": pa.array(ids, pa.string()),
                "rule_id": arrow.constant(RULE, len(ids)),
                "kind": arrow.constant("invoice" if label == Label.TRUTH else "few_units", len(ids)),
            }
        )
        for label, ids in exceeds.items()
    ]
    schema = arrow.arrow_schema(TABLES[NAME], COLUMNS)
    return pa.Table.from_batches([arrow.batch(columns, schema)]), pa.concat_tables(labels)


def _is_short(world: World, state: str, ndc: str) -> bool:
    number = np.array([zlib.crc32(f"{state}{ndc}".encode())], dtype=np.int64)
    return int(mixed(number, world.seed)[0]) % ONE_IN == 0
