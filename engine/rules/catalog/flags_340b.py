"""Claims with a 340B identifier that were billed nevertheless."""

from __future__ import annotations

from pyspark.sql import functions as F

from engine.contracts.codes import Action, Evidence, Party, Program, Route, Subject
from engine.rules import root_causes
from engine.rules.catalog.links_340b import (
    ONE_CONTRACT,
    contract_known_from,
    contract_row,
    one_contract,
    outside_exclusion_scope,
)
from engine.rules.common import (
    DOCUMENT_FLAG,
    FFS,
    MCO,
    SNAPSHOT,
    claim_units,
    has_340b_flag,
    payer_requested,
    snapshot,
    state_invoiced,
)
from engine.rules.evidence import EvidenceClass, at_most
from engine.rules.hit import Check, Facts, Guard, Hit, reference_row
from engine.rules.registry import DataSource, Parameters, Part, rule
from engine.rules.text import sentence

_FLAG_COLUMNS = (
    "rebate_claims.submission_clarification_codes|rebate_claims.basis_of_cost|rebate_claims.modifiers",
)  # fmt: skip

_PARTS = (
    Part("submission clarification codes", needs=("rebate_claims.submission_clarification_codes",)),
    Part("basis of cost", needs=("rebate_claims.basis_of_cost",)),
    Part("modifiers", needs=("rebate_claims.modifiers",)),
)

IDENTIFIER_DATES = Guard(
    "IDENTIFIER_DATES",
    "it is not known since when the state requires the identifier, which may have meant something else that day",
    fails=False,
)
CONTRACT_TERMS = Guard(
    "CONTRACT_TERMS",
    "the contract in force allows 340B claims, or excludes only those of other pharmacies",
    needs=("rebate_contracts",),
)


@rule(
    "R001",
    "340B identifier on an invoiced fee-for-service claim",
    on={Subject.REBATE_CLAIM: ("identifiers_340b", *_FLAG_COLUMNS)},
    programs=FFS,
    evidence=Evidence.STRONG,
    codes=("X",),
    route=Route.STATE,
    party=Party.STATE,
    action=Action.DISPUTE,
    root_cause=root_causes.IDENTIFIER_NOT_USED,
    data_source=DataSource.FLAGS_ON_CLAIM,
    citation="42 U.S.C. 256b(a)(5)(A)(i); 42 U.S.C. 1396r-8(a)(5)(C)",
    document=DOCUMENT_FLAG,
    parts=_PARTS,
    guards=(IDENTIFIER_DATES, SNAPSHOT),
)
def flag_on_fee_for_service_claim(f: Facts, _: Parameters) -> Hit:
    """The claim carries an identifier that its state and program use for 340B drugs on the date of service."""
    return _flag_on_claim(f)


@rule(
    "R004",
    "340B identifier on an invoiced managed-care claim",
    on={Subject.REBATE_CLAIM: ("identifiers_340b", *_FLAG_COLUMNS)},
    programs=MCO,
    evidence=Evidence.STRONG,
    codes=("X",),
    route=Route.STATE,
    party=Party.STATE,
    action=Action.DISPUTE,
    root_cause=root_causes.IDENTIFIER_NOT_USED,
    data_source=DataSource.FLAGS_ON_CLAIM,
    citation="42 U.S.C. 1396r-8(j)(1); 42 CFR 438.3(s)(3)",
    document=DOCUMENT_FLAG,
    parts=_PARTS,
    guards=(IDENTIFIER_DATES, SNAPSHOT),
)
def flag_on_managed_care_claim(f: Facts, _: Parameters) -> Hit:
    """As R001, on an encounter of a managed-care plan."""
    return _flag_on_claim(f)


@rule(
    "R010",
    "340B identifier on a claim for a contract rebate",
    on={Subject.REBATE_CLAIM: ("identifiers_340b", *_FLAG_COLUMNS)},
    programs=(Program.COMMERCIAL, Program.PARTD),
    evidence=Evidence.STRONG,
    codes=("PBM",),
    route=Route.PBM,
    party=Party.PBM,
    action=Action.DISPUTE,
    root_cause=root_causes.IDENTIFIER_NOT_USED,
    data_source=DataSource.FLAGS_ON_CLAIM,
    citation="rebate contract",
    document="the claim's 340B identifier and the contract's 340B clause",
    parts=_PARTS,
    guards=(IDENTIFIER_DATES, ONE_CONTRACT, CONTRACT_TERMS, SNAPSHOT),
)
def flag_on_contract_claim(f: Facts, _: Parameters) -> Hit:
    """The payer's own file carries a 340B identifier. It counts where the contract in force excludes 340B claims, all
    or such as this one; where no contract is known, one class less.
    """
    flags = F.array_join(f.flags_340b, ", ")
    is_outside, scope_is_unknown = outside_exclusion_scope(f)
    return Hit(
        when=has_340b_flag(f),
        message=sentence(
            "{claim}, yet the claim itself carries the 340B identifier {flags}: it appears to be a 340B claim outside "
            "contract terms.",
            claim=payer_requested(f, "a rebate"),
            flags=flags,
        ),
        evidence=_evidence(f),
        checks=(
            _dates_known(f),
            one_contract(f),
            CONTRACT_TERMS.check(
                failed=~f.contract_excludes_340b | is_outside,
                unchecked=f.contract_excludes_340b.isNull() | scope_is_unknown,
            ),
            snapshot(f.date_of_service, f.flags_340b_known_from, *contract_known_from(f)),
        ),
        units=claim_units(f),
        references=(
            reference_row("identifiers_340b", flags),
            F.when(f.contract_key.isNotNull(), contract_row(f)),
        ),
    )


def _evidence(f: Facts) -> EvidenceClass:
    """At most MEDIUM evidence if the only source of the identifier is a plan, a lawyer or the trade press."""
    return at_most(Evidence.STRONG, Evidence.MEDIUM, where=~f.flags_340b_are_sure)


def _dates_known(f: Facts) -> Check:
    """Never FAILED; UNCHECKED if it is unknown whether the state required the identifier on that day."""
    return IDENTIFIER_DATES.check(failed=F.lit(False), unchecked=~f.flags_340b_are_dated)


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
        evidence=_evidence(f),
        checks=(_dates_known(f), snapshot(f.date_of_service, f.flags_340b_known_from)),
        units=claim_units(f),
        references=(reference_row("identifiers_340b", flags),),
    )
