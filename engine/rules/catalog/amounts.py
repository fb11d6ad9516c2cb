"""Arithmetic errors (units x unit rebate amount, totals of reimbursements) and unit rebate amounts other than ours."""

from __future__ import annotations

from dataclasses import replace

from pyspark.sql import Column
from pyspark.sql import functions as F

from engine.contracts.codes import Action, Evidence, Party, Route, Subject
from engine.rules import root_causes
from engine.rules.common import MEDICAID, is_federal, line_invoiced, not_below_zero, state_invoiced
from engine.rules.hit import Facts, Guard, Hit, key_of, reference_row
from engine.rules.registry import DataSource, On, Parameters, Threshold, rule
from engine.rules.text import sentence

ZERO_URA = Guard(
    "ZERO_URA",
    "a unit rebate amount of zero is stated where the state does not know it, and we calculate the rebate",
)
ZERO_URA_ON_INVOICE = replace(ZERO_URA, weakens_to=Evidence.CONTEXT)
TOLERANCE = Threshold("tolerance", 0.01, "US dollars that rounding to cents may explain")


def _product(units: Column, price: Column) -> Column:
    return F.round(units * price, 2)


def _is_more_than(difference: Column, parameters: Parameters) -> Column:
    return F.abs(difference) > F.lit(f"{parameters.number('tolerance'):.6f}").cast("decimal(18,6)")


def _adjustment_code(f: Facts) -> Column:
    """Code A if our own unit rebate amount of the period differs (revised by us), else I (by correspondence). Ours is
    the federal amount, which does not apply to supplemental rebates.
    """
    return F.when(is_federal(f) & (f.price_ura != f.unit_rebate_amount), F.lit("A")).otherwise(F.lit("I"))


def _excess_billed(units: Column, difference: Column) -> Column:
    """The amount billed in excess of the amount due; zero if the line is a credit to us or bills too little."""
    return F.when(units > 0, not_below_zero(difference)).otherwise(F.lit(0))


def invoice_arithmetic(f: Facts, parameters: Parameters) -> Hit:
    """Units x unit rebate amount is not the rebate (where a unit rebate amount other than zero is stated), or the total
    reimbursed is not its Medicaid and its other part. At issue is the rebate that is billed beyond the product.
    """
    expected = _product(f.units_reimbursed, f.unit_rebate_amount)
    difference = f.rebate_amount - expected
    rebate_is_off = F.coalesce(_is_more_than(difference, parameters) & (f.unit_rebate_amount != 0), F.lit(False))
    parts = f.medicaid_amount + f.non_medicaid_amount
    total_is_off = F.coalesce(_is_more_than(f.total_amount - parts, parameters), F.lit(False))
    rebate = sentence(
        " {units:number} units at the stated {ura:price} per unit make {expected:money}, but {rebate:money} is billed, "
        "a difference of {difference:money}.",
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
        amount=F.when(rebate_is_off, _excess_billed(f.units_reimbursed, difference)).otherwise(F.lit(0)),
        code=F.when(rebate_is_off, _adjustment_code(f)),
    )


@rule(
    "R053",
    "Rebate is not units x unit rebate amount",
    on={
        Subject.REBATE_CLAIM: On(
            needs=("rebate_claims.unit_rebate_amount", "rebate_claims.rebate_amount"), guards=(ZERO_URA,)
        ),
        Subject.INVOICE: On(
            invoice_arithmetic,
            needs=("invoices.rebate_amount|invoices.total_amount",),
            title="Invoice line does not add up",
            document="the invoice line",
        ),
    },
    programs=MEDICAID,
    evidence=Evidence.STRONG,
    explains_unusual=True,
    codes=("I", "A"),
    route=Route.STATE,
    party=Party.STATE,
    action=Action.INQUIRE,
    root_cause=root_causes.PRICE_OF_PRODUCT,
    data_source=DataSource.QUANTITIES_AND_AMOUNTS,
    citation="CMS-R-144 data definitions",
    document="the claim line",
    thresholds=(TOLERANCE,),
    any_units=True,
)
def claim_arithmetic(f: Facts, parameters: Parameters) -> Hit:
    """Units x stated unit rebate amount, rounded to cents, is not the stated rebate. An adjustment: no units are
    disputed, at issue is the money that is billed beyond the product.
    """
    expected = _product(f.ndc_units, f.unit_rebate_amount)
    difference = f.rebate_amount - expected
    return Hit(
        when=_is_more_than(difference, parameters),
        message=sentence(
            "{claim} and bills {rebate:money}, but {units:number} units at the stated {ura:price} per unit make "
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
        amount=_excess_billed(f.ndc_units, difference),
        code=_adjustment_code(f),
    )


PRICE_TOLERANCE = Threshold("tolerance", 0.000001, "US dollars per unit")


def _another_price(f: Facts, parameters: Parameters, subject: Column, units: Column, zero_ura: Guard) -> Hit:
    difference = f.unit_rebate_amount - f.price_ura
    tolerance = F.lit(f"{parameters.number('tolerance'):.9f}").cast("decimal(18,9)")
    surplus = F.round(units * _excess_billed(units, difference), 2)
    return Hit(
        when=is_federal(f) & (F.abs(difference) > tolerance),
        message=sentence(
            "{subject} at a unit rebate amount of {stated:price}, which is not the amount of {period} in our records: "
            "the price appears to be {way}.",
            subject=subject,
            stated=f.unit_rebate_amount,
            period=f.period,
            way=F.when(difference > 0, F.lit("too high")).otherwise(F.lit("too low")),
        ),
        checks=(zero_ura.check(failed=f.unit_rebate_amount == 0),),
        units=F.lit(0),
        amount=surplus,
        references=(reference_row("prices", key_of(f.ndc11, f.period)),),
    )


def line_at_another_price(f: Facts, parameters: Parameters) -> Hit:
    """As on claims, for a quarterly total. A stated amount of zero accuses nobody: the state did not know it, and the
    form answers with ours under code B.
    """
    hit = _another_price(f, parameters, line_invoiced(f), f.units_reimbursed, ZERO_URA_ON_INVOICE)
    is_zero = f.unit_rebate_amount == 0
    calculated = sentence(
        "{line} at a unit rebate amount of zero: the state appears not to know it, and we calculate the rebate by our "
        "own amount of {period}.",
        line=line_invoiced(f),
        period=f.period,
    )
    return hit._replace(
        message=F.when(is_zero, calculated).otherwise(hit.message),
        code=F.when(is_zero, F.lit("B")).otherwise(F.lit("A")),
        action=F.when(is_zero, F.lit(Action.NONE.value)).otherwise(F.lit(Action.INQUIRE.value)),
    )


@rule(
    "R056",
    "Unit rebate amount differs from ours",
    on={
        Subject.REBATE_CLAIM: On(
            needs=("rebate_claims.unit_rebate_amount", "prices.unit_rebate_amount"), guards=(ZERO_URA,)
        ),
        Subject.INVOICE: On(
            line_at_another_price,
            needs=("invoices.unit_rebate_amount", "prices.unit_rebate_amount"),
            guards=(ZERO_URA_ON_INVOICE,),
            codes=("A", "B"),
        ),
    },
    programs=MEDICAID,
    evidence=Evidence.STRONG,
    explains_unusual=True,
    codes=("A",),
    route=Route.STATE,
    party=Party.UNDETERMINED,
    action=Action.INQUIRE,
    root_cause=root_causes.PRICE_OF_PRODUCT,
    data_source=DataSource.QUANTITIES_AND_AMOUNTS,
    citation="CMS-304 adjustment codes A, B and I",
    document="the unit rebate amount as reported to CMS",
    thresholds=(PRICE_TOLERANCE,),
    any_units=True,
)
def claim_at_another_price(f: Facts, parameters: Parameters) -> Hit:
    """The state's unit rebate amount of the federal rebate is not ours of the period. An adjustment: no units are
    disputed, at issue is what the state bills too much. Our own amount is confidential and is in no message.
    """
    return _another_price(f, parameters, state_invoiced(f), f.ndc_units, ZERO_URA)
