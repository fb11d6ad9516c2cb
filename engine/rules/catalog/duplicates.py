"""One dispense billed twice: facts compare a row with the nearest earlier live row and assign at most one rule."""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F

from engine.contracts.codes import Action, Evidence, Party, Program, Route, Subject, Transaction
from engine.rules import root_causes
from engine.rules.common import (
    MEDICAID_AND_CONTRACTS,
    WASTE_LINE,
    WASTE_MODIFIERS,
    claim_of_payer,
    claim_units,
    code_of_payer,
    is_federal,
    is_medicaid,
    party_of_payer,
    payer_requested,
    program_words,
    route_of_payer,
    state_invoiced,
    waste_next_to_given,
)
from engine.rules.evidence import EvidenceClass, either
from engine.rules.hit import Check, Facts, Guard, Hit, related_rows
from engine.rules.registry import DataSource, Parameters, rule
from engine.rules.text import if_known, sentence

OTHER_PAYERS_PART = Guard(
    "OTHER_PAYERS_PART",
    "third parties paid another amount on the earlier row, so that the two may be the parts of two payers",
    needs=("rebate_claims.amount_third_party",),
)
SAME_CONTRACT = Guard(
    "SAME_CONTRACT",
    "one of the two rows names no contract, and the payer has several that may govern it",
    fails=False,
)
CORRECTION = Guard(
    "CORRECTION",
    "the row is an adjustment, which may replace the earlier row without naming it",
    weakens_to=Evidence.MEDIUM,
)
MEDICAID_SECONDARY = Guard(
    "MEDICAID_SECONDARY",
    "a third party paid a part of the Medicaid claim, so that Medicaid paid what was left",
    needs=("rebate_claims.amount_third_party",),
)
PART_D_DUAL = Guard(
    "PART_D_DUAL", "the patient has Part D and Medicaid, which settle between themselves", weakens_to=Evidence.WEAK
)


def _duplicate(
    f: Facts, rule_id: str, difference: Column, checks: tuple[Check, ...] = (), evidence: EvidenceClass | None = None
) -> Hit:
    message = sentence(
        "{claim}{received}. The same dispense appears to have been billed before: {earlier}{earlier_received}; "
        "{difference}{left}.",
        claim=claim_of_payer(f),
        received=if_known(", received {day:date}", day=f.received_at),
        earlier=_earlier_row(f),
        earlier_received=if_known(", received {day:date}", day=f.duplicate_received_at),
        difference=difference,
        left=if_known(
            "; lines with units below zero leave {units:number} of its units",
            units=F.when(f.duplicate_units_at_issue < claim_units(f), f.duplicate_units_at_issue),
        ),
    )
    return Hit(
        when=f.duplicate_rule == rule_id,
        message=message,
        evidence=evidence,
        checks=checks,
        related=f.duplicate_source_row_ids,
        related_count=f.duplicate_row_count,
        units=f.duplicate_units_at_issue,
        code=code_of_payer(f, "M"),
        route=route_of_payer(f),
    )


def _same_contract(f: Facts) -> Check:
    """Never FAILED, because rows under two named contracts are not compared. A missing contract id means the only
    contract of the payer, unless several are known. The federal rebate needs no contract.
    """
    names_none = f.contract_id.isNull() | f.duplicate_contract_id.isNull()
    has_several = F.coalesce(f.payer_contracts > 1, F.lit(False))
    return SAME_CONTRACT.check(
        failed=F.lit(False),
        unchecked=names_none & has_several,
        only_where=~(is_medicaid(f) & is_federal(f)) & (f.payer_id == f.duplicate_payer_id),
    )


def _earlier_row(f: Facts) -> Column:
    return sentence(
        "{units:number} units, claim {claim}, {program}, {payer}, period {period}, row {row}",
        units=f.duplicate_units,
        claim=f.duplicate_claim_id,
        program=program_words(f.duplicate_program),
        payer=F.when(f.duplicate_state.isNotNull(), sentence("state {state}", state=f.duplicate_state)).otherwise(
            sentence("payer {payer}", payer=f.duplicate_payer_id)
        ),
        period=f.duplicate_period,
        row=f.duplicate_source_row_id,
    )


@rule(
    "R016",
    "Same dispense twice for one payer, program and period",
    on={Subject.REBATE_CLAIM: ()},
    programs=MEDICAID_AND_CONTRACTS,
    evidence=Evidence.STRONG,
    codes=("M", "PBM"),
    route=Route.STATE,
    party=Party.STATE,
    action=Action.DISPUTE,
    root_cause=root_causes.BILLED_TWICE,
    data_source=DataSource.OTHER_ROWS_OF_SAME_DISPENSE,
    citation="42 U.S.C. 1396r-8(b)(2); 42 CFR 447.511; rebate contract",
    document="both claim lines",
    thresholds=(WASTE_MODIFIERS,),
    guards=(OTHER_PAYERS_PART, WASTE_LINE, SAME_CONTRACT),
)
def twice_in_one_period(f: Facts, parameters: Parameters) -> Hit:
    """A second line for one dispense. Where third parties paid another amount on it, it may be the secondary payer's
    part; of medical lines one for discarded units is next to one for the units given. Here and in R017 to R019 later
    lines with units below zero credit what their payer billed: what they leave of the line is at issue, if
    anything.
    """
    other_part = OTHER_PAYERS_PART.check(failed=f.amount_third_party != f.duplicate_amount_third_party)
    checks = (other_part, waste_next_to_given(f, parameters), _same_contract(f))
    hit = _duplicate(f, "R016", F.lit("only one of the two can be due"), checks)
    return hit._replace(party=party_of_payer(f))


@rule(
    "R017",
    "Same dispense in two programs",
    on={Subject.REBATE_CLAIM: ()},
    programs=MEDICAID_AND_CONTRACTS,
    evidence=Evidence.MEDIUM,
    codes=("M", "PBM"),
    route=Route.STATE,
    party=Party.UNDETERMINED,
    action=Action.INQUIRE,
    root_cause=root_causes.BILLED_TWICE,
    data_source=DataSource.OTHER_ROWS_OF_SAME_DISPENSE,
    citation="42 U.S.C. 1396r-8(b)(2); 42 CFR 447.511; rebate contract",
    document="both claim lines",
)
def in_both_programs(f: Facts, _: Parameters) -> Hit:
    """Fee-for-service and managed care of a state, or the commercial and Part D business of a payer, bill one
    dispense. A void or the patient's enrollment has to show which is wrong.
    """
    difference = "only one of the two programs can have paid for it, and which one is open"
    return _duplicate(f, "R017", F.lit(difference))


@rule(
    "R018",
    "Same dispense of two states or payers",
    on={Subject.REBATE_CLAIM: ()},
    programs=MEDICAID_AND_CONTRACTS,
    evidence=Evidence.MEDIUM,
    codes=("M", "PBM"),
    route=Route.STATE,
    party=Party.UNDETERMINED,
    action=Action.INQUIRE,
    root_cause=root_causes.BILLED_TWICE,
    data_source=DataSource.OTHER_ROWS_OF_SAME_DISPENSE,
    citation="42 U.S.C. 1396r-8(b)(2); 42 CFR 447.511; rebate contract",
    document="both claim lines",
)
def in_two_states(f: Facts, _: Parameters) -> Hit:
    """Two states, or two payers outside Medicaid, bill one dispense of one pharmacy. Eligibility has to show which is
    wrong.
    """
    who = F.when(is_medicaid(f), F.lit("states")).otherwise(F.lit("payers"))
    difference = sentence("only one of the two {who} can have paid for it, and which one is open", who=who)
    return _duplicate(f, "R018", difference)


@rule(
    "R019",
    "Same dispense in two periods",
    on={Subject.REBATE_CLAIM: ()},
    programs=MEDICAID_AND_CONTRACTS,
    evidence=Evidence.STRONG,
    codes=("M", "PBM"),
    route=Route.STATE,
    party=Party.STATE,
    action=Action.DISPUTE,
    root_cause=root_causes.BILLED_TWICE,
    data_source=DataSource.OTHER_ROWS_OF_SAME_DISPENSE,
    citation="42 U.S.C. 1396r-8(b)(2); 42 CFR 447.511; rebate contract",
    document="both claim lines",
    guards=(CORRECTION, SAME_CONTRACT),
)
def in_two_periods(f: Facts, _: Parameters) -> Hit:
    """One dispense in two periods of one payer and program: STRONG under one claim number, else MEDIUM."""
    has_one_claim_number = f.claim_id == f.duplicate_claim_id
    correction = CORRECTION.check(failed=f.transaction == Transaction.ADJUSTMENT.value)
    hit = _duplicate(
        f,
        "R019",
        F.lit("the units appear to be counted in both periods"),
        (correction, _same_contract(f)),
        evidence=either(has_one_claim_number, Evidence.STRONG, Evidence.MEDIUM),
    )
    return hit._replace(party=party_of_payer(f))


@rule(
    "R057",
    "Billed by Medicaid and by another payer",
    on={Subject.REBATE_CLAIM: ()},
    programs=tuple(Program),
    evidence=Evidence.MEDIUM,
    codes=("PBM", "MRA"),
    route=Route.PBM,
    party=Party.UNDETERMINED,
    action=Action.INQUIRE,
    root_cause=root_causes.BILLED_TWICE,
    data_source=DataSource.OTHER_ROWS_OF_SAME_DISPENSE,
    citation="rebate contract; 42 U.S.C. 1396a(a)(25)",
    document="both claim lines",
    guards=(MEDICAID_SECONDARY, PART_D_DUAL),
)
def medicaid_and_another_payer(f: Facts, _: Parameters) -> Hit:
    """An earlier row of the same prescription, fill and day is of Medicaid and this one is not, or the other way round.
    Medicaid may rightly pay what another payer left; patients with Part D and Medicaid are apart. Rebates of several
    kinds on one program's claim are no duplicates.
    """
    of_medicaid = is_medicaid(f)
    is_mfp = f.program == Program.MFP.value
    part_d = [Program.PARTD.value, Program.MFP.value]
    other = F.when(of_medicaid, f.elsewhere_program).otherwise(f.program)
    return Hit(
        when=f.elsewhere_program.isNotNull(),
        message=sentence(
            "{claim}. The same dispense is billed by another program as well ({program}): payer {payer}, claim "
            "{other}, row {row}. Two programs appear to have been charged for one dispense, and which one is wrong is "
            "open.",
            claim=F.when(of_medicaid, state_invoiced(f)).otherwise(payer_requested(f, "a rebate or refund")),
            program=program_words(f.elsewhere_program),
            payer=f.elsewhere_payer_id,
            other=f.elsewhere_claim_id,
            row=f.elsewhere_source_row_id,
        ),
        checks=(
            MEDICAID_SECONDARY.check(failed=f.elsewhere_is_secondary, unchecked=f.elsewhere_is_secondary.isNull()),
            PART_D_DUAL.check(failed=other.isin(*part_d)),
        ),
        related=related_rows(f.elsewhere_source_row_id),
        units=claim_units(f),
        code=F.when(is_mfp, F.lit("MRA")).when(~of_medicaid, F.lit("PBM")),
        route=F.when(of_medicaid, F.lit(Route.STATE.value))
        .when(is_mfp, F.lit(Route.FACILITATOR.value))
        .otherwise(F.lit(Route.PBM.value)),
    )
