"""Claims invoiced for another quarter than theirs, long after the service, or too long ago to be disputed."""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F

from engine.contracts.codes import Action, Evidence, Party, Program, Route, Subject, Transaction
from engine.intervals import quarter_index, quarter_of, start_of_quarter
from engine.rules import root_causes
from engine.rules.common import FFS, MEDICAID, is_invoice, line_invoiced, state_invoiced
from engine.rules.hit import Facts, Guard, Hit
from engine.rules.registry import On, Parameters, Part, Threshold, rule
from engine.rules.text import sentence

DATE_OF_ADJUSTMENT = Guard(
    "DATE_OF_ADJUSTMENT",
    "the row is an adjustment, whose payment date may be that of the correction",
    weakens_to=Evidence.WEAK,
)
IN_TIME = Guard(
    "IN_TIME",
    "by at least one reading of the bar a dispute is still in time",
    weakens_to=Evidence.CONTEXT,
)


@rule(
    "R054",
    "Invoiced for another quarter",
    on={Subject.REBATE_CLAIM: ()},
    programs=MEDICAID,
    evidence=Evidence.STRONG,
    codes=("Y",),
    route=Route.STATE,
    party=Party.STATE,
    action=Action.INQUIRE,
    root_cause=root_causes.OTHER_QUARTER,
    data_source=None,
    citation="CMS-R-144 data definitions; CMS-304 adjustment code Y",
    document="request for claim-level detail",
    parts=(Part("fee-for-service", needs=("rebate_claims.paid_date",)),),
    guards=(DATE_OF_ADJUSTMENT,),
)
def another_quarter(f: Facts, _: Parameters) -> Hit:
    """Fee-for-service units belong to the quarter of payment, managed-care units to that of service. An adjustment, no
    units are disputed: managed-care units are paid at the unit rebate amount of the quarter of service (Y), for
    fee-for-service there is no code. The invoice's own quarter is no excuse: it is what a sender states who invoices by
    payment.
    """
    is_managed_care = f.program == Program.MDRP_MCO.value
    own = quarter_of(F.when(is_managed_care, f.date_of_service).otherwise(f.paid_date))
    return Hit(
        when=f.period != own,
        message=sentence(
            "{claim}. The units belong to {own}, the quarter of {event}, but were invoiced for {period}: they appear "
            "to be in the wrong period.",
            claim=state_invoiced(f),
            own=own,
            event=F.when(is_managed_care, F.lit("service")).otherwise(
                sentence("payment ({day:date})", day=f.paid_date)
            ),
            period=f.period,
        ),
        checks=(
            DATE_OF_ADJUSTMENT.check(failed=f.transaction == Transaction.ADJUSTMENT.value, only_where=~is_managed_care),
        ),
        units=F.lit(0),
        code=F.when(is_managed_care, F.lit("Y")),
    )


@rule(
    "R041",
    "Paid long after the service",
    on={Subject.REBATE_CLAIM: ("rebate_claims.paid_date",)},
    programs=FFS,
    evidence=Evidence.CONTEXT,
    route=Route.NONE,
    party=Party.UNDETERMINED,
    action=Action.NONE,
    root_cause=root_causes.LATE_CLAIMS,
    data_source=None,
    citation="42 CFR 447.45(d)",
    thresholds=(Threshold("days", 365, "days from service to payment, above which the claim is stale"),),
)
def stale_claim(f: Facts, parameters: Parameters) -> Hit:
    """Providers have twelve months to file a claim. Retroactive eligibility explains later ones: context alone."""
    return Hit(
        when=f.f44_claim_age_days > parameters.integer("days"),
        message=sentence(
            "{claim}. It was paid on {paid:date}, {days:count} days after the service, later than timely filing "
            "allows without a reason such as retroactive eligibility.",
            claim=state_invoiced(f),
            paid=f.paid_date,
            days=f.f44_claim_age_days,
        ),
    )


_BAR = (
    Threshold("quarters", 12, "quarters after which a manufacturer may no longer dispute"),
    Threshold("warn_quarters", 2, "quarters before the bar from which it is mentioned"),
    Threshold("clock_start", "INVOICE", "what the warning counts from: the INVOICE's quarter or the PERIOD covered"),
)


def _bar(parameters: Parameters, subject: Column, invoiced: Column, covered: Column) -> Hit:
    """`invoiced`: number of the quarter in which the invoice was sent; `covered`: number of the period's quarter."""
    today = quarter_index(F.lit(parameters.as_of))
    by_invoice, by_period = today - invoiced, today - covered
    counted = by_period if parameters.words("clock_start") == ["PERIOD"] else by_invoice
    is_barred = F.coalesce(
        (by_invoice > parameters.integer("quarters")) & (by_period > parameters.integer("quarters")), F.lit(False)
    )
    verdict = F.when(is_barred, F.lit("It appears to be barred, and no dispute is drafted")).otherwise(
        F.lit("A dispute has to be filed soon, or may be late by one reading of the rule")
    )
    return Hit(
        when=counted >= parameters.integer("quarters") - parameters.integer("warn_quarters"),
        message=sentence(
            "{subject}. Disputes are barred after {bar} quarters; {invoice} have passed since the invoice, {period} "
            "since the period covered. {verdict}.",
            subject=subject,
            bar=F.lit(parameters.integer("quarters")),
            invoice=by_invoice,
            period=by_period,
            verdict=verdict,
        ),
        checks=(IN_TIME.check(failed=~is_barred),),
    )


def _number(quarter: Column) -> Column:
    return quarter_index(start_of_quarter(quarter))


def line_near_the_bar(f: Facts, parameters: Parameters) -> Hit:
    """As on claims; the invoice was sent on its postmark date, else in the quarter after its period. Public utilisation
    data are no invoice that could be disputed.
    """
    postmark = F.coalesce(f.postmark_date, f.received_date)
    sent = F.coalesce(quarter_index(postmark), _number(f.period) + 1)
    hit = _bar(parameters, line_invoiced(f), sent, _number(f.period))
    return hit._replace(when=hit.when & is_invoice(f))


@rule(
    "R040",
    "Twelve-quarter bar",
    on={Subject.REBATE_CLAIM: (), Subject.INVOICE: On(line_near_the_bar)},
    programs=MEDICAID,
    evidence=Evidence.CONTEXT,
    route=Route.NONE,
    party=Party.UNDETERMINED,
    action=Action.NONE,
    root_cause=root_causes.LATE_CLAIMS,
    data_source=None,
    bars_disputes=True,
    citation="42 CFR 447.510(i) (CMS-2434-F)",
    thresholds=_BAR,
    guards=(IN_TIME,),
    any_units=True,
    accompanies=True,
)
def claim_near_the_bar(f: Facts, parameters: Parameters) -> Hit:
    """A manufacturer may dispute for twelve quarters. Counted from the period covered, or from the quarter in which its
    invoice was sent, the one after: a finding is barred from dispute if both readings are past, and warned of from
    two quarters before the one that `clock_start` names. It is context, whatever is certain about it: it puts no
    units at issue.
    """
    sent = _number(F.coalesce(f.invoice_period, f.period)) + 1
    return _bar(parameters, state_invoiced(f), sent, _number(f.period))
