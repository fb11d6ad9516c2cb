"""Rebate claims for a dispense that a covered entity reported as bought at the 340B price."""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F

from engine.contracts.codes import Action, ClaimType, Evidence, Party, Program, Route, Subject
from engine.rules import root_causes
from engine.rules.common import (
    DOCUMENT_ENTITY_CLAIM,
    FFS,
    MCO,
    PURCHASE_GUARDS,
    PURCHASE_TOLERANCE,
    SNAPSHOT,
    claim_units,
    has_340b_flag,
    payer_requested,
    purchase_checks,
    snapshot,
    state_invoiced,
)
from engine.rules.hit import Check, Facts, Guard, Hit, one_of, phrase, reference_row
from engine.rules.registry import DataSource, Parameters, Threshold, rule
from engine.rules.text import if_known, listed_rows, sentence, words_for

LINK_TIERS = (
    Threshold("strong_tiers", ["T1", "T2"], "match tiers that make STRONG evidence"),
    Threshold("medium_tiers", ["T3", "T4", "T5"], "match tiers that make MEDIUM evidence"),
    Threshold("weak_tiers", ["T6"], "match tiers that make WEAK evidence"),
)

TIER_WORDS = {
    "T1": "pharmacy, prescription, fill, date, product and quantity agree",
    "T2": "pharmacy, prescription, date and product agree, fill numbers are missing or counted differently",
    "T3": "pharmacy, prescription and product agree, dates are close",
    "T4": "pharmacy, prescription and product agree, dates are equal or close; package or quantity is another",
    "T5": "prescription and product agree, dates agree or are close, the pharmacy goes by another number",
    "T6": "pharmacy, date, product, quantity and prescriber agree, prescription numbers cannot be compared",
}

MEDICAL_TIER_WORDS = {
    "T1": "provider, claim number, date, product and quantity agree",
    "T3": "provider, claim number, date and product agree, quantities are close",
    "T4": "provider, claim number, date and product agree, quantities do not or cannot be compared",
    "T5": "claim number, date and product agree, the provider goes by another number",
}

SCOPE_WORDS = {
    "ALL": "all 340B claims",
    "ENTITY_OWNED": "340B claims of pharmacies that a covered entity owns",
    "FLAGGED_ONLY": "claims that carry a 340B identifier",
    "LISTED_PHARMACIES": "340B claims of listed pharmacies",
}

CONTRACT_PHARMACY_CARVED_OUT = Guard(
    "CONTRACT_PHARMACY_CARVED_OUT",
    "the state lets contract pharmacies use no 340B stock for Medicaid, and the pharmacy is no covered entity's own, "
    "so the entity's report may be what is wrong",
    needs=("state_340b_policies.contract_pharmacy_carved_out",),
    weakens_to=Evidence.MEDIUM,
)
MEDICAID_GUARDS = (CONTRACT_PHARMACY_CARVED_OUT, *PURCHASE_GUARDS, SNAPSHOT)
EXCLUSION_SCOPE = Guard(
    "EXCLUSION_SCOPE", "the contract excludes only some 340B claims, and this pharmacy or claim is not among them"
)
ONE_CONTRACT = Guard(
    "ONE_CONTRACT",
    "the claim names no contract, and another contract of the payer that may govern it has other 340B terms",
    needs=("rebate_contracts",),
    fails=False,
)


def link_evidence(f: Facts, parameters: Parameters) -> Column:
    """The evidence strength that the match tier allows (domain part 4.3); NULL for other tiers and without a link."""
    return (
        F.when(one_of(f.link_tier, parameters.words("strong_tiers")), F.lit(Evidence.STRONG.strength))
        .when(one_of(f.link_tier, parameters.words("medium_tiers")), F.lit(Evidence.MEDIUM.strength))
        .when(one_of(f.link_tier, parameters.words("weak_tiers")), F.lit(Evidence.WEAK.strength))
    )


@phrase
def entity_reported(f: Facts) -> Column:
    """The entity's side of the match in words, without a period at the end."""
    is_medical = f.claim_type == ClaimType.MEDICAL.value
    return sentence(
        "340B entity {entity} reported what appears to be the same dispense as bought at the 340B price: service on "
        "{served:date}, NDC {ndc}, quantity {quantity:number}, {rows} ({match}{differing}{tie}{assumed})",
        entity=f.link_entity_id,
        served=f.link_date_of_service,
        ndc=f.link_ndc11,
        quantity=f.link_quantity,
        rows=listed_rows(f.link_source_row_ids, F.size(f.link_source_row_ids)),
        match=F.when(is_medical, words_for(f.link_tier, MEDICAL_TIER_WORDS)).otherwise(
            words_for(f.link_tier, TIER_WORDS)
        ),
        differing=if_known("; different: {fields}", fields=_fields_differ(f)),
        tie=F.when(f.link_is_ambiguous, F.lit("; more than one row fits equally well")).otherwise(F.lit("")),
        assumed=F.when(f.link_is_340b_assumed, F.lit("; the entity did not state that the claim is 340B")).otherwise(
            F.lit("")
        ),
    )


def _fields_differ(f: Facts) -> Column:
    names = F.translate(F.array_join(f.link_fields_differ, ", "), "_", " ")
    return F.when(F.size(f.link_fields_differ) > 0, names)


def contract_pharmacy_carved_out(f: Facts) -> Check:
    """Check whether the state carves out contract pharmacies. A covered entity's own pharmacy is not a contract
    pharmacy, nor is the provider of a medical claim.
    """
    is_carved_out = f.state_carves_out_contract_pharmacies & ~f.contract_pharmacy_is_entity_owned
    may_be_contract_pharmacy = ~F.coalesce(f.contract_pharmacy_is_entity_owned, F.lit(False))
    return CONTRACT_PHARMACY_CARVED_OUT.check(
        failed=is_carved_out,
        unchecked=is_carved_out.isNull(),
        only_where=(f.claim_type == ClaimType.RX.value) & may_be_contract_pharmacy,
    )


def _carve_out_snapshot(f: Facts) -> Check:
    """Snapshot check of the rows that state whether the pharmacy is carved out; the row with its owner counts only if
    the state may carve out.
    """
    is_pharmacy = f.claim_type == ClaimType.RX.value
    may_carve_out = is_pharmacy & F.coalesce(f.state_carves_out_contract_pharmacies, F.lit(True))
    return snapshot(
        f.date_of_service,
        F.when(is_pharmacy, f.state_carve_out_known_from),
        F.when(may_carve_out, f.contract_ownership_known_from),
    )


def _medicaid_link(f: Facts, parameters: Parameters, payer_could_know: Column) -> Hit:
    message = sentence(
        "{claim}. {entity}; a duplicate discount is suspected.", claim=state_invoiced(f), entity=entity_reported(f)
    )
    # without a flag or a listing the state could not know, so it is open which side made the error
    party = F.when(payer_could_know, F.lit(Party.STATE.value)).otherwise(F.lit(Party.UNDETERMINED.value))
    return Hit(
        when=link_evidence(f, parameters).isNotNull(),
        message=message,
        evidence=link_evidence(f, parameters),
        checks=(contract_pharmacy_carved_out(f), *purchase_checks(f, parameters), _carve_out_snapshot(f)),
        related=f.link_source_row_ids,
        units=claim_units(f),
        party=party,
    )


@rule(
    "R003",
    "Fee-for-service claim that a covered entity reported as 340B",
    on={Subject.REBATE_CLAIM: ("entity_claims",)},
    programs=FFS,
    evidence=Evidence.STRONG,
    codes=("X",),
    route=Route.STATE,
    party=Party.UNDETERMINED,
    action=Action.DISPUTE,
    root_cause=root_causes.ENTITY_NOT_EXCLUDED,
    data_source=DataSource.CLAIMS_OF_COVERED_ENTITIES,
    citation="42 U.S.C. 256b(a)(5)(A)(i); 42 U.S.C. 1396r-8(a)(5)(C)",
    document=DOCUMENT_ENTITY_CLAIM,
    thresholds=(*LINK_TIERS, PURCHASE_TOLERANCE),
    guards=MEDICAID_GUARDS,
)
def entity_reported_fee_for_service_claim(f: Facts, parameters: Parameters) -> Hit:
    """A live claim of a covered entity is linked to the invoiced claim."""
    return _medicaid_link(f, parameters, has_340b_flag(f) | f.mef_entity_id.isNotNull())


@rule(
    "R005",
    "Managed-care claim that a covered entity reported as 340B",
    on={Subject.REBATE_CLAIM: ("entity_claims",)},
    programs=MCO,
    evidence=Evidence.STRONG,
    codes=("X",),
    route=Route.STATE,
    party=Party.UNDETERMINED,
    action=Action.DISPUTE,
    root_cause=root_causes.ENTITY_NOT_EXCLUDED,
    data_source=DataSource.CLAIMS_OF_COVERED_ENTITIES,
    citation="42 U.S.C. 1396r-8(j)(1); 42 CFR 438.3(s)(3)",
    document=DOCUMENT_ENTITY_CLAIM,
    thresholds=(*LINK_TIERS, PURCHASE_TOLERANCE),
    guards=MEDICAID_GUARDS,
)
def entity_reported_managed_care_claim(f: Facts, parameters: Parameters) -> Hit:
    """As R003, on an encounter of a managed-care plan. The exclusion file does not cover managed care."""
    return _medicaid_link(f, parameters, has_340b_flag(f))


def contract_row(f: Facts) -> Column:
    """The reference row of the rebate contract that a claim names, with its term."""
    return reference_row("rebate_contracts", f.contract_key, f.contract_begin_date, f.contract_end_date)


def _contract_link(f: Facts, parameters: Parameters) -> Hit:
    message = sentence(
        "{claim}. {entity}. 340B claim outside contract terms: contract {contract}, in force from {begin} to {end}, "
        "excludes {scope}.",
        claim=payer_requested(f, "a rebate"),
        entity=entity_reported(f),
        contract=f.contract_key,
        begin=F.coalesce(f.contract_begin_date.cast("string"), F.lit("an open date")),
        end=F.coalesce(f.contract_end_date.cast("string"), F.lit("an open date")),
        scope=words_for(
            F.coalesce(f.contract_exclusion_scope, F.lit("340B claims of a scope that is not known")), SCOPE_WORDS
        ),
    )
    return Hit(
        when=f.contract_excludes_340b & link_evidence(f, parameters).isNotNull(),
        message=message,
        evidence=link_evidence(f, parameters),
        checks=(
            one_contract(f),
            EXCLUSION_SCOPE.check(*outside_exclusion_scope(f)),
            *purchase_checks(f, parameters),
            snapshot(f.date_of_service, *contract_known_from(f)),
        ),
        related=f.link_source_row_ids,
        units=claim_units(f),
        references=(contract_row(f),),
    )


def contract_known_from(f: Facts) -> tuple[Column, ...]:
    """First snapshot days of the contract's row, and of the rows that place the pharmacy among those it excludes."""
    scope = f.contract_exclusion_scope
    return (
        f.contract_known_from,
        F.when(scope == "ENTITY_OWNED", f.contract_ownership_known_from),
        F.when(scope == "LISTED_PHARMACIES", f.contract_listing_known_from),
    )


def one_contract(f: Facts) -> Check:
    """Never FAILED; UNCHECKED if it is unknown which contract governs the claim."""
    return ONE_CONTRACT.check(failed=F.lit(False), unchecked=f.contract_terms_differ)


def outside_exclusion_scope(f: Facts) -> tuple[Column, Column]:
    """Two conditions: the contract's clause excludes only 340B claims other than this one; and that is unknown."""
    scope, owned, listed = (
        f.contract_exclusion_scope,
        f.contract_pharmacy_is_entity_owned,
        f.contract_pharmacy_is_listed,
    )
    is_outside = (
        ((scope == "ENTITY_OWNED") & ~owned)
        | ((scope == "LISTED_PHARMACIES") & ~listed)
        | ((scope == "FLAGGED_ONLY") & ~has_340b_flag(f))
    )
    # a missing scope counts as ALL; a scope that could not be read is unknown
    unknown = (
        (f.contract_excludes_340b & scope.isNull())
        | ((scope == "ENTITY_OWNED") & owned.isNull())
        | ((scope == "LISTED_PHARMACIES") & listed.isNull())
    )
    return is_outside, unknown


@rule(
    "R008",
    "Commercial rebate on a claim that a covered entity reported as 340B",
    on={Subject.REBATE_CLAIM: ("entity_claims", "rebate_contracts")},
    programs=(Program.COMMERCIAL,),
    evidence=Evidence.STRONG,
    codes=("PBM",),
    route=Route.PBM,
    party=Party.PBM,
    action=Action.DISPUTE,
    root_cause=root_causes.ENTITY_NOT_EXCLUDED,
    data_source=DataSource.CLAIMS_OF_COVERED_ENTITIES,
    citation="rebate contract",
    document="the entity's claim and the contract's 340B clause",
    thresholds=(*LINK_TIERS, PURCHASE_TOLERANCE),
    guards=(ONE_CONTRACT, EXCLUSION_SCOPE, *PURCHASE_GUARDS, SNAPSHOT),
)
def entity_reported_commercial_claim(f: Facts, parameters: Parameters) -> Hit:
    """A live claim of a covered entity is linked to the claim, and the contract in force excludes 340B claims."""
    return _contract_link(f, parameters)


@rule(
    "R009",
    "Part D contract rebate on a claim that a covered entity reported as 340B",
    on={Subject.REBATE_CLAIM: ("entity_claims", "rebate_contracts")},
    programs=(Program.PARTD,),
    evidence=Evidence.STRONG,
    codes=("PBM",),
    route=Route.PBM,
    party=Party.PBM,
    action=Action.DISPUTE,
    root_cause=root_causes.ENTITY_NOT_EXCLUDED,
    data_source=DataSource.CLAIMS_OF_COVERED_ENTITIES,
    citation="rebate contract",
    document="the entity's claim and the contract's 340B clause",
    thresholds=(*LINK_TIERS, PURCHASE_TOLERANCE),
    guards=(ONE_CONTRACT, EXCLUSION_SCOPE, *PURCHASE_GUARDS, SNAPSHOT),
)
def entity_reported_part_d_claim(f: Facts, parameters: Parameters) -> Hit:
    """As R008, under a Part D contract."""
    return _contract_link(f, parameters)
