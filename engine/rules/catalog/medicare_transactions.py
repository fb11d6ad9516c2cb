"""MFP refunds that contradict the numbers and codes of the Medicare transaction facilitator."""

from __future__ import annotations

from datetime import date

from engine.contracts.codes import Action, Evidence, Party, Program, Route, Subject
from engine.rules import root_causes
from engine.rules.common import claim_units, payer_requested
from engine.rules.hit import Facts, Guard, Hit, one_of
from engine.rules.registry import DataSource, Parameters, Threshold, rule
from engine.rules.text import sentence

MFP_IN_FORCE = (date(2026, 1, 1), None)  # first day of the negotiated prices (42 U.S.C. 1320f(d))
LATER_ADJUSTMENT = Guard(
    "LATER_ADJUSTMENT",
    "a later adjustment (002) names this ICN, so that the dispense may have become eligible",
    needs=("rebate_claims.mtf_xref_icn",),
    weakens_to=Evidence.WEAK,
)


@rule(
    "R012",
    "MFP refund requested twice",
    on={
        Subject.REBATE_CLAIM: (
            "rebate_claims.mtf_icn",
            "rebate_claims.mtf_xref_icn",
            "rebate_claims.mtf_transaction_code",
        )
    },
    programs=(Program.MFP,),
    evidence=Evidence.STRONG,
    codes=("MRA",),
    route=Route.FACILITATOR,
    party=Party.UNDETERMINED,
    action=Action.PAY_AND_WATCH,
    root_cause=root_causes.BILLED_TWICE,
    data_source=DataSource.OTHER_ROWS_OF_SAME_DISPENSE,
    citation="42 U.S.C. 1320f-2; CMS transaction facilitator specification",
    document="both ICNs",
    in_force=MFP_IN_FORCE,
)
def two_open_icns(f: Facts, _: Parameters) -> Hit:
    """An earlier row of the same dispense is open under another ICN: no cross reference names either, and neither was
    reversed or found not eligible. Notices of withdrawal are no requests. What open rows with units below zero
    reverse is not at issue.
    """
    return Hit(
        when=f.duplicate_rule == "R012",
        message=sentence(
            "{claim}, under ICN {icn}. The same dispense is open under another ICN (claim {claim_id}, row {row}), and "
            "no cross reference names either: one refund appears to be requested twice.",
            claim=payer_requested(f, "an MFP refund"),
            icn=f.mtf_icn,
            claim_id=f.duplicate_claim_id,
            row=f.duplicate_source_row_id,
        ),
        related=f.duplicate_source_row_ids,
        related_count=f.duplicate_row_count,
        units=f.duplicate_units_at_issue,
    )


@rule(
    "R013",
    "MFP refund on a claim that is not eligible",
    on={Subject.REBATE_CLAIM: ("rebate_claims.mtf_transaction_code", "rebate_claims.rebate_amount")},
    programs=(Program.MFP,),
    evidence=Evidence.STRONG,
    codes=("MRA",),
    route=Route.FACILITATOR,
    party=Party.UNDETERMINED,
    action=Action.PAY_AND_WATCH,
    root_cause=root_causes.PRODUCT_NOT_ELIGIBLE,
    data_source=DataSource.MEDICARE_FACILITATOR,
    citation="42 U.S.C. 1320f-2; CMS transaction facilitator specification",
    document="the facilitator's transaction",
    thresholds=(Threshold("transaction_codes", ["009"], "MTF transactions that state that the claim is not eligible"),),
    guards=(LATER_ADJUSTMENT,),
    in_force=MFP_IN_FORCE,
)
def refund_on_ineligible_claim(f: Facts, parameters: Parameters) -> Hit:
    """The facilitator states that the claim is not eligible, but a refund is requested anyway."""
    return Hit(
        when=one_of(f.mtf_transaction_code, parameters.words("transaction_codes")) & (f.rebate_amount > 0),
        message=sentence(
            "{claim} of {refund:money}, yet the facilitator's transaction {code} states that the claim is not eligible "
            "for the negotiated price: no refund appears to be due.",
            claim=payer_requested(f, "an MFP refund"),
            refund=f.rebate_amount,
            code=f.mtf_transaction_code,
        ),
        checks=(LATER_ADJUSTMENT.check(failed=f.mtf_is_adjusted),),
        units=claim_units(f),
    )
