"""Arithmetic that does not hold: units x unit rebate amount, and totals of reimbursements."""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F

from engine.contracts.codes import Action, Evidence, Party, Route, Subject
from engine.rules.common import MEDICAID, line_invoiced, state_invoiced
from engine.rules.hit import Facts, Guard, Hit
from engine.rules.registry import Given, Threshold, rule
from engine.rules.text import sentence

ZERO_URA = Guard(
    "ZERO_URA",
    "a unit rebate amount of zero is stated where the state does not know it, and we calculate the rebate",
)
TOLERANCE = Threshold("tolerance", 0.01, "US dollars that rounding to cents may explain")


def _product(units: Column, price: Column) -> Column:
    return F.round(units * price, 2)


def _is_more_than(difference: Column, given: Given) -> Column:
    return F.abs(difference) > F.lit(f"{given.number('tolerance'):.6f}").cast("decimal(18,6)")


def _adjustment_code(f: Facts) -> Column:
    """A where our own unit rebate amount of the period is another one (revised by us), else I (by correspondence)."""
    return F.when(f.price_ura != f.unit_rebate_amount, F.lit("A")).otherwise(F.lit("I"))


@rule(
    "R053",
    "Rebate is not units x unit rebate amount",
    subject=Subject.REBATE_CLAIM,
    programs=MEDICAID,
    evidence=Evidence.STRONG,
    codes=("I", "A"),
    route=Route.STATE,
    party=Party.STATE,
    action=Action.INQUIRE,
    citation="CMS-R-144 data definitions",
    document="the claim line",
    needs=("rebate_claims.unit_rebate_amount", "rebate_claims.rebate_amount"),
    thresholds=(TOLERANCE,),
    guards=(ZERO_URA,),
    any_units=True,
)
def claim_arithmetic(f: Facts, given: Given) -> Hit:
    """Units x stated unit rebate amount, rounded to cents, is not the stated rebate. An adjustment: no units are
    disputed, the difference in money is at issue.
    """
    expected = _product(f.ndc_units, f.unit_rebate_amount)
    difference = f.rebate_amount - expected
    return Hit(
        when=_is_more_than(difference, given),
        message=sentence(
            "{claim} and asks for {rebate:money}, but {units:number} units at the stated {ura:price} per unit make "
            "{expected:money}: the rebate appears to be wrong by {difference:money}.",
            claim=state_invoiced(f),
            rebate=f.rebate_amount,
            units=f.ndc_units,
            ura=f.unit_rebate_amount,
            expected=expected,
            difference=F.abs(difference),
        ),
        checks=(ZERO_URA.check(failed=f.unit_rebate_amount == 0),),
        units=F.lit(0),
        amount=F.abs(difference),
        code=_adjustment_code(f),
    )


@rule(
    "R053",
    "Invoice line does not add up",
    subject=Subject.INVOICE,
    programs=MEDICAID,
    evidence=Evidence.STRONG,
    codes=("I", "A"),
    route=Route.STATE,
    party=Party.STATE,
    action=Action.INQUIRE,
    citation="CMS-R-144 data definitions",
    document="the invoice line",
    needs=("invoices.rebate_amount|invoices.total_amount",),
    thresholds=(TOLERANCE,),
    any_units=True,
)
def invoice_arithmetic(f: Facts, given: Given) -> Hit:
    """Units x unit rebate amount is not the rebate (where a unit rebate amount other than zero is stated), or the total
    reimbursed is not its Medicaid and its other part. At issue is the difference in the rebate.
    """
    expected = _product(f.units_reimbursed, f.unit_rebate_amount)
    difference = f.rebate_amount - expected
    rebate_is_off = F.coalesce(_is_more_than(difference, given) & (f.unit_rebate_amount != 0), F.lit(False))
    parts = f.medicaid_amount + f.non_medicaid_amount
    total_is_off = F.coalesce(_is_more_than(f.total_amount - parts, given), F.lit(False))
    rebate = sentence(
        " {units:number} units at the stated {ura:price} per unit make {expected:money}, but {rebate:money} is asked "
        "for, a difference of {difference:money}.",
        units=f.units_reimbursed,
        ura=f.unit_rebate_amount,
        expected=expected,
        rebate=f.rebate_amount,
        difference=F.abs(difference),
    )
    total = sentence(
        " The total reimbursed is stated as {total:money}, but its Medicaid part of {medicaid:money} and its other "
        "part of {other:money} make {parts:money}.",
        total=f.total_amount,
        medicaid=f.medicaid_amount,
        other=f.non_medicaid_amount,
        parts=parts,
    )
    nothing = F.lit("")
    return Hit(
        when=rebate_is_off | total_is_off,
        message=sentence(
            "{line}; the line appears not to add up.{rebate}{total}",
            line=line_invoiced(f),
            rebate=F.when(rebate_is_off, rebate).otherwise(nothing),
            total=F.when(total_is_off, total).otherwise(nothing),
        ),
        units=F.lit(0),
        amount=F.when(rebate_is_off, F.abs(difference)).otherwise(F.lit(0)),
        code=F.when(rebate_is_off, _adjustment_code(f)),
    )
