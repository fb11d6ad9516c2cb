"""Transactions of pharmacies: bills, reversals and rebills of the dispenses of a chunk."""

from __future__ import annotations

from enum import IntEnum

import numpy as np
import pyarrow as pa

from engine.contracts.tables import PHARMACY_CLAIMS
from synthetic import arrow
from synthetic.calendar import MICROSECONDS_PER_DAY
from synthetic.dispenses import Dispenses, Plan
from synthetic.fills import Fills, Reversal
from synthetic.identifiers import generator, mixed
from synthetic.products import UNITS_OF_MEASURE
from synthetic.texts import bin_numbers, ndc_texts, rx_digits, rx_texts
from synthetic.world import World

_NOT_SENT = ("group_id", "pcn")
COLUMNS = tuple(name for name in PHARMACY_CLAIMS.column_names if name not in _NOT_SENT)
SCHEMA = arrow.arrow_schema(PHARMACY_CLAIMS, COLUMNS)
FLAGGED_SHARE = 0.3  # of 340B dispenses; most become 340B only after dispensing

_HOUR = MICROSECONDS_PER_DAY // 24
_TRANSACTIONS = ["B1", "B1", "B2", "B3", "B2"]
_WITHIN_A_DAY = (Reversal.BILLED_AGAIN, Reversal.REVERSED_AGAIN)
_STATUSES = ["P", "C"]
_COST_BASES = ["01", "03", "07", "08"]
_AT_340B = 3
_MINUTE, _MINUTES_APART = MICROSECONDS_PER_DAY // 1_440, 20
_TURN = np.array([0, 0, 1, 2, 3])  # of transactions within a day


class Sent(IntEnum):
    """The kind of a transaction; also the last digit of its source_row_id."""

    BILL = 0
    COMPLETION = 1
    REVERSAL = 2
    REBILL = 3
    SECOND_REVERSAL = 4


def pharmacy_batch(world: World, plan: Plan, chunk: int, d: Dispenses, f: Fills) -> pa.RecordBatch:
    """The transactions of a chunk with COLUMNS of the contract's pharmacy_claims; medical lines have none."""
    rng = generator(plan.seed, "pharmacy_rows", chunk)
    present = np.zeros((len(d.number), len(Sent)), dtype=bool)
    present[:, Sent.BILL] = True
    present[:, Sent.COMPLETION] = f.in_two_parts
    present[:, Sent.REVERSAL] = f.reversal != Reversal.NONE
    present[:, Sent.REBILL] = np.isin(f.reversal, (Reversal.REBILLED, *_WITHIN_A_DAY))
    present[:, Sent.SECOND_REVERSAL] = f.reversal == Reversal.REVERSED_AGAIN
    at, kind = np.nonzero(present & ~d.is_medical[:, None])
    completion, split = kind == Sent.COMPLETION, f.in_two_parts[at]
    units = np.where(completion, f.units[at] - f.first_part[at], np.where(split, f.first_part[at], f.units[at]))
    day = np.where(completion, f.second_day[at], f.day[at])
    sent = _sent(f, at, kind, day, rng)
    flagged = (d.is_340b & (rng.random(len(d.number)) < FLAGGED_SHARE))[at]
    product, digits = d.product[at], rx_digits(world, plan, d)[at]
    is_padded = rng.random(len(at)) < plan.settings.mess.padded_rx_rate
    is_hyphenated = rng.random(len(at)) < plan.settings.mess.hyphenated_ndc_rate
    cost = np.where(flagged, _AT_340B, (rng.random(len(d.number)) * 3).astype(np.int64)[at])
    total = (f.paid + f.paid_by_others)[at]
    rows = len(at)
    transaction = np.where(np.isin(f.reversal[at], _WITHIN_A_DAY) & (kind == Sent.REBILL), Sent.BILL, kind)
    columns = {
        "source_row_id": arrow.joined(arrow.constant("PT", rows), arrow.padded(d.number[at] * 10 + kind, 12)),
        "transaction_code": arrow.chosen(_TRANSACTIONS, transaction),
        "pharmacy_npi": arrow.chosen(world.pharmacies.npi, d.pharmacy[at]),
        "rx_number": rx_texts(digits, is_padded),
        "fill_number": arrow.integers(d.fill[at]),
        "date_of_service": arrow.dates(day),
        "transaction_at": arrow.timestamps(sent),
        "ndc": ndc_texts(world, product, is_hyphenated),
        "quantity": arrow.decimals(units, arrow.UNITS),
        "unit_of_measure": arrow.chosen(UNITS_OF_MEASURE, world.products.unit_type[product]),
        "days_supply": arrow.integers(f.days_supply[at]),
        "bin": arrow.padded(bin_numbers(f.program[at], f.contract[at], d.state[at], f.plan[at]), 6),
        "prescriber_npi": arrow.chosen(world.pharmacies.prescribers, d.prescriber[at]),
        "submission_clarification_codes": arrow.chosen(["20"], np.where(flagged, 0, -1)),
        "basis_of_cost": arrow.chosen(_COST_BASES, cost),
        "other_coverage_code": arrow.chosen(["00", "08"], (f.paid_by_others[at] > 0).astype(np.int64)),
        "dispensing_status": arrow.chosen(_STATUSES, np.where(split, completion.astype(np.int64), -1)),
        "compound_code": arrow.constant("1", rows),
        "ingredient_cost": arrow.decimals(total, arrow.MONEY),
        "amount_paid": arrow.decimals(total, arrow.MONEY),
        "patient_key": arrow.hexadecimal(mixed(d.patient[at], world.seed)),
        "received_at": arrow.timestamps(sent + MICROSECONDS_PER_DAY),
    }
    return arrow.batch(columns, SCHEMA)


def _sent(f: Fills, at: np.ndarray, kind: np.ndarray, day: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Microseconds: billed in working hours, reversed within ten days or after the payer's claim had been received,
    billed again soon after the reversal; or all of it within hours.
    """
    size = len(f.day)
    billed = day * MICROSECONDS_PER_DAY + 9 * _HOUR + (rng.random(size)[at] * 9 * _HOUR).astype(np.int64)
    soon = billed + (1 + rng.integers(0, 10, size)[at]) * MICROSECONDS_PER_DAY
    late = f.received[at] + (5 + rng.integers(0, 15, size)[at]) * MICROSECONDS_PER_DAY
    reversed_at = np.where(f.reversal[at] == Reversal.LATE, late, soon)
    again = reversed_at + _HOUR * (1 + rng.integers(0, 48, size)[at])
    within_a_day = billed + _TURN[kind] * _MINUTES_APART * _MINUTE
    later = np.select([kind == Sent.REVERSAL, kind == Sent.REBILL], [reversed_at, again], billed)
    return np.where(np.isin(f.reversal[at], _WITHIN_A_DAY), within_a_day, later)
