"""Shared by several rules: programs, conditions, and phrases that name a claim or an invoice line in a message."""

from __future__ import annotations

import re
from datetime import date

from pyspark.sql import Column
from pyspark.sql import functions as F

from engine.contracts.codes import CONTRACT_PROGRAMS, MEDICAID_PROGRAMS, ClaimType, Evidence, Party, Program, Route
from engine.rules.hit import Check, Facts, Guard, phrase, reference_row
from engine.rules.registry import Parameters, Threshold
from engine.rules.text import if_known, sentence, words_for
from engine.runtime.expressions import any_of

MEDICAID = MEDICAID_PROGRAMS
MEDICAID_AND_CONTRACTS = (*MEDICAID, *CONTRACT_PROGRAMS)
FFS, MCO = (Program.MDRP_FFS,), (Program.MDRP_MCO,)

PROGRAM_WORDS = {
    Program.MDRP_FFS.value: "Medicaid fee-for-service",
    Program.MDRP_MCO.value: "Medicaid managed care",
    Program.COMMERCIAL.value: "commercial",
    Program.PARTD.value: "Medicare Part D",
    Program.MFP.value: "Medicare negotiated price",
}

# Documents to send with code X (ROSI and PQAS, 2024 collection), by the evidence of the rule.
DOCUMENT_FLAG = "the claim line with its 340B identifier"
DOCUMENT_EXCLUSION_FILE = "340B id with billing NPI or Medicaid number and the exclusion file's quarter"
DOCUMENT_ENTITY_CLAIM = "the entity's claim with its 340B id"

NO_340B_PURCHASE = Guard(
    "NO_340B_PURCHASE",
    "the entity bought none of the product at the 340B price within two quarters of the service",
    needs=("chargebacks",),
    weakens_to=Evidence.WEAK,
)
EXCEEDS_340B_PURCHASES = Guard(
    "EXCEEDS_340B_PURCHASES",
    "more units are billed on the entity's claims than it bought at the 340B price over four quarters",
    needs=("chargebacks", "products.units_per_package"),
    weakens_to=Evidence.MEDIUM,
)
PURCHASE_GUARDS = (NO_340B_PURCHASE, EXCEEDS_340B_PURCHASES)
PURCHASE_TOLERANCE = Threshold(
    "purchase_tolerance", 0.1, "part by which billed units may exceed the entity's purchases over four quarters"
)
THIRD_PARTY_PAYMENT = Guard(
    "THIRD_PARTY_PAYMENT",
    "a third party paid a part of the claim",
    needs=("rebate_claims.amount_third_party",),
)

WASTE_LINE = Guard(
    "WASTE_LINE",
    "the line bills the discarded part of a vial, next to the line for the part that was given",
    needs=("rebate_claims.modifiers",),
)
WASTE_MODIFIERS = Threshold(
    "waste_modifiers",
    ["JW"],
    "modifiers of medical lines for discarded units; JZ states that nothing was discarded and explains nothing",
)
PARTIAL_FILL = Guard(
    "PARTIAL_FILL",
    "the line is a part of a fill, dispensed in two parts",
    needs=("rebate_claims.dispensing_status",),
)
COMPOUND = Guard(
    "COMPOUND",
    "the product is one ingredient of a compound, which takes what it needs",
    needs=("rebate_claims.compound_code",),
)
SNAPSHOT = Guard(
    "SNAPSHOT",
    "a reference row that the rule rests on has no date of its own and was taken after the day: it may not have been "
    "true yet",
    fails=False,
)
PARTIAL_VIAL = Guard("PARTIAL_VIAL", "a provider gave a part of a vial or kit and bills what was given")


def snapshot(day: Column, *known_from: Column) -> Check:
    """A guard check that never fails. `known_from`: facts with the first snapshot day of each reference row that the
    rule uses; NULL: the row has its own dates.
    """
    return SNAPSHOT.check(failed=F.lit(False), unchecked=any_of(day < since for since in known_from))


def no_340b_purchase(f: Facts) -> Check:
    """Check whether the entity did not buy the product at the 340B price; unchecked without its purchases."""
    return NO_340B_PURCHASE.check(failed=~f.entity_bought_at_340b, unchecked=f.entity_bought_at_340b.isNull())


def purchase_checks(f: Facts, parameters: Parameters) -> tuple[Check, Check]:
    """Check whether the entity bought the product at the 340B price at all, and enough of it for all units billed."""
    most = f.entity_units_bought * (1 + parameters.number(PURCHASE_TOLERANCE.name))
    exceeds = EXCEEDS_340B_PURCHASES.check(
        failed=f.entity_units_asked_for > most,
        unchecked=f.entity_units_asked_for.isNull() | f.entity_units_bought.isNull(),
    )
    return no_340b_purchase(f), exceeds


def third_party_payment(f: Facts) -> Check:
    """Check whether another insurer paid a part of the claim."""
    return THIRD_PARTY_PAYMENT.check(failed=f.amount_third_party != 0)


def waste_line(f: Facts, parameters: Parameters) -> Check:
    """Check whether a medical line bills discarded units."""
    return WASTE_LINE.check(
        failed=_is_waste(f.modifiers, parameters), only_where=f.claim_type == ClaimType.MEDICAL.value
    )


def waste_next_to_given(f: Facts, parameters: Parameters) -> Check:
    """Check whether the line and all earlier lines of the dispense differ in kind: one side bills the discarded part,
    the other the administered part.
    """
    # no lambda, because the embedded engine loses columns that a lambda in a rule refers to
    rows = F.size(F.split(f.duplicate_modifiers, ">")) - 1
    waste = F.size(F.split(f.duplicate_modifiers, rf"<\|([^>]*\|)?({_waste_words(parameters)})\|[^>]*>")) - 1
    alike = F.when(_is_waste(f.modifiers, parameters), waste).otherwise(rows - waste)
    return WASTE_LINE.check(
        failed=F.coalesce(alike == 0, F.lit(False)), only_where=f.claim_type == ClaimType.MEDICAL.value
    )


def _is_waste(modifiers: Column, parameters: Parameters) -> Column:
    """Whether the modifiers mark discarded units; never NULL: false for a line without modifiers."""
    return F.coalesce(modifiers.rlike(rf"(^|\|)({_waste_words(parameters)})(\||\z)"), F.lit(False))


def _waste_words(parameters: Parameters) -> str:
    return "|".join(re.escape(word) for word in parameters.words(WASTE_MODIFIERS.name))


def partial_fill(f: Facts) -> Check:
    """Check whether the pharmacy dispensed the prescription in parts."""
    return PARTIAL_FILL.check(failed=f.dispensing_status.isNotNull())


def compound(f: Facts) -> Check:
    """Check whether a pharmacy claim is for a compound, of which each ingredient is a claim."""
    return COMPOUND.check(failed=f.compound_code == "2", only_where=f.claim_type == ClaimType.RX.value)


def partial_vial(f: Facts) -> Check:
    """Check whether a provider may bill a part of a package: true of every medical line."""
    return PARTIAL_VIAL.check(failed=f.claim_type == ClaimType.MEDICAL.value)


def is_federal(f: Facts) -> Column:
    """Whether the rebate is the federal one; a missing rebate type counts as federal. Never NULL."""
    return F.coalesce(f.rebate_type == "FEDERAL", F.lit(True))


def is_medicaid(f: Facts) -> Column:
    """Whether the program is Medicaid, fee-for-service or managed care; NULL if the program is."""
    return f.program.isin(*(program.value for program in MEDICAID))


def code_of_payer(f: Facts, code: str | Column) -> Column:
    """`code` for a Medicaid claim; PBM for a claim under a contract. NULL stays NULL."""
    of_medicaid = F.lit(code) if isinstance(code, str) else code
    return F.when(is_medicaid(f) | of_medicaid.isNull(), of_medicaid).otherwise(F.lit("PBM"))


def route_of_payer(f: Facts) -> Column:
    """The state for a Medicaid claim, the PBM for all others."""
    return F.when(is_medicaid(f), F.lit(Route.STATE.value)).otherwise(F.lit(Route.PBM.value))


def party_of_payer(f: Facts) -> Column:
    """The party at fault if it is the payer: the state, or the payer under a contract."""
    return F.when(is_medicaid(f), F.lit(Party.STATE.value)).otherwise(F.lit(Party.PBM.value))


def claim_units(f: Facts) -> Column:
    """All units of the claim in NDC billing units; as billed if HCPCS units could not be converted."""
    return F.coalesce(f.ndc_units, f.units)


def has_340b_flag(f: Facts) -> Column:
    """Whether the claim has a 340B identifier. Never NULL."""
    return F.coalesce(F.size(f.flags_340b) > 0, F.lit(False))


def outside(value: Column, low: float, high: float) -> Column:
    """Whether the value is below `low` or above `high`; false for NaN."""
    return (value < low) | ((value > high) & ~F.isnan(value))


def not_below_zero(value: Column) -> Column:
    """The value or zero; NULL stays NULL (`greatest` would make it zero)."""
    return F.when(value < 0, F.lit(0)).otherwise(value)


def quarter_after(start: Column) -> Column:
    """First day of the quarter after the one that starts on `start`; NULL after the last quarter of the calendar."""
    return F.when(start < F.lit(date(9999, 10, 1)), F.add_months(start, 3))


def day(value: date) -> Column:
    """A date as a literal column."""
    return F.lit(value)


def claim_name(f: Facts) -> Column:
    """The claim and its line as messages name them."""
    return sentence("claim {claim} line {line}", claim=f.claim_id, line=f.claim_line)


def program_words(column: Column) -> Column:
    """The program as messages name it."""
    return words_for(column, PROGRAM_WORDS)


def _claimed(f: Facts, beginning: str, **values: Column) -> Column:
    """Such as "<beginning> 30 units of NDC 00002759701 for service on 2025-08-01 (Medicaid fee-for-service, claim
    4711 line 1, period 2025Q3)".
    """
    return sentence(
        beginning + " {units:number} units of NDC {ndc} for service on {served:date} ({program}, {claim}, "
        "period {period})",
        payer=f.payer_id,
        units=f.units,
        ndc=f.ndc11,
        served=f.date_of_service,
        program=program_words(f.program),
        claim=claim_name(f),
        period=f.period,
        **values,
    )


@phrase
def state_invoiced(f: Facts) -> Column:
    """Such as "State KY invoiced 30 units of NDC ...": see `_claimed`."""
    return _claimed(f, "State {payer} invoiced")


@phrase
def state_claimed(f: Facts) -> Column:
    """As `state_invoiced`, if only claim-level detail bills the units."""
    return _claimed(f, "Claim-level detail of state {payer} holds")


@phrase
def payer_requested(f: Facts, what: str) -> Column:
    """As `state_invoiced`, for payers other than states; `what`: a rebate or a refund."""
    return _claimed(f, "{payer} requested {what} on", what=F.lit(what))


def claim_of_payer(f: Facts) -> Column:
    """`state_invoiced` for Medicaid claims, `payer_requested` for claims under contracts."""
    return F.when(is_medicaid(f), state_invoiced(f)).otherwise(payer_requested(f, "a rebate"))


@phrase
def line_invoiced(f: Facts) -> Column:
    """Such as "State AK invoiced 900 units of NDC 00002759701 for 2022Q1 (Medicaid managed care, invoice I-7)"."""
    return sentence(
        "State {state} {verb} {units:number} units of NDC {ndc} for {period} ({program}{invoice})",
        state=f.state,
        verb=F.when(f.source_kind == "SDUD", F.lit("reported")).otherwise(F.lit("invoiced")),
        units=f.units_reimbursed,
        ndc=f.ndc11,
        period=f.period,
        program=program_words(f.program),
        invoice=if_known(", invoice {number}", number=f.invoice_number),
    )


def product_row(f: Facts) -> Column:
    """The reference row of the NDC, with the dates that it is valid for."""
    return reference_row("products", f.ndc11, f.market_date, f.termination_date, f.product_snapshot_date)


def product_file(f: Facts) -> Column:
    """Such as " (product file of 2025-07-01)", or an empty text if it is not dated."""
    return if_known(" (product file of {snapshot:date})", snapshot=f.product_snapshot_date)


def is_invoice(f: Facts) -> Column:
    """Whether the line is from an invoice, not from public utilization data or of an unreadable kind. Never NULL."""
    return F.coalesce(f.source_kind == "INVOICE", F.lit(False))


def is_delta(f: Facts) -> Column:
    """Whether the line corrects an earlier one by a difference, so its numbers are not totals. Never NULL."""
    return F.coalesce(f.line_kind == "PRIOR_DELTA", F.lit(False))
