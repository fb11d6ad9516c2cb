"""Invoiced units without supporting claims."""

from __future__ import annotations

from pyspark.sql import functions as F

from engine.contracts.codes import Action, Evidence, Party, Route, Subject
from engine.rules import root_causes
from engine.rules.common import MEDICAID, is_delta, is_invoice, line_invoiced, not_below_zero, state_claimed
from engine.rules.hit import Facts, Guard, Hit
from engine.rules.registry import Parameters, Threshold, rule
from engine.rules.text import sentence
from engine.runtime.expressions import divide

QUARANTINED_CLAIMS = Guard(
    "QUARANTINED_CLAIMS", "claim rows that may belong to the line could not be read and are quarantined", fails=False
)
UNITS_NOT_CONVERTED = Guard(
    "UNITS_NOT_CONVERTED",
    "claim lines behind it count HCPCS units that no crosswalk converts, so what they hold is not known",
    fails=False,
)


@rule(
    "R038",
    "Invoiced units not supported by claim-level detail",
    on={Subject.INVOICE: ("rebate_claims", "invoices.units_reimbursed")},
    programs=MEDICAID,
    evidence=Evidence.STRONG,
    explains_unusual=True,
    route=Route.STATE,
    party=Party.STATE,
    action=Action.REQUEST_CLD,
    root_cause=root_causes.NO_DETAIL,
    data_source=None,
    citation="42 CFR 447.511; CMS Medicaid Drug Rebate dispute resolution",
    thresholds=(
        Threshold("gap", 0.005, "part of the invoiced units that claims do not support"),
        Threshold("minimum_units", 1.0, "invoiced units up to which a line is too small for an inquiry"),
    ),
    guards=(QUARANTINED_CLAIMS, UNITS_NOT_CONVERTED),
    version=4,
)
def units_without_claims(f: Facts, parameters: Parameters) -> Hit:
    """The invoice bills more units than the live claim lines of its state, program, product, period and rebate type
    hold; of its sub-program, if line and claim both state one. A line or claim without a rebate type is FEDERAL. Lines
    that correct an earlier one by a difference are no total of claims, and public utilization data come without
    claim-level detail: both are excluded. What negative differences credited is no longer billed. Quarantined
    claim rows are not absent claims: where any of them may belong to the line, by its state, program, product and
    period as far as they can be read, the guard is UNCHECKED, and the units that can be read of them are not at issue.
    Claim lines in HCPCS units that could not be converted leave what they hold unknown.
    """
    claimed = F.coalesce(f.claim_units, F.lit(0).cast("decimal(15,3)"))
    lines, unread = F.coalesce(f.claim_lines, F.lit(0)), F.coalesce(f.quarantined_claim_lines, F.lit(0))
    unread_units = F.coalesce(f.quarantined_claim_units, F.lit(0).cast("decimal(15,3)"))
    taken_back = F.coalesce(f.units_taken_back, F.lit(0).cast("decimal(15,3)"))
    gap = f.units_reimbursed - taken_back - claimed
    share = divide(gap.cast("double"), f.units_reimbursed.cast("double"))
    is_total_of_claims = is_invoice(f) & ~is_delta(f)
    is_short = (f.units_reimbursed > parameters.number("minimum_units")) & (share > parameters.number("gap"))
    some = sentence(
        "the {lines:count} claim lines received for it hold {claimed:number} units", lines=lines, claimed=claimed
    )
    received = (
        F.when(lines > 0, some)
        .when(unread > 0, F.lit("no readable claim line was received for it"))
        .otherwise(F.lit("no claim line was received for it"))
    )
    quarantined = F.when(
        unread > 0,
        sentence(
            " Quarantined claim rows, which could not be read and may belong to this line: {unread:count}, with "
            "{units:number} units where those can be read.",
            unread=unread,
            units=unread_units,
        ),
    ).otherwise(F.lit(""))
    reduced = F.when(
        taken_back > 0, sentence(" and took {units:number} of them back since", units=taken_back)
    ).otherwise(F.lit(""))
    return Hit(
        when=is_total_of_claims & is_short,
        message=sentence(
            "{line}{reduced}, but {received}: {gap:number} units ({share:percent}) appear to have no claim behind "
            "them.{quarantined}",
            line=line_invoiced(f),
            reduced=reduced,
            received=received,
            gap=gap,
            share=share,
            quarantined=quarantined,
        ),
        checks=(
            QUARANTINED_CLAIMS.check(failed=F.lit(False), unchecked=unread > 0),
            UNITS_NOT_CONVERTED.check(failed=F.lit(False), unchecked=f.unconverted_claim_lines > 0),
        ),
        units=not_below_zero(gap - unread_units),
    )


@rule(
    "R061",
    "Claim that no invoice bills",
    on={Subject.REBATE_CLAIM: ("invoices",)},
    programs=MEDICAID,
    evidence=Evidence.CONTEXT,
    route=Route.NONE,
    party=Party.UNDETERMINED,
    action=Action.NONE,
    root_cause=root_causes.NO_DETAIL,
    data_source=None,
    citation="42 CFR 447.511; CMS Medicaid Drug Rebate dispute resolution",
)
def claim_without_invoice(f: Facts, _: Parameters) -> Hit:
    """The state's invoice of the claim's program, period and rebate type was received, and none of its lines is of the
    claim's product. Nothing was billed yet: a later invoice may bill it.
    """
    return Hit(
        when=f.unbilled_invoice_lines > 0,
        message=sentence(
            "{claim}. The invoice received for that state, program and period has {lines:count} lines of this rebate "
            "type and none for this product: the units appear not to have been billed.",
            claim=state_claimed(f),
            lines=f.unbilled_invoice_lines,
        ),
        units=F.lit(0),
    )
