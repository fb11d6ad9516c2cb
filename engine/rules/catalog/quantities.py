"""Quantities that do not fit the number of prescriptions (code Q) or the past (code S)."""

from __future__ import annotations

from pyspark.sql import functions as F

from engine.contracts.codes import Action, Evidence, Party, Route, Subject
from engine.rules import root_causes
from engine.rules.common import (
    MEDICAID,
    MEDICAID_AND_CONTRACTS,
    claim_of_payer,
    code_of_payer,
    is_delta,
    line_invoiced,
    not_below_zero,
    outside,
    route_of_payer,
)
from engine.rules.hit import Facts, Guard, Hit
from engine.rules.registry import DataSource, On, Parameters, Threshold, rule
from engine.rules.text import if_known, sentence
from engine.runtime.expressions import divide

Z_SCORE = Threshold("z", 4.0, "robust z-score of units per prescription among the peers, beyond which it is unusual")
LONGER_SUPPLY = Guard(
    "LONGER_SUPPLY",
    "the quantity lasts longer, or shorter: per day of supply it is not far from the peers' median",
)


def unusual_units_per_prescription(f: Facts, parameters: Parameters) -> Hit:
    """Units per prescription are far from those of other states and quarters, or from the line's own median over
    quarters. A correction by difference has no units per prescription. At issue is what exceeds the line's own
    median.
    """
    times = parameters.number("times_own_median")
    own_ratio = f.units_per_prescription_to_own_median
    is_far_from_own = outside(own_ratio, 1 / times, times)
    is_far_from_peers = outside(f.f47_units_per_prescription_z, -parameters.number("z"), parameters.number("z")) & (
        f.peers >= parameters.integer("minimum_peers")
    )
    usual_units = f.prescriptions * f.own_median_units_per_prescription
    own = if_known(
        "; its own median over {quarters} quarters is {median:number}",
        quarters=f.own_quarters,
        median=f.own_median_units_per_prescription,
    )
    peers = F.when(
        is_far_from_peers,
        sentence(
            "; {n:count} lines of other states and quarters have quite different quantities per prescription", n=f.peers
        ),
    ).otherwise(F.lit(""))
    return Hit(
        when=~is_delta(f) & (is_far_from_own | is_far_from_peers),
        message=sentence(
            "{line} for {prescriptions:count} prescriptions, {each:number} units each{own}{peers}. The quantity "
            "appears inconsistent with the number of prescriptions.",
            line=line_invoiced(f),
            prescriptions=f.prescriptions,
            each=f.f47_units_per_prescription,
            own=own,
            peers=peers,
        ),
        units=not_below_zero(f.units_reimbursed.cast("double") - usual_units),
    )


@rule(
    "R035",
    "Quantity far from the product's usual",
    on={
        Subject.REBATE_CLAIM: On(
            thresholds=(Threshold("times_typical", 3.0, "and units outside [1/n, n] times the peers' median"),),
            guards=(LONGER_SUPPLY,),
            version=2,
        ),
        Subject.INVOICE: On(
            unusual_units_per_prescription,
            needs=("invoices.units_reimbursed", "invoices.prescriptions"),
            thresholds=(
                Threshold("minimum_peers", 20, "lines that the z-score must rest on"),
                Threshold(
                    "times_own_median", 10.0, "or units per prescription outside [1/n, n] times the line's own median"
                ),
            ),
            title="Units do not fit the number of prescriptions",
            programs=MEDICAID,
            codes=("Q",),
            party=Party.STATE,
            document="usual units per prescription, with source and number",
        ),
    },
    programs=MEDICAID_AND_CONTRACTS,
    evidence=Evidence.MEDIUM,
    explains_unusual=True,
    codes=("Q", "PBM"),
    route=Route.STATE,
    party=Party.UNDETERMINED,
    action=Action.DISPUTE,
    root_cause=root_causes.QUANTITY_OF_PRODUCT,
    data_source=DataSource.QUANTITIES_AND_AMOUNTS,
    thresholds=(Z_SCORE,),
    citation="CMS-304 dispute code Q",
    document="usual quantities of the product, with source and number",
)
def unusual_quantity(f: Facts, parameters: Parameters) -> Hit:
    """Units are far from the median of the product's claims, by z-score and by ratio. A partial fill or its completion
    is never too small; a fill for more days is larger with reason. At issue is what exceeds the median.
    """
    times = parameters.number("times_typical")
    ratio = divide(f.ndc_units.cast("double"), f.peer_median_units)
    is_part_of_a_fill = F.coalesce(f.dispensing_status.isin("P", "C"), F.lit(False))
    per_day = divide(f.f25_units_per_day, f.peer_median_units_per_day)
    # a missing days' supply is no explanation
    lasts_longer = F.coalesce(~outside(per_day, 1 / times, times), F.lit(False))
    above_median = f.ndc_units.cast("double") - f.peer_median_units
    return Hit(
        when=outside(f.f24_units_per_prescription_z, -parameters.number("z"), parameters.number("z"))
        & outside(ratio, 1 / times, times)
        & ~(is_part_of_a_fill & (ratio < 1)),
        message=sentence(
            "{claim}. Among {peers:count} claims for this product the median is {median:number} units, so this is "
            "{ratio:ratio} times the usual: the quantity appears wrong.",
            claim=claim_of_payer(f),
            peers=f.peers,
            median=f.peer_median_units,
            ratio=ratio,
        ),
        checks=(LONGER_SUPPLY.check(failed=lasts_longer),),
        units=not_below_zero(above_median),
        code=code_of_payer(f, "Q"),
        route=route_of_payer(f),
    )


@rule(
    "R037",
    "Units far from the line's own past",
    on={Subject.INVOICE: ("invoices.units_reimbursed",)},
    programs=MEDICAID,
    evidence=Evidence.WEAK,
    codes=("S",),
    route=Route.STATE,
    party=Party.UNDETERMINED,
    action=Action.INQUIRE,
    root_cause=root_causes.QUANTITY_OF_PRODUCT,
    data_source=DataSource.QUANTITIES_AND_AMOUNTS,
    citation="CMS-304 dispute code S",
    document="history of the state's utilisation",
    thresholds=(
        Threshold("z", 4.0, "robust z-score of units against the line's own median, among the lines of the program"),
        Threshold("times_own_quarters", 3.0, "and units above n times that median"),
        Threshold("minimum_quarters", 4, "quarters with units that the line's own median must rest on"),
    ),
)
def trend_break(f: Facts, parameters: Parameters) -> Hit:
    """Units are far above the median of the line's own quarters, further than lines of the program usually go. Changes
    of enrolment, preferred drugs, supply or carve-outs are in no table and have to be requested. At issue is what is
    above the median.
    """
    times = f.f46_units_to_own_median
    return Hit(
        when=~is_delta(f)
        & (f.f46_units_to_own_median_z > parameters.number("z"))
        & ~F.isnan(f.f46_units_to_own_median_z)
        & (times > parameters.number("times_own_quarters"))
        & (f.own_past_quarters >= parameters.integer("minimum_quarters")),
        message=sentence(
            "{line}, {times:ratio} times the median of its {quarters} quarters: the units appear inconsistent with the "
            "state's own history.",
            line=line_invoiced(f),
            times=times,
            quarters=f.own_past_quarters,
        ),
        units=not_below_zero(f.units_reimbursed.cast("double") * (1 - divide(F.lit(1.0), times))),
    )
