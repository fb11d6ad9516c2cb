"""Refunds under the Medicare negotiated price (MFP) on dispenses bought at the 340B price."""

from __future__ import annotations

from datetime import date

from pyspark.sql import Column
from pyspark.sql import functions as F

from engine.contracts.codes import Action, Evidence, Party, Program, Route, Subject
from engine.dates import add_days, eastern_day
from engine.intervals import quarter_of, start_of_quarter
from engine.rules import root_causes
from engine.rules.catalog.links_340b import LINK_TIERS, entity_reported, link_evidence
from engine.rules.catalog.medicare_transactions import MFP_IN_FORCE
from engine.rules.common import (
    PURCHASE_GUARDS,
    PURCHASE_TOLERANCE,
    claim_units,
    day,
    not_below_zero,
    payer_requested,
    purchase_checks,
    quarter_after,
)
from engine.rules.evidence import at_most
from engine.rules.hit import Facts, Guard, Hit, key_of, one_of, reference_row
from engine.rules.registry import DataSource, Parameters, Threshold, rule
from engine.rules.text import sentence

ASKING_TRANSACTIONS = Threshold(
    "transaction_codes", ["001", "002"], "MTF transactions that request a refund; unknown is one of them"
)
LATER_REVERSAL = Guard(
    "LATER_REVERSAL",
    "another transaction reverses (003, 013), calls not eligible (009) or replaces (002) this ICN, under which no "
    "refund is requested then",
    needs=("rebate_claims.mtf_xref_icn",),
    weakens_to=Evidence.WEAK,
)


@rule(
    "R011",
    "MFP refund on a claim that a covered entity reported as 340B",
    on={Subject.REBATE_CLAIM: ("entity_claims", "prices.ceiling_unit", "prices.mfp_unit")},
    programs=(Program.MFP,),
    evidence=Evidence.STRONG,
    codes=("MRA",),
    route=Route.FACILITATOR,
    party=Party.UNDETERMINED,
    action=Action.PAY_AND_WATCH,
    root_cause=root_causes.ENTITY_NOT_EXCLUDED,
    data_source=DataSource.CLAIMS_OF_COVERED_ENTITIES,
    citation="42 U.S.C. 1320f-2(d); CMS final guidance for 2027, section 40.4",
    document="the entity's claim and the quarter's ceiling price against the MFP",
    thresholds=(
        *LINK_TIERS,
        PURCHASE_TOLERANCE,
        ASKING_TRANSACTIONS,
        Threshold("first_date_of_service", date(2026, 1, 1), "first day of the negotiated prices"),
    ),
    guards=(*PURCHASE_GUARDS, LATER_REVERSAL),
)
def refund_on_340b_claim(f: Facts, parameters: Parameters) -> Hit:
    """The entity gets the lower of 340B price and MFP, once. Ceiling price not above the MFP: no refund is due.
    Ceiling price above it: (ceiling - MFP) x units is due, and what the refund exceeds that by is at issue.
    A refund is withheld only on a match of the strong tiers with a ceiling price below the MFP, within the days of
    prompt payment; else it is paid and watched. The message gives no prices: ceiling prices are confidential
    (42 U.S.C. 1396r-8(b)(3)(D)). A transaction that replaces another is judged for itself. Without an ICN or what
    identifies the dispense, reversals are not known.
    """
    ceiling_is_below, ceiling_is_above = f.price_ceiling < f.price_mfp, f.price_ceiling > f.price_mfp
    at_issue = _refund_requested(f) - _refund_due(f)
    requests_refund = _requests_refund(f, parameters)
    requests_too_much = F.coalesce(at_issue > 0, ~ceiling_is_above)
    tier_evidence = link_evidence(f, parameters)
    quarter = quarter_of(f.date_of_service)
    start = start_of_quarter(quarter)
    last_day_to_pay = add_days(eastern_day(f.received_at), parameters.settings.deadlines.mfp_days_after_receipt)
    may_withhold = (
        (tier_evidence == Evidence.STRONG.strength) & ceiling_is_below & (day(parameters.as_of) <= last_day_to_pay)
    )
    because = (
        F.when(
            ceiling_is_above,
            F.lit("is above the MFP, so no more than the difference of the two appears to be due as a refund"),
        )
        .when(ceiling_is_below, F.lit("is below the MFP, so no refund appears to be due"))
        .otherwise(F.lit("equals the MFP, so that no refund appears to be due"))
    )
    return Hit(
        when=tier_evidence.isNotNull()
        & requests_refund
        & (f.date_of_service >= day(parameters.day("first_date_of_service")))
        & f.price_ceiling.isNotNull()
        & f.price_mfp.isNotNull()
        & requests_too_much,
        message=sentence(
            "{claim}. {entity}. The 340B ceiling price of {quarter} {because}.",
            claim=payer_requested(f, "an MFP refund"),
            entity=entity_reported(f),
            quarter=quarter,
            because=because,
        ),
        evidence=at_most(tier_evidence, Evidence.MEDIUM, where=~ceiling_is_below),
        checks=(
            *purchase_checks(f, parameters),
            LATER_REVERSAL.check(failed=f.mtf_is_reversed | f.mtf_is_adjusted, unchecked=f.mtf_is_reversed.isNull()),
        ),
        related=f.link_source_row_ids,
        units=claim_units(f),
        amount=at_issue,
        references=(reference_row("prices", key_of(f.ndc11, quarter), start, quarter_after(start)),),
        action=F.when(may_withhold, F.lit(Action.WITHHOLD.value)).otherwise(F.lit(Action.PAY_AND_WATCH.value)),
    )


def _refund_requested(f: Facts) -> Column:
    """The refund billed, in US dollars: as stated, else units x the stated refund per unit, else the default refund
    amount, units x (WAC - MFP).
    """
    per_unit = F.coalesce(f.unit_rebate_amount, f.price_wac - f.price_mfp)
    return F.coalesce(f.rebate_amount, F.round(f.ndc_units * per_unit, 2))


def _refund_due(f: Facts) -> Column:
    """The refund due, in US dollars: zero if the ceiling price is not above the MFP; else computed from NDC units, NULL
    if these are unknown.
    """
    due = F.round(f.ndc_units * (f.price_ceiling - f.price_mfp), 2)
    return F.when(f.price_ceiling <= f.price_mfp, F.lit(0)).otherwise(due)


@rule(
    "R060",
    "MFP refund is not the default refund",
    on={
        Subject.REBATE_CLAIM: (
            "prices.wac_unit",
            "prices.mfp_unit",
            "rebate_claims.rebate_amount|rebate_claims.unit_rebate_amount",
        )
    },
    programs=(Program.MFP,),
    evidence=Evidence.MEDIUM,
    explains_unusual=True,
    codes=("MRA",),
    route=Route.FACILITATOR,
    party=Party.UNDETERMINED,
    action=Action.PAY_AND_WATCH,
    root_cause=root_causes.PRICE_OF_PRODUCT,
    data_source=DataSource.MEDICARE_FACILITATOR,
    citation="42 U.S.C. 1320f-2; CMS final guidance for 2027, section 40.4",
    document="wholesale acquisition cost and negotiated price of the quarter",
    thresholds=(
        ASKING_TRANSACTIONS,
        Threshold("tolerance", 0.01, "US dollars that rounding to cents may explain"),
    ),
    in_force=MFP_IN_FORCE,
)
def refund_is_not_the_default(f: Facts, parameters: Parameters) -> Hit:
    """The requested refund, as a total or per unit, is not units x (WAC - MFP) of the quarter of service. No
    units are wrong; at issue is the money that is requested beyond it.
    """
    # prices are per NDC unit, so the refund is unknown if HCPCS units could not be converted
    stated = F.coalesce(f.rebate_amount, F.round(f.ndc_units * f.unit_rebate_amount, 2))
    default = F.round(f.ndc_units * (f.price_wac - f.price_mfp), 2)
    difference = stated - default
    tolerance = F.lit(f"{parameters.number('tolerance'):.6f}").cast("decimal(18,6)")
    quarter = quarter_of(f.date_of_service)
    start = start_of_quarter(quarter)
    return Hit(
        when=_requests_refund(f, parameters) & (F.abs(difference) > tolerance),
        message=sentence(
            "{claim} of {stated:money}. At the prices of {quarter} the wholesale acquisition cost less the negotiated "
            "price makes {default:money} for these units: the refund appears to be {way} by {difference:money}.",
            claim=payer_requested(f, "an MFP refund"),
            stated=stated,
            quarter=quarter,
            default=default,
            way=F.when(difference > 0, F.lit("too high")).otherwise(F.lit("too low")),
            difference=F.abs(difference),
        ),
        units=F.lit(0),
        amount=not_below_zero(difference),
        references=(reference_row("prices", key_of(f.ndc11, quarter), start, quarter_after(start)),),
    )


def _requests_refund(f: Facts, parameters: Parameters) -> Column:
    return f.mtf_transaction_code.isNull() | one_of(f.mtf_transaction_code, parameters.words(ASKING_TRANSACTIONS.name))
