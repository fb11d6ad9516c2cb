"""Date, quantity and payment of each dispense, and its reversals and adjustments."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from engine.settings import SyntheticSettings
from synthetic.calendar import (
    DAYS_PER_FILL,
    FIRST_DAY,
    LAST_DAY,
    MFP_START,
    MICROSECONDS_PER_DAY,
    QUARTER_STARTS,
    day,
    quarter_end,
    quarter_of,
)
from synthetic.dispenses import Dispenses, Plan
from synthetic.habits import draw_habits
from synthetic.identifiers import generator
from synthetic.kinds import Days, Entity, Twist
from synthetic.payers import (
    COMMERCIAL,
    CONTRACT_TERMS,
    EXCLUSION_ENDED,
    FFS,
    MCO,
    MFP,
    PARTD,
    TERMS_CUMULATIVE,
)
from synthetic.places import QUARTERS_LISTED_IN_PART
from synthetic.planning import ON_ENTITY_CLAIM, SCENARIOS, column, has
from synthetic.products import LABELER_SOLD, LEFT_BRIEFLY, NO_DAY, Pool
from synthetic.world import World

LONGEST_PAYMENT_DAYS = 28
MFP_PAYMENT_DAYS = 7
DOUBLE_DOSE_SHARE = 0.1
EARLY_SHARE = 0.25  # of the rates of planned cases: early refills, so that most refills remain usual
DAYS_OF_A_YEAR = 365
PARTS_OF_PACKAGE = 25
PART_LEFT_TO_PAY = 15  # of the total, if others paid most of it
DISPENSING_FEE = 1_050  # cents
PATTERN_DAYS = (int(QUARTER_STARTS[3]), int(QUARTER_STARTS[4]) - 1)  # with earlier quarters to compare with
GROUP_MONTH = (day(2025, 8, 1), day(2025, 8, 31))
MONTHS_LATER, WEEKS_LATER = (120, 180), (35, 43)  # days to payment, first and after the last
# Of the usual payment, in thousandths.
FAR_OFF, SHIFTED, A_LITTLE_MORE = (8_000, 50), (10_000, 100), 1_120
SC_MODIFIER_BEGINS = day(2025, 12, 1)
FINAL_REVERSAL_SHARE = 0.45  # of reversals: not billed again

_DAYS, _TERMS = column("days"), column("terms")
# clinics that carve in give 340B stock to Medicaid patients, and report nothing to the manufacturer
_FROM_CLINIC = np.array([*(scenario.products == Pool.CLINIC for scenario in SCENARIOS), False])


PLANNED_IN_PARTS = (Twist.TWO_PARTS, Twist.HALF_IN_SECOND_PART)
AFTER_VOID = (Twist.OTHER_PROGRAM_AFTER_VOID, Twist.OTHER_STATE_AFTER_VOID, Twist.OTHER_PERIOD_AFTER_VOID)


class Reversal(IntEnum):
    """What the pharmacy did after billing."""

    NONE = 0
    FINAL = 1
    REBILLED = 2
    LATE = 3  # after the payer's claim had been received
    BILLED_AGAIN = 4  # on the day of service: billed, reversed and billed
    REVERSED_AGAIN = 5  # and reversed once more


class Early(IntEnum):
    """Whether a refill came before half of the last fill was used up."""

    NOT = 0
    UNEXPLAINED = 1
    FOR_VACATION = 2  # as the pharmacy states


class Lineage(IntEnum):
    """What the payer did after its first claim."""

    NONE = 0
    ADJUSTED = 1  # same claim number
    REPLACED = 2  # new claim number that names the prior one
    VOIDED = 3
    VOIDED_AND_BILLED = 4


_LINEAGE_CUMULATIVE = np.cumsum([0.4, 0.25, 0.15, 0.2])


@dataclass(frozen=True)
class Fills:
    """Per dispense; quantities in thousandths, money in cents, days and microseconds since 1970-01-01."""

    program: np.ndarray
    contract: np.ndarray
    plan: np.ndarray
    day: np.ndarray
    days_supply: np.ndarray
    units: np.ndarray
    paid: np.ndarray  # by the payer
    paid_by_others: np.ndarray
    paid_day: np.ndarray
    period: np.ndarray
    received: np.ndarray
    reversal: np.ndarray
    lineage: np.ndarray
    in_two_parts: np.ndarray
    first_part: np.ndarray  # units of the first part, if in two parts
    second_day: np.ndarray  # day of the second part
    is_rebated: np.ndarray
    rhythm_broken: np.ndarray
    early: np.ndarray
    entity_report: np.ndarray
    is_340b_sale: np.ndarray  # bought at the 340B price, whether reported or not


def draw_fills(world: World, plan: Plan, chunk: int, d: Dispenses) -> Fills:
    """Dates, quantities and amounts of a chunk's dispenses."""
    rng = generator(plan.seed, "fills", chunk)
    settings = plan.settings
    size = len(d.number)
    days_supply = _days_supply(d, rng.random(size)[d.first])
    dates, rhythm_broken = _dates(world, d, days_supply, settings, rng)
    dates, early = _early_refills(plan, chunk, d, dates, days_supply)
    is_selected = np.isin(d.product, world.products.pools[Pool.SELECTED])
    program = np.where((d.program == PARTD) & is_selected & (dates >= MFP_START) & d.is_plain, MFP, d.program)
    quarter = quarter_of(dates)
    units = _units(world, d, program, days_supply, rng)
    paid, others = _paid(world, d, program, quarter, units, settings, rng)
    units = _misstated(world, d, units)

    days_to_payment = np.where(program == MFP, MFP_PAYMENT_DAYS, LONGEST_PAYMENT_DAYS)
    paid_day = dates + 1 + (rng.random(size) * days_to_payment).astype(np.int64)
    over_a_year = dates + DAYS_OF_A_YEAR + 1 + d.number % LONGEST_PAYMENT_DAYS
    paid_day = np.where(has(d.scenario, Twist.PAID_AFTER_A_YEAR), over_a_year, paid_day)
    paid_day = np.where(has(d.scenario, Twist.PAID_WITHIN_A_YEAR), dates + DAYS_OF_A_YEAR, paid_day)
    paid_day = np.minimum(paid_day, LAST_DAY)
    period = np.where(program == FFS, quarter_of(paid_day), quarter)
    for twist, (first, end) in ((Twist.PAID_MONTHS_LATER, MONTHS_LATER), (Twist.PAID_WEEKS_LATER, WEEKS_LATER)):
        paid_day = np.where(has(d.scenario, twist), dates + first + d.number % (end - first), paid_day)
    received = _received(program, dates, period, rng)
    was_paid = (paid_day + 1) * MICROSECONDS_PER_DAY
    received = np.where(has(d.scenario, Twist.PAID_MONTHS_LATER), np.maximum(received, was_paid), received)
    reversal = _reversals(d, settings, rng)
    is_duplicate_discount = (
        generator(plan.seed, "duplicate_discounts", chunk).random(size) < settings.duplicate_discount_rate
    )
    is_planned_claim = ~d.is_plain & ~ON_ENTITY_CLAIM[d.scenario]
    is_rebated = (d.is_plain & (~d.is_340b | is_duplicate_discount) & (reversal != Reversal.FINAL)) | is_planned_claim
    lineage, in_two_parts = _afterwards(world, d, program, reversal, is_rebated, days_supply, settings, rng)
    report = np.where(d.is_plain & d.is_340b & (reversal == Reversal.FINAL), Entity.REVERSED, d.entity_report)
    second_day = _second_days(d, dates, paid_day)
    contract_terms = np.searchsorted(TERMS_CUMULATIVE, rng.random(size)[d.first], side="right")
    terms = np.where(d.is_plain, np.minimum(contract_terms, len(CONTRACT_TERMS) - 1), np.maximum(_TERMS[d.scenario], 0))
    payer_chance = rng.random(size)[d.first]
    return Fills(
        program=program,
        contract=world.payers.pick(program, terms, payer_chance),
        plan=np.where(program == MCO, (payer_chance * 3).astype(np.int64), -1),
        day=dates,
        days_supply=days_supply,
        units=units,
        paid=paid,
        paid_by_others=others,
        paid_day=paid_day,
        period=period,
        received=received,
        reversal=reversal,
        lineage=lineage,
        in_two_parts=in_two_parts,
        first_part=units * rng.integers(4, 7, size) // 10_000 * 1_000,
        second_day=second_day,
        is_rebated=is_rebated,
        rhythm_broken=rhythm_broken & is_rebated,
        early=early,
        entity_report=report,
        is_340b_sale=(report == Entity.LIVE) | _FROM_CLINIC[d.scenario],
    )


def _days_supply(d: Dispenses, chance: np.ndarray) -> np.ndarray:
    """Most Medicaid programs pay for a month at a time; commercial plans and Part D often for three."""
    three_months = d.is_plain & np.isin(d.program, (COMMERCIAL, PARTD)) & (chance < 0.25) & ~d.is_medical
    three_months |= has(d.scenario, Twist.NINETY_DAYS, Twist.COMPOUND)
    days = np.where(three_months, 3 * DAYS_PER_FILL, DAYS_PER_FILL)
    days = np.where(has(d.scenario, Twist.DAYS_A_TENTH), DAYS_PER_FILL // 10, days)
    return np.where(has(d.scenario, Twist.TEN_DAYS), DAYS_PER_FILL // 3, days)


def _dates(
    world: World, d: Dispenses, days_supply: np.ndarray, settings: SyntheticSettings, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Day of each dispense: further fills follow when the supply runs out, a few days sooner or later. A few
    commercial and Part D refills come when little more than half of it is used (second result): not early enough for
    R039.
    """
    size = len(d.number)
    days = np.where(d.is_plain, Days.ANY, _DAYS[d.scenario])
    last_quarter = int(QUARTER_STARTS[-2])
    low, high = np.full(size, FIRST_DAY), np.full(size, LAST_DAY)
    for kind, first, last in (
        (Days.BEFORE_LAST_QUARTER, FIRST_DAY, last_quarter - 1 - LONGEST_PAYMENT_DAYS),
        (Days.MFP_IN_FORCE, MFP_START, LAST_DAY),
        (Days.BEFORE_MFP, FIRST_DAY, MFP_START - 1),
        (Days.AFTER_EXCLUSION_ENDED, EXCLUSION_ENDED, LAST_DAY),
        (Days.NO_LONGER_LISTED, int(QUARTER_STARTS[QUARTERS_LISTED_IN_PART]), LAST_DAY),
        (Days.LABELER_WAS_SOLD, LABELER_SOLD, LAST_DAY),
        (Days.BEFORE_LABELER_SOLD, FIRST_DAY, LABELER_SOLD - 1),
        (Days.OVER_A_YEAR_AGO, FIRST_DAY, LAST_DAY - DAYS_OF_A_YEAR - LONGEST_PAYMENT_DAYS),
        (Days.BEFORE_SC_MODIFIER, FIRST_DAY, SC_MODIFIER_BEGINS - 1),
        (Days.OF_PATTERN, *PATTERN_DAYS),
        (Days.OF_MONTH, *GROUP_MONTH),
        (Days.WITHIN_YEAR_OF_LEAVE, FIRST_DAY, LEFT_BRIEFLY + DAYS_OF_A_YEAR),
    ):
        low, high = np.where(days == kind, first, low), np.where(days == kind, last, high)
    end_day = np.where(d.end_day == NO_DAY, LAST_DAY, d.end_day)
    low = np.where(days == Days.AFTER_END, end_day, low)
    high = np.where(days == Days.BEFORE_END, end_day - 1, high)
    longest = (d.fills - 1) * (days_supply + 4)
    start = low + (rng.random(size)[d.first] * (high - low - longest + 1)).astype(np.int64)
    jitter = np.where(d.fill > 0, rng.integers(-1, 4, size), 0)
    day_of_fill = start + d.fill * days_supply + jitter

    market, terminated = world.products.market_day[d.product], world.products.termination_day[d.product]
    before = market - 1 - (rng.random(size) * 60).astype(np.int64)
    day_of_fill = np.where(days == Days.BEFORE_MARKET, before, day_of_fill)
    day_of_fill = np.where(days == Days.ON_MARKET_DATE, market, day_of_fill)
    day_of_fill = np.where(days == Days.YEAR_AFTER_TERMINATION, terminated + 365, day_of_fill)

    eligible = d.is_plain & ~d.is_340b & ~d.is_medical & (d.fill > 0) & np.isin(d.program, (COMMERCIAL, PARTD))
    broken = eligible & (rng.random(size) < settings.anomaly_rate / max(float(eligible.mean()), 1e-9))
    part_used = rng.integers(55, 75, size)
    soon = np.concatenate([[0], day_of_fill[:-1]]) + days_supply * part_used // 100
    return np.where(broken, soon, day_of_fill), broken


def _early_refills(
    plan: Plan, chunk: int, d: Dispenses, dates: np.ndarray, days_supply: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Days of dispenses, and which Medicaid refills come before half of the previous fill is used up. Never two in a
    row, because the second would not be early after the first.
    """
    rng = generator(plan.seed, "early_refills", chunk)
    size = len(dates)
    eligible = d.is_plain & ~d.is_340b & ~d.is_medical & (d.fill > 0) & (d.program <= MCO)
    rates = EARLY_SHARE * np.array([plan.settings.violation_rate, plan.settings.look_alike_rate])
    limits = np.cumsum(rates) / max(float(eligible.mean()), 1e-9)
    chance = rng.random(size)
    early = np.select([chance < limit for limit in limits], [Early.UNEXPLAINED, Early.FOR_VACATION], Early.NOT)
    early[~eligible] = Early.NOT
    early[1:][early[:-1] != Early.NOT] = Early.NOT
    soon = np.concatenate([[0], dates[:-1]]) + days_supply * rng.integers(20, 45, size) // 100
    return np.where(early != Early.NOT, soon, dates), early


def _units(
    world: World, d: Dispenses, program: np.ndarray, days_supply: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """NDC units in thousandths. Fills are near the usual quantity; outside Medicaid some patients take twice that."""
    size = len(d.number)
    usual = world.products.fill[d.product]
    may_vary = d.is_plain & ~d.is_340b & world.products.is_tablet[d.product]
    is_local = np.isin(d.product, world.products.pools[Pool.LOCAL])
    chance = rng.random(size)
    pills = np.where(chance < 0.1, 28, np.where(chance > 0.9, 31, 30))
    doubled = (program > MCO) & (rng.random(size)[d.first] < DOUBLE_DOSE_SHARE)
    units = np.where(may_vary & ~is_local, usual * pills // 30 * np.where(doubled, 2, 1), usual)
    # a short fill's units are planned, or its days of supply contradict them
    units = units * np.where(d.is_medical, 1, np.maximum(days_supply // DAYS_PER_FILL, 1))
    units = np.where(has(d.scenario, Twist.UNITS_OF_THREE_MONTHS), units * 3, units)
    units = np.where(has(d.scenario, Twist.DOUBLE_DOSE), units * 2, units)
    units = np.where(has(d.scenario, Twist.TEN_DAYS), units // 3, units)
    return np.where(has(d.scenario, Twist.UNITS_EIGHTFOLD), units * 8, units)


def _misstated(world: World, d: Dispenses, units: np.ndarray) -> np.ndarray:
    """Units as claimed, if they are not the units that were dispensed and paid for."""
    package = world.products.package[d.product]
    return np.select(
        [
            has(d.scenario, twist)
            for twist in (
                Twist.UNITS_TENFOLD,
                Twist.MEASURED_EACH,
                Twist.HALF_A_UNIT,
                Twist.HALF_IN_SECOND_PART,
                Twist.PACKAGE_BROKEN,
                Twist.PART_IN_COMPOUND,
                Twist.UNITS_DOUBLED,
                Twist.UNITS_TREBLED,
            )
        ],
        [
            units * 10,
            units * package // 1_000,
            units + 500,
            units + 500,
            units + package // PARTS_OF_PACKAGE,
            package - package // PARTS_OF_PACKAGE,
            units * 2,
            units * 3,
        ],
        units,
    )


def _paid(
    world: World,
    d: Dispenses,
    program: np.ndarray,
    quarter: np.ndarray,
    units: np.ndarray,
    settings: SyntheticSettings,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Cents paid by the payer and by others: near WAC, plus a fee; others may pay a part of Medicaid claims."""
    size = len(d.number)
    per_mille = np.array([950, 940, 965, 955, 980])[program] + (d.state * 7) % 25 - 12 + rng.integers(-20, 21, size)
    shifted = np.where(rng.random(size) < 0.5, 4_000, 250)
    per_mille = np.where(has(d.scenario, Twist.PRICE_SHIFTED), shifted, per_mille)
    is_low = has(d.scenario, Twist.PAID_TOO_LITTLE, Twist.FLAG_AT_COST)
    per_mille = np.where(is_low, rng.integers(40, 80, size), per_mille)
    wac = world.products.wac[d.product, quarter]
    fee = np.where(d.is_medical | is_low, 0, DISPENSING_FEE)
    total = cents(units, wac * per_mille // 1_000) + fee
    total = total * _off_by(world, d) // 1_000
    has_other = d.is_plain & (program <= MCO) & (rng.random(size) < settings.third_party_rate)
    others = np.where(has_other, total * 2 // 5, 0)
    others = np.where(has(d.scenario, Twist.OTHERS_PAID_PART), total * 2 // 5, others)
    others = np.where(has(d.scenario, Twist.PAID_BY_OTHERS), total, others)
    others = np.where(has(d.scenario, Twist.PAID_MOSTLY_BY_OTHERS), total - total // PART_LEFT_TO_PAY, others)
    paid = np.where(has(d.scenario, Twist.PAID_NOTHING), 0, total - others)
    return paid, others


def _off_by(world: World, d: Dispenses) -> np.ndarray:
    """The share of the usual amount that is paid, in thousandths; alternately higher and lower."""
    is_down = d.number % 2
    package = world.products.package
    return np.select(
        [
            has(d.scenario, twist)
            for twist in (
                Twist.PAID_FAR_OFF,
                Twist.AMOUNT_SHIFTED,
                Twist.PAID_A_LITTLE_MORE,
                Twist.PRICE_OF_OTHER_PACKAGE,
            )
        ],
        [
            np.array(FAR_OFF)[is_down],
            np.array(SHIFTED)[is_down],
            A_LITTLE_MORE,
            1_000 * package[world.products.twin[d.product]] // package[d.product],
        ],
        1_000,
    )


def cents(units: np.ndarray, price: np.ndarray) -> np.ndarray:
    """Units (thousandths) x price (millionths of a dollar), rounded half-up to the cent; neither is negative."""
    return (units * price + 5_000_000) // 10_000_000


def _received(program: np.ndarray, dates: np.ndarray, period: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Microseconds: claim detail comes some weeks after the quarter, MFP claims within two weeks of the dispense."""
    size = len(dates)
    after_quarter = quarter_end(period) + np.where(program <= MCO, 40, 30) + rng.integers(0, 14, size)
    received_day = np.where(program == MFP, dates + rng.integers(8, 15, size), after_quarter)
    return received_day * MICROSECONDS_PER_DAY + (rng.random(size) * MICROSECONDS_PER_DAY).astype(np.int64)


def _reversals(d: Dispenses, settings: SyntheticSettings, rng: np.random.Generator) -> np.ndarray:
    chance = rng.random(len(d.number))
    happens = d.is_plain & ~d.is_medical & (chance < settings.reversal_rate)
    is_final = chance < settings.reversal_rate * FINAL_REVERSAL_SHARE
    reversal = np.where(happens, np.where(is_final, Reversal.FINAL, Reversal.REBILLED), Reversal.NONE)
    for twist, kind in (
        (Twist.REVERSED, Reversal.FINAL),
        (Twist.REBILLED, Reversal.REBILLED),
        (Twist.REVERSED_LATE, Reversal.LATE),
        (Twist.BILLED_AGAIN_THAT_DAY, Reversal.BILLED_AGAIN),
        (Twist.REVERSED_AGAIN_THAT_DAY, Reversal.REVERSED_AGAIN),
    ):
        reversal = np.where(has(d.scenario, twist), kind, reversal)
    return reversal


def _afterwards(
    world: World,
    d: Dispenses,
    program: np.ndarray,
    reversal: np.ndarray,
    is_rebated: np.ndarray,
    days_supply: np.ndarray,
    settings: SyntheticSettings,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Adjusted or voided claims, and fills in two parts."""
    size = len(d.number)
    ordinary = d.is_plain & is_rebated & (reversal == Reversal.NONE) & (program != MFP) & ~d.is_medical
    kind = 1 + np.minimum(
        np.searchsorted(_LINEAGE_CUMULATIVE, rng.random(size), side="right"), Lineage.VOIDED_AND_BILLED - 1
    )
    live_kind = np.where(kind == Lineage.VOIDED, Lineage.VOIDED_AND_BILLED, kind)
    lineage = np.where(ordinary & (rng.random(size) < settings.adjusted_rate), kind, Lineage.NONE)
    lineage = np.where(has(d.scenario, Twist.LINEAGE), live_kind, lineage)
    lineage = np.where(has(d.scenario, *AFTER_VOID), Lineage.VOIDED, lineage)
    divisible = ordinary & (lineage == Lineage.NONE) & (program <= MCO) & world.products.is_tablet[d.product]
    divisible_share = float(divisible.mean() / max((program <= MCO).mean(), 1e-9))
    in_parts = divisible & (rng.random(size) < settings.partial_fill_rate / max(divisible_share, 1e-9))
    in_parts &= days_supply == DAYS_PER_FILL
    # without a common Rx number, parts would look like separate dispenses
    in_parts &= ~draw_habits(world, settings.mess).never_links_by_rx(d.entity)
    return lineage, in_parts | has(d.scenario, *PLANNED_IN_PARTS)


def _second_days(d: Dispenses, dates: np.ndarray, paid_day: np.ndarray) -> np.ndarray:
    """The second part of a fill comes on the same day or two days later, within the quarter and before payment."""
    second = dates + np.where(has(d.scenario, *PLANNED_IN_PARTS), 0, 2 * (d.number % 2))
    fits = (second <= paid_day) & (quarter_of(second) == quarter_of(dates))
    return np.where(fits, second, dates)
