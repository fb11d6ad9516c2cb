"""Claims that carry a 340B identifier and were invoiced all the same."""

from __future__ import annotations

from pyspark.sql import functions as F

from engine.contracts.codes import Action, Evidence, Party, Route, Subject
from engine.rules.common import DOCUMENT_340B, FFS, MCO, claim_units, has_340b_flag, state_invoiced
from engine.rules.hit import Facts, Hit, reference_row
from engine.rules.registry import Given, rule
from engine.rules.text import sentence

_FLAG_COLUMNS = (
    "rebate_claims.submission_clarification_codes|rebate_claims.basis_of_cost|rebate_claims.modifiers",
)  # fmt: skip


@rule(
    "R001",
    "340B identifier on an invoiced fee-for-service claim",
    subject=Subject.REBATE_CLAIM,
    programs=FFS,
    evidence=Evidence.STRONG,
    codes=("X",),
    route=Route.STATE,
    party=Party.STATE,
    action=Action.DISPUTE,
    citation="42 U.S.C. 256b(a)(5)(A)(i); 42 U.S.C. 1396r-8(a)(5)(C)",
    document=DOCUMENT_340B,
    needs=_FLAG_COLUMNS,
)
def flag_on_fee_for_service_claim(f: Facts, _: Given) -> Hit:
    """The claim carries an identifier that its state and program use for 340B drugs on the date of service."""
    return _flag_on_claim(f)


@rule(
    "R004",
    "340B identifier on an invoiced managed-care claim",
    subject=Subject.REBATE_CLAIM,
    programs=MCO,
    evidence=Evidence.STRONG,
    codes=("X",),
    route=Route.STATE,
    party=Party.STATE,
    action=Action.DISPUTE,
    citation="42 U.S.C. 1396r-8(j)(1); 42 CFR 438.3(s)(3)",
    document=DOCUMENT_340B,
    needs=_FLAG_COLUMNS,
)
def flag_on_managed_care_claim(f: Facts, _: Given) -> Hit:
    """As R001, on an encounter of a managed-care plan."""
    return _flag_on_claim(f)


def _flag_on_claim(f: Facts) -> Hit:
    flags = F.array_join(f.flags_340b, ", ")
    message = sentence(
        "{claim}, yet the claim itself carries the 340B identifier {flags}. A drug bought at the 340B price appears to "
        "have been invoiced for a Medicaid rebate as well.",
        claim=state_invoiced(f),
        flags=flags,
    )
    return Hit(
        when=has_340b_flag(f),
        message=message,
        units=claim_units(f),
        references=(reference_row("identifiers_340b", flags),),
    )
