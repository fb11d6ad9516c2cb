"""Units that were credited or repaid and are billed again (code M)."""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F

from engine.contracts.codes import Action, Evidence, Party, Program, Route, Subject, Transaction
from engine.rules import root_causes
from engine.rules.common import MEDICAID, claim_units, line_invoiced, payer_requested, state_invoiced
from engine.rules.hit import Facts, Guard, Hit, key_of, reference_row
from engine.rules.registry import DataSource, On, Parameters, rule
from engine.rules.text import if_known, sentence

PARTIAL_CREDIT = Guard("PARTIAL_CREDIT", "only a part of the units was credited or repaid", weakens_to=Evidence.MEDIUM)
DAY_OF_RECEIPT = Guard(
    "DAY_OF_RECEIPT",
    "the settlement may answer this very row: on which day the row was received is not known",
    fails=False,
)
CORRECTION = Guard(
    "CORRECTION",
    "the row replaces an earlier one, and may be what the credit left of it",
    weakens_to=Evidence.WEAK,
)


def _settled(f: Facts, subject: Column, units: Column, received: Column, is_correction: Column, key: Column) -> Hit:
    settled = F.least(f.settled_units, units)
    return Hit(
        when=f.settled_units > 0,
        message=sentence(
            "{subject}{received}. {settled:number} units of it were credited or repaid before, last on "
            "{settled_on:date}: they appear to be billed again.",
            subject=subject,
            received=if_known(", received {day:date}", day=received),
            settled=settled,
            settled_on=f.settled_on,
        ),
        checks=(
            PARTIAL_CREDIT.check(failed=f.settled_units < units),
            DAY_OF_RECEIPT.check(failed=F.lit(False), unchecked=received.isNull()),
            CORRECTION.check(failed=is_correction),
        ),
        units=settled,
        references=(reference_row("settlements", key, f.settled_on),),
    )


def line_settled_before(f: Facts, _: Parameters) -> Hit:
    """As on claims, where the settlement names no claim but the line's program, state, product and period."""
    received = F.coalesce(f.received_date, f.postmark_date)
    return _settled(
        f,
        line_invoiced(f),
        f.units_reimbursed,
        received,
        f.line_kind == "PRIOR_REPLACEMENT",
        key_of(f.program, f.state, f.ndc11, f.period),
    )


@rule(
    "R059",
    "Credited or repaid units billed again",
    on={
        Subject.REBATE_CLAIM: ("settlements.claim_id",),
        Subject.INVOICE: On(
            line_settled_before,
            needs=("settlements", "invoices.units_reimbursed"),
            title="Credited units invoiced again",
            programs=MEDICAID,
            codes=("M",),
        ),
    },
    programs=tuple(Program),
    evidence=Evidence.STRONG,
    codes=("M", "PBM", "MRA"),
    route=Route.STATE,
    party=Party.STATE,
    action=Action.DISPUTE,
    root_cause=root_causes.SETTLED_BEFORE,
    data_source=DataSource.SETTLEMENTS,
    citation="ledger of settlements; 42 CFR 447.511",
    document="the earlier credit or repayment",
    guards=(PARTIAL_CREDIT, DAY_OF_RECEIPT, CORRECTION),
)
def claim_settled_before(f: Facts, _: Parameters) -> Hit:
    """A state's credit or an entity's repayment for the claim line came before the row was received. What is at issue
    is the part that was settled.
    """
    is_medicaid = f.program.isin(*(program.value for program in MEDICAID))
    is_mfp = f.program == Program.MFP.value
    subject = F.when(is_medicaid, state_invoiced(f)).otherwise(payer_requested(f, "a rebate or refund"))

    def by_payer(medicaid: str, mfp: str, others: str) -> Column:
        return F.when(is_medicaid, F.lit(medicaid)).when(is_mfp, F.lit(mfp)).otherwise(F.lit(others))

    hit = _settled(
        f,
        subject,
        claim_units(f),
        f.received_at.cast("date"),
        f.transaction == Transaction.ADJUSTMENT.value,
        key_of(f.program, f.ndc11, f.claim_id, f.claim_line),
    )
    return hit._replace(
        code=by_payer("M", "MRA", "PBM"),
        route=by_payer(Route.STATE, Route.FACILITATOR, Route.PBM),
        party=by_payer(Party.STATE, Party.UNDETERMINED, Party.PBM),
        action=by_payer(Action.DISPUTE, Action.PAY_AND_WATCH, Action.DISPUTE),
    )
