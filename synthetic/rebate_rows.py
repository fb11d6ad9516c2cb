"""What payers bill for the dispenses of a chunk, with everything they send twice or reverse, as numpy columns."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from synthetic.billing import is_billed_late, is_never_billed
from synthetic.calendar import MICROSECONDS_PER_DAY, QUARTER_STARTS, QUARTERS, quarter_of
from synthetic.dispenses import Dispenses, Plan
from synthetic.fills import AFTER_VOID, Fills, Lineage, cents
from synthetic.identifiers import generator
from synthetic.kinds import Twist
from synthetic.payers import FFS, MCO, MFP
from synthetic.places import STATE_CODES
from synthetic.planning import has
from synthetic.strangers import Strangers
from synthetic.world import World

ORIGINAL, ADJUSTMENT, VOID = range(3)
SUB_PROGRAMS = ("XIX", "EXPANSION", "CHIP_MEDICAID", "CHIP_SEPARATE", "STATE_ONLY")
_CHIP_MEDICAID = SUB_PROGRAMS.index("CHIP_MEDICAID")
DAYS_TO_NEXT_INVOICE = 91
DAYS_TO_LAST_ROW = 6
_AFTER_OTHERS = (Twist.MEDICAID_AFTER_OTHERS, Twist.AFTER_OTHERS)
BILLED_TWICE = (
    *(Twist.SAME_PERIOD, Twist.OTHER_PROGRAM, Twist.OTHER_STATE, Twist.OTHER_PERIOD),
    *(Twist.SECOND_ICN, Twist.ICN_NAMED, Twist.MEDICAID_TOO, *_AFTER_OTHERS),
    *AFTER_VOID,
)
_OTHER_PROGRAM = (Twist.OTHER_PROGRAM, Twist.OTHER_PROGRAM_AFTER_VOID)
_OTHER_STATE = (Twist.OTHER_STATE, Twist.OTHER_STATE_AFTER_VOID)
_OTHER_PERIOD = (Twist.OTHER_PERIOD, Twist.OTHER_PERIOD_AFTER_VOID)
_TAKEN_BACK = (Twist.TAKEN_BACK, Twist.PART_TAKEN_BACK)
PARTS_TAKEN_BACK = 3  # one third of the units is reversed
# Periods before the first quarter, whose invoices are not generated.
OLD_PERIODS = (Twist.PERIOD_BARRED, Twist.PERIOD_OLD)


class Row(IntEnum):
    """The kind of a row; also the last digit of its source_row_id."""

    CLAIM = 0
    ADJUSTED = 1
    VOID = 2
    BILLED_AGAIN = 3
    DUPLICATE = 4
    COMPLETION = 5
    REDELIVERED = 6
    SUPPLEMENTAL = 7
    STRANGER = 8
    FURTHER = 9  # of negative units, or a notice of the facilitator


@dataclass(frozen=True)
class RebateRows:
    """One entry per rebate row; `at`: position of its dispense in the chunk. Units are thousandths, money cents,
    prices per unit millionths of a dollar.
    """

    at: np.ndarray
    kind: np.ndarray
    is_live: np.ndarray
    is_invoiced: np.ndarray  # in an invoice of its period
    is_unbilled: np.ndarray  # of a state that invoices other products of the program and quarter
    is_billed_late: np.ndarray  # with the next quarter's invoice
    program: np.ndarray
    sub_program: np.ndarray  # index into SUB_PROGRAMS; -1 outside Medicaid
    state: np.ndarray
    product: np.ndarray
    transaction: np.ndarray
    day: np.ndarray
    paid_day: np.ndarray
    period: np.ndarray
    units: np.ndarray
    paid: np.ndarray
    paid_by_others: np.ndarray
    unit_rebate: np.ndarray
    rebate: np.ndarray
    received: np.ndarray


def draw_rebate_rows(world: World, plan: Plan, chunk: int, d: Dispenses, f: Fills, s: Strangers) -> RebateRows:
    """Rows of a chunk, in the order of dispenses, with the amounts that the payer states."""
    rng = generator(plan.seed, "rebate_rows", chunk)
    at, kind = _rows(d, f, s, plan, rng)
    size = len(at)
    scenario, lineage = d.scenario[at], f.lineage[at]
    duplicate, stranger = kind == Row.DUPLICATE, kind == Row.STRANGER
    program = np.where(duplicate & has(scenario, *_OTHER_PROGRAM), 1 - f.program[at], f.program[at])
    is_medicaid_too = duplicate & has(scenario, Twist.MEDICAID_TOO, Twist.MEDICAID_AFTER_OTHERS)
    program = np.where(is_medicaid_too, MCO, program)
    program = np.where(stranger, s.program[at], program)
    product = np.where(stranger, s.product[at], d.product[at])
    step = 1 + rng.integers(0, len(STATE_CODES) - 1, size)
    state = np.where(duplicate & has(scenario, *_OTHER_STATE), (d.state[at] + step) % len(STATE_CODES), d.state[at])
    day, units, paid, others = _quantities(f, s, at, kind)
    in_part = (kind == Row.FURTHER) & has(scenario, Twist.PART_TAKEN_BACK)
    units, paid, others = (np.where(in_part, a // PARTS_TAKEN_BACK, a) for a in (units, paid, others))
    left = np.where(duplicate & has(scenario, *_AFTER_OTHERS), paid // 2, paid)
    paid, others = left, others + paid - left
    is_late = (duplicate & has(scenario, *_OTHER_PERIOD)) | (has(scenario, Twist.PAID_NEXT_QUARTER))
    paid_day, period = _periods(f, at, day, program, is_late, rng)
    period = np.where(has(scenario, Twist.PERIOD_TOO_LATE), period + 1, period)
    unit_rebate = _unit_rebates(world, f, at, kind, program, product, period)
    unit_rebate = np.where(has(scenario, Twist.URA_TOO_HIGH), unit_rebate * 11 // 10, unit_rebate)
    unit_rebate = np.where(has(scenario, Twist.URA_ZERO), 0, unit_rebate)
    rebate = _rebates(units, unit_rebate, scenario, rng)
    rebate = np.where((kind == Row.CLAIM) & has(scenario, Twist.FIRST_ICN_REVERSED), 0, rebate)
    days_later = np.where(kind == Row.CLAIM, 0, 1 + kind % 4)
    days_later = np.where(duplicate & has(scenario, *_OTHER_PERIOD), DAYS_TO_NEXT_INVOICE, days_later)
    days_later = np.where(kind == Row.FURTHER, DAYS_TO_LAST_ROW, days_later)
    later = days_later * MICROSECONDS_PER_DAY
    later = later + np.where(kind != Row.CLAIM, rng.integers(0, MICROSECONDS_PER_DAY // 2, size), 0)
    sign = np.where((kind == Row.VOID) & (rng.random(size) < 0.5), -1, 1)
    replaced = (kind == Row.CLAIM) & (lineage != Lineage.NONE)
    is_live = ~replaced & (kind != Row.VOID) & (kind != Row.REDELIVERED)
    takes_back = (kind == Row.FURTHER) & has(scenario, *_TAKEN_BACK)
    sign = np.where(takes_back, -1, sign)
    may_be_billed = is_live & (program <= MCO) & ~has(scenario, *OLD_PERIODS)
    is_federal = may_be_billed & (kind != Row.SUPPLEMENTAL)
    is_unbilled = is_federal & is_never_billed(world, plan.settings, program, state, product, period)
    return RebateRows(
        at=at,
        kind=kind,
        is_live=is_live,
        is_invoiced=may_be_billed & ~is_unbilled,
        is_unbilled=is_unbilled,
        is_billed_late=is_federal & is_billed_late(world, program, state, product, period),
        program=program,
        sub_program=np.where(program <= MCO, _sub_programs(d, at), -1),
        state=state,
        product=product,
        transaction=np.where(kind == Row.VOID, VOID, np.where(kind == Row.ADJUSTED, ADJUSTMENT, ORIGINAL)),
        day=day,
        paid_day=paid_day,
        period=period,
        units=units * sign,
        paid=paid * sign,
        paid_by_others=others * sign,
        unit_rebate=unit_rebate,
        rebate=rebate * sign,
        received=f.received[at] + later,
    )


def _sub_programs(d: Dispenses, at: np.ndarray) -> np.ndarray:
    number, scenario = d.number[at], d.scenario[at]
    sub_program = np.searchsorted([70, 95], number % 100)
    sub_program = np.where(has(scenario, Twist.CHILDREN_IN_MEDICAID), _CHIP_MEDICAID, sub_program)
    return np.where(has(scenario, Twist.OUTSIDE_PROGRAM), _CHIP_MEDICAID + 1 + number % 2, sub_program)


def _rows(d: Dispenses, f: Fills, s: Strangers, plan: Plan, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Position and kind of every row."""
    sent_twice = d.is_plain & (f.lineage == Lineage.NONE) & (rng.random(len(d.number)) < plan.settings.redelivered_rate)
    present = np.zeros((len(d.number), len(Row)), dtype=bool)
    present[:, Row.CLAIM] = True
    present[:, Row.ADJUSTED] = np.isin(f.lineage, (Lineage.ADJUSTED, Lineage.REPLACED))
    present[:, Row.VOID] = np.isin(f.lineage, (Lineage.VOIDED, Lineage.VOIDED_AND_BILLED))
    present[:, Row.BILLED_AGAIN] = f.lineage == Lineage.VOIDED_AND_BILLED
    present[:, Row.DUPLICATE] = has(d.scenario, *BILLED_TWICE)
    present[:, Row.COMPLETION] = f.in_two_parts
    present[:, Row.REDELIVERED] = sent_twice | (has(d.scenario, Twist.REDELIVERED))
    present[:, Row.SUPPLEMENTAL] = has(d.scenario, Twist.SECOND_REBATE_TYPE)
    present[:, Row.FURTHER] = has(d.scenario, *_TAKEN_BACK, Twist.WITHDRAWAL_NOTICE)
    present &= f.is_rebated[:, None]
    present[:, Row.STRANGER] = s.on_payer
    at, kind = np.nonzero(present)
    return at, kind


def _quantities(
    f: Fills, s: Strangers, at: np.ndarray, kind: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Day of service, units and amounts. A claim that is adjusted had twice the units; a fill in two parts is divided,
    its amounts with it; strangers have their own.
    """
    units, paid, others = f.units[at], f.paid[at], f.paid_by_others[at]
    was_wrong = (kind == Row.CLAIM) & np.isin(f.lineage[at], (Lineage.ADJUSTED, Lineage.REPLACED))
    times = np.where(was_wrong, 2, 1)
    split, completion = f.in_two_parts[at], kind == Row.COMPLETION
    first = f.first_part[at]

    def divided(amount: np.ndarray) -> np.ndarray:
        of_first = amount * first // units
        return np.where(split, np.where(completion, amount - of_first, of_first), amount * times)

    of_part = np.where(split, np.where(completion, units - first, first), units * times)
    day = np.where(completion, f.second_day[at], f.day[at])
    of_dispense, stranger = (day, of_part, divided(paid), divided(others)), kind == Row.STRANGER
    of_stranger = (s.day[at], s.units[at], s.paid[at], 0)
    day, units, paid, others = (np.where(stranger, a, b) for a, b in zip(of_stranger, of_dispense, strict=True))
    return day, units, paid, others


def _periods(
    f: Fills, at: np.ndarray, day: np.ndarray, program: np.ndarray, is_late: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Fee-for-service units belong to the quarter paid, all others to the quarter of service."""
    next_quarter = np.minimum(f.period[at] + 1, len(QUARTERS) - 1)
    late = QUARTER_STARTS[next_quarter] + rng.integers(0, 60, len(at))
    paid_day = np.where(is_late, late, np.maximum(f.paid_day[at], day))
    return paid_day, np.where(program == FFS, quarter_of(paid_day), quarter_of(day))


def _unit_rebates(
    world: World,
    f: Fills,
    at: np.ndarray,
    kind: np.ndarray,
    program: np.ndarray,
    product: np.ndarray,
    period: np.ndarray,
) -> np.ndarray:
    """URA of the period, the contract's share of WAC, or WAC less MFP; a supplemental rebate is a tenth of the URA."""
    quarter = quarter_of(f.day[at])
    ura, wac, mfp = (prices[product, index] for prices, index in (
        (world.products.ura, period), (world.products.wac, quarter), (world.products.mfp, quarter)))  # fmt: skip
    per_mille = np.array([round(1_000 * contract.rebate_share) for contract in world.payers.contracts])
    of_contract = wac * per_mille[np.maximum(f.contract[at], 0)] // 1_000
    of_mfp = wac - np.where(mfp > 0, mfp, wac * 62 // 100)
    medicaid = np.where(kind == Row.SUPPLEMENTAL, ura // 10, ura)
    return np.where(program <= MCO, medicaid, np.where(program == MFP, of_mfp, of_contract))


def _rebates(units: np.ndarray, unit_rebate: np.ndarray, scenario: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    exact = cents(units, unit_rebate)
    wrong = exact + 100 + exact * rng.integers(5, 30, len(units)) // 100
    cut = units * unit_rebate // 10_000_000
    rebate = np.where(has(scenario, Twist.REBATE_WRONG), wrong, exact)
    rebate = np.where(has(scenario, Twist.REBATE_CUT_TO_CENT), cut, rebate)
    return np.where(has(scenario, Twist.MFP_REVERSAL, Twist.MFP_PLAN_REVERSAL, Twist.MFP_NOT_ELIGIBLE), 0, rebate)
