"""Claims that were reversed in time, reversed but never credited, or paid by nobody."""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F

from engine.contracts.codes import Action, Evidence, Party, Route, Subject
from engine.dates import add_days, known_day
from engine.intervals import start_of_quarter
from engine.rules import root_causes
from engine.rules.common import (
    FFS,
    MEDICAID,
    MEDICAID_AND_CONTRACTS,
    THIRD_PARTY_PAYMENT,
    claim_of_payer,
    claim_units,
    code_of_payer,
    day,
    party_of_payer,
    route_of_payer,
    state_invoiced,
    third_party_payment,
)
from engine.rules.evidence import either
from engine.rules.hit import Facts, Guard, Hit, related_rows
from engine.rules.registry import DataSource, Parameters, Threshold, rule
from engine.rules.text import if_known, sentence
from engine.runtime.expressions import first_of_quarter

CREDITED = Guard(
    "CREDITED",
    "the state has credited the units since, or an entity repaid them",
    needs=("settlements.claim_id",),
)

CORRECTED_INVOICE = Guard(
    "CORRECTED_INVOICE",
    "invoices correct the claim's line downward by as many units, as a prior-quarter adjustment that names no claim",
    needs=("invoices",),
    weakens_to=Evidence.WEAK,
)
QUARANTINED_CREDITS = Guard(
    "QUARANTINED_CREDITS",
    "claim rows of the state and product that may be the credit could not be read and are quarantined",
    fails=False,
)


@rule(
    "R020",
    "Reversed by the pharmacy, invoiced all the same",
    on={Subject.REBATE_CLAIM: ("pharmacy_claims",)},
    programs=MEDICAID_AND_CONTRACTS,
    evidence=Evidence.STRONG,
    codes=("M", "J", "PBM"),
    route=Route.STATE,
    party=Party.STATE,
    action=Action.DISPUTE,
    root_cause=root_causes.REVERSAL_NOT_CREDITED,
    data_source=DataSource.PHARMACY_TRANSACTIONS,
    citation="National Drug Rebate Agreement, section I (Medicaid utilization information); 42 CFR 447.511; rebate "
    "contract",
    document="the pharmacy's reversal",
    thresholds=(
        Threshold("days_after_period", 60, "cut-off without a day of receipt: days from the end of the period"),
    ),
)
def reversed_and_invoiced(f: Facts, parameters: Parameters) -> Hit:
    """The pharmacy's last transaction for the dispense is a reversal: code M, or J if nothing was paid (PBM under a
    contract). The cut-off is the day the row was received, else the end of its period and 60 days. Later, or on a day
    that is not known: a credit is to be expected, nothing is disputed.
    """
    cut_off = _cut_off(f, parameters)
    is_in_time = F.coalesce(f.pharmacy_reversed_at.cast("date") <= cut_off, F.lit(False))
    code = F.when(f.amount_paid == 0, F.lit("J")).otherwise(F.lit("M"))
    consequence = (
        F.when(is_in_time, F.lit("The units appear to have been invoiced for a dispense that was reversed"))
        .when(f.pharmacy_reversed_at.isNull(), F.lit("The day of the reversal is not known; a credit may be to come"))
        .otherwise(F.lit("The reversal came too late for this invoice; a credit on a later one is to be expected"))
    )
    return Hit(
        when=f.pharmacy_is_reversed,
        message=sentence(
            "{claim}. The pharmacy's last transaction for this dispense is a reversal{reversed}{row}; the cut-off for "
            "this row is {cut_off:date}. {consequence}.",
            claim=claim_of_payer(f),
            reversed=if_known(" of {day:date}", day=f.pharmacy_reversed_at),
            row=if_known(" (row {row})", row=f.pharmacy_reversal_source_row_id),
            cut_off=cut_off,
            consequence=consequence,
        ),
        evidence=either(is_in_time, Evidence.STRONG, Evidence.WEAK),
        related=related_rows(f.pharmacy_reversal_source_row_id),
        units=claim_units(f),
        code=code_of_payer(f, code),
        route=route_of_payer(f),
        party=party_of_payer(f),
        action=F.when(is_in_time, F.lit(Action.DISPUTE.value)).otherwise(F.lit(Action.PAY_AND_WATCH.value)),
    )


def _cut_off(f: Facts, parameters: Parameters) -> Column:
    """The last day on which a reversal could still be removed from the invoice."""
    last_day_of_period = F.last_day(F.add_months(start_of_quarter(f.period), 2))
    return F.coalesce(f.received_at.cast("date"), add_days(last_day_of_period, parameters.integer("days_after_period")))


@rule(
    "R055",
    "Reversal never credited",
    on={Subject.REBATE_CLAIM: ("pharmacy_claims.transaction_at",)},
    programs=MEDICAID,
    evidence=Evidence.STRONG,
    codes=("M",),
    route=Route.STATE,
    party=Party.STATE,
    action=Action.DISPUTE,
    root_cause=root_causes.REVERSAL_NOT_CREDITED,
    data_source=DataSource.PHARMACY_TRANSACTIONS,
    citation="42 CFR 447.511",
    document="the pharmacy's reversal",
    guards=(CREDITED, CORRECTED_INVOICE, QUARANTINED_CREDITS),
    version=3,
    thresholds=(
        Threshold(
            "days_to_credit", 60, "days from the end of the quarter of the reversal in which its credit is invoiced"
        ),
    ),
)
def reversal_never_credited(f: Facts, parameters: Parameters) -> Hit:
    """The pharmacy reversed the dispense too late for the invoice (R020 watches it), the invoice of the quarter of the
    reversal, on which the credit was due as a prior-quarter adjustment, has been sent since, and the claim is
    still live. A claim that the state voided or replaced is not: if an invoice bills its units anyway, R038
    finds them without a claim. A credit may also be in the ledger of settlements alone; one of a part of the units
    leaves the rest at issue.
    """
    units = claim_units(f)
    comes = F.when(f.settled_since_units > 0, F.lit("come in full")).otherwise(F.lit("come"))
    reversed_on = f.pharmacy_reversed_at.cast("date")
    credit_due = add_days(
        F.last_day(F.add_months(first_of_quarter(known_day(reversed_on)), 2)), parameters.integer("days_to_credit")
    )
    return Hit(
        when=f.pharmacy_is_reversed & (f.f38_reversal_lag > 0) & (credit_due < day(parameters.as_of)),
        message=sentence(
            "{claim}. The pharmacy reversed this dispense on {reversed:date}{row}, after the cut-off for this row. A "
            "credit was due by {due:date}, with the invoice of the quarter of the reversal, and has not {come}: the "
            "units appear to remain invoiced for a dispense that was reversed.",
            claim=state_invoiced(f),
            reversed=reversed_on,
            row=if_known(" (row {row})", row=f.pharmacy_reversal_source_row_id),
            due=credit_due,
            come=comes,
        ),
        checks=(
            CREDITED.check(
                failed=f.settled_since_units >= units,
                unchecked=f.received_at.isNull() & (f.settled_units > 0),
            ),
            CORRECTED_INVOICE.check(failed=F.coalesce(f.corrected_down_units >= units, F.lit(False))),
            QUARANTINED_CREDITS.check(failed=F.lit(False), unchecked=f.quarantined_claim_rows > 0),
        ),
        related=related_rows(f.pharmacy_reversal_source_row_id),
        units=units,
    )


@rule(
    "R021",
    "No state reimbursement",
    on={Subject.REBATE_CLAIM: ("rebate_claims.amount_paid",)},
    programs=FFS,
    evidence=Evidence.MEDIUM,
    explains_unusual=True,
    codes=("J",),
    route=Route.STATE,
    party=Party.STATE,
    action=Action.DISPUTE,
    root_cause=root_causes.NO_REIMBURSEMENT,
    data_source=DataSource.QUANTITIES_AND_AMOUNTS,
    citation="42 U.S.C. 1396r-8(b)(1)(A)",
    document="the claim line",
    guards=(THIRD_PARTY_PAYMENT,),
)
def nothing_was_paid(f: Facts, _: Parameters) -> Hit:
    """The state paid nothing, and no third party did. Managed-care plans pay by the head: never on their claims."""
    return Hit(
        when=f.amount_paid == 0,
        message=sentence(
            "{claim}, yet the claim shows a payment of {paid:money} by the state{others}. The units appear to have "
            "been invoiced without any state reimbursement.",
            claim=state_invoiced(f),
            paid=f.amount_paid,
            others=if_known(" and {amount:money} from third parties", amount=f.amount_third_party),
        ),
        checks=(third_party_payment(f),),
        units=claim_units(f),
    )
