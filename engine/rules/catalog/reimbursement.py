"""Quantities that do not fit what was paid for them (code R, which must accompany another code)."""

from __future__ import annotations

from pyspark.sql import functions as F

from engine.contracts.codes import Action, Evidence, Party, Route, Subject
from engine.intervals import quarter_of, start_of_quarter
from engine.rules import root_causes
from engine.rules.common import (
    MEDICAID,
    THIRD_PARTY_PAYMENT,
    has_340b_flag,
    is_delta,
    line_invoiced,
    not_below_zero,
    outside,
    quarter_after,
    state_invoiced,
    third_party_payment,
)
from engine.rules.hit import Facts, Guard, Hit, key_of, reference_row
from engine.rules.registry import DataSource, On, Parameters, Threshold, rule
from engine.rules.text import if_known, sentence
from engine.runtime.expressions import divide

ACQUISITION_COST = Guard(
    "340B_ACQUISITION_COST",
    "the claim is flagged, listed or reported as 340B, and is paid at the entity's low cost",
    needs=("entity_claims",),
)
LIST_PRICE = Guard(
    "LIST_PRICE",
    "there is no list price to compare with, and the rebate counts alone",
    needs=("prices.wac_unit",),
    fails=False,
)
MARKET_PRICE = Guard(
    "MARKET_PRICE",
    "there is no market price to compare with, and the peers speak alone",
    needs=("market_prices",),
    fails=False,
)


def units_do_not_fit_reimbursement(f: Facts, parameters: Parameters) -> Hit:
    """Paid per unit is far from the market price of the period's first day, or from other states and quarters. Without
    market prices the second half speaks alone, one class down. At issue are the units that the amount would not buy at
    the market price, else at the line's own median price.
    """
    to_market = f.f21_paid_per_unit_to_market_price
    is_far_from_market = outside(
        to_market, parameters.number("market_price_low"), parameters.number("market_price_high")
    )
    is_far_from_peers = outside(f.f48_paid_per_unit_z, -parameters.number("z"), parameters.number("z")) & (
        f.peers >= parameters.integer("minimum_peers")
    )
    market = if_known(
        "; the market price in force{since} is {price:price} per unit",
        since=if_known(" since {day:date}", day=f.market_price_effective_date),
        price=f.market_price,
    )
    peers = F.when(
        is_far_from_peers,
        sentence("; {n:count} lines of other states and quarters are paid quite differently per unit", n=f.peers),
    ).otherwise(F.lit(""))
    usual_price = F.when(is_far_from_market, f.market_price.cast("double")).otherwise(f.own_median_paid_per_unit)
    part_paid_for = divide(f.f48_paid_per_unit, usual_price)
    return Hit(
        when=~is_delta(f) & (is_far_from_market | is_far_from_peers),
        message=sentence(
            "{line} with {paid:money} reimbursed, {each:price} per unit{market}{peers}. The quantity appears "
            "inconsistent with the reimbursement.",
            line=line_invoiced(f),
            paid=F.coalesce(f.total_amount, f.medicaid_amount),
            each=f.f48_paid_per_unit,
            market=market,
            peers=peers,
        ),
        checks=(MARKET_PRICE.check(failed=F.lit(False), unchecked=to_market.isNull()),),
        units=f.units_reimbursed.cast("double") * not_below_zero(1 - part_paid_for),
        references=(
            F.when(f.market_price.isNotNull(), reference_row("market_prices", f.ndc11, f.market_price_effective_date)),
        ),
    )


@rule(
    "R036",
    "Quantity does not fit the amount paid",
    on={
        Subject.REBATE_CLAIM: On(
            needs=(
                "rebate_claims.amount_paid",
                "prices.unit_rebate_amount|rebate_claims.unit_rebate_amount",
            ),
            thresholds=(
                Threshold("paid_to_wac_low", 0.2, "amount paid per unit, as a part of WAC, below which it is unusual"),
                Threshold("paid_to_wac_high", 3.0, "and above which it is unusual"),
                Threshold("rebate_to_paid", 1.5, "and units x URA more than this many times the amount paid"),
            ),
            guards=(THIRD_PARTY_PAYMENT, ACQUISITION_COST, LIST_PRICE),
        ),
        Subject.INVOICE: On(
            units_do_not_fit_reimbursement,
            needs=("invoices.units_reimbursed", "invoices.total_amount|invoices.medicaid_amount"),
            thresholds=(
                Threshold(
                    "market_price_low", 0.02, "paid per unit as a part of the market price, below which it is unusual"
                ),
                Threshold("market_price_high", 50.0, "and above which it is unusual"),
                Threshold("z", 4.0, "or the robust z-score of paid per unit among the peers"),
                Threshold("minimum_peers", 20, "lines that the z-score must rest on"),
            ),
            guards=(MARKET_PRICE,),
            title="Units do not fit the amount reimbursed",
            party=Party.STATE,
            document="amount reimbursed per unit against the market price or other states",
        ),
    },
    programs=MEDICAID,
    evidence=Evidence.MEDIUM,
    explains_unusual=True,
    codes=("R",),
    route=Route.STATE,
    party=Party.UNDETERMINED,
    action=Action.DISPUTE,
    root_cause=root_causes.QUANTITY_OF_PRODUCT,
    data_source=DataSource.QUANTITIES_AND_AMOUNTS,
    citation="CMS-304 dispute code R",
    document="amount paid against WAC",
)
def quantity_does_not_fit_payment(f: Facts, parameters: Parameters) -> Hit:
    """Paid per unit is out of the band around WAC, and the rebate is well above the payment. Without a list price the
    second half counts alone, one class down. At issue is what exceeds the peers' median.
    """
    paid_to_wac = f.f20_paid_per_unit_to_wac
    is_out_of_band = outside(paid_to_wac, parameters.number("paid_to_wac_low"), parameters.number("paid_to_wac_high"))
    is_340b = has_340b_flag(f) | f.link_tier.isNotNull() | f.mef_entity_id.isNotNull()
    quarter = quarter_of(f.date_of_service)
    start = start_of_quarter(quarter)
    return Hit(
        when=F.coalesce(is_out_of_band, F.lit(True)) & (f.f23_rebate_to_paid > parameters.number("rebate_to_paid")),
        message=sentence(
            "{claim} and paid {paid:money} for them{list_price}, while the rebate is {rebate:ratio} times the payment: "
            "the quantity appears not to fit what was paid.",
            claim=state_invoiced(f),
            paid=f.amount_paid,
            list_price=if_known(
                ", {ratio:percent} of the wholesale acquisition cost of {quarter}", ratio=paid_to_wac, quarter=quarter
            ),
            rebate=f.f23_rebate_to_paid,
        ),
        checks=(
            third_party_payment(f),
            ACQUISITION_COST.check(failed=is_340b),
            LIST_PRICE.check(failed=F.lit(False), unchecked=paid_to_wac.isNull()),
        ),
        units=not_below_zero(f.ndc_units.cast("double") - f.peer_median_units),
        references=(
            F.when(
                paid_to_wac.isNotNull(),
                reference_row("prices", key_of(f.ndc11, quarter), start, quarter_after(start)),
            ),
        ),
    )
