"""Invalid numbers of pharmacies and prescribers."""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F

from engine.contracts.codes import Action, Evidence, Party, Program, Route, Subject
from engine.rules import root_causes
from engine.rules.common import claim_name, program_words
from engine.rules.entity_common import entity_claimed
from engine.rules.hit import Check, Facts, Guard, Hit
from engine.rules.registry import DataSource, On, Parameters, rule
from engine.rules.text import sentence

DEA_NUMBER = Guard("DEA_NUMBER", "a DEA number is in the prescriber's place: another numbering, not a wrong number")


_CITATION = "45 CFR 162.406 (National Provider Identifier)"


def provider_number_of_entity_claim_invalid(f: Facts, _: Parameters) -> Hit:
    """As on rebate claims."""
    return Hit(
        when=_any_is_wrong(f),
        message=sentence(
            "{claim}: {what}. Who dispensed or prescribed appears to be stated wrongly.",
            claim=entity_claimed(f),
            what=_what_is_wrong(f),
        ),
        checks=(_dea_number(f),),
    )


@rule(
    "R051",
    "Provider's number cannot be true",
    on={
        Subject.REBATE_CLAIM: (),
        Subject.ENTITY_CLAIM: On(
            provider_number_of_entity_claim_invalid,
            title="Provider's number on a 340B claim cannot be true",
            programs=(),
            route=Route.ENTITY,
            party=Party.ENTITY,
        ),
    },
    programs=tuple(Program),
    evidence=Evidence.MEDIUM,
    route=Route.NONE,
    party=Party.PHARMACY,
    action=Action.INQUIRE,
    root_cause=root_causes.PROVIDER_NUMBER,
    data_source=DataSource.NUMBERS_OF_PROVIDERS,
    citation=_CITATION,
    guards=(DEA_NUMBER,),
)
def provider_number_invalid(f: Facts, _: Parameters) -> Hit:
    """The NPI of the pharmacy or prescriber fails its check digit, or the table of pharmacies dates the pharmacy's NPI
    and it was not in use on the date of service. A number that is not given is none.
    """
    return Hit(
        when=_any_is_wrong(f),
        message=sentence(
            "{payer}, {claim}, NDC {ndc}, service on {served:date} ({program}): {what}. Who dispensed or prescribed "
            "appears to be stated wrongly.",
            payer=f.payer_id,
            claim=claim_name(f),
            ndc=f.ndc11,
            served=f.date_of_service,
            program=program_words(f.program),
            what=_what_is_wrong(f),
        ),
        checks=(_dea_number(f),),
    )


def _any_is_wrong(f: Facts) -> Column:
    return _pharmacy_is_wrong(f) | _pharmacy_is_inactive(f) | _prescriber_is_wrong(f)


def _pharmacy_is_wrong(f: Facts) -> Column:
    return F.coalesce(~f.f60_pharmacy_npi_valid, F.lit(False))


def _pharmacy_is_inactive(f: Facts) -> Column:
    return F.coalesce(~f.f60_npi_active_at_dos, F.lit(False))


def _prescriber_is_wrong(f: Facts) -> Column:
    return F.coalesce(~f.f60_prescriber_npi_valid, F.lit(False))


def _what_is_wrong(f: Facts) -> Column:
    pharmacy_is_wrong = _pharmacy_is_wrong(f)
    what = F.array_compact(
        F.array(
            F.when(pharmacy_is_wrong, sentence("the pharmacy's NPI {npi} fails its check digit", npi=f.pharmacy_npi)),
            F.when(
                _pharmacy_is_inactive(f) & ~pharmacy_is_wrong,
                sentence("the pharmacy's NPI {npi} was not in use on that day", npi=f.pharmacy_npi),
            ),
            F.when(
                _prescriber_is_wrong(f),
                sentence("the prescriber's NPI {npi} cannot be one", npi=f.prescriber_npi),
            ),
        )
    )
    return F.array_join(what, "; ")


def _dea_number(f: Facts) -> Check:
    """Applies only if the prescriber's number is the only invalid one."""
    return DEA_NUMBER.check(
        failed=f.prescriber_has_dea_number, only_where=~_pharmacy_is_wrong(f) & ~_pharmacy_is_inactive(f)
    )
