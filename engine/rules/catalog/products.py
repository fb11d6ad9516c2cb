"""Units of products that were not on the market: terminated, or not yet launched."""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F

from engine.contracts.codes import Action, Evidence, Party, Route, Subject
from engine.dates import add_months, days_between
from engine.intervals import start_of_quarter
from engine.rules import root_causes
from engine.rules.common import (
    MEDICAID,
    MEDICAID_AND_CONTRACTS,
    claim_of_payer,
    claim_units,
    code_of_payer,
    line_invoiced,
    product_file,
    product_row,
    route_of_payer,
    state_invoiced,
)
from engine.rules.entity_common import entity_claimed
from engine.rules.hit import Check, Facts, Guard, Hit
from engine.rules.registry import DataSource, On, Parameters, Threshold, rule
from engine.rules.text import if_known, sentence

REACTIVATED = Guard(
    "REACTIVATED",
    "the product was reactivated after its termination and no later than the service",
    needs=("products.reactivation_date",),
)
MARKET_DATE_REVISED = Guard(
    "MARKET_DATE_REVISED",
    "another row of the product file has the product on the market by then: its date was revised",
    weakens_to=Evidence.WEAK,
)
DAYS_AFTER_TERMINATION = Threshold(
    "days_after_termination", 365, "days from the termination date after which units are late"
)
STEADY_USE = (
    Threshold("months_earlier", 12, "a fill may be paid and invoiced this many months later"),
    Threshold("steady_quarters", 4, "steady use: quarters with units of this line in the feed, at least"),
    Threshold("steady_days", 730, "steady use: days from the termination date to the line's last quarter, at least"),
)


def reactivated(f: Facts, by: Column) -> Check:
    """Check whether the NDC was reactivated after its termination, at the latest on the day `by`."""
    is_reactivated = (f.reactivation_date > f.termination_date) & (f.reactivation_date <= by)
    return REACTIVATED.check(failed=F.coalesce(is_reactivated, F.lit(False)))


def terminated_before_service(f: Facts, claim: Column) -> Column:
    """Such as "<claim>. The product's termination date is 2024-01-31 (product file of ...), 400 days before the
    service".
    """
    return sentence(
        "{claim}. The product's termination date is {terminated:date}{file}, {days:days} before the service",
        claim=claim,
        terminated=f.termination_date,
        file=product_file(f),
        days=days_after_termination(f),
    )


def days_after_termination(f: Facts) -> Column:
    """Days from the NDC's termination to the service; NULL if either date is."""
    return days_between(f.date_of_service, f.termination_date)


def line_of_terminated_product(f: Facts, parameters: Parameters) -> Hit:
    """The period began more than 365 days after the termination date. Totals have no dates of service, so claim-level
    detail is requested. Where use went on steadily long after the termination date, the date itself may be wrong.
    """
    late_after = parameters.integer("days_after_termination")
    days_after = days_between(f.period_start, f.termination_date)
    earlier = add_months(f.period_start, -parameters.integer("months_earlier"))
    is_late_even_earlier = days_between(earlier, f.termination_date) > late_after
    last_use = start_of_quarter(f.last_quarter_with_units)
    is_steady = F.coalesce(
        (f.own_quarters >= parameters.integer("steady_quarters"))
        & (days_between(last_use, f.termination_date) >= parameters.integer("steady_days")),
        F.lit(False),
    )
    months = parameters.integer("months_earlier")
    verdict = F.when(
        is_late_even_earlier, F.lit(f"even a fill {months} months earlier would have been late")
    ).otherwise(F.lit(f"a fill {months} months earlier would have been in time"))
    steady = F.when(
        is_steady,
        sentence(
            " Use went on steadily, in {quarters} quarters and up to {last}: the termination date itself may be wrong.",
            quarters=f.own_quarters,
            last=f.last_quarter_with_units,
        ),
    ).otherwise(F.lit(""))
    message = sentence(
        "{line}. The product's termination date is {terminated:date}{file}, {days:days} before the period began; "
        "{verdict}.{steady}",
        line=line_invoiced(f),
        terminated=f.termination_date,
        file=product_file(f),
        days=days_after,
        verdict=verdict,
        steady=steady,
    )
    return Hit(
        when=days_after > late_after,
        message=message,
        checks=(reactivated(f, f.period_start),),
        units=f.units_reimbursed,
        references=(product_row(f),),
        party=F.when(is_steady, F.lit(Party.OURSELVES.value)).otherwise(F.lit(Party.UNDETERMINED.value)),
        action=F.when(is_steady, F.lit(Action.CHECK_REFERENCE.value)).otherwise(F.lit(Action.REQUEST_CLD.value)),
    )


def entity_claim_of_terminated_product(f: Facts, parameters: Parameters) -> Hit:
    """As on rebate claims: the date of service counts."""
    return Hit(
        when=days_after_termination(f) > parameters.integer("days_after_termination"),
        message=sentence(
            "{terminated}: it appears to have been out of date for more than a year.",
            terminated=terminated_before_service(f, entity_claimed(f)),
        ),
        checks=(reactivated(f, f.date_of_service),),
        units=f.quantity,
        references=(product_row(f),),
    )


@rule(
    "R022",
    "Terminated more than a year before the service",
    on={
        Subject.REBATE_CLAIM: ("products.termination_date",),
        Subject.INVOICE: On(
            line_of_terminated_product,
            needs=("products.termination_date", "invoices.units_reimbursed"),
            thresholds=STEADY_USE,
            title="Terminated more than a year before the period",
            programs=MEDICAID,
            evidence=Evidence.MEDIUM,
            codes=(),
            party=Party.UNDETERMINED,
            action=Action.REQUEST_CLD,
            document="",
        ),
        Subject.ENTITY_CLAIM: On(
            entity_claim_of_terminated_product,
            needs=("products.termination_date",),
            programs=(),
            codes=(),
            route=Route.ENTITY,
            action=Action.INQUIRE,
            citation="42 CFR 447.502; Beacon claim validation",
            document="",
        ),
    },
    programs=MEDICAID_AND_CONTRACTS,
    evidence=Evidence.STRONG,
    codes=("N", "PBM"),
    route=Route.STATE,
    party=Party.PHARMACY,
    action=Action.DISPUTE,
    root_cause=root_causes.PRODUCT_NOT_ELIGIBLE,
    data_source=DataSource.PRODUCT_FILE,
    citation="CMS-304 dispute code N; 42 CFR 447.502",
    document="proof of the date of service and of the termination date",
    thresholds=(DAYS_AFTER_TERMINATION,),
    guards=(REACTIVATED,),
)
def claim_of_terminated_product(f: Facts, parameters: Parameters) -> Hit:
    """The termination date is the shelf life's end of the last lot sold; the date of service counts, not payment."""
    return Hit(
        when=days_after_termination(f) > parameters.integer("days_after_termination"),
        message=sentence(
            "{terminated}: it appears to have been out of date for more than a year{reactivation}.",
            terminated=terminated_before_service(f, claim_of_payer(f)),
            reactivation=if_known(
                "; its reactivation on {day:date} does not cover the service", day=f.reactivation_date
            ),
        ),
        checks=(reactivated(f, f.date_of_service),),
        units=claim_units(f),
        references=(product_row(f),),
        code=code_of_payer(f, "N"),
        route=route_of_payer(f),
    )


@rule(
    "R023",
    "Terminated within the year before the service",
    on={Subject.REBATE_CLAIM: ("products.termination_date",)},
    programs=MEDICAID,
    evidence=Evidence.WEAK,
    route=Route.NONE,
    party=Party.UNDETERMINED,
    action=Action.NONE,
    root_cause=root_causes.PRODUCT_NOT_ELIGIBLE,
    data_source=None,
    citation="CMS-304 dispute code N; 42 CFR 447.502",
    thresholds=(DAYS_AFTER_TERMINATION,),
    guards=(REACTIVATED,),
)
def claim_of_product_just_terminated(f: Facts, parameters: Parameters) -> Hit:
    """Up to a year after the termination date units may still be due: for information, nothing is at issue."""
    days_after = days_after_termination(f)
    return Hit(
        when=(days_after > 0) & (days_after <= parameters.integer("days_after_termination")),
        message=sentence(
            "{terminated}, which may still be in order.",
            terminated=terminated_before_service(f, state_invoiced(f)),
        ),
        checks=(reactivated(f, f.date_of_service),),
        references=(product_row(f),),
    )


@rule(
    "R024",
    "Service before the product's market date",
    on={Subject.REBATE_CLAIM: ("products.market_date",)},
    programs=MEDICAID,
    evidence=Evidence.MEDIUM,
    codes=("O",),
    route=Route.STATE,
    party=Party.UNDETERMINED,
    action=Action.DISPUTE,
    root_cause=root_causes.PRODUCT_NOT_ELIGIBLE,
    data_source=DataSource.PRODUCT_FILE,
    citation="42 CFR 447.502",
    document="the product's market date",
    guards=(MARKET_DATE_REVISED,),
)
def claim_before_market_date(f: Facts, _: Parameters) -> Hit:
    """The product was not yet on the market: the NDC appears to be miscoded."""
    return Hit(
        when=f.date_of_service < f.market_date,
        message=sentence(
            "{claim}. The product came to market on {market:date}{file}, {days:days} after the service: the NDC "
            "appears to be wrong.",
            claim=state_invoiced(f),
            market=f.market_date,
            file=product_file(f),
            days=days_between(f.market_date, f.date_of_service),
        ),
        checks=(MARKET_DATE_REVISED.check(failed=f.product_first_market_date <= f.date_of_service),),
        units=claim_units(f),
        references=(product_row(f),),
    )
