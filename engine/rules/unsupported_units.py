"""Invoiced units without claims behind them."""

from __future__ import annotations

from pyspark.sql import functions as F

from engine.contracts.codes import Action, Evidence, Party, Route, Subject
from engine.rules.common import MEDICAID, is_delta, is_invoice, line_invoiced
from engine.rules.hit import Facts, Hit
from engine.rules.registry import Given, Threshold, rule
from engine.rules.text import sentence


@rule(
    "R038",
    "Invoiced units not supported by claim-level detail",
    subject=Subject.INVOICE,
    programs=MEDICAID,
    evidence=Evidence.STRONG,
    route=Route.STATE,
    party=Party.STATE,
    action=Action.REQUEST_CLD,
    citation="42 CFR 447.511; CMS Medicaid Drug Rebate dispute resolution",
    needs=("rebate_claims", "invoices.units_reimbursed"),
    thresholds=(
        Threshold("gap", 0.005, "part of the invoiced units that claims do not support"),
        Threshold("minimum_units", 1.0, "invoiced units up to which a line is too small to ask"),
    ),
)
def units_without_claims(f: Facts, given: Given) -> Hit:
    """The invoice asks for more units than the live claim lines of its state, program, product, period and rebate type
    hold; of its sub-program, where line and claim both say one. A line or claim without a rebate type is FEDERAL. Lines
    that correct an earlier one by a difference are no total of claims, and public utilisation data come without
    claim-level detail: both are left out.
    """
    claimed = F.coalesce(f.claim_units, F.lit(0).cast("decimal(15,3)"))
    gap = f.units_reimbursed - claimed
    share = F.try_divide(gap.cast("double"), f.units_reimbursed.cast("double"))
    is_total_of_claims = is_invoice(f) & ~is_delta(f)
    is_short = (f.units_reimbursed > given.number("minimum_units")) & (share > given.number("gap"))
    return Hit(
        when=is_total_of_claims & is_short,
        message=sentence(
            "{line}, but the {lines:count} claim lines received for it hold {claimed:number} units: {gap:number} units "
            "({share:percent}) appear to have no claim behind them.",
            line=line_invoiced(f),
            lines=F.coalesce(f.claim_lines, F.lit(0)),
            claimed=claimed,
            gap=gap,
            share=share,
        ),
        units=gap,
    )
