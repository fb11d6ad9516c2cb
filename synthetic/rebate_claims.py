"""Rebate claims as payers send them: the contract's columns, with the mess of domain part 4.2."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from engine.contracts.codes import ClaimType, Transaction
from engine.contracts.tables import REBATE_CLAIMS
from synthetic import arrow
from synthetic.calendar import QUARTERS
from synthetic.dispenses import MODIFIER_STATES, Dispenses, Plan
from synthetic.fills import Early, Fills, Lineage
from synthetic.identifiers import generator, mixed
from synthetic.kinds import Twist
from synthetic.mess import Mess
from synthetic.payers import FACILITATOR, FFS, MCO, MFP, PROGRAMS
from synthetic.places import STATE_CODES, Listing, state_index
from synthetic.planning import has
from synthetic.products import UNITS_OF_MEASURE
from synthetic.rebate_rows import SUB_PROGRAMS, RebateRows, Row
from synthetic.strangers import Strangers
from synthetic.texts import bin_numbers, hcpcs_codes, ndc_texts, pharmacy_npis, prescription, rx_digits
from synthetic.world import World

HCPCS_BASIS_SHARE = 0.2

_NOT_SENT = (*("source_file", "source_row_no", "prior_claim_line", "invoice_period", "invoice_number"),)
COLUMNS = tuple(name for name in REBATE_CLAIMS.column_names if name not in _NOT_SENT)
SCHEMA = arrow.arrow_schema(REBATE_CLAIMS, COLUMNS)

_PROGRAM_NAMES = [program.value for program in PROGRAMS]
_TRANSACTIONS = [transaction.value for transaction in Transaction]
_CLAIM_TYPES = [ClaimType.RX.value, ClaimType.MEDICAL.value]
_UNLISTED_CODE, _NUMBERS_APART = "J3490", 5_000
_INVALID_NPI, _DEA_NUMBER = "1234567890", "AB1234563"
_FEDERAL, _SUPPLEMENTAL, _BASE, _PRICE_PROTECTION = range(4)
_REBATE_TYPES = ["FEDERAL", "SUPPLEMENTAL", "BASE", "PRICE_PROTECTION"]
_UNITS_BASES = ["NDC", "HCPCS"]
_COST_BASES = ["01", "03", "07", "08"]
_CLARIFICATIONS = ["20", "10|20", "10", "08|10", "03"]
_VACATION_SUPPLY = 4
_MODIFIERS = ["JZ", *MODIFIER_STATES.values(), "TB", "JW"]
_STATUSES = ["P", "C"]
_OLD_QUARTERS = {Twist.PERIOD_BARRED: "2022Q2", Twist.PERIOD_OLD: "2024Q2"}
_EACH, _MILLILITRE = UNITS_OF_MEASURE.index("EA"), UNITS_OF_MEASURE.index("ML")
_IN_COMPOUND = (Twist.COMPOUND, Twist.PART_IN_COMPOUND)
_MTF_CODES = ["001", "002", "003", "009", "004", "005", "011", "012", "013"]
_MTF_ADJUSTMENT, _MTF_REVERSAL, _MTF_NOT_ELIGIBLE = 1, 2, 3
_MTF_INFORMATION, _MTF_NOTICE, _MTF_PLAN_ORIGINAL, _MTF_PLAN_ADJUSTMENT, _MTF_PLAN_REVERSAL = range(4, 9)
_NAMES_ICN = (_MTF_ADJUSTMENT, _MTF_INFORMATION, _MTF_NOTICE, _MTF_PLAN_ADJUSTMENT)
_MTF_LIMITS = np.array([0.03, 0.04, 0.05, 0.06])  # of ordinary claims: parts that are of the codes below
_MTF_USUAL = np.array([_MTF_ADJUSTMENT, _MTF_INFORMATION, _MTF_PLAN_ORIGINAL, _MTF_PLAN_ADJUSTMENT, 0])
_NOTICE_ICN, _OTHER_ICN = 8, 9  # last digits
_NOT_ELIGIBLE = (Twist.MFP_NOT_ELIGIBLE, Twist.MFP_REFUND_NOT_ELIGIBLE)


def source_row_ids(number: np.ndarray, kind: np.ndarray) -> pa.Array:
    """Row ids: RC, the dispense's number and a digit for the kind of row."""
    return arrow.joined(arrow.constant("RC", len(number)), arrow.padded(number * 10 + kind, 12))


def claim_ids(number: np.ndarray, kind: np.ndarray) -> pa.Array:
    """Claim numbers of 13 digits: the dispense's number and a digit for the kind of row."""
    return arrow.padded(number * 10 + kind, 13)


def rebate_batch(
    world: World, plan: Plan, chunk: int, d: Dispenses, f: Fills, m: Mess, s: Strangers, r: RebateRows
) -> pa.RecordBatch:
    """The rows of a chunk with COLUMNS of the contract's rebate_claims."""
    rng = generator(plan.seed, "rebate_text", chunk)
    columns = {
        **_payer(world, d, f, r),
        **_pharmacy(world, d, m, s, r),
        **_prescription(world, plan, d, m, r),
        **_drug(world, d, f, m, r, rng),
        **_codes(d, f, r, rng),
        **_amounts(plan, d, r, rng),
    }
    return arrow.batch(columns, SCHEMA)


def _payer(world: World, d: Dispenses, f: Fills, r: RebateRows) -> dict[str, pa.Array]:
    """Identifiers of the row, the claim and the payer."""
    at, number, rows = r.at, d.number[r.at], len(r.at)
    medicaid = r.program <= MCO
    contract = np.where(medicaid & (r.kind == Row.DUPLICATE), -1, f.contract[at])
    contracts = world.payers.contracts
    new_number = np.isin(r.kind, (Row.BILLED_AGAIN, Row.DUPLICATE, Row.COMPLETION, Row.STRANGER, Row.FURTHER))
    replaces = (r.kind == Row.ADJUSTED) & (f.lineage[at] == Lineage.REPLACED)
    names_prior = replaces | ((r.kind == Row.VOID) & (number % 2 == 0))
    state = arrow.chosen(STATE_CODES, r.state)
    manager = arrow.chosen([c.payer for c in contracts], contract)
    others = arrow.either(r.program == MFP, arrow.constant(FACILITATOR, rows), manager)
    two_types = has(d.scenario[at], Twist.SECOND_REBATE_TYPE)
    rebate_type = np.where(contract >= 0, _BASE, np.where(two_types, _FEDERAL, -1))
    rebate_type = np.where(r.kind == Row.SUPPLEMENTAL, _SUPPLEMENTAL, rebate_type)
    second = r.kind == Row.DUPLICATE
    rebate_type = np.where(second & has(d.scenario[at], Twist.TYPE_STATED_ONCE), _FEDERAL, rebate_type)
    rebate_type = np.where(second & has(d.scenario[at], Twist.PRICE_PROTECTION), _PRICE_PROTECTION, rebate_type)
    unnamed = has(d.scenario[at], Twist.CONTRACT_UNNAMED)
    unnamed |= second & has(d.scenario[at], Twist.SECOND_CONTRACT_UNNAMED)
    plan_number = np.where(r.program == MCO, np.maximum(f.plan[at], 0), -1)
    plan = arrow.joined(state, arrow.constant("-MCO", rows), arrow.plain(plan_number + 1))
    bins = bin_numbers(r.program, contract, r.state, f.plan[at])
    return {
        "source_row_id": source_row_ids(number, r.kind),
        "program": arrow.chosen(_PROGRAM_NAMES, r.program),
        "sub_program": arrow.chosen(SUB_PROGRAMS, r.sub_program),
        "rebate_type": arrow.chosen(_REBATE_TYPES, rebate_type),
        "payer_id": arrow.either(medicaid, state, others),
        "plan_id": arrow.either(plan_number >= 0, plan, None),
        "contract_id": arrow.chosen([c.id for c in contracts], np.where(unnamed, -1, contract)),
        "state": state,
        "claim_id": claim_ids(number, np.where(new_number | replaces, r.kind, 0)),
        "claim_line": arrow.integers(np.ones(rows), number % 3 > 0),
        "prior_claim_id": arrow.either(names_prior, arrow.padded(number * 10, 13), None),
        "transaction": arrow.chosen(_TRANSACTIONS, r.transaction),
        "bin": arrow.padded(bins, 6),
        "pcn": arrow.joined(arrow.constant("PCN", rows), arrow.padded(bins % 100, 3)),
        "group_id": arrow.joined(arrow.constant("G", rows), arrow.padded(bins % 100 * 11, 4)),
    }


def _pharmacy(world: World, d: Dispenses, m: Mess, s: Strangers, r: RebateRows) -> dict[str, pa.Array]:
    """Pharmacy, prescriber and patient."""
    pharmacies, pharmacy, by_ncpdp = world.pharmacies, d.pharmacy[r.at], m.by_ncpdp[r.at]
    stranger = r.kind == Row.STRANGER
    listed_by_npi = world.entities.listing[d.entity[r.at]] == Listing.BY_NPI
    has_number = (r.program == FFS) & ~(has(d.scenario[r.at], Twist.NCPDP_ONLY) & listed_by_npi)
    prescriber = np.where(stranger, s.prescriber[r.at], m.payer.prescriber[r.at])
    patient = np.where(stranger, s.patient[r.at], d.patient[r.at])
    return {
        "pharmacy_npi": arrow.either(by_ncpdp, None, pharmacy_npis(world, m.payer, r.at)),
        "pharmacy_ncpdp_id": arrow.chosen(pharmacies.ncpdp, np.where(by_ncpdp, pharmacy, -1)),
        "service_npi": arrow.chosen(pharmacies.npi, m.filled_at[r.at]),
        "medicaid_provider_id": arrow.chosen(pharmacies.medicaid_number, np.where(has_number, pharmacy, -1)),
        "prescriber_npi": _prescriber_numbers(world, d.scenario[r.at], prescriber),
        "patient_key": arrow.hexadecimal(mixed(patient, world.seed)),
    }


def _prescriber_numbers(world: World, scenario: np.ndarray, prescriber: np.ndarray) -> pa.Array:
    """NPIs; in planned cases an NPI with a wrong check digit, or a DEA number."""
    npi, rows = arrow.chosen(world.pharmacies.prescribers, prescriber), len(scenario)
    npi = arrow.either(has(scenario, Twist.PRESCRIBER_INVALID), arrow.constant(_INVALID_NPI, rows), npi)
    return arrow.either(has(scenario, Twist.PRESCRIBER_DEA), arrow.constant(_DEA_NUMBER, rows), npi)


def _prescription(world: World, plan: Plan, d: Dispenses, m: Mess, r: RebateRows) -> dict[str, pa.Array]:
    is_rx = ~d.is_medical[r.at]
    return {
        "claim_type": arrow.chosen(_CLAIM_TYPES, (~is_rx).astype(np.int64)),
        **prescription(world, rx_digits(world, plan, d), m.payer, r.at, is_rx),
        "date_of_service": arrow.dates(r.day),
        "paid_date": arrow.dates(r.paid_day),
    }


def _drug(
    world: World, d: Dispenses, f: Fills, m: Mess, r: RebateRows, rng: np.random.Generator
) -> dict[str, pa.Array]:
    """Product and quantity. Some medical lines state HCPCS units, which hcpcs_crosswalk converts."""
    at, products, product = r.at, world.products, r.product
    medical = d.is_medical[at]
    unit = np.where(has(d.scenario[at], Twist.MEASURED_EACH, Twist.NAMED_EACH), _EACH, products.unit_type[product])
    unit = np.where(has(d.scenario[at], Twist.CONTENTS_MEASURED), _MILLILITRE, unit)
    in_hcpcs = (medical & (rng.random(len(d.number)) < HCPCS_BASIS_SHARE)[at]) & d.is_plain[at]
    in_hcpcs |= has(d.scenario[at], Twist.IN_HCPCS_UNITS)
    scenario = d.scenario[at]
    hcpcs_units = products.hcpcs_units[product] * np.sign(r.units)
    hcpcs_units = np.where(has(scenario, Twist.HCPCS_AS_NDC, Twist.DISCARDED_AS_NDC), r.units, hcpcs_units)
    hcpcs_units = hcpcs_units * np.where(has(scenario, Twist.HCPCS_UNITS_WRONG), 10, 1)
    number = products.hcpcs_number[product] + np.where(has(scenario, Twist.HCPCS_CODE_WRONG), _NUMBERS_APART, 0)
    hcpcs_code = hcpcs_codes(number % 10_000)
    unlisted = arrow.constant(_UNLISTED_CODE, len(at))
    hcpcs_code = arrow.either(has(scenario, Twist.HCPCS_CODE_UNLISTED), unlisted, hcpcs_code)
    return {
        "ndc": ndc_texts(world, product, m.payer.is_hyphenated[at] | (has(scenario, Twist.WITH_HYPHENS))),
        "units": arrow.decimals(np.where(in_hcpcs, hcpcs_units, r.units), arrow.UNITS),
        "units_basis": arrow.chosen(_UNITS_BASES, np.where(in_hcpcs, 1, np.where(medical, 0, -1))),
        "unit_of_measure": arrow.chosen(UNITS_OF_MEASURE, np.where(in_hcpcs, -1, unit)),
        "days_supply": arrow.integers(f.days_supply[at], ~medical),
        "hcpcs_code": arrow.either(medical, hcpcs_code, None),
        "hcpcs_units": arrow.decimals(hcpcs_units, arrow.UNITS, medical),
    }


def _codes(d: Dispenses, f: Fills, r: RebateRows, rng: np.random.Generator) -> dict[str, pa.Array]:
    """Identifiers of 340B claims and other codes on the claim."""
    at, number = r.at, d.number[r.at]
    scenario, rx = d.scenario[at], ~d.is_medical[at]
    chance = rng.random(len(d.number))[at]
    flagged = has(scenario, Twist.FLAG, Twist.FLAG_AT_COST)
    clarification = np.where(flagged, np.where(chance < 0.3, 0, np.where(chance < 0.5, 1, -1)), -1)
    usual = rx & ~flagged
    clarification = np.where(usual & (chance < 0.03), np.where(chance < 0.02, 2, 3), clarification)
    clarification = np.where(f.early[at] == Early.FOR_VACATION, _VACATION_SUPPLY, clarification)
    cost = np.where(rx, (chance * 3).astype(np.int64), -1)
    cost = np.where(flagged & ((chance >= 0.5) | (chance < 0.1)), 3, cost)
    texas = d.state[at] == state_index("TX")
    modifier = np.where(~rx & (chance < 0.2), 0, -1)
    modifier = np.where(has(scenario, Twist.MODIFIER), np.where(texas, 1, 2), modifier)
    modifier = np.where(has(scenario, Twist.MODIFIER_OF_OTHER_STATE), np.where(texas, 2, 1), modifier)
    modifier = np.where(has(scenario, Twist.MODIFIER_TOO_EARLY), 3, modifier)
    modifier = np.where(has(scenario, Twist.DISCARDED_AS_NDC), 4, modifier)
    usual_mtf = _MTF_USUAL[np.searchsorted(_MTF_LIMITS, chance, side="right")]
    usual_mtf = np.where((d.is_plain & ~d.is_340b)[at] | (usual_mtf == _MTF_ADJUSTMENT), usual_mtf, 0)
    mtf = np.where(r.program == MFP, usual_mtf, -1)
    mtf = np.where(has(scenario, Twist.MFP_REVERSAL), _MTF_REVERSAL, mtf)
    mtf = np.where(has(scenario, *_NOT_ELIGIBLE), _MTF_NOT_ELIGIBLE, mtf)
    second = r.kind == Row.DUPLICATE
    names_first = second & (has(scenario, Twist.ICN_NAMED))
    mtf = np.where(has(scenario, Twist.SECOND_ICN, Twist.ICN_NAMED), np.where(names_first, _MTF_ADJUSTMENT, 0), mtf)
    mtf = np.where(has(scenario, Twist.MFP_PLAN_REVERSAL), _MTF_PLAN_REVERSAL, mtf)
    first_reversed = (r.kind == Row.CLAIM) & has(scenario, Twist.FIRST_ICN_REVERSED)
    mtf = np.where(first_reversed, np.where(number % 2 == 0, _MTF_REVERSAL, _MTF_PLAN_REVERSAL), mtf)
    notice = (r.kind == Row.FURTHER) & has(scenario, Twist.WITHDRAWAL_NOTICE)
    mtf = np.where(notice, _MTF_NOTICE, mtf)
    own_icn = number * 10 + np.select([second, notice], [r.kind, _NOTICE_ICN], 0)
    named_icn = number * 10 + np.select([names_first, notice], [0, int(Row.DUPLICATE)], _OTHER_ICN)
    compound = arrow.chosen(["1", "2"], has(scenario, *_IN_COMPOUND).astype(np.int64))
    return {
        "modifiers": arrow.chosen(_MODIFIERS, modifier),
        "submission_clarification_codes": arrow.chosen(_CLARIFICATIONS, clarification),
        "basis_of_cost": arrow.chosen(_COST_BASES, cost),
        "compound_code": arrow.either(rx, compound, None),
        "dispensing_status": arrow.chosen(
            _STATUSES, np.where(f.in_two_parts[at], (r.kind == Row.COMPLETION).astype(np.int64), -1)
        ),
        "mtf_transaction_code": arrow.chosen(_MTF_CODES, mtf),
        "mtf_icn": arrow.either(mtf >= 0, arrow.padded(own_icn, 15), None),
        "mtf_xref_icn": arrow.either(np.isin(mtf, _NAMES_ICN), arrow.padded(named_icn, 15), None),
    }


def _amounts(plan: Plan, d: Dispenses, r: RebateRows, rng: np.random.Generator) -> dict[str, pa.Array]:
    chance = rng.random(len(r.at))
    unreported = has(d.scenario[r.at], Twist.OTHERS_UNREPORTED)
    year_and_quarter = [f"{quarter[:4]}-{quarter[4:]}" for quarter in QUARTERS]
    dashed = chance < plan.settings.dashed_quarter_rate
    period = r.period + len(QUARTERS) * dashed
    for place, old in enumerate(_OLD_QUARTERS):
        period = np.where(has(d.scenario[r.at], old), 2 * len(QUARTERS) + place, period)
    return {
        "amount_paid": arrow.decimals(r.paid, arrow.MONEY),
        "amount_third_party": arrow.decimals(r.paid_by_others, arrow.MONEY, ~unreported),
        "unit_rebate_amount": arrow.decimals(r.unit_rebate, arrow.UNIT_PRICE),
        "rebate_amount": arrow.decimals(r.rebate, arrow.MONEY),
        "period": arrow.chosen([*QUARTERS, *year_and_quarter, *_OLD_QUARTERS.values()], period),
        "received_at": arrow.timestamps(r.received),
    }
