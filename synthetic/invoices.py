"""State invoices (CMS-R-144 lines): sums of the live Medicaid claims, some of them altered on purpose."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from engine.contracts.tables import INVOICES
from synthetic import arrow, settlements
from synthetic.billing import is_billed_late
from synthetic.calendar import QUARTER_STARTS, QUARTERS, quarter_end
from synthetic.fills import cents
from synthetic.identifiers import mixed
from synthetic.kinds import Label
from synthetic.payers import FFS, MCO, PROGRAMS
from synthetic.places import STATE_CODES, state_index
from synthetic.products import LABELER_SOLD, NO_DAY, Pool
from synthetic.rebate_rows import SUB_PROGRAMS, RebateRows, Row
from synthetic.world import World

KEYS = ("line", "program", "state", "product", "period")
SUMS = ("units", "paid", "paid_by_others", "prescriptions")
PART_SCHEMA = pa.schema([(name, pa.int64()) for name in (*KEYS, *SUMS)])

_NOT_SENT = ("suppressed",)
COLUMNS = tuple(name for name in INVOICES.column_names if name not in _NOT_SENT)
SCHEMA = arrow.arrow_schema(INVOICES, COLUMNS)

# Lines: of all federal units, of supplemental rebates, or of one sub-program if the state invoices each separately.
EVERY, SUPPLEMENTAL, OF_SUB_PROGRAM = 0, 1, 2
LINES = OF_SUB_PROGRAM + len(SUB_PROGRAMS)
BY_SUB_PROGRAM = ("KY", "MA")
_FEDERAL_PROGRAMS = SUB_PROGRAMS.index("CHIP_SEPARATE")  # those before it

LINE_KINDS = ("CURRENT", "PRIOR_DELTA")
SUPPLEMENTAL_PART = 10  # of the URA: one of so many
TERMINATED_DAYS = 365

# Altered lines are of products that many states invoice, so that they have enough peers.
LEAST_PEERS = 40
ALTERED_RULES = ("R035", "R036", "R037", "R038", "R053")
LEAST_ALTERED = 6
FACTOR = 20  # prescriptions of altered lines
LEAST_QUARTERS = 5  # that a line must have before one of them can be an outlier
GREW_LESS = (2.0, 2.9)  # times the line's own median: above it, but below the rule's limit
LEAST_ADDED_SHARE = 0.3  # of the prescriptions, for lines that bill more than the claims support
LEAST_TAKEN_BACK = 2  # surplus prescriptions, if the next invoice credits all or half of them
LEAST_CORRECTED = 3  # prescriptions of a line, if a part of it comes with the next invoice
PARTS_CORRECTED = 3
DAYS_TO_CREDIT = 25  # after the quarter: before claims and lines come
LITTLE_MORE = 4  # thousandths of the units: less than sums may differ by


@dataclass(frozen=True)
class Invoices:
    """Lines (COLUMNS), the truth about them as labels, and settlements that name no claim."""

    lines: pa.Table
    labels: pa.Table
    settlements: pa.Table


@dataclass(frozen=True)
class Chosen:
    """Lines that are not plain sums of claims: positions in the table of lines, of each kind."""

    altered: dict[str, np.ndarray]  # by the rule that must find them
    little_more: np.ndarray
    taken_back: np.ndarray  # more than the claims support, and the next invoice credits all of that
    half_taken_back: np.ndarray  # and the next invoice credits half of that
    corrected: np.ndarray  # a part comes with the next invoice
    credited: np.ndarray


def invoice_parts(world: World, r: RebateRows) -> pa.RecordBatch:
    """Sums over the live Medicaid rows of a chunk, one row per KEYS.

    Supplemental rebates have lines of their own, sub-programs in some states. The second part of a fill in two
    parts does not count as a prescription, and neither do units that a later row reverses.
    """
    counted = np.flatnonzero(r.is_invoiced)
    apart = np.isin(r.state, [state_index(code) for code in BY_SUB_PROGRAM])
    line = np.where(apart, OF_SUB_PROGRAM + r.sub_program, EVERY)
    line = np.where(r.kind == Row.SUPPLEMENTAL, SUPPLEMENTAL, line)
    sizes = (LINES, len(PROGRAMS), len(STATE_CODES), world.products.count, len(QUARTERS))
    keys = np.ravel_multi_index(tuple(a[counted] for a in (line, r.program, r.state, r.product, r.period)), sizes)
    groups, inverse = np.unique(keys, return_inverse=True)
    values = (r.units, r.paid, r.paid_by_others, (~np.isin(r.kind, (Row.COMPLETION, Row.FURTHER))).astype(np.int64))
    sums = [np.zeros(len(groups), dtype=np.int64) for _ in values]
    for total, value in zip(sums, values, strict=True):
        np.add.at(total, inverse, value[counted])
    columns = [*np.unravel_index(groups, sizes), *sums]
    return pa.RecordBatch.from_arrays([pa.array(column.astype(np.int64)) for column in columns], schema=PART_SCHEMA)


def build_invoices(world: World, totals: pa.Table, violation_rate: float) -> Invoices:
    """Invoice lines from summed parts, with their labels and settlements."""
    lines = {name: totals.column(name).to_numpy().astype(np.int64) for name in PART_SCHEMA.names}
    order = np.lexsort([lines[name] for name in reversed(KEYS)])
    lines = {name: values[order] for name, values in lines.items()}
    is_late = (lines["line"] != SUPPLEMENTAL) & is_billed_late(world, *(lines[name] for name in KEYS[1:]))
    lines["kind"] = np.where(is_late, LINE_KINDS.index("PRIOR_DELTA"), LINE_KINDS.index("CURRENT"))
    chosen = _chosen(world, lines, violation_rate)
    altered, little_more, credited = chosen.altered, chosen.little_more, chosen.credited
    lines = _with_alterations(world, lines, altered)
    lines["units"][little_more] += lines["units"][little_more] * LITTLE_MORE // 1_000
    lines, deltas = _with_deltas(lines, chosen.corrected)
    lines = _with_surplus_taken_back(world, lines, chosen.taken_back, chosen.half_taken_back)
    table = _table(world, lines, altered)
    ids = source_row_ids(table)
    # differences below zero are of ordinary products: none of these rules is about them
    by_product = {
        "R022": np.flatnonzero(_is_long_terminated(world, lines)),
        "R025": np.flatnonzero(np.isin(lines["product"], world.products.pools[Pool.UNKNOWN])),
        "R058": np.flatnonzero(lines["line"] >= OF_SUB_PROGRAM + _FEDERAL_PROGRAMS),
        "R026": np.flatnonzero(np.isin(lines["product"], world.products.pools[Pool.EXCLUDED])),
        "R027": np.flatnonzero(
            np.isin(lines["product"], world.products.pools[Pool.SOLD])
            & (QUARTER_STARTS[lines["period"]] >= LABELER_SOLD)
        ),
    }
    # no claims support the added units of a grown line
    violations = (
        by_product | {f"altered {rule}": rows for rule, rows in altered.items()} | {"grown R038": altered["R037"]}
    )
    labels = [_labels(ids, rows, name[-4:], Label.TRUTH, "invoice") for name, rows in violations.items()]
    labels.append(_labels(ids, little_more, "R038", Label.LOOK_ALIKE, "little_more"))
    labels.append(_labels(ids, deltas, "R038", Label.LOOK_ALIKE, "prior_delta"))
    labels.append(_labels(ids, chosen.taken_back, "R038", Label.LOOK_ALIKE, "surplus_taken_back"))
    labels.append(_labels(ids, chosen.half_taken_back, "R038", Label.TRUTH, "surplus_half_taken_back"))
    labels.append(_labels(ids, credited, "R059", Label.TRUTH, "line_credited"))
    if violation_rate:
        grown_less = _grown_less(lines, altered["R037"])
        labels.append(_labels(ids, grown_less, "R037", Label.LOOK_ALIKE, "grown_less"))
    return Invoices(table, pa.concat_tables(labels), line_settlements(world, lines, credited))


def _labels(ids: pa.Array, rows: np.ndarray, rule: str, label: Label, kind: str) -> pa.Table:
    columns = {
        "label": arrow.constant(label.value, len(rows)),
        "source_row_id": ids.take(pa.array(rows)),
        "rule_id": arrow.constant(rule, len(rows)),
        "kind": arrow.constant(kind, len(rows)),
    }
    return pa.table(columns)


def _chosen(world: World, lines: dict[str, np.ndarray], rate: float) -> Chosen:
    """The lines that each rule must flag, as many that R038 must not flag, and half as many of every other kind.

    They are chosen by hash of the line's key, at most one per program, state and product, so that the line's other
    quarters remain usual.
    """
    ordinary = np.isin(lines["product"], world.products.pools[Pool.ORDINARY]) & (lines["prescriptions"] > 0)
    ordinary &= (lines["line"] == EVERY) & (lines["kind"] == LINE_KINDS.index("CURRENT"))
    group = lines["program"] * world.products.count + lines["product"]
    eligible = np.flatnonzero(ordinary & (np.bincount(group)[group] >= LEAST_PEERS))
    key = np.stack([lines[name] for name in KEYS], axis=1) @ np.array([10**12, 10**9, 10**7, 10**2, 1])
    by_hash = eligible[np.argsort(mixed(key[eligible], world.seed), kind="stable")]
    _, first = np.unique(key[by_hash] // 100, return_index=True)
    by_hash = by_hash[np.sort(first)]
    wanted = max(LEAST_ALTERED, round(rate * len(group))) if rate else 0
    wanted = min(wanted, len(by_hash) // (2 * len(ALTERED_RULES)))
    quarters, median = _own_quarters(lines)
    can_be_outlier = (quarters >= LEAST_QUARTERS) & (lines["units"] >= median)
    grown = by_hash[can_be_outlier[by_hash]][:wanted]
    by_hash = by_hash[~np.isin(by_hash, grown)]
    other_rules = [rule for rule in ALTERED_RULES if rule != "R037"]
    altered = {"R037": grown} | {rule: by_hash[i * wanted : (i + 1) * wanted] for i, rule in enumerate(other_rules)}
    others = by_hash[len(other_rules) * wanted :]
    little_more, others = others[:wanted], others[wanted:]
    has_next_invoice = lines["period"] < len(QUARTERS) - 1
    few = wanted // 2
    can_be_corrected = has_next_invoice & (lines["prescriptions"] >= LEAST_CORRECTED)
    corrected = others[can_be_corrected[others]][:few]
    others = others[~np.isin(others, corrected)]
    credited, others = others[:few], others[few:]
    back = others[has_next_invoice[others]]
    return Chosen(altered, little_more, back[:few], back[few : 2 * few], corrected, credited)


def _own_quarters(lines: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Of each line's program, state and product up to its quarter: number of quarters, median of their units."""
    sizes = [int(lines[name].max(initial=0)) + 1 for name in KEYS[:-1]]
    _, group = np.unique(np.ravel_multi_index([lines[name] for name in KEYS[:-1]], sizes), return_inverse=True)
    period = lines[KEYS[-1]]
    units = np.full((group.max(initial=-1) + 1, period.max(initial=-1) + 1), np.nan)
    units[group, period] = lines["units"]
    quarters = np.cumsum(~np.isnan(units), axis=1)
    median = np.full(units.shape, np.nan)
    for last in range(units.shape[1]):
        begun = quarters[:, last] > 0
        median[begun, last] = np.nanmedian(units[begun, : last + 1], axis=1)
    return quarters[group, period], median[group, period]


def _grown_less(lines: dict[str, np.ndarray], grown: np.ndarray) -> np.ndarray:
    """Lines well above their own median, but less than the rule flags; at most as many as `grown`. Only lines without
    differences, because these count among a line's quarters.
    """
    quarters, median = _own_quarters(lines)
    times = lines["units"] / np.maximum(median, 1)
    low, high = GREW_LESS
    key = np.stack([lines[name] for name in KEYS[:-1]], axis=1) @ np.array([10**10, 10**7, 10**5, 1])
    is_plain = ~np.isin(key, key[lines["kind"] != LINE_KINDS.index("CURRENT")])
    selected = np.flatnonzero(is_plain & (quarters >= LEAST_QUARTERS) & (times >= low) & (times <= high))
    return selected[: len(grown)]


def _with_alterations(
    world: World, lines: dict[str, np.ndarray], altered: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Lines with too many prescriptions (R035), a hundredth of the payment (R036), many times the units of other
    quarters (R037) or more prescriptions than the claims support (R038); each is otherwise consistent.
    """
    lines = {name: values.copy() for name, values in lines.items()}
    few = altered["R035"]
    lines["prescriptions"][few] *= FACTOR
    cheap = altered["R036"]
    lines["paid"][cheap] //= 100
    lines["paid_by_others"][cheap] //= 100
    for name in SUMS:
        lines[name][altered["R037"]] *= FACTOR
    _add_prescriptions(world, lines, altered["R038"], least=1)
    return lines


def _add_prescriptions(
    world: World, lines: dict[str, np.ndarray], more: np.ndarray, least: int
) -> dict[str, np.ndarray]:
    """Adds whole prescriptions, at their usual units and payment, to the lines `more`, in place; SUMS of what was
    added.
    """
    before = lines["prescriptions"][more]
    added = np.maximum(least, np.ceil(before * LEAST_ADDED_SHARE).astype(np.int64))
    surplus = {"units": added * world.products.fill[lines["product"][more]], "prescriptions": added}
    surplus |= {name: lines[name][more] * added // before for name in ("paid", "paid_by_others")}
    for name in SUMS:
        lines[name][more] += surplus[name]
    return surplus


def _with_surplus_taken_back(
    world: World, lines: dict[str, np.ndarray], entirely: np.ndarray, by_half: np.ndarray
) -> dict[str, np.ndarray]:
    """Lines with more prescriptions than the claims support, and negative differences for them, appended."""
    at = np.concatenate([entirely, by_half])
    surplus = _add_prescriptions(world, lines, at, least=LEAST_TAKEN_BACK)
    added = surplus["prescriptions"]
    taken = np.where(np.arange(len(at)) < len(entirely), added, added // 2)
    back = {name: values[at] for name, values in lines.items()}
    back |= {name: -(surplus[name] * taken // added) for name in SUMS}
    back["kind"] = np.full(len(at), LINE_KINDS.index("PRIOR_DELTA"))
    return {name: np.concatenate([values, back[name]]) for name, values in lines.items()}


def _with_deltas(lines: dict[str, np.ndarray], corrected: np.ndarray) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Moves a part of the corrected lines to separate lines, which are appended (second result)."""
    count = len(lines["units"])
    lines = {name: np.concatenate([values, values[corrected]]) for name, values in lines.items()}
    deltas = np.arange(count, len(lines["units"]))
    prescriptions = lines["prescriptions"][corrected]
    for name in ("units", "paid", "paid_by_others"):
        part = lines[name][corrected] * (prescriptions // PARTS_CORRECTED) // prescriptions
        lines[name][deltas] = part
        lines[name][corrected] -= part
    lines["prescriptions"][deltas] = prescriptions // PARTS_CORRECTED
    lines["prescriptions"][corrected] -= lines["prescriptions"][deltas]
    lines["kind"][deltas] = LINE_KINDS.index("PRIOR_DELTA")
    return lines, deltas


def line_settlements(world: World, lines: dict[str, np.ndarray], credited: np.ndarray) -> pa.Table:
    """Credits of half of a line (at least one unit, at most the line) that name no claim, dated after its quarter and
    before its receipt.
    """
    settled = {name: lines[name][credited] for name in (*KEYS, "units")}
    half = np.maximum(settled["units"] // 2_000 * 1_000, 1_000)
    units, product, period = np.minimum(half, settled["units"]), settled["product"], settled["period"]
    columns = {
        "program": arrow.chosen([program.value for program in PROGRAMS], settled["program"]),
        "state": arrow.chosen(STATE_CODES, settled["state"]),
        "ndc": arrow.chosen(world.products.ndc, product),
        "period": arrow.chosen(QUARTERS, period),
        "settled_on": arrow.dates(quarter_end(period) + DAYS_TO_CREDIT),
        "kind": arrow.constant("STATE_CREDIT", len(product)),
        "units": arrow.decimals(units, arrow.UNITS),
        "amount": arrow.decimals(cents(units, world.products.ura[product, period]), arrow.MONEY),
        "claim_id": pa.nulls(len(product), pa.string()),
        "claim_line": pa.nulls(len(product), pa.int64()),
        "settlement_id": arrow.joined(arrow.constant("SL", len(product)), arrow.padded(credited, 12)),
    }
    return pa.Table.from_batches([arrow.batch(columns, settlements.SCHEMA)])


def _is_long_terminated(world: World, lines: dict[str, np.ndarray]) -> np.ndarray:
    """Lines whose quarter begins more than a year after the product's termination, without reactivation."""
    terminated = world.products.termination_day[lines["product"]]
    reactivated = world.products.reactivation_day[lines["product"]] != NO_DAY
    late = QUARTER_STARTS[lines["period"]] > np.maximum(terminated, 0) + TERMINATED_DAYS
    return (terminated != NO_DAY) & late & ~reactivated


def _table(world: World, lines: dict[str, np.ndarray], altered: dict[str, np.ndarray]) -> pa.Table:
    products, product, period = world.products, lines["product"], lines["period"]
    rows = len(product)
    ura = products.ura[product, period]
    ura = np.where(lines["line"] == SUPPLEMENTAL, ura // SUPPLEMENTAL_PART, ura)
    invoiced_in = period + lines["kind"]
    rebate = np.sign(lines["units"]) * cents(np.abs(lines["units"]), ura)
    total = lines["paid"] + lines["paid_by_others"]
    wrong_rebate, wrong_total = altered["R053"][::2], altered["R053"][1::2]
    rebate[wrong_rebate] += 100 + rebate[wrong_rebate] // 20
    total[wrong_total] += 50 + total[wrong_total] // 100
    state = arrow.chosen(STATE_CODES, lines["state"])
    quarter, of_invoice = (arrow.chosen(list(QUARTERS), index) for index in (period, invoiced_in))
    record = arrow.chosen(["FFSU", "MCOU"], lines["program"])
    labeler = arrow.chosen(products.labeler, product)
    by_sub_program = lines["line"] >= OF_SUB_PROGRAM
    sent = quarter_end(invoiced_in) + 40 + (lines["state"] * 3 + lines["program"]) % 15
    columns = {
        "program": arrow.chosen([PROGRAMS[FFS].value, PROGRAMS[MCO].value], lines["program"]),
        "state": state,
        "ndc": arrow.chosen(products.ndc, product),
        "period": quarter,
        "invoice_number": _with_hyphens(state, record, of_invoice, labeler),
        "sub_program": arrow.chosen(SUB_PROGRAMS, np.where(by_sub_program, lines["line"] - OF_SUB_PROGRAM, -1)),
        "rebate_type": arrow.chosen(["SUPPLEMENTAL"], np.where(lines["line"] == SUPPLEMENTAL, 0, -1)),
        "line_kind": arrow.chosen(LINE_KINDS, lines["kind"]),
        "source_kind": arrow.constant("INVOICE", rows),
        "product_name": arrow.chosen([name[:10] for name in products.name], product),
        "unit_rebate_amount": arrow.decimals(ura, arrow.UNIT_PRICE),
        "units_reimbursed": arrow.decimals(lines["units"], arrow.UNITS),
        "rebate_amount": arrow.decimals(rebate, arrow.MONEY),
        "prescriptions": arrow.integers(lines["prescriptions"]),
        "medicaid_amount": arrow.decimals(lines["paid"], arrow.MONEY),
        "non_medicaid_amount": arrow.decimals(lines["paid_by_others"], arrow.MONEY),
        "total_amount": arrow.decimals(total, arrow.MONEY),
        "postmark_date": arrow.dates(sent),
        "received_date": arrow.dates(sent + 2),
    }
    return pa.Table.from_batches([arrow.batch(columns, SCHEMA)])


def _with_hyphens(*parts: pa.Array) -> pa.Array:
    text = parts[0]
    for part in parts[1:]:
        text = arrow.joined(text, arrow.constant("-", len(part)), part)
    return text


def source_row_ids(table: pa.Table) -> pa.Array:
    """`program/state/ndc11/period/invoice_number/line_kind`, with sub-program and rebate type, if any."""
    names = ("program", "state", "ndc", "period", "invoice_number", "line_kind")
    parts = [table.column(name).combine_chunks() for name in names]
    text = parts[0]
    for part in parts[1:]:
        text = arrow.joined(text, arrow.constant("/", len(part)), part)
    for name in ("sub_program", "rebate_type"):
        part = table.column(name).combine_chunks()
        more = arrow.joined(text, arrow.constant("/", len(part)), part)
        text = pc.coalesce(more, text)
    return text
