"""Physician-administered drugs: HCPCS units billed as NDC units, and HCPCS codes of another product (code K)."""

from __future__ import annotations

from pyspark.sql import functions as F

from engine.contracts.codes import Action, Evidence, Party, Route, Subject
from engine.rules import root_causes
from engine.rules.common import (
    MEDICAID,
    MEDICAID_AND_CONTRACTS,
    SNAPSHOT,
    WASTE_LINE,
    WASTE_MODIFIERS,
    claim_of_payer,
    claim_units,
    code_of_payer,
    not_below_zero,
    party_of_payer,
    route_of_payer,
    snapshot,
    state_invoiced,
    waste_line,
)
from engine.rules.hit import Facts, Guard, Hit, key_of, reference_row
from engine.rules.registry import DataSource, Parameters, Threshold, rule
from engine.rules.text import sentence

_CROSSWALK = "hcpcs_crosswalk|products.hcpcs_code"

UNLISTED_CODE = Guard(
    "UNLISTED_CODE", "the code is for drugs that have none of their own and goes with any product (not classified)"
)
PAIR_AT_ANOTHER_DATE = Guard(
    "PAIR_AT_ANOTHER_DATE",
    "the crosswalk pairs product and code at another time: its dates may be wrong",
    needs=("hcpcs_crosswalk.begin_date|hcpcs_crosswalk.end_date",),
    weakens_to=Evidence.WEAK,
)


@rule(
    "R031",
    "HCPCS units invoiced as NDC units",
    on={
        Subject.REBATE_CLAIM: (
            "rebate_claims.hcpcs_code",
            "rebate_claims.hcpcs_units",
            "hcpcs_crosswalk|products.ndc_units_per_hcpcs_unit",
        )
    },
    reads=("units_basis",),
    programs=MEDICAID_AND_CONTRACTS,
    evidence=Evidence.STRONG,
    explains_unusual=True,
    codes=("K", "PBM"),
    route=Route.STATE,
    party=Party.STATE,
    action=Action.DISPUTE,
    root_cause=root_causes.UNITS_OF_PRODUCT,
    data_source=DataSource.UNIT_CONVERSION,
    citation="42 U.S.C. 1396r-8(a)(7); 42 CFR 447.520; CMS-304 dispute code K",
    document="the crosswalk row of code and product",
    thresholds=(WASTE_MODIFIERS,),
    guards=(WASTE_LINE, SNAPSHOT),
)
def hcpcs_units_as_ndc_units(f: Facts, parameters: Parameters) -> Hit:
    """The line states as many NDC units as HCPCS units, though one HCPCS unit of the product is not one NDC unit. At
    issue are the units above the converted ones; if conversion makes more of them, none are and the action is an
    inquiry. Lines in HCPCS units state so and are converted before anything is compared.
    """
    converted = f.hcpcs_units * f.hcpcs_factor
    surplus = f.units - converted
    is_in_hcpcs_units = F.coalesce(f.units_basis == "HCPCS", F.lit(False))
    return Hit(
        when=~is_in_hcpcs_units & (f.units == f.hcpcs_units) & (f.hcpcs_factor != 1),
        message=sentence(
            "{claim}, and as many HCPCS units of {code}. One HCPCS unit of it is {factor:number} NDC units of this "
            "product, so {hcpcs:number} HCPCS units make {converted:number}: HCPCS units appear to have been invoiced "
            "as NDC units.",
            claim=claim_of_payer(f),
            code=f.hcpcs_code,
            factor=f.hcpcs_factor,
            hcpcs=f.hcpcs_units,
            converted=converted,
        ),
        checks=(waste_line(f, parameters), snapshot(f.date_of_service, f.hcpcs_pair_known_from)),
        units=not_below_zero(surplus),
        code=code_of_payer(f, "K"),
        route=route_of_payer(f),
        party=party_of_payer(f),
        references=(reference_row("hcpcs_crosswalk", key_of(f.ndc11, f.hcpcs_code)),),
        action=F.when(surplus > 0, F.lit(Action.DISPUTE.value)).otherwise(F.lit(Action.INQUIRE.value)),
    )


@rule(
    "R032",
    "HCPCS code does not belong to the product",
    on={Subject.REBATE_CLAIM: ("rebate_claims.hcpcs_code", _CROSSWALK)},
    programs=MEDICAID,
    evidence=Evidence.MEDIUM,
    explains_unusual=True,
    codes=("K",),
    route=Route.STATE,
    party=Party.STATE,
    action=Action.DISPUTE,
    root_cause=root_causes.UNITS_OF_PRODUCT,
    data_source=DataSource.UNIT_CONVERSION,
    citation="42 U.S.C. 1396r-8(a)(7); CMS dispute resolution program, J-codes",
    document="the crosswalk rows of the product",
    thresholds=(
        Threshold(
            "unlisted_codes",
            ["J3490", "J3590", "J7599", "J7699", "J7799", "J7999", "J8499", "J8999", "J9999", "C9399"],
            "codes for drugs that have none of their own",
        ),
    ),
    guards=(UNLISTED_CODE, PAIR_AT_ANOTHER_DATE, SNAPSHOT),
)
def code_of_another_product(f: Facts, parameters: Parameters) -> Hit:
    """The crosswalk holds the product, but not with the code on the line on the date of service."""
    return Hit(
        when=~f.f29_hcpcs_ndc_pair_valid,
        message=sentence(
            "{claim} under HCPCS code {code}, which the crosswalk does not pair with this product on the date of "
            "service: code or product appears to be wrong.",
            claim=state_invoiced(f),
            code=f.hcpcs_code,
        ),
        checks=(
            UNLISTED_CODE.check(failed=f.hcpcs_code.isin(*parameters.words("unlisted_codes"))),
            PAIR_AT_ANOTHER_DATE.check(failed=f.hcpcs_pair_at_another_date),
            snapshot(f.date_of_service, f.hcpcs_pair_known_from),
        ),
        units=claim_units(f),
        references=(reference_row("hcpcs_crosswalk", key_of(f.ndc11, f.hcpcs_code)),),
    )
